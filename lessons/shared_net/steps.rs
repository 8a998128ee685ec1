//! The steps of the lesson on shared namespaces.

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

/// The first container.
pub(super) static WEB_SERVER: Step = Step {
    title: "A web server in a container",
    minutes: 2,
    needs: &[],
    asks: &[],
    facts: &[],
    by_hand: &[
        ByHand::Shell(
            "unshare --user --map-root-user --net --uts --ipc --pid --fork --mount-proc sh -c \
             'hostname web; ip link set lo up; hostname; ip -br -4 addr; ps -eo ppid,comm'",
        ),
        ByHand::Docker("docker run -d --name web nginx:alpine"),
    ],
    note: Note {
        point: "A container is processes in namespaces that were made for them, five here. A listening socket belongs \
                to the network namespace in which it was made, and a child inherits the socket.",
        ask: "The runtime's fork(2) says 1002 for the master. What will the master's fork(2) say for the worker? (2: \
              the master counts in the new PID namespace, in which it is 1 itself.)",
        misunderstanding: "\"A server on 0.0.0.0 can be reached from everywhere.\" 0.0.0.0 stands for all addresses \
                           of one network namespace, and the only interface in this one is lo.",
    },
};

pub(super) static REFUSED: Fact = Fact {
    id: "shared-net-refused",
    claim: "A client in its own network namespace cannot reach the server's localhost:80.",
};

static LOCALHOST: Ask = Ask {
    id: "shared-net-localhost",
    text: "A client in a second container, where the loopback is up, asks for localhost, port 80. What does it get?",
    choices: &[
        ("the server's page", "0"),
        ("ECONNREFUSED", "ECONNREFUSED"),
        ("ENETUNREACH", "ENETUNREACH"),
        ("no answer, and ETIMEDOUT in the end", "ETIMEDOUT"),
    ],
    why: "There is one localhost in each network namespace: this one can be reached, and nobody listens in it.",
};

/// The second container: what takes two of them takes all of this.
pub(super) static NEXT_DOOR: Step = Step {
    title: "A client next door",
    minutes: 2,
    needs: &[
        Need::Of(Feature::Pid),
        Need::Of(Feature::Mnt),
        Need::Of(Feature::Uts),
        Need::Of(Feature::Ipc),
        Need::Of(Feature::Net),
        Need::Of(Feature::Loopback),
        Need::Of(Feature::Proc),
    ],
    asks: &[&LOCALHOST],
    facts: &[&REFUSED],
    by_hand: &[
        ByHand::Shell(
            "unshare --user --map-root-user --net sh -c 'ip link set lo up; \
             bash -c \"echo > /dev/tcp/127.0.0.1/80\" || echo nobody'",
        ),
        ByHand::Docker("docker run --rm alpine wget -qO- localhost"),
    ],
    note: Note {
        point: "There are as many localhosts as there are network namespaces. That client and server run on one \
                kernel brings them no closer to each other.",
        ask: "Who refuses the connection: the server's container, or the client's own? (The client's own. 127.0.0.1 \
              is on its own lo, so the request never leaves its namespace, and nobody listens there.)",
        misunderstanding: "\"On one machine everything is local.\" Local means: in one network namespace. Two of them \
                           that nothing joins exchange no packet.",
    },
};

/// What joining one of two containers takes.
const TO_JOIN: &[Need] = &[
    Need::Of(Feature::Pid),
    Need::Of(Feature::Mnt),
    Need::Of(Feature::Uts),
    Need::Of(Feature::Ipc),
    Need::Of(Feature::Net),
    Need::Of(Feature::Loopback),
    Need::Of(Feature::Proc),
    Need::Of(Feature::Setns),
];

pub(super) static JOINED: Fact = Fact {
    id: "shared-net-joined",
    claim: "After setns(2) into the server's network namespace the same request gets the page.",
};

/// setns(2).
pub(super) static JOINS: Step = Step {
    title: "The client joins the server's network",
    minutes: 2,
    needs: TO_JOIN,
    asks: &[],
    facts: &[&JOINED],
    by_hand: &[
        ByHand::Shell(
            "unshare --user --map-root-user --net sh -c 'ip link set lo up; exec 3</proc/self/ns/net; \
             unshare --net nsenter --net=/proc/self/fd/3 ip -br -4 addr show lo'",
        ),
        ByHand::Docker("docker run --rm --network container:web alpine wget -qO- localhost"),
    ],
    note: Note {
        point: "setns(2) makes no namespace; it moves the caller into one that there is. The request is the same as \
                before, and the network in which its address is looked up is another.",
        ask: "What must the server do to let the client join? (Nothing: setns(2) is a call of the client's. Whether \
              it may is a matter of the client's rights.)",
        misunderstanding: "\"Now the two networks are connected.\" There is only one left: the client is in the \
                           server's. Its old one ended when nothing held it any more.",
    },
};

pub(super) static ONLY_NET: Fact = Fact {
    id: "shared-net-only-net",
    claim: "The client still has its own PID and mount namespaces: it shares one namespace, not all.",
};

pub(super) static PORT_TAKEN: Fact =
    Fact { id: "shared-net-port-taken", claim: "On the shared network the client cannot bind the server's port." };

static WHAT_PS_LISTS: Ask = Ask {
    id: "shared-net-ps",
    text: "The client has joined the server's network. What does its ps list now?",
    choices: &[
        ("the client alone", "client"),
        ("master, worker and client", "master, worker, client"),
        ("master and worker", "master, worker"),
    ],
    why: "It has joined one namespace, not a container; its PID namespace and its /proc are what they were.",
};

/// A container is a set of namespaces.
pub(super) static ONE_OR_TWO: Step = Step {
    title: "In one container, or in two?",
    minutes: 2,
    needs: TO_JOIN,
    asks: &[&WHAT_PS_LISTS],
    facts: &[&ONLY_NET, &PORT_TAKEN],
    by_hand: &[ByHand::Shell(
        "unshare --user --map-root-user --net sh -c 'readlink /proc/self/ns/net; exec 3</proc/self/ns/net; \
             unshare --net nsenter --net=/proc/self/fd/3 readlink /proc/self/ns/net'",
    )],
    note: Note {
        point: "Namespaces are shared type by type. Whoever shares a network has its addresses and its ports in \
                common with the others, and nothing besides.",
        ask: "The client has mounts, processes and names of its own. Can it bind port 80 as well? (No, EADDRINUSE: in \
              this network the port is the server's.)",
        misunderstanding: "\"A pod is one container with several programs.\" It is several containers, each with \
                           mounts and so with files of its own. What they have in common, first of all the network, \
                           was chosen type by type.",
    },
};

pub(super) static SHARED_PIDS: Fact = Fact {
    id: "pid-container-shared",
    claim: "A helper that joins another container's PID namespace sees the server as PID 1, its worker, and itself.",
};

pub(super) static BOTH_WAYS: Fact = Fact {
    id: "shared-pid-ps",
    claim: "Sharing works both ways: the server's container lists the helper just as well.",
};

static IS_IT_SEEN: Ask = Ask {
    id: "shared-net-helper",
    text: "A helper from outside joins the server's PID namespace and lists its processes. Does the master, in its turn, \
           list the helper?",
    choices: &[
        ("no: one looks in unseen", "no helper"),
        ("yes, under a number of its own in there", "another number"),
        ("yes, under the number that the host has for it", "the host's number"),
    ],
    why: "Whoever is in a PID namespace has a number there, and everybody else in it can see that number.",
};

/// Another type of namespace, shared with somebody from outside.
pub(super) static LOOKS_IN: Step = Step {
    title: "A helper looks in",
    minutes: 2,
    needs: TO_JOIN,
    asks: &[&IS_IT_SEEN],
    facts: &[&SHARED_PIDS, &BOTH_WAYS],
    by_hand: &[
        ByHand::Shell(
            "unshare --user --map-root-user --pid --fork --mount-proc sh -c 'unshare --pid --fork yes 2>/dev/null | \
             { read line; nsenter --target $(pgrep -x yes) --pid unshare --mount-proc ps -eo pid,ppid,comm; }'",
        ),
        ByHand::Docker("docker run --rm --pid container:web alpine ps"),
    ],
    note: Note {
        point: "Nobody moves into a PID namespace: a child is born there. To see who is in it takes a proc that shows \
                it, and whoever is in it is seen there as well.",
        ask: "The joiner has stayed in the host's PID namespace. Which parent will ps show for the helper, its child? \
              (0: a process that has no number in there.)",
        misunderstanding: "\"Now the helper has web's files before it.\" It has joined one namespace, the one for \
                           processes. Its mounts are a copy of the host's, and the files under its / are the host's.",
    },
};
