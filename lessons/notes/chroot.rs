//! For the teacher: chroot.

use crate::lesson::Note;

/// A note for each step, in order.
pub(in crate::lessons) const NOTES: &[Note] = &[
    Note {
        title: "A jail is built",
        minutes: 1,
        point: "chroot(2) changes where the lookup of an absolute path starts, for the caller and for the children \
                that it has from then on. No file is copied, and none is protected.",
        ask: "After chroot(2), is there anything left to do before the prisoner is inside? (Yes, chdir(2): the \
              working directory has stayed where it was, and a relative name would still begin outside.)",
        misunderstanding: "\"The prisoner works on a copy of the files.\" It does not: its / and the host's /tmp/jail \
                           are the same directory, and what one of them writes there, the other reads.",
    },
    Note {
        title: "The prisoner lists the processes",
        minutes: 1,
        point: "Which processes there are is not a matter of directories. The /proc in the jail was mounted by the \
                host, so it shows the host's PID namespace, and that is the prisoner's own as well.",
        ask: "The host's fork(2) has told a number for tail. Which number will tail have in the prisoner's list? (The \
              same, 1002: in one PID namespace a process has one number.)",
        misunderstanding: "\"An empty jail, without /proc, would be safe.\" ps would have nothing to read there. But \
                           kill(2) asks for a number and not for a file, and one can try all numbers in turn.",
    },
    Note {
        title: "And can end them",
        minutes: 1,
        point: "For a signal, the kernel wants a number that it can find and a permission: a user ID that matches, or \
                CAP_KILL. It does not ask which root directory the sender has.",
        ask: "How does the host learn that tail is gone, and does it learn by whom? (waitpid(2) tells it the signal, \
              SIGTERM. It does not tell the sender.)",
        misunderstanding: "\"That works because the prisoner is root.\" Root may end everybody's processes. But also \
                           without any capability a process in a chroot ends those of its own user.",
    },
    Note {
        title: "A name is set in the jail",
        minutes: 1,
        point: "Prisoner and host have one hostname between them, for it belongs to the UTS namespace that they \
                share. What is reached without a path, chroot(2) does not bound.",
        ask: "The command by hand sets a name inside of a chroot, and then asks for the name outside of it. What will \
              be printed? (pwned: both are in the one UTS namespace that --uts has made.)",
        misunderstanding: "\"Now my machine has another name.\" It has not: the stage has a UTS namespace of its own. \
                           What was renamed is the host that the stage plays.",
    },
    Note {
        title: "Why: nothing else changed",
        minutes: 2,
        point: "The root directory of a process is one thing, the eight namespaces that it is in are another. \
                chroot(2) changes the first only, and this one reason explains the three steps before.",
        ask: "In how many of the eight rows will host and prisoner have different letters? (In none. They share even \
              the mount namespace: the host's mounts are all there, and the prisoner has no ordinary path to those \
              outside.)",
        misunderstanding: "\"EPERM: so the prisoner has lost its capabilities.\" It has all that it had. The kernel \
                           saw that its root directory is not the root of its mount namespace, and this alone is the \
                           reason.",
    },
    Note {
        title: "A chroot inside of the chroot",
        minutes: 2,
        point: "chroot(2) moves the root and not the working directory. At .. the kernel compares with one place \
                only, the caller's present root; whoever stands outside of that may climb to the top.",
        ask: "A listing can deceive. By what can we tell for certain that the prisoner has the host's root? (By \
              stat(2) of /: device and inode number are the same as the host's.)",
        misunderstanding: "\"Such a hole will be mended.\" It is no hole, it is what chroot(2) does, and the manual \
                           page says so. This way takes CAP_SYS_CHROOT, so it is closed to a process that has given \
                           that up.",
    },
    Note {
        title: "The same jail, with namespaces",
        minutes: 2,
        point: "For each thing that the prisoner could reach there is a type of namespace that keeps it apart. What \
                is not asked for stays shared: here cgroup and time.",
        ask: "The inmate sends a signal to 1001, the prisoner's number. Will the error be EPERM or ESRCH? (ESRCH: \
              nobody in its PID namespace has that number, so the question of permission does not come up.)",
        misunderstanding: "\"Now it cannot get out.\" Its mount namespace is its own, but has a copy of the host's \
                           whole tree in it, and only chroot(2) covers that. The way of step 6 is still open.",
    },
    Note {
        title: "A root that holds",
        minutes: 2,
        point: "chroot(2) moves the root of a process, pivot_root(2) the root mount of a mount namespace. When the \
                old root has been unmounted there, no .. leads to it.",
        ask: "The settler repeats the way out of step 6, call by call. Which call will fail, and where will it \
              arrive? (None fails, and it arrives where it was: stat(2) of / tells the same inode as before.)",
        misunderstanding: "\"Then pivot_root(2) alone would do.\" It moves everybody in the mount namespace whose \
                           root was the old one, so it wants a mount namespace of one's own. And until umount2(2) the \
                           old root is still mounted.",
    },
];
