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
    // Merged /usr: as a root directory it has all that its own programs need.
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --root=/usr sh -c 'ls -d /share && ! ls -d /home'",
        shows: "cannot access '/home'",
    }],
    note: Note {
        point: "chroot(2) changes where the lookup of an absolute path starts, for the caller and for the children \
                that it makes afterwards. It copies no file, and it protects none.",
        ask: "After chroot(2), is there anything left to do before the prisoner is inside? (Yes, chdir(2): the \
              working directory has not changed, so a relative path would still begin outside.)",
        misunderstanding: "\"The prisoner works on a copy of the files.\" It does not. Its / and the host's /tmp/jail \
                           are the same directory: what one of them writes there, the other can read.",
    },
};

pub(super) static SEES_PIDS: Fact = Fact {
    id: "chroot-sees-pids",
    claim: "With a proc mounted inside, the jailed process lists the host's processes.",
};

static PROCESSES: Ask = Ask {
    id: "chroot-processes",
    text: "Which processes does the prisoner find in its /proc?",
    choices: &[
        ("only the prisoner itself", "prisoner"),
        ("the prisoner and its parent", "init, prisoner"),
        ("all processes on the host", "what the host lists"),
    ],
    why: "That proc shows all processes on the host, and chroot(2) has only changed where paths begin.",
};

/// Processes are no files.
pub(super) static LISTS_PROCESSES: Step = Step {
    title: "The prisoner lists the processes",
    minutes: 1,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot), Need::Of(Feature::Notify)],
    asks: &[&PROCESSES],
    facts: &[&SEES_PIDS],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --mount sh -c \
             'mount --rbind / /mnt && unshare --root=/mnt ps -o pid,ppid,comm -p 1'",
        shows: "1       0",
    }],
    note: Note {
        point: "The root directory does not decide which processes there are. The host mounted the proc in the jail, \
                so this proc shows the host's processes.",
        ask: "When the host made tail, the call returned a number. Which number will tail have in the prisoner's \
              list? (The same, 1002: host and prisoner use the same numbers.)",
        misunderstanding: "\"A jail without a /proc would be safe.\" ps would have nothing to read there. But kill(2) \
                           takes a number and not a path, and the prisoner can try all numbers in turn.",
    },
};

pub(super) static KILLS_HOST: Fact =
    Fact { id: "chroot-kills-host", claim: "The jailed process kills one of them: the host's tail is gone." };

/// What has a number can be sent a signal.
pub(super) static ENDS_THEM: Step = Step {
    title: "The prisoner kills one of them",
    minutes: 1,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot), Need::Of(Feature::Notify)],
    asks: &[],
    facts: &[&KILLS_HOST],
    // Depending on which of two processes it hears of first, dash reports that the other one was terminated.
    by_hand: &[ByHand::Shell {
        command: "sh -c 'sleep 9 & unshare --user --map-root-user --root=/usr sh -c \"kill $!\" && \
             { wait $! 2>/dev/null; echo status $?; }'",
        shows: "status 143",
    }],
    note: Note {
        point: "To send a signal, a process needs a number that the kernel can find, and a permission: the same user \
                as the target, or CAP_KILL. The kernel does not ask which root directory the sender has.",
        ask: "How does the host learn that tail is gone, and does it learn who killed it? (waitpid(2) tells it the \
              signal, SIGTERM. It does not say who sent it.)",
        misunderstanding: "\"That works because the prisoner is root.\" Root may send signals to the processes of all \
                           users. But without root, too, a process in a chroot can kill those of its own user.",
    },
};

pub(super) static RENAMES_HOST: Fact =
    Fact { id: "chroot-renames-host", claim: "sethostname(2) inside changes the host's name." };

static HOSTNAME: Ask = Ask {
    id: "chroot-hostname",
    text: "The prisoner calls sethostname(\"pwned\"). Who has this hostname then?",
    choices: &[
        ("the prisoner and the host", "both"),
        ("only the prisoner", "the prisoner"),
        ("nobody: the call fails in a chroot", "nobody"),
    ],
    why: "sethostname(2) takes no path, and host and prisoner share one hostname.",
};

/// A name is no file either.
pub(super) static SETS_A_NAME: Step = Step {
    title: "The prisoner sets the hostname",
    minutes: 1,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot)],
    asks: &[&HOSTNAME],
    facts: &[&RENAMES_HOST],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --uts sh -c \
             'unshare --root=/usr hostname pwned && echo \"outside: $(hostname)\"'",
        shows: "outside: pwned",
    }],
    note: Note {
        point: "chroot(2) changes how paths are looked up. sethostname(2) takes no path, so the root directory of the \
                caller makes no difference to it.",
        ask: "The command by hand sets a name inside a chroot, and then asks for the name outside of it. What will it \
              print? (outside: pwned. Inside and outside have one hostname.)",
        misunderstanding: "\"Now my machine has another name.\" It has not. The lesson renamed the host on its stage, \
                           which has a hostname of its own.",
    },
};

pub(super) static SAME_NAMESPACES: Fact =
    Fact { id: "chroot-same-namespaces", claim: "Every namespace is the same inside and outside." };

pub(super) static NO_USERNS: Fact =
    Fact { id: "chroot-no-userns", claim: "CLONE_NEWUSER is EPERM inside a chroot, and succeeds outside." };

/// One reason for the three steps before.
pub(super) static NOTHING_ELSE: Step = Step {
    title: "Why: the namespaces are the same",
    minutes: 2,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot), Need::For(Feature::NestedUser, &[&NO_USERNS])],
    asks: &[],
    facts: &[&SAME_NAMESPACES, &NO_USERNS],
    by_hand: &[
        ByHand::Shell {
            command: "unshare --user --map-root-user --mount sh -c \
                 'mount --rbind / /mnt && { readlink /proc/self/ns/mnt; \
                 unshare --root=/mnt readlink /proc/self/ns/mnt; } | uniq -c'",
            shows: "2 mnt:[",
        },
        ByHand::Shell {
            command: "unshare --user --map-root-user --root=/usr sh -c '! unshare --user true'",
            shows: "Operation not permitted",
        },
    ],
    note: Note {
        point: "A process has a root directory, and it is in eight namespaces. chroot(2) changes only the root \
                directory. This one reason explains the three steps before.",
        ask: "In how many of the eight rows will host and prisoner have different letters? (In none. They are even in \
              the same mount namespace: all mounts of the host are still there for the prisoner.)",
        misunderstanding: "\"EPERM: so the prisoner has lost its capabilities.\" It has all that it had. The bystander \
                           has no more of them, and gets a user namespace. The difference is the root directory.",
    },
};

pub(super) static ESCAPE: Fact = Fact {
    id: "chroot-escape",
    claim: "Root leaves this chroot in two ways: by /proc/1/root, and by a second chroot(2).",
};

static WHERE_TO: Ask = Ask {
    id: "chroot-twice",
    text: "The prisoner calls chroot(2) on a directory in the jail. Then it goes up by .. four times. Where does it \
           arrive?",
    choices: &[
        ("in the new directory, locked in twice", "another directory"),
        ("at the host's root directory", "the host's root"),
        ("at the top of the jail, as before", "the jail's root"),
    ],
    why: "On the way up, the kernel would stop at the prisoner's root, but that is now below the prisoner.",
};

/// The ways out.
pub(super) static TWICE: Step = Step {
    title: "Two ways out",
    minutes: 2,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot)],
    asks: &[&WHERE_TO],
    facts: &[&ESCAPE],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user perl -e '$look = \"realpath -e home\";\n\
             chroot \"/usr\"; chdir \"/\"; system $look;\n\
             chroot \"share\"; chdir \"..\"; chroot \".\"; exec $look'",
        shows: "/home",
    }],
    note: Note {
        point: "chroot(2) changes the root directory and leaves the working directory where it is. At .. the kernel \
                compares with one place only, the caller's present root. A process that stands outside of its root \
                can go up to the top.",
        ask: "A listing can deceive. How can we tell for certain that the prisoner has the host's root? (By stat(2) \
              of /: device and inode number are the same as the host's.)",
        misunderstanding: "\"Somebody will fix that hole.\" The manual page describes it: chroot(2) is not made for \
                           security. Both ways end with a call of chroot(2), which needs CAP_SYS_CHROOT. But with the \
                           host's proc in the jail, whoever may trace process 1, as root may, has a path to the host's \
                           files without any such call.",
    },
};

pub(super) static UNSHARE_FIXES: Fact = Fact {
    id: "chroot-unshare-fixes",
    claim: "In new namespaces the same jail has its own process 1 and hostname, and the host keeps its own; but a second \
            chroot(2) still leads to the host's files.",
};

static SIGNAL: Ask = Ask {
    id: "chroot-signal",
    text: "The inmate sends SIGTERM to the number that the prisoner has on the host. What does kill(2) answer?",
    choices: &[
        ("0: the signal is sent", "0"),
        ("EPERM: the inmate may not do that", "EPERM"),
        ("ESRCH: there is no such process", "ESRCH"),
    ],
    why: "In the caller's own PID namespace, no process has this number.",
};

/// A jail as an engine makes it.
pub(super) static WITH_NAMESPACES: Step = Step {
    title: "The same jail, with namespaces",
    minutes: 3,
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
    by_hand: &[ByHand::Shell {
        command: "sh -c 'unshare --user --map-root-user --mount --uts --ipc --net --pid --fork \
             --root=/usr sh -c \"hostname pwned && ! kill -0 $$\" && echo \"outside: $(hostname)\"'",
        shows: "No such process",
    }],
    note: Note {
        point: "For each thing that the prisoner reached in steps 2 to 4, there is a type of namespace that \
                separates it. The types that the jailer does not ask for stay shared: here cgroup and time.",
        ask: "The inmate sends a signal to 1001, the prisoner's number. Will the error be EPERM or ESRCH? (ESRCH: no \
              process in its PID namespace has that number, so the kernel does not come to ask for permission.)",
        misunderstanding: "\"Now it cannot get out.\" It has a mount namespace of its own, but that is a copy of the \
                           host's, with all its mounts. The second chroot leads there.",
    },
};

pub(super) static PIVOT_ROOT_HOLDS: Fact = Fact {
    id: "chroot-pivot-root-holds",
    claim: "After pivot_root(2), and with the old root unmounted, a second chroot(2) leads nowhere.",
};

/// pivot_root(2) instead of chroot(2).
pub(super) static NOTHING_ABOVE: Step = Step {
    title: "A root with nothing above it",
    minutes: 2,
    needs: &[Need::Of(Feature::Files), Need::Of(Feature::Chroot), Need::Of(Feature::Mnt), Need::Of(Feature::PivotRoot)],
    asks: &[],
    facts: &[&PIVOT_ROOT_HOLDS],
    // By its full path: a login user's PATH may lack sbin.
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --mount sh -c \
             'mount --rbind / /mnt && cd /mnt && /sbin/pivot_root . . && umount -l . && \
             ! perl -e \"chroot q(usr); chdir q(..); chroot q(.); exec q(ls -d /mnt/usr)\"'",
        shows: "cannot access '/mnt/usr'",
    }],
    note: Note {
        point: "chroot(2) changes the root directory of a process. pivot_root(2) changes the root mount of a mount \
                namespace. Once the old root is unmounted there, no .. leads to it.",
        ask: "The settler repeats the second way out of step 6, call by call. Which call will fail, and where will the \
              settler arrive? (None fails, and it arrives where it was: stat(2) of / tells the same inode as before.)",
        misunderstanding: "\"Then pivot_root(2) alone would do.\" It also moves every other process in the mount \
                           namespace whose root was the old one, so it takes a mount namespace of one's own. And until \
                           umount2(2) the old root is still mounted.",
    },
};
