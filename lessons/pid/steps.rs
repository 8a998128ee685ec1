//! The steps of the lesson on PID namespaces.

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

static WHERE_IS_IT: Ask = Ask {
    id: "pid-unshare",
    text: "A launcher calls unshare(CLONE_NEWPID), and the kernel answers 0. In which PID namespace is the \
           launcher then?",
    choices: &[
        ("in the new one, as its process 1", "the new one, as 1"),
        ("in the old one, as before", "the old one, as before"),
        ("in the new one, under its old number", "the new one, as before"),
    ],
    why: "A process keeps its PID namespace and its numbers for life; what changed is where its children are born.",
};

pub(super) static FOR_CHILDREN: Fact = Fact {
    id: "pid-for-children",
    claim: "unshare(CLONE_NEWPID) leaves the caller where it is; its children go to the new namespace.",
};

pub(super) static ONE_INSIDE: Fact = Fact {
    id: "pid-one-inside",
    claim: "The first process in a new PID namespace is PID 1 there, and has another number outside.",
};

pub(super) static GETPID_NOT_CACHED: Fact = Fact {
    id: "pid-getpid-not-cached",
    claim: "getpid() asks the kernel each time; the C library keeps no copy of the parent's answer.",
};

/// A container's first process.
pub(super) static WHO_MOVES_IN: Step = Step {
    title: "Who moves in",
    minutes: 3,
    needs: &[Need::Of(Feature::Pid)],
    asks: &[&WHERE_IS_IT],
    facts: &[&FOR_CHILDREN, &ONE_INSIDE, &GETPID_NOT_CACHED],
    by_hand: &[ByHand::Shell("unshare --user --map-root-user --pid --fork sh -c 'echo I am process $$'")],
    note: Note {
        point: "unshare(CLONE_NEWPID) settles where the caller's children will be born, and not where the caller is. \
                The first of them is PID 1 in the new namespace, and something else outside of it.",
        ask: "The container asks for the number of its parent. What will getppid(2) say? (0: in the container's \
              namespace the launcher has no number.)",
        misunderstanding: "\"unshare(2) did nothing: the launcher's link is the same.\" Look at the other link, \
                           pid_for_children. It is ENOENT at first, and from the first fork(2) on it shows a \
                           namespace that is not the launcher's.",
    },
};

pub(super) static NSPID: Fact = Fact { id: "pid-nspid", claim: "NSpid lists one number for each level." };

pub(super) static PARENT_SEES_CHILD: Fact = Fact {
    id: "pid-parent-sees-child",
    claim: "The parent namespace sees the child's processes; siblings do not see each other's.",
};

pub(super) static SAME_INODE: Fact = Fact {
    id: "ns-same-inode",
    claim: "Two processes are in the same namespace exactly when /proc/PID/ns shows the same inode.",
};

/// The container as the host sees it.
pub(super) static A_NUMBER_FOR_EACH_LEVEL: Step = Step {
    title: "One process, a number for each level",
    minutes: 2,
    needs: &[Need::Of(Feature::Pid)],
    asks: &[],
    facts: &[&NSPID, &PARENT_SEES_CHILD, &SAME_INODE],
    by_hand: &[ByHand::Shell("unshare --user --map-root-user --pid --fork grep NSpid /proc/self/status")],
    note: Note {
        point: "A process has a number in its own PID namespace and one in each that lies above. So the host can name \
                the processes of all containers, and a container cannot name those of its neighbour.",
        ask: "The neighbour sends a signal to 1002, the number that the host has for the container. Whom does it \
              reach? (Nobody, ESRCH: the neighbour's own namespace has no 1002.)",
        misunderstanding: "\"Two processes with the number 1 must get in each other's way.\" A number means something \
                           only within a namespace. On the host the two are 1002 and 1004, and nothing is there \
                           twice.",
    },
};

static ITS_PS: Ask = Ask {
    id: "pid-ps",
    text: "The container is process 1 of its own PID namespace. What does its ps list?",
    choices: &[
        ("itself alone, as 1", "1 container"),
        ("all of the host's, under numbers of its own", "the host's list, renumbered"),
        ("all of the host's, under the host's numbers", "the host's list"),
    ],
    why: "What ps lists is what /proc lists, and until the container mounted its own, that was the host's.",
};

pub(super) static STALE_PROC: Fact = Fact {
    id: "pid-stale-proc",
    claim: "A new PID namespace with the old /proc still lists the host's processes; a new proc cures that.",
};

/// An old proc, and a new one.
pub(super) static WHAT_PS_LISTS: Step = Step {
    title: "What ps lists in there",
    minutes: 2,
    needs: &[Need::Of(Feature::Pid), Need::Of(Feature::Mnt), Need::Of(Feature::Proc)],
    asks: &[&ITS_PS],
    facts: &[&STALE_PROC],
    by_hand: &[
        ByHand::Shell("unshare --user --map-root-user --pid --fork --mount-proc ps -eo pid,ppid,comm"),
        ByHand::Docker("docker run --rm alpine ps"),
    ],
    note: Note {
        point: "Two things must not be confused: what ps lists depends on the /proc that is mounted, whom kill(2) \
                reaches depends on the caller's PID namespace. A new one needs a new mount of proc besides.",
        ask: "The container mounts a proc of its own. How many of the five lines will ps still have? (One: the \
              container, as PID 1. It has changed its mounts, and its PID namespace is the same as before.)",
        misunderstanding: "\"A stale /proc looks bad and does no harm.\" No signal goes that way, but files may be \
                           readable: /proc/PID/environ, say, or all that lies under /proc/PID/root. What decides \
                           there are user IDs and capabilities, not PID namespaces.",
    },
};

static SENDER: Ask = Ask {
    id: "pid-sender",
    text: "In this step the container, process 1 to itself, also writes to the host. Which number does the host get \
           for the sender?",
    choices: &[
        ("the one that it knows the container by", "the host's number"),
        ("1, as the container calls itself", "1"),
        ("0, for a sender from elsewhere", "0"),
    ],
    why: "The kernel keeps a reference to the process, and makes a number of it only for the one who reads.",
};

pub(super) static SIGNAL_DOWN_ONLY: Fact = Fact {
    id: "pid-signal-down-only",
    claim: "kill(2) reaches down from the parent namespace; for an outer number it is ESRCH.",
};

pub(super) static CREDS_TRANSLATED: Fact = Fact {
    id: "pid-creds-translated",
    claim: "Credentials over a Unix socket carry the sender's number as the receiver's namespace knows it.",
};

/// What crosses the border.
pub(super) static SIGNALS_GO_DOWN: Step = Step {
    title: "Signals go down, never up",
    minutes: 2,
    needs: &[Need::Of(Feature::Pid)],
    asks: &[&SENDER],
    facts: &[&SIGNAL_DOWN_ONLY, &CREDS_TRANSLATED],
    by_hand: &[ByHand::Shell(
        "unshare --user --map-root-user --pid --fork sh -c \"kill -0 $$ 2>/dev/null || echo no such process\"",
    )],
    note: Note {
        point: "kill(2) takes a number of the caller's own namespace. For what is below there is one, for what is \
                above there is none. A number that the kernel itself hands over is given as the receiver knows it.",
        ask: "The container knows its worker as 2. Which number does the host need in order to end it? (1005, the \
              worker's number on the host.)",
        misunderstanding: "\"So the kernel translates each PID that leaves a container.\" Only where it supplies the \
                           number, as with a socket's credentials. In the text of a message, or in a PID file, the \
                           number stays as the writer put it.",
    },
};

pub(super) static ORPHANS_TO_INIT: Fact =
    Fact { id: "pid-orphans-to-init", claim: "An orphan is adopted by its namespace's PID 1, which has to reap it." };

/// Who inherits a child.
pub(super) static ORPHANS: Step = Step {
    title: "Orphans come to PID 1",
    minutes: 1,
    needs: &[Need::Of(Feature::Pid)],
    asks: &[],
    facts: &[&ORPHANS_TO_INIT],
    by_hand: &[ByHand::Shell(
        "unshare --user --map-root-user --pid --fork --mount-proc sh -c '(sleep 9 &); ps -eo pid,ppid'",
    )],
    note: Note {
        point: "Whatever program is PID 1 of a container is its init, too: it inherits the orphans that no process in \
                between has asked for, and has to wait for them. An orphan finds its new parent within its own PID \
                namespace.",
        ask: "The orphan's parent ends. Whose child is the orphan then, by what number? (The container's, by 1; and \
              waitpid(2) gives the container a child that it has never forked.)",
        misunderstanding: "\"The machine's init reaps all orphans in the end.\" Not those of a container that runs. \
                           If its PID 1 waits for none but the children that it knows, the others stay as zombies for \
                           as long as it lives.",
    },
};

pub(super) static ONE_WAY: Fact =
    Fact { id: "pid-one-way", claim: "setns(2) into an ancestor's PID namespace is EINVAL." };

pub(super) static NESTING_32: Fact =
    Fact { id: "pid-nesting-32", claim: "PID namespaces nest to a depth of 32; one deeper is ENOSPC." };

/// setns(2), and a bound.
pub(super) static DOWN_NOT_UP: Step = Step {
    title: "Down, not up, and not for ever",
    minutes: 2,
    needs: &[
        Need::Of(Feature::Pid),
        Need::For(Feature::NestedPid, &[&NESTING_32]),
        Need::For(Feature::Setns, &[&ONE_WAY]),
    ],
    asks: &[],
    facts: &[&ONE_WAY, &NESTING_32],
    by_hand: &[
        ByHand::Shell(
            "unshare --user --map-root-user --pid --fork --mount-proc sh -c 'exec 3</proc/self/ns/pid; \
             unshare --pid --fork nsenter --pid=/proc/self/fd/3 true || echo refused'",
        ),
        ByHand::Shell(
            "unshare --user --map-root-user $(yes 'unshare --pid --fork' | head -n 33) true || echo too deep",
        ),
    ],
    note: Note {
        point: "A process may choose its own PID namespace for its children, or one below; there is no way up. And \
                there are at most 32 levels below that of the machine.",
        ask: "The bound is 32 levels. How many more can be made below the stage? (31, for the stage is one itself. On \
              a machine that lies in a PID namespace itself there are fewer, and the lesson skips this fact.)",
        misunderstanding: "\"setns(2) said 0, so launcher2 is in the container.\" It is where it was. A child that it \
                           forks now would be born there, with a number that is free, and not as PID 1.",
    },
};

pub(super) static HOST_SHARED: Fact = Fact {
    id: "pid-host-shared",
    claim: "A container that shares the host's PID namespace lists every process of the host.",
};

/// A container without a PID namespace of its own.
pub(super) static SHARING: Step = Step {
    title: "Sharing it all the same",
    minutes: 1,
    needs: &[Need::Of(Feature::Mnt), Need::Of(Feature::Uts), Need::Of(Feature::Ipc)],
    asks: &[],
    facts: &[&HOST_SHARED],
    by_hand: &[
        ByHand::Shell("unshare --user --map-root-user --mount --uts --ipc ps -eo pid,ppid,comm | head -n 4"),
        ByHand::Docker("docker run --rm --pid=host alpine ps"),
    ],
    note: Note {
        point: "Each type of namespace is a choice by itself. To share one, nothing has to be opened or granted: one \
                leaves its flag out.",
        ask: "Will the monitor find itself in its list, and by which number? (It will, by the one that the host has \
              for it: it has never left the host's PID namespace.)",
        misunderstanding: "\"Whoever shares the host's PID namespace has power over its processes.\" It has their \
                           numbers. Whether it may signal or inspect them, user IDs and capabilities decide, as for \
                           any process on the host.",
    },
};

static SHIELD: Ask = Ask {
    id: "pid-shield",
    text: "A worker in the container is root there and sends SIGKILL to PID 1 of the container. What comes of it?",
    choices: &[
        ("kill(2) returns 0, and PID 1 is dead", "0, it is dead"),
        ("kill(2) returns 0, and PID 1 lives", "0, it lives"),
        ("kill(2) is refused: EPERM", "EPERM, it lives"),
    ],
    why: "The worker may send it, but from inside of its namespace PID 1 gets no signal that it has no handler for.",
};

pub(super) static INIT_SHIELD: Fact =
    Fact { id: "pid-init-shield", claim: "PID 1 is safe from SIGKILL from inside, and not from outside." };

pub(super) static INIT_DIES_ALL_DIE: Fact = Fact {
    id: "pid-init-dies-all-die",
    claim: "When PID 1 ends, the kernel kills all others in the namespace, and no process can be born there.",
};

/// The container's end.
pub(super) static WHEN_PID_1_GOES: Step = Step {
    title: "When PID 1 goes, all go",
    minutes: 2,
    needs: &[Need::Of(Feature::Pid)],
    asks: &[&SHIELD],
    facts: &[&INIT_SHIELD, &INIT_DIES_ALL_DIE],
    by_hand: &[ByHand::Shell("unshare --user --map-root-user --pid --fork sh -c 'kill -KILL $$; echo still here'")],
    note: Note {
        point: "From inside, nobody ends PID 1 by a signal that it has no handler for, not even by SIGKILL. A SIGKILL \
                from above ends it, and with PID 1 end all others in its namespace.",
        ask: "The host kills PID 1, and no process sends the worker a signal. Will the worker be in the host's list \
              afterwards? (No: the kernel itself kills all that are left in the namespace.)",
        misunderstanding: "\"ENOMEM at the end: the machine has run out of memory.\" It has not. The launcher's \
                           children would be born in a PID namespace whose PID 1 is gone, and this is the error that \
                           pid_namespaces(7) names for it.",
    },
};
