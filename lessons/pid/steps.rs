//! The steps of the lesson on PID namespaces.

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

static WHERE_IS_IT: Ask = Ask {
    id: "pid-unshare",
    text: "The launcher calls unshare(CLONE_NEWPID), and the kernel answers 0. In which PID namespace is the \
           launcher then?",
    choices: &[
        ("in the new one, as its process 1", "the new one, as 1"),
        ("in the old one, as before", "the old one, as before"),
        ("in the new one, under its old number", "the new one, as before"),
    ],
    why: "A process keeps its PID namespace and its numbers for life; unshare(2) decides about its children.",
};

pub(super) static FOR_CHILDREN: Fact = Fact {
    id: "pid-for-children",
    claim: "unshare(CLONE_NEWPID) leaves the caller where it is; its next children are in the new namespace.",
};

pub(super) static ONE_INSIDE: Fact = Fact {
    id: "pid-one-inside",
    claim: "The first process in a new PID namespace is PID 1 there, and has another number outside.",
};

pub(super) static GETPID_NOT_CACHED: Fact = Fact {
    id: "pid-getpid-not-cached",
    claim: "The C library's getpid() tells a child its own number, and not one remembered from the parent.",
};

/// A container's first process.
pub(super) static WHO_MOVES_IN: Step = Step {
    title: "Who moves in",
    minutes: 3,
    needs: &[Need::Of(Feature::Pid)],
    asks: &[&WHERE_IS_IT],
    facts: &[&FOR_CHILDREN, &ONE_INSIDE, &GETPID_NOT_CACHED],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --pid --fork sh -c 'echo I am process $$'",
        shows: "I am process 1",
    }],
    note: Note {
        point: "unshare(CLONE_NEWPID) decides where the caller's next children will be, and not where the caller is. \
                The first of them is PID 1 in the new namespace, and has another number outside.",
        ask: "The container asks for the number of its parent. What will getppid(2) say? (0: in the container's \
              namespace the launcher has no number.)",
        misunderstanding: "\"unshare(2) did nothing: the launcher's link is the same.\" Look at the other link, \
                           pid_for_children. Reading it is ENOENT at first. Once the launcher has a child, it \
                           shows a namespace that is not the launcher's own.",
    },
};

pub(super) static NSPID: Fact = Fact {
    id: "pid-nspid",
    claim: "NSpid lists a number for each level, from the PID namespace of the /proc mount to the process's own.",
};

pub(super) static PARENT_SEES_CHILD: Fact = Fact {
    id: "pid-parent-sees-child",
    claim: "The host lists the processes of both containers; each container's own /proc lists only its own.",
};

pub(super) static SAME_INODE: Fact = Fact {
    id: "ns-same-inode",
    claim: "Two processes are in the same namespace exactly when /proc/PID/ns leads to the same inode.",
};

/// The container as the host sees it.
pub(super) static A_NUMBER_FOR_EACH_LEVEL: Step = Step {
    title: "One process, a number for each level",
    minutes: 3,
    needs: &[Need::Of(Feature::Pid)],
    asks: &[],
    facts: &[&NSPID, &SAME_INODE],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --pid --fork grep NSpid /proc/self/status",
        shows: "\t1\n",
    }],
    note: Note {
        point: "A process has a number in its own PID namespace and one in each that lies above. So the host has a number \
                for each process of a container, and a container has none for those of its neighbour.",
        ask: "Container and neighbour both call themselves 1. By which numbers does the host tell them apart? (By 1002 \
              and 1004: in its own PID namespace each process has a number of its own.)",
        misunderstanding: "\"Two processes with the number 1 must get in each other's way.\" A number means something \
                           only within a PID namespace. On the host the two are 1002 and 1004, and no number is \
                           there twice.",
    },
};

static ITS_PS: Ask = Ask {
    id: "pid-ps",
    text: "The container is process 1 in its own PID namespace. It lists the processes in this /proc. What does it \
           find?",
    choices: &[
        ("itself alone, as 1", "1 container"),
        ("all of the host's, under numbers of its own", "the host's list, renumbered"),
        ("all of the host's, under the host's numbers", "the host's list"),
    ],
    why: "Unless told otherwise, /proc shows the PID namespace of the process that mounted it: here the host.",
};

pub(super) static STALE_PROC: Fact = Fact {
    id: "pid-stale-proc",
    claim: "In a new PID namespace the old /proc lists the host's processes; one mounted from inside does not.",
};

/// An old proc, and a new one.
pub(super) static WHAT_PROC_LISTS: Step = Step {
    title: "What /proc lists",
    minutes: 2,
    needs: &[Need::Of(Feature::Pid), Need::Of(Feature::Mnt), Need::Of(Feature::Proc)],
    asks: &[&ITS_PS],
    facts: &[&STALE_PROC, &PARENT_SEES_CHILD],
    by_hand: &[
        ByHand::Shell {
            command: "unshare --user --map-root-user --pid --fork --mount-proc ps -eo pid,ppid,comm",
            shows: " 0 ps",
        },
        ByHand::Docker("docker run --rm alpine ps"),
    ],
    note: Note {
        point: "Two things are easily confused. What ps lists depends on which /proc is mounted. What a number means to \
                kill(2) depends on the caller's PID namespace. So a new PID namespace needs a new mount of proc, too.",
        ask: "The container mounts a proc of its own. How many of the five processes will it still find? (One: itself, \
              as PID 1. It has changed its mounts, and its PID namespace is the same as before.)",
        misunderstanding: "\"An old /proc looks odd and does no harm.\" Its files may be readable: /proc/PID/environ, \
                           for example, or all files below /proc/PID/root. User IDs and capabilities decide about that, \
                           not PID namespaces.",
    },
};

static SENDER: Ask = Ask {
    id: "pid-sender",
    text: "The host reads the message. Which number does it get for the sender?",
    choices: &[
        ("the number that the container has on the host", "the host's number"),
        ("1, as the container calls itself", "1"),
        ("0, for a sender in another PID namespace", "0"),
    ],
    why: "The kernel remembers the process, and the reader gets the number that it has in the reader's PID namespace, \
          or 0 if it has none there.",
};

pub(super) static SIGNAL_DOWN_ONLY: Fact = Fact {
    id: "pid-signal-down-only",
    claim: "By number, kill(2) reaches down into a PID namespace; a number from above is ESRCH in there.",
};

pub(super) static CREDS_TRANSLATED: Fact = Fact {
    id: "pid-creds-translated",
    claim: "With a message over a Unix socket, the kernel gives the sender's number as the receiver knows it.",
};

/// What crosses the border.
pub(super) static SIGNALS_GO_DOWN: Step = Step {
    title: "Numbers work downwards, not upwards",
    minutes: 2,
    needs: &[Need::Of(Feature::Pid)],
    asks: &[&SENDER],
    facts: &[&SIGNAL_DOWN_ONLY, &CREDS_TRANSLATED],
    by_hand: &[ByHand::Shell {
        command: "kill -0 $$ && unshare --user --map-root-user --pid --fork sh -c \"! kill -0 $$\"",
        shows: "No such process",
    }],
    note: Note {
        point: "kill(2) takes a number of the caller's own PID namespace. A process below has one there, a process above \
                has none. A number that the kernel itself hands over is the one that the receiver knows.",
        ask: "The container knows its worker as 2. Which number does the host need in order to end it? (1005, the \
              worker's number on the host.)",
        misunderstanding: "\"So the kernel translates each PID that leaves a container.\" Only where it supplies the \
                           number, as with a socket's credentials. In the text of a message, or in a PID file, the \
                           number stays as the writer put it.",
    },
};

pub(super) static ORPHANS_TO_INIT: Fact = Fact {
    id: "pid-orphans-to-init",
    claim: "An orphan's new parent is PID 1 of the dead parent's PID namespace, and PID 1 can wait for it.",
};

/// Who gets an orphan.
pub(super) static ORPHANS: Step = Step {
    title: "Orphans come to PID 1",
    minutes: 2,
    needs: &[Need::Of(Feature::Pid)],
    asks: &[],
    facts: &[&ORPHANS_TO_INIT],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --pid --fork --mount-proc sh -c \
                  'x=$(sleep 9 >/dev/null & echo $!); echo parent $(ps -o ppid= -p $x), orphan $x'",
        shows: "parent 1, orphan",
    }],
    note: Note {
        point: "The first program in a container is its init as well. It becomes the parent of orphans, unless a process \
                in between has asked for them, and it has to wait for them. Which PID 1 that is, is decided by the PID \
                namespace of the parent that died.",
        ask: "The orphan's parent ends. What will the orphan get from getppid(2) then? (1: it is the container's child \
              now, and the container can wait for it.)",
        misunderstanding: "\"The machine's init takes care of all orphans in the end.\" Not of those in a container that \
                           runs. If its PID 1 waits only for children that it has started, the others stay as \
                           zombies for as long as it lives.",
    },
};

pub(super) static ONE_WAY: Fact =
    Fact { id: "pid-one-way", claim: "setns(2) into a PID namespace above is EINVAL, and into one below it works." };

pub(super) static NESTING_32: Fact =
    Fact { id: "pid-nesting-32", claim: "PID namespaces nest 32 levels deep below the machine's; one more is ENOSPC." };

/// setns(2), and a bound.
pub(super) static DOWN_NOT_UP: Step = Step {
    title: "Down, not up, and 32 levels at most",
    minutes: 2,
    needs: &[
        Need::Of(Feature::Pid),
        Need::For(Feature::NestedPid, &[&NESTING_32]),
        Need::For(Feature::Setns, &[&ONE_WAY]),
    ],
    asks: &[],
    facts: &[&ONE_WAY, &NESTING_32],
    by_hand: &[
        ByHand::Shell {
            command: "unshare --user --map-root-user --pid --fork --mount-proc sh -c 'exec 3</proc/self/ns/pid && \
             nsenter --pid=/proc/self/fd/3 true && unshare --pid --fork sh -c \"! nsenter --pid=/proc/self/fd/3 true\"'",
            shows: "Invalid argument",
        },
        ByHand::Shell {
            command: "deep() { unshare --user --map-root-user $(yes 'unshare --pid --fork' | head -n $1) \
             echo $1 levels; }; ! deep 33 && deep 30",
            shows: "30 levels",
        },
    ],
    note: Note {
        point: "For its children, a process may choose its own PID namespace or one below, and none above. There are at \
                most 32 levels below that of the machine.",
        ask: "The limit is 32 levels. How many more can be made below the stage? (31, for the stage is one itself. Where \
              nslearn runs in a container there are fewer, and the lesson skips this fact.)",
        misunderstanding: "\"setns(2) returned 0, so launcher2 is in the container.\" It is where it was. Its next child \
                           would be in there, and not as PID 1, for that number is taken.",
    },
};

pub(super) static HOST_SHARED: Fact = Fact {
    id: "pid-host-shared",
    claim: "A process with other namespaces of its own, but the host's PID namespace, lists what the host lists.",
};

/// Other namespaces, but not this one.
pub(super) static SHARING: Step = Step {
    title: "Sharing the host's",
    minutes: 1,
    needs: &[Need::Of(Feature::Mnt), Need::Of(Feature::Uts), Need::Of(Feature::Ipc)],
    asks: &[],
    facts: &[&HOST_SHARED],
    by_hand: &[
        ByHand::Shell {
            command: "unshare --user --map-root-user --mount --uts --ipc ps -o pid,ppid,comm -p 1,$$",
            shows: " 0 init",
        },
        ByHand::Docker("docker run --rm --pid=host alpine ps"),
    ],
    note: Note {
        point: "Each type of namespace is a choice of its own. To share one, leave out its flag: nothing has to be granted.",
        ask: "Will the monitor find itself in its list, and by which number? (It will, by the one that the host has \
              for it: it is in the host's PID namespace.)",
        misunderstanding: "\"Whoever shares the host's PID namespace has power over its processes.\" It has their \
                           numbers. User IDs and capabilities decide whether it may signal or inspect them, as for \
                           any process on the host.",
    },
};

static SHIELD: Ask = Ask {
    id: "pid-shield",
    text: "The worker calls kill(1, SIGKILL). What happens?",
    choices: &[
        ("kill(2) returns 0, and PID 1 is dead", "0, it is dead"),
        ("kill(2) returns 0, and PID 1 lives", "0, it lives"),
        ("kill(2) is refused with EPERM, and PID 1 lives", "EPERM, it lives"),
    ],
    why: "From inside, PID 1 gets only signals that it has prepared for, and no program can prepare for SIGKILL.",
};

pub(super) static INIT_SHIELD: Fact = Fact {
    id: "pid-init-shield",
    claim: "SIGKILL from inside does not end PID 1; SIGKILL from above does, and SIGTERM without a handler does not.",
};

pub(super) static INIT_DIES_ALL_DIE: Fact = Fact {
    id: "pid-init-dies-all-die",
    claim: "When PID 1 ends, the kernel kills all others in its PID namespace, and no new one can start there.",
};

/// The container's end.
pub(super) static WHEN_PID_1_GOES: Step = Step {
    title: "When PID 1 goes, all go",
    minutes: 3,
    needs: &[Need::Of(Feature::Pid)],
    asks: &[&SHIELD],
    facts: &[&INIT_SHIELD, &INIT_DIES_ALL_DIE],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --pid --fork sh -c 'kill -KILL $$ && echo process $$ lives'",
        shows: "process 1 lives",
    }],
    note: Note {
        point: "From inside, nobody can end PID 1 by a signal that it has not prepared for, and so not by SIGKILL. SIGKILL \
                from above ends it, and then the kernel ends all others in its PID namespace.",
        ask: "The host kills PID 1, and no process sends the worker a signal. Will the worker be in the host's list \
              afterwards? (No: the kernel itself kills all that are left in the PID namespace.)",
        misunderstanding: "\"ENOMEM at the end: the machine has run out of memory.\" It has not. The launcher's \
                           children would be in a PID namespace whose PID 1 is gone. pid_namespaces(7) names this \
                           error for that.",
    },
};
