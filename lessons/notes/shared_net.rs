//! For the teacher: shared namespaces.

use crate::lesson::Note;

/// A note for each step, in order.
pub(in crate::lessons) const NOTES: &[Note] = &[
    Note {
        title: "A web server in a container",
        minutes: 2,
        point: "A container is processes in namespaces that were made for them, five here. A listening socket belongs \
                to the network namespace in which it was made, and a child inherits the socket.",
        ask: "The runtime's fork(2) says 1002 for the master. What will the master's fork(2) say for the worker? (2: \
              the master counts in the new PID namespace, in which it is 1 itself.)",
        misunderstanding: "\"A server on 0.0.0.0 can be reached from everywhere.\" 0.0.0.0 stands for all addresses \
                           of one network namespace, and the only interface in this one is lo.",
    },
    Note {
        title: "A client next door",
        minutes: 2,
        point: "There are as many localhosts as there are network namespaces. That client and server run on one \
                kernel brings them no closer to each other.",
        ask: "Who refuses the connection: the server's container, or the client's own? (The client's own. 127.0.0.1 \
              is on its own lo, so the request never leaves its namespace, and nobody listens there.)",
        misunderstanding: "\"On one machine everything is local.\" Local means: in one network namespace. Two of them \
                           that nothing joins exchange no packet.",
    },
    Note {
        title: "The client joins the server's network",
        minutes: 2,
        point: "setns(2) makes no namespace; it moves the caller into one that there is. The request is the same as \
                before, and the network in which its address is looked up is another.",
        ask: "What must the server do to let the client join? (Nothing: setns(2) is a call of the client's. Whether \
              it may is a matter of the client's rights.)",
        misunderstanding: "\"Now the two networks are connected.\" There is only one left: the client is in the \
                           server's. Its old one ended when nothing held it any more.",
    },
    Note {
        title: "In one container, or in two?",
        minutes: 2,
        point: "Namespaces are shared type by type. Whoever shares a network has its addresses and its ports in \
                common with the others, and nothing besides.",
        ask: "The client has mounts, processes and names of its own. Can it bind port 80 as well? (No, EADDRINUSE: in \
              this network the port is the server's.)",
        misunderstanding: "\"A pod is one container with several programs.\" It is several containers, each with \
                           mounts and so with files of its own. What they have in common, first of all the network, \
                           was chosen type by type.",
    },
    Note {
        title: "A helper looks in",
        minutes: 2,
        point: "Nobody moves into a PID namespace: a child is born there. To see who is in it takes a proc that shows \
                it, and whoever is in it is seen there as well.",
        ask: "The joiner has stayed in the host's PID namespace. Which parent will ps show for the helper, its child? \
              (0: a process that has no number in there.)",
        misunderstanding: "\"Now the helper has web's files before it.\" It has joined one namespace, the one for \
                           processes. Its mounts are a copy of the host's, and the files under its / are the host's.",
    },
];
