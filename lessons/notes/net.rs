//! For the teacher: network namespaces.

use crate::lesson::Note;

/// A note for each step, in order.
pub(in crate::lessons) const NOTES: &[Note] = &[
    Note {
        title: "A new network",
        minutes: 2,
        point: "A new network namespace takes nothing over from the old one. It has a loopback that is down, no \
                address and no route, and so no packet can be sent in it.",
        ask: "The host's lo is up and has 127.0.0.1. What will left's lo have? (No address, and it is down: it is \
              another interface, of the same name.)",
        misunderstanding: "\"127.0.0.1 works by itself.\" Like every address, it works once it is on an interface \
                           that is up. The kernel puts it on lo when somebody sets lo up, and not before.",
    },
    Note {
        title: "Up goes the loopback",
        minutes: 1,
        point: "The two errors are two findings. ENETUNREACH: my own namespace has no route, and nothing was sent. \
                ECONNREFUSED: there is a way, and at its end nobody listens.",
        ask: "Now lo is up. Will connect(2) to port 80 succeed? (Not yet, ECONNREFUSED: the network works, and there \
              is no server.)",
        misunderstanding: "\"Refused: so a firewall is in the way.\" left has none. It was left's own TCP that \
                           answered, because it found no listener on port 80; so packets do travel.",
    },
    Note {
        title: "Port 80, three times",
        minutes: 2,
        point: "A port is free or taken within one network namespace. Interfaces, routes, firewall rules and Internet \
                sockets are in it as well: each namespace has the whole set.",
        ask: "In right, lo is still down. Can a server bind port 80 there? (It can: for 0.0.0.0, bind(2) needs no \
              interface that is up. But nobody can reach that server yet.)",
        misunderstanding: "\"A firewall rule holds for the whole machine.\" It holds for one network namespace: left \
                           lists the table guard, and the host's list is empty.",
    },
    Note {
        title: "A cable between two networks",
        minutes: 3,
        point: "One interface cannot be in two namespaces, so it takes a pair to join them: what is sent into one end \
                is received at the other. Each end belongs to the namespace that it is in, and is set up there.",
        ask: "Both ends are in their places. What is still to be done before a ping crosses? (An address for each \
              end, and each end set up. The route to the other end comes with that, without a command.)",
        misunderstanding: "\"v1 and v2 are two names of one interface.\" They are two interfaces, each with a number \
                           and addresses of its own. What stands behind the @ is the number of the peer, as the \
                           peer's namespace counts.",
    },
    Note {
        title: "There and back again",
        minutes: 2,
        point: "An interface is moved, never copied, and on the way it goes down and loses its addresses and routes. \
                Some cannot be moved at all, lo among them.",
        ask: "In right, v2 was up and had 10.1.1.2. What will be left of that on the host? (Nothing: it is down and \
              has no IP address.)",
        misunderstanding: "\"netns 1 is the machine's network, whoever says it.\" The 1 is a process number, and the \
                           caller's PID namespace decides which process that is. Who is in a PID namespace of a \
                           container names the container's first process by it.",
    },
    Note {
        title: "A door beside the network",
        minutes: 2,
        point: "A network namespace keeps packets apart, not files. A Unix socket with a pathname is open to whoever \
                can reach the file and write to it; an abstract name is looked up in the caller's own network \
                namespace.",
        ask: "Both sockets are the host's. To which of them can left connect? (To the one with the pathname. The \
              abstract name is ECONNREFUSED for left, and 0 for the host.)",
        misunderstanding: "\"@door is a file of that name.\" There is no file; the @ is a way to write a zero byte. \
                           So no file permission guards an abstract name, and in its network namespace everybody may \
                           try it.",
    },
    Note {
        title: "The host's network, all of it",
        minutes: 1,
        point: "Without CLONE_NEWNET a container stays in the host's network, with its interfaces, its ports and its \
                abstract Unix sockets. This type, too, is a choice by itself.",
        ask: "The agent has unshared mounts, names and message queues. Which letter will it have in the row net? (A, \
              as the host has: the network was not among the flags.)",
        misunderstanding: "\"The agent has been given a copy of the interfaces.\" They are the same ones. If the \
                           agent, which is root here, deleted v2, the host would have lost it.",
    },
    Note {
        title: "The end of a cable",
        minutes: 2,
        point: "A network namespace lives as long as something holds it. When it ends, the virtual interfaces in it \
                are destroyed, and of a veth pair the end outside as well.",
        ask: "left's last process is dead, and waitpid(2) has returned. Can a script rely on v2 being gone now? (No. \
              The kernel takes the namespace apart afterwards; nslearn waits for its notice, the command by hand asks \
              again and again.)",
        misunderstanding: "\"ip netns del ends a network namespace.\" It takes away a name. As long as a process is \
                           in the namespace, or somebody has a descriptor of it open, it stays, and all its \
                           interfaces do.",
    },
];
