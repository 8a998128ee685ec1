//! The steps of the lesson on chroot(2).

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

/// A directory becomes a root.
pub(super) static A_JAIL: Step = Step {
    title: "A jail is built",
    minutes: 1,
    needs: &[],
    asks: &[],
    facts: &[],
    by_hand: &[ByHand::Shell(
        "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs jail /mnt; cd /mnt; mkdir usr; \
             mount --rbind /usr usr; ln -s usr/bin usr/lib usr/lib64 .; chroot . ls /'",
    )],
    note: Note {
        point: "chroot(2) changes where the lookup of an absolute path starts, for the caller and for the children \
                that it has from then on. No file is copied, and none is protected.",
        ask: "After chroot(2), is there anything left to do before the prisoner is inside? (Yes, chdir(2): the \
              working directory has stayed where it was, and a relative name would still begin outside.)",
        misunderstanding: "\"The prisoner works on a copy of the files.\" It does not: its / and the host's /tmp/jail \
                           are the same directory, and what one of them writes there, the other reads.",
    },
};

pub(super) static SEES_PIDS: Fact =
    Fact { id: "chroot-sees-pids", claim: "With /proc mounted inside, the jailed process lists the host's processes." };

static PROCESSES: Ask = Ask {
    id: "chroot-processes",
    text: "The prisoner can name no file outside of its directory. Which processes does its ps list?",
    choices: &[
        ("itself and no other", "prisoner"),
        ("itself and its parent", "init, prisoner"),
        ("all of the host's", "what the host lists"),
    ],
    why: "A process is not in a directory: chroot(2) changes which files it can name, and processes are no files.",
};

/// Processes are no files.
pub(super) static LISTS_PROCESSES: Step = Step {
    title: "The prisoner lists the processes",
    minutes: 1,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot), Need::Of(Feature::Notify)],
    asks: &[&PROCESSES],
    facts: &[&SEES_PIDS],
    by_hand: &[ByHand::Shell("unshare --user --map-root-user chroot / ps -eo pid,ppid,comm | head -n 4")],
    note: Note {
        point: "Which processes there are is not a matter of directories. The /proc in the jail was mounted by the \
                host, so it shows the host's PID namespace, and that is the prisoner's own as well.",
        ask: "The host's fork(2) has told a number for tail. Which number will tail have in the prisoner's list? (The \
              same, 1002: in one PID namespace a process has one number.)",
        misunderstanding: "\"An empty jail, without /proc, would be safe.\" ps would have nothing to read there. But \
                           kill(2) asks for a number and not for a file, and one can try all numbers in turn.",
    },
};

pub(super) static KILLS_HOST: Fact =
    Fact { id: "chroot-kills-host", claim: "The jailed process kills one of them: the host's tail is gone." };

/// What has a number can be sent a signal.
pub(super) static ENDS_THEM: Step = Step {
    title: "And can end them",
    minutes: 1,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot), Need::Of(Feature::Notify)],
    asks: &[],
    facts: &[&KILLS_HOST],
    by_hand: &[ByHand::Shell(
        "sh -c 'sleep 9 & unshare --user --map-root-user chroot / kill -TERM $!; wait $!; echo status $?' 2>/dev/null",
    )],
    note: Note {
        point: "For a signal, the kernel wants a number that it can find and a permission: a user ID that matches, or \
                CAP_KILL. It does not ask which root directory the sender has.",
        ask: "How does the host learn that tail is gone, and does it learn by whom? (waitpid(2) tells it the signal, \
              SIGTERM. It does not tell the sender.)",
        misunderstanding: "\"That works because the prisoner is root.\" Root may end everybody's processes. But also \
                           without any capability a process in a chroot ends those of its own user.",
    },
};

pub(super) static RENAMES_HOST: Fact =
    Fact { id: "chroot-renames-host", claim: "sethostname(2) inside changes the host's name." };

static HOSTNAME: Ask = Ask {
    id: "chroot-hostname",
    text: "The prisoner, which is root, calls sethostname(\"pwned\"). Who has this name then?",
    choices: &[
        ("the prisoner and the host", "both"),
        ("the prisoner alone", "the prisoner"),
        ("nobody: a jail has no hostname to set", "nobody"),
    ],
    why: "There is one hostname for the two of them, and it is not the content of a file.",
};

/// A name is no file either.
pub(super) static SETS_A_NAME: Step = Step {
    title: "A name is set in the jail",
    minutes: 1,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot)],
    asks: &[&HOSTNAME],
    facts: &[&RENAMES_HOST],
    by_hand: &[ByHand::Shell("unshare --user --map-root-user --uts sh -c 'chroot / hostname pwned; hostname'")],
    note: Note {
        point: "Prisoner and host have one hostname between them, for it belongs to the UTS namespace that they \
                share. What is reached without a path, chroot(2) does not bound.",
        ask: "The command by hand sets a name inside of a chroot, and then asks for the name outside of it. What will \
              be printed? (pwned: both are in the one UTS namespace that --uts has made.)",
        misunderstanding: "\"Now my machine has another name.\" It has not: the stage has a UTS namespace of its own. \
                           What was renamed is the host that the stage plays.",
    },
};

pub(super) static SAME_NAMESPACES: Fact =
    Fact { id: "chroot-same-namespaces", claim: "Every namespace is the same inside and outside." };

pub(super) static NO_USERNS: Fact =
    Fact { id: "chroot-no-userns", claim: "CLONE_NEWUSER from inside a chroot is EPERM." };

/// One reason for the three steps before.
pub(super) static NOTHING_ELSE: Step = Step {
    title: "Why: nothing else changed",
    minutes: 2,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot), Need::For(Feature::NestedUser, &[&NO_USERNS])],
    asks: &[],
    facts: &[&SAME_NAMESPACES, &NO_USERNS],
    by_hand: &[ByHand::Shell(
        "readlink /proc/self/ns/pid; unshare --user --map-root-user chroot / readlink /proc/self/ns/pid",
    )],
    note: Note {
        point: "The root directory of a process is one thing, the eight namespaces that it is in are another. \
                chroot(2) changes the first only, and this one reason explains the three steps before.",
        ask: "In how many of the eight rows will host and prisoner have different letters? (In none. They share even \
              the mount namespace: the host's mounts are all there, and the prisoner has no ordinary path to those \
              outside.)",
        misunderstanding: "\"EPERM: so the prisoner has lost its capabilities.\" It has all that it had. The kernel \
                           saw that its root directory is not the root of its mount namespace, and this alone is the \
                           reason.",
    },
};

pub(super) static ESCAPE: Fact = Fact { id: "chroot-escape", claim: "A root process leaves a chroot by a second one." };

static WHERE_TO: Ask = Ask {
    id: "chroot-twice",
    text: "The prisoner calls chroot(2) again, on a directory of the jail, and then climbs with \"..\" as often as it \
           can. Where does it arrive?",
    choices: &[
        ("in the inner directory, locked in twice", "another directory"),
        ("at the host's root", "the host's root"),
        ("at the root of its jail, as before", "the jail's root"),
    ],
    why: "The second call moved its root to a place below it, so on its way up it never met that root.",
};

/// The way out.
pub(super) static TWICE: Step = Step {
    title: "A chroot inside of the chroot",
    minutes: 2,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot)],
    asks: &[&WHERE_TO],
    facts: &[&ESCAPE],
    by_hand: &[ByHand::Shell(
        "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs jail /tmp; exec perl -e \
             \"chroot q(/tmp); chdir q(/); -e q(/etc) or print qq(no etc here\\n); \
             mkdir q(x); chroot q(x); chdir q(..); chroot q(.); print qx(ls -d /etc)\"'",
    )],
    note: Note {
        point: "chroot(2) moves the root and not the working directory. At .. the kernel compares with one place \
                only, the caller's present root; whoever stands outside of that may climb to the top.",
        ask: "A listing can deceive. By what can we tell for certain that the prisoner has the host's root? (By \
              stat(2) of /: device and inode number are the same as the host's.)",
        misunderstanding: "\"Such a hole will be mended.\" It is no hole, it is what chroot(2) does, and the manual \
                           page says so. This way takes CAP_SYS_CHROOT, so it is closed to a process that has given \
                           that up.",
    },
};

pub(super) static UNSHARE_FIXES: Fact = Fact {
    id: "chroot-unshare-fixes",
    claim: "In new namespaces the same jail has its own PID 1 and its own name, and the host is untouched; shared is only \
            what was not unshared.",
};

static SIGNAL: Ask = Ask {
    id: "chroot-signal",
    text: "The next inmate is process 1 of a new PID namespace. It sends SIGTERM to the number that the prisoner has on \
           the host. What does kill(2) answer?",
    choices: &[
        ("0: an inmate that is root may", "0"),
        ("EPERM: it is root in there alone", "EPERM"),
        ("ESRCH: there is no such process", "ESRCH"),
    ],
    why: "A number is looked up in the caller's own PID namespace, and there nobody has it; whether the caller may is not asked.",
};

/// A jail as an engine makes it.
pub(super) static WITH_NAMESPACES: Step = Step {
    title: "The same jail, with namespaces",
    minutes: 2,
    needs: &[
        Need::Of(Feature::Files),
        Need::Of(Feature::Chroot),
        Need::Of(Feature::NestedUser),
        Need::Of(Feature::Mnt),
        Need::Of(Feature::Pid),
        Need::Of(Feature::Uts),
        Need::Of(Feature::Ipc),
        Need::Of(Feature::Net),
        Need::Of(Feature::Proc),
    ],
    asks: &[&SIGNAL],
    facts: &[&UNSHARE_FIXES],
    by_hand: &[ByHand::Shell(
        "unshare --mount --uts --ipc --net --pid --user --fork --map-root-user chroot / hostname",
    )],
    note: Note {
        point: "For each thing that the prisoner could reach there is a type of namespace that keeps it apart. What \
                is not asked for stays shared: here cgroup and time.",
        ask: "The inmate sends a signal to 1001, the prisoner's number. Will the error be EPERM or ESRCH? (ESRCH: \
              nobody in its PID namespace has that number, so the question of permission does not come up.)",
        misunderstanding: "\"Now it cannot get out.\" Its mount namespace is its own, but has a copy of the host's \
                           whole tree in it, and only chroot(2) covers that. The way of step 6 is still open.",
    },
};

pub(super) static PIVOT_ROOT_HOLDS: Fact = Fact {
    id: "chroot-pivot-root-holds",
    claim: "After pivot_root(2) and the old root's end, the same escape finds nothing.",
};

/// pivot_root(2) instead of chroot(2).
pub(super) static A_ROOT_THAT_HOLDS: Step = Step {
    title: "A root that holds",
    minutes: 2,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot), Need::Of(Feature::Mnt), Need::Of(Feature::PivotRoot)],
    asks: &[],
    facts: &[&PIVOT_ROOT_HOLDS],
    by_hand: &[ByHand::Shell(
        "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs root /mnt; cd /mnt; mkdir usr proc old; \
             mount --rbind /usr usr; mount --rbind /proc proc; ln -s usr/bin usr/lib usr/lib64 .; \
             pivot_root . old; umount -l old; ls /'",
    )],
    note: Note {
        point: "chroot(2) moves the root of a process, pivot_root(2) the root mount of a mount namespace. When the \
                old root has been unmounted there, no .. leads to it.",
        ask: "The settler repeats the way out of step 6, call by call. Which call will fail, and where will it \
              arrive? (None fails, and it arrives where it was: stat(2) of / tells the same inode as before.)",
        misunderstanding: "\"Then pivot_root(2) alone would do.\" It moves everybody in the mount namespace whose \
                           root was the old one, so it wants a mount namespace of one's own. And until umount2(2) the \
                           old root is still mounted.",
    },
};
