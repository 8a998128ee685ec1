//! For the teacher: PID namespaces.

use crate::lesson::Note;

/// A note for each step, in order.
pub(in crate::lessons) const NOTES: &[Note] = &[
    Note {
        title: "Who moves in",
        minutes: 3,
        point: "unshare(CLONE_NEWPID) settles where the caller's children will be born, and not where the caller is. \
                The first of them is PID 1 in the new namespace, and something else outside of it.",
        ask: "The container asks for the number of its parent. What will getppid(2) say? (0: in the container's \
              namespace the launcher has no number.)",
        misunderstanding: "\"unshare(2) did nothing: the launcher's link is the same.\" Look at the other link, \
                           pid_for_children. It is ENOENT at first, and from the first fork(2) on it shows a \
                           namespace that is not the launcher's.",
    },
    Note {
        title: "One process, a number for each level",
        minutes: 2,
        point: "A process has a number in its own PID namespace and one in each that lies above. So the host can name \
                the processes of all containers, and a container cannot name those of its neighbour.",
        ask: "The neighbour sends a signal to 1002, the number that the host has for the container. Whom does it \
              reach? (Nobody, ESRCH: the neighbour's own namespace has no 1002.)",
        misunderstanding: "\"Two processes with the number 1 must get in each other's way.\" A number means something \
                           only within a namespace. On the host the two are 1002 and 1004, and nothing is there \
                           twice.",
    },
    Note {
        title: "What ps lists in there",
        minutes: 2,
        point: "Two things must not be confused: what ps lists depends on the /proc that is mounted, whom kill(2) \
                reaches depends on the caller's PID namespace. A new one needs a new mount of proc besides.",
        ask: "The container mounts a proc of its own. How many of the five lines will ps still have? (One: the \
              container, as PID 1. It has changed its mounts, and its PID namespace is the same as before.)",
        misunderstanding: "\"A stale /proc looks bad and does no harm.\" No signal goes that way, but files may be \
                           readable: /proc/PID/environ, say, or all that lies under /proc/PID/root. What decides \
                           there are user IDs and capabilities, not PID namespaces.",
    },
    Note {
        title: "Signals go down, never up",
        minutes: 2,
        point: "kill(2) takes a number of the caller's own namespace. For what is below there is one, for what is \
                above there is none. A number that the kernel itself hands over is given as the receiver knows it.",
        ask: "The container knows its worker as 2. Which number does the host need in order to end it? (1005, the \
              worker's number on the host.)",
        misunderstanding: "\"So the kernel translates each PID that leaves a container.\" Only where it supplies the \
                           number, as with a socket's credentials. In the text of a message, or in a PID file, the \
                           number stays as the writer put it.",
    },
    Note {
        title: "Orphans come to PID 1",
        minutes: 1,
        point: "Whatever program is PID 1 of a container is its init, too: it inherits the orphans that no process in \
                between has asked for, and has to wait for them. An orphan finds its new parent within its own PID \
                namespace.",
        ask: "The orphan's parent ends. Whose child is the orphan then, by what number? (The container's, by 1; and \
              waitpid(2) gives the container a child that it has never forked.)",
        misunderstanding: "\"The machine's init reaps all orphans in the end.\" Not those of a container that runs. \
                           If its PID 1 waits for none but the children that it knows, the others stay as zombies for \
                           as long as it lives.",
    },
    Note {
        title: "Down, not up, and not for ever",
        minutes: 2,
        point: "A process may choose its own PID namespace for its children, or one below; there is no way up. And \
                there are at most 32 levels below that of the machine.",
        ask: "The bound is 32 levels. How many more can be made below the stage? (31, for the stage is one itself. On \
              a machine that lies in a PID namespace itself there are fewer, and the lesson skips this fact.)",
        misunderstanding: "\"setns(2) said 0, so launcher2 is in the container.\" It is where it was. A child that it \
                           forks now would be born there, with a number that is free, and not as PID 1.",
    },
    Note {
        title: "Sharing it all the same",
        minutes: 1,
        point: "Each type of namespace is a choice by itself. To share one, nothing has to be opened or granted: one \
                leaves its flag out.",
        ask: "Will the monitor find itself in its list, and by which number? (It will, by the one that the host has \
              for it: it has never left the host's PID namespace.)",
        misunderstanding: "\"Whoever shares the host's PID namespace has power over its processes.\" It has their \
                           numbers. Whether it may signal or inspect them, user IDs and capabilities decide, as for \
                           any process on the host.",
    },
    Note {
        title: "When PID 1 goes, all go",
        minutes: 2,
        point: "From inside, nobody ends PID 1 by a signal that it has no handler for, not even by SIGKILL. A SIGKILL \
                from above ends it, and with PID 1 end all others in its namespace.",
        ask: "The host kills PID 1, and no process sends the worker a signal. Will the worker be in the host's list \
              afterwards? (No: the kernel itself kills all that are left in the namespace.)",
        misunderstanding: "\"ENOMEM at the end: the machine has run out of memory.\" It has not. The launcher's \
                           children would be born in a PID namespace whose PID 1 is gone, and this is the error that \
                           pid_namespaces(7) names for it.",
    },
];
