//! The steps of the lesson on time namespaces.

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

/// What all steps but the first one take.
const CLOCKS: &[Need] = &[Need::Of(Feature::Time), Need::Of(Feature::TimeOffsets)];

/// What there is to shift.
pub(super) static THREE_CLOCKS: Step = Step {
    title: "Three clocks",
    minutes: 1,
    needs: &[],
    asks: &[],
    facts: &[],
    by_hand: &[ByHand::Shell("readlink /proc/self/ns/time && cat /proc/self/timens_offsets")],
    note: Note {
        point: "A kernel has several clocks. One tells the date, two others count the seconds since the boot. A time \
                namespace holds an offset for some of them; the clocks themselves tick as ever.",
        ask: "A laptop slept through the night. Which two of the three clocks have moved on by the night? \
              (CLOCK_REALTIME and CLOCK_BOOTTIME. CLOCK_MONOTONIC stood still while the machine was suspended.)",
        misunderstanding: "\"The uptime is stored somewhere.\" Nothing is stored: it is what a clock shows, and the \
                           kernel asks that clock anew for each reader.",
    },
};

pub(super) static CHILDREN_ONLY: Fact = Fact {
    id: "time-children-only",
    claim: "unshare(CLONE_NEWTIME) leaves its caller where it is; the children are in the new namespace.",
};

static CALLER: Ask = Ask {
    id: "time-caller",
    text: "The traveller makes a new time namespace with unshare(2), and sets the offsets of CLOCK_MONOTONIC and \
           CLOCK_BOOTTIME to ten days. Then it reads its own clocks. How far ahead are these two?",
    choices: &[
        ("ten days: it is in the new namespace", "10 days, 10 days"),
        ("not at all: it is where it was", "0 days, 0 days"),
        ("CLOCK_BOOTTIME by ten days, the other not at all", "0 days, 10 days"),
    ],
    why: "Clocks that leap would confuse a program that is running, so the new namespace is for its children.",
};

/// unshare(2), and who is in.
pub(super) static CHILDREN: Step = Step {
    title: "Moving in, but only the children",
    minutes: 3,
    needs: CLOCKS,
    asks: &[&CALLER],
    facts: &[&CHILDREN_ONLY],
    by_hand: &[ByHand::Shell(
        "unshare --user --map-root-user --time --fork sh -c \
             'readlink /proc/self/ns/time /proc/$PPID/ns/time /proc/$PPID/ns/time_for_children'",
    )],
    note: Note {
        point: "unshare(CLONE_NEWTIME) moves nobody. It changes one link of the caller's, time_for_children, and gives \
                it time to write the offsets before anybody lives by them.",
        ask: "The traveller has two links, time and time_for_children. Which of them does its own clock go by? (By \
              time, which has not changed. The other one says where its next child will be.)",
        misunderstanding: "\"unshare(2) moves the caller, as with names.\" For six types it does. For PID and time \
                           namespaces it only chooses where the children will be.",
    },
};

pub(super) static TWO_CLOCKS_NOT_THE_THIRD: Fact = Fact {
    id: "time-two-clocks",
    claim: "CLOCK_MONOTONIC, CLOCK_BOOTTIME and /proc/uptime are shifted, CLOCK_REALTIME is not.",
};

static WHICH_DATE: Ask = Ask {
    id: "time-which-date",
    text: "The child lives in the new namespace, ten days ahead. It asks CLOCK_REALTIME for the date. Which date does \
           it get?",
    choices: &[
        ("the date in ten days", "10 days"),
        ("the date of ten days ago", "-10 days"),
        ("the date that the host gets", "0 days"),
    ],
    why: "A time namespace has no offset for the date, so that all processes of a machine agree on it.",
};

/// What is shifted, and what is not.
pub(super) static TWO_CLOCKS: Step = Step {
    title: "Two clocks, not the third",
    minutes: 2,
    needs: CLOCKS,
    asks: &[&WHICH_DATE],
    facts: &[&TWO_CLOCKS_NOT_THE_THIRD],
    by_hand: &[ByHand::Shell(
        "export now=$(date +%s) up=$(cut -d . -f 1 /proc/uptime); \
             unshare --user --map-root-user --time --boottime 864000 --fork sh -c 'read later idle </proc/uptime; \
             echo $(((${later%.*} - up) / 86400)) days by the uptime; \
             echo $((($(date +%s) - now) / 86400)) days by the date'",
    )],
    note: Note {
        point: "Two of the clocks have an offset in a time namespace, and the date is not among them. The uptime is \
                what CLOCK_BOOTTIME shows, so it is shifted too.",
        ask: "A certificate expires in five days. Is it still valid for a process that is ten days ahead in a time \
              namespace? (It is: certificates are compared with the date, and the date is not shifted.)",
        misunderstanding: "\"So I can test what my program does next year.\" Not with this: the date stays. Libraries \
                           such as libfaketime answer for the kernel instead.",
    },
};

pub(super) static BOOT_DATE: Fact = Fact {
    id: "time-boot-date",
    claim: "The date of the boot moves back, in btime and in what uptime -s prints. The date of today does not move.",
};

static WHICH_BOOT: Ask = Ask {
    id: "time-which-boot",
    text: "Host and child compute when the machine was booted: the date, minus the time since the boot. What does the \
           child get?",
    choices: &[
        ("a date ten days before the one that the host gets", "-10 days"),
        ("the same date as the host: there was one boot", "0 days"),
        ("a date ten days after the one that the host gets", "10 days"),
    ],
    why: "The child subtracts ten days more from the same date.",
};

/// A date that is computed.
pub(super) static BOOT: Step = Step {
    title: "A boot in the past",
    minutes: 1,
    needs: CLOCKS,
    asks: &[&WHICH_BOOT],
    facts: &[&BOOT_DATE],
    by_hand: &[ByHand::Shell(
        "export boot=$(grep btime /proc/stat); \
             unshare --user --map-root-user --time --boottime 864000 --fork sh -c 'now=$(grep btime /proc/stat); \
             echo booted $(((${boot#* } - ${now#* }) / 86400)) days earlier'",
    )],
    note: Note {
        point: "When a machine was booted is not measured but computed, from the date and from the time since the boot. \
                If one of the two is shifted, the result is.",
        ask: "A tool in the container says that the machine was booted on a day on which it was still in its box. Is \
              the tool wrong? (No. It computed with a shifted clock, as uptime -s does for the child.)",
        misunderstanding: "\"Ten days ahead, so the boot lies ten days ahead.\" The clock counts from the boot. To \
                           have counted for longer is to have begun earlier.",
    },
};

pub(super) static BOUNDS: Fact = Fact {
    id: "time-bounds",
    claim: "Offsets are refused once somebody is in (EACCES), and where a clock would be below zero (ERANGE).",
};

static TOO_LATE: Ask = Ask {
    id: "time-too-late",
    text: "The child is in the new namespace. Now the traveller writes another offset for it: one day in place of ten. \
           What comes of it?",
    choices: &[
        ("it is written, and the child is one day ahead", "0, 1 day"),
        ("it is refused, and the child is ten days ahead", "EACCES, 10 days"),
        ("it is written for later children: this one is ten days ahead", "0, 10 days"),
    ],
    why: "Offsets are fixed when the first process is in, because its clocks must not leap.",
};

/// What the kernel refuses.
pub(super) static LIMITS: Step = Step {
    title: "Too late to change, and not below zero",
    minutes: 2,
    needs: CLOCKS,
    asks: &[&TOO_LATE],
    facts: &[&BOUNDS],
    by_hand: &[
        ByHand::Shell(
            "unshare --user --map-root-user --time --fork sh -c \
             '! env echo boottime 86400 0 >/proc/self/timens_offsets'",
        ),
        ByHand::Shell("! unshare --user --map-root-user --time --boottime=-999999999 --fork true"),
    ],
    note: Note {
        point: "Offsets can be written as often as one likes, until the first process is in. After that they are \
                fixed. An offset may be negative, but the clock may not.",
        ask: "A machine was booted an hour ago. Can a container on it have an uptime of ten minutes? (Yes, with an \
              offset of -50 minutes. An uptime below zero is what it cannot have: ERANGE.)",
        misunderstanding: "\"EACCES: so I am not root enough.\" The traveller was allowed to write the same file \
                           before. What has changed is that a child is in that namespace.",
    },
};

pub(super) static EXEC_ENTERS: Fact = Fact {
    id: "time-exec-enters",
    claim: "Since Linux 6.2, execve(2) moves its caller into the namespace that is for its children.",
};

/// A second way in.
pub(super) static EXEC: Step = Step {
    title: "execve(2) enters, too",
    minutes: 1,
    needs: CLOCKS,
    asks: &[],
    facts: &[&EXEC_ENTERS],
    by_hand: &[ByHand::Shell(
        "export up=$(cut -d . -f 1 /proc/uptime); \
             unshare --user --map-root-user --time --boottime 864000 sh -c 'read later idle </proc/uptime; \
             echo $(((${later%.*} - up) / 86400)) days older, with no fork'",
    )],
    note: Note {
        point: "execve(2) keeps the process and replaces its memory. A program that has just begun has seen no clock \
                yet, so nothing leaps for it, and the kernel lets it in.",
        ask: "The same step for a PID namespace: would the traveller be in there after execve(2)? (No. A process keeps \
              its number for life, so only its children can be in another PID namespace.)",
        misunderstanding: "\"unshare --time needs --fork.\" Up to Linux 6.1 it does. Since 6.2 the program that \
                           unshare(1) starts by execve(2) is in the namespace already.",
    },
};
