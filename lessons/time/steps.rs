//! The steps of the lesson on time namespaces.

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

/// What all steps but the first one take.
const CLOCKS: &[Need] = &[Need::Of(Feature::Time), Need::Of(Feature::TimeOffsets)];

/// What there is to shift.
pub(super) static THREE_CLOCKS: Step = Step {
    title: "Three clocks",
    minutes: 2,
    needs: &[],
    asks: &[],
    facts: &[],
    by_hand: &[ByHand::Shell {
        command: "readlink /proc/self/ns/time && cat /proc/self/timens_offsets",
        shows: "monotonic           0         0",
    }],
    note: Note {
        point: "The kernel has several clocks. One tells the date, two others count the seconds since the boot. A time \
                namespace holds offsets for some of them, and the clocks themselves go on as before.",
        ask: "A laptop was suspended for eight hours. Which two of the three clocks have gone on by eight hours? \
              (CLOCK_REALTIME and CLOCK_BOOTTIME. CLOCK_MONOTONIC stops while the machine is suspended.)",
        misunderstanding: "\"The uptime is stored in the file /proc/uptime.\" It is stored nowhere. Each time somebody \
                           reads the file, the kernel reads CLOCK_BOOTTIME and adds the reader's offset.",
    },
};

pub(super) static CHILDREN_ONLY: Fact = Fact {
    id: "time-children-only",
    claim: "unshare(CLONE_NEWTIME) leaves its caller where it is. Its children start in the new namespace.",
};

static CALLER: Ask = Ask {
    id: "time-caller",
    text: "How far ahead of the host's are CLOCK_MONOTONIC and CLOCK_BOOTTIME when the traveller reads them?",
    choices: &[
        ("ten days: it is in the new namespace", "10 days, 10 days"),
        ("not at all: it is where it was", "0 days, 0 days"),
        ("only CLOCK_BOOTTIME by ten days: nobody sets CLOCK_MONOTONIC", "0 days, 10 days"),
    ],
    why: "Offsets can be set only while nobody is in the namespace, so unshare(2) leaves its caller outside.",
};

/// unshare(2), and who is in.
pub(super) static CHILDREN: Step = Step {
    title: "A new time namespace, and who is in it",
    minutes: 3,
    needs: CLOCKS,
    asks: &[&CALLER],
    facts: &[&CHILDREN_ONLY],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --time --fork sh -c \
             'echo parent $(readlink /proc/$PPID/ns/time) && echo child $(readlink /proc/$$/ns/time)'",
        shows: "child time:[",
    }],
    note: Note {
        point: "unshare(CLONE_NEWTIME) moves nobody. It makes a namespace for the caller's next children, so that the \
                caller can write the offsets before anybody is in there. Since Linux 6.2, a child made by vfork(2) \
                enters at its execve(2).",
        ask: "The traveller has two links, time and time_for_children. Which one decides what its own clocks show? \
              (time, which has not changed. The other one says where its next child starts.)",
        misunderstanding: "\"unshare(2) moves its caller.\" For six types of namespace it does. With PID and time \
                           namespaces the caller stays, and its next children start in the new one.",
    },
};

pub(super) static TWO_CLOCKS_NOT_THE_THIRD: Fact = Fact {
    id: "time-two-clocks",
    claim: "CLOCK_MONOTONIC, CLOCK_BOOTTIME and /proc/uptime are shifted, CLOCK_REALTIME is not.",
};

static WHICH_DATE: Ask = Ask {
    id: "time-which-date",
    text: "CLOCK_REALTIME is the date. Which date does the child get from it?",
    choices: &[
        ("a date ten days after the host's", "10 days"),
        ("a date ten days before the host's", "-10 days"),
        ("the same date as the host", "0 days"),
    ],
    why: "A time namespace has no offset for CLOCK_REALTIME.",
};

/// What is shifted, and what is not.
pub(super) static TWO_CLOCKS: Step = Step {
    title: "The child reads the clocks",
    minutes: 2,
    needs: CLOCKS,
    asks: &[&WHICH_DATE],
    facts: &[&TWO_CLOCKS_NOT_THE_THIRD],
    by_hand: &[ByHand::Shell {
        command: "export now=$(date +%s) up=$(cut -d . -f 1 /proc/uptime) && \
             unshare --user --map-root-user --time --boottime 864000 --fork sh -c \
             'echo $((($(cut -d . -f 1 /proc/uptime) - up) / 86400)) days by the uptime, \
             $((($(date +%s) - now) / 86400)) by the date'",
        shows: "10 days by the uptime, 0 by the date",
    }],
    note: Note {
        point: "Two of the three clocks have an offset in a time namespace. CLOCK_REALTIME, the date, has none. The \
                uptime is what CLOCK_BOOTTIME shows, so it is shifted too.",
        ask: "A certificate expires in five days. Is it valid for a process in a time namespace whose offsets are ten \
              days? (Yes. A program compares the certificate with the date, and the date is not shifted.)",
        misunderstanding: "\"So I can test what my program does next year.\" Not with a time namespace: the date stays. \
                           The library libfaketime can do it. It answers the program in place of the C library.",
    },
};

pub(super) static BOOT_DATE: Fact = Fact {
    id: "time-boot-date",
    claim: "The date of the boot is ten days earlier, in btime and by uptime -s. The date of today is the same.",
};

static WHICH_BOOT: Ask = Ask {
    id: "time-which-boot",
    text: "Host and child read the same date, but for the child the time since the boot is ten days longer. Which date \
           of the boot does the child get?",
    choices: &[
        ("a date ten days before the host's", "-10 days"),
        ("the same date as the host: there was one boot", "0 days"),
        ("a date ten days after the host's", "10 days"),
    ],
    why: "The child subtracts ten days more than the host, from the same date.",
};

/// A date that is computed.
pub(super) static BOOT: Step = Step {
    title: "The date of the boot",
    minutes: 1,
    needs: CLOCKS,
    asks: &[&WHICH_BOOT],
    facts: &[&BOOT_DATE],
    by_hand: &[ByHand::Shell {
        command: "export boot=$(grep btime /proc/stat) && \
             unshare --user --map-root-user --time --boottime 864000 --fork sh -c 'now=$(grep btime /proc/stat); \
             echo booted $(((${boot#* } - ${now#* }) / 86400)) days earlier'",
        shows: "booted 10 days earlier",
    }],
    note: Note {
        point: "The date of the boot is computed, from the date and from the time since the boot. If one of the two is \
                shifted, the result is shifted.",
        ask: "A tool in a container says that the machine was booted on a day before it was bought. How can that be? \
              (The tool computed with a clock that is shifted, as uptime -s does for the child.)",
        misunderstanding: "\"The clock is ten days ahead, so the boot is ten days later.\" The clock counts from the \
                           boot. If it has counted ten days more, it began ten days earlier.",
    },
};

pub(super) static BOUNDS: Fact = Fact {
    id: "time-bounds",
    claim: "Offsets are refused once a process has entered (EACCES), and where a clock would be below zero (ERANGE).",
};

static TOO_LATE: Ask = Ask {
    id: "time-too-late",
    text: "What does the kernel do with this offset, while the child is in the namespace?",
    choices: &[
        ("it accepts it, and the child is one day ahead now", "0, 1 day"),
        ("it refuses it, and the child stays ten days ahead", "EACCES, 10 days"),
        ("it accepts it for later children, and this one stays ten days ahead", "0, 10 days"),
    ],
    why: "The kernel fixes the offsets when the first process enters, so that no clock jumps for those who are in there.",
};

/// What the kernel refuses.
pub(super) static LIMITS: Step = Step {
    title: "Which offsets the kernel accepts",
    minutes: 2,
    needs: CLOCKS,
    asks: &[&TOO_LATE],
    facts: &[&BOUNDS],
    by_hand: &[
        ByHand::Shell {
            command: "unshare --user --map-root-user --time --fork sh -c \
             '! env echo boottime 86400 0 >/proc/self/timens_offsets'",
            shows: "Permission denied",
        },
        ByHand::Shell {
            command: "unshare --user --map-root-user sh -c '! unshare --time --boottime=-1000000000 --fork true'",
            shows: "Numerical result out of range",
        },
    ],
    note: Note {
        point: "Offsets can be written again and again until the first process enters. After that they are fixed. An \
                offset may be negative, but what the clock shows may not. It may not be more than about 146 years, \
                either: that is ERANGE, too.",
        ask: "A machine was booted an hour ago. Can a container on it have an uptime of ten minutes? (Yes, with an \
              offset of -50 minutes. It cannot have an uptime below zero: ERANGE.)",
        misunderstanding: "\"EACCES means that I lack a privilege.\" The traveller was allowed to write to the same file \
                           before. What has changed is that a child is in that namespace.",
    },
};

pub(super) static EXEC_ENTERS: Fact = Fact {
    id: "time-exec-enters",
    claim: "Since Linux 6.2, execve(2) moves its caller into the time namespace that is for its children.",
};

/// A second way in.
pub(super) static EXEC: Step = Step {
    title: "The traveller becomes a program",
    minutes: 2,
    needs: CLOCKS,
    asks: &[],
    facts: &[&EXEC_ENTERS],
    by_hand: &[ByHand::Shell {
        command: "export up=$(cut -d . -f 1 /proc/uptime) && \
             unshare --user --map-root-user --time --boottime 864000 sh -c \
             'read now idle </proc/uptime && echo $(((${now%.*} - up) / 86400)) days ahead'",
        shows: "10 days ahead",
    }],
    note: Note {
        point: "execve(2) keeps the process and replaces its memory. A program that has just started has not read a \
                clock yet, so no clock jumps for it, and the kernel lets it in.",
        ask: "Suppose the traveller had made a PID namespace. Would execve(2) move it in there, too? (No. A process \
              keeps its PID namespace for life. Only its children can be in another one.)",
        misunderstanding: "\"unshare --time needs --fork.\" Up to Linux 6.1 it does. Since 6.2 the command that \
                           unshare(1) starts by execve(2) is in the new namespace even without it.",
    },
};
