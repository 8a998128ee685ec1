//! The steps of the lesson on shared namespaces.

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

/// The first container.
pub(super) static WEB_SERVER: Step = Step {
    title: "A web server in a container",
    minutes: 3,
    needs: &[],
    asks: &[],
    facts: &[],
    by_hand: &[
        ByHand::Shell {
            command: "unshare --user --map-root-user --net --uts --ipc --pid --fork --mount-proc sh -c \
             'ip link set lo up && ip -br addr && ps -eo pid,comm'",
            shows: "1 sh",
        },
        ByHand::Docker("docker run -d --name web nginx:alpine"),
    ],
    note: Note {
        point: "A container is a group of processes in namespaces that were made for it, here of five types. A \
                listening socket belongs to the network namespace in which it was made. A child inherits the socket.",
        ask: "The runtime sees its child, the master, as process 1002. Which number does the master see for its own \
              child, the worker? (2: in the new PID namespace the master is 1, and the worker is the next one.)",
        misunderstanding: "\"A server on 0.0.0.0 can be reached from everywhere.\" 0.0.0.0 means all IPv4 addresses of \
                           one network namespace. In this one, lo is the only interface that is up.",
    },
};

pub(super) static REFUSED: Fact = Fact {
    id: "shared-net-refused",
    claim: "A client in its own network namespace cannot reach the server's localhost:80.",
};

static LOCALHOST: Ask = Ask {
    id: "shared-net-localhost",
    text: "The web server runs in the first container, and lo is up in both. What does the client get from its localhost, \
           port 80?",
    choices: &[
        ("the server's page", "0"),
        ("the error ECONNREFUSED", "ECONNREFUSED"),
        ("the error ENETUNREACH", "ENETUNREACH"),
        ("the error ETIMEDOUT, after a while", "ETIMEDOUT"),
    ],
    why: "Each network namespace has its own localhost; the client reached its own, and nobody listens there.",
};

/// A server listens, and two clients connect to localhost: one in its network namespace, and one in another.
const CONNECT_TWICE: &str = r#"unshare --user --map-root-user --net perl -MIO::Socket::INET -e '
  $s = IO::Socket::INET->new(LocalPort => 80, Listen => 1)
    or die $!;
  $try = q(system "ip link set lo up";
    print +(IO::Socket::INET->new("127.0.0.1:80"))
      ? "connected; " : "$!; ");
  system split, $^X, "-MIO::Socket::INET", "-e", $try
    for "", "unshare --net"; print "\n"'"#;

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
        ByHand::Shell { command: CONNECT_TWICE, shows: "connected; Connection refused;" },
        ByHand::Docker("docker run --rm alpine wget -qO- localhost"),
    ],
    note: Note {
        point: "There are as many localhosts as there are network namespaces. It makes no difference that client and \
                server run on the same kernel.",
        ask: "In which network namespace is the connection refused, the server's or the client's? (The client's. \
              127.0.0.1 is on its own lo, so the request never leaves its namespace, and nobody listens there.)",
        misunderstanding: "\"On one machine everything is local.\" Local means: in the same network namespace. No \
                           packet gets from one to another unless something connects them.",
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
        ByHand::Shell {
            command: "unshare --user --map-root-user --net sh -c 'ip link set lo up && exec 3</proc/self/ns/net && \
             unshare --net sh -c \"ip -br addr && nsenter --net=/proc/self/fd/3 ip -br addr\"'",
            shows: "127.0.0.1",
        },
        ByHand::Docker("docker run --rm --network container:web alpine wget -qO- localhost"),
    ],
    note: Note {
        point: "setns(2) makes no namespace. The caller joins one that exists. The request is the same as before, but \
                its address is looked up in another network namespace.",
        ask: "What must the server do to let the client join? (Nothing: the client makes the call. Whether it may \
              depends on the client's rights.)",
        misunderstanding: "\"Now the two networks are connected.\" The client has left its own network namespace and is \
                           in the server's. Nobody holds the old one any more, so the kernel removes it.",
    },
};

pub(super) static ONLY_NET: Fact = Fact {
    id: "shared-net-only-net",
    claim: "The runtimes made namespaces of five types, and of these client and server now share one: network.",
};

pub(super) static PORT_TAKEN: Fact =
    Fact { id: "shared-net-port-taken", claim: "On the shared network the client cannot bind the server's port." };

static WHAT_PS_LISTS: Ask = Ask {
    id: "shared-net-ps",
    text: "The client lists the processes in its /proc. Which of the three does it find: client, master, worker?",
    choices: &[
        ("the client alone", "client"),
        ("all three", "master, worker, client"),
        ("master and worker, but not the client", "master, worker"),
    ],
    why: "The client has joined one namespace of the container, its network; its PID namespace and its /proc are still \
          its own.",
};

/// A container is a set of namespaces.
pub(super) static ONE_OR_TWO: Step = Step {
    title: "In one container, or in two?",
    minutes: 2,
    needs: TO_JOIN,
    asks: &[&WHAT_PS_LISTS],
    facts: &[&ONLY_NET, &PORT_TAKEN],
    by_hand: &[
        ByHand::Shell {
            command: "unshare --user --map-root-user --net sh -c 'exec 3</proc/self/ns/net && \
             ids=\"readlink /proc/self/ns/net /proc/self/ns/uts\" && \
             { $ids; unshare --net --uts nsenter --net=/proc/self/fd/3 $ids; } | sort | uniq -c'",
            shows: "2 net:",
        },
        ByHand::Docker("docker run --rm --network container:web alpine ps"),
    ],
    note: Note {
        point: "Namespaces are shared type by type. Processes that share a network namespace have its addresses and \
                ports in common. Namespaces of the other types are not shared by that.",
        ask: "The client has mounts, processes and a hostname of its own. Can it listen on port 80 as well? (No, \
              EADDRINUSE: in this network namespace the server has that port.)",
        misunderstanding: "\"A pod is one container with several programs.\" It is several containers. Each has its own \
                           mounts, and so its own files. They share the network namespace, and some other types, too.",
    },
};

pub(super) static SHARED_PIDS: Fact = Fact {
    id: "pid-container-shared",
    claim: "A helper in web's PID namespace sees the server as PID 1, its worker, and itself.",
};

pub(super) static BOTH_WAYS: Fact =
    Fact { id: "shared-pid-ps", claim: "Sharing works both ways: the master's /proc lists the helper, too." };

static IS_IT_SEEN: Ask = Ask {
    id: "shared-net-helper",
    text: "The helper is in web's PID namespace and lists the processes there. Does the master's /proc list the helper?",
    choices: &[
        ("no", "no helper"),
        ("yes, with its number in web", "another number"),
        ("yes, with its number on the host", "the host's number"),
    ],
    why: "The helper is in web's PID namespace, so it has a number there, and every /proc of that namespace lists it.",
};

/// Another type of namespace, shared with somebody from outside.
pub(super) static LOOKS_IN: Step = Step {
    title: "A helper looks in",
    minutes: 3,
    needs: TO_JOIN,
    asks: &[&IS_IT_SEEN],
    facts: &[&SHARED_PIDS, &BOTH_WAYS],
    by_hand: &[
        ByHand::Shell {
            command: "unshare --user --map-root-user --pid --fork --mount-proc sh -c \
             'unshare --pid --fork sh -c \"exec yes 2>/dev/null\" | { read line && \
             nsenter --target $(pgrep -x yes) --pid unshare --mount-proc ps -eo pid,ppid,comm; }'",
            shows: "0 yes",
        },
        ByHand::Docker("docker run --rm --pid container:web alpine ps; docker rm -f web"),
    ],
    note: Note {
        point: "A process cannot move into another PID namespace, but its children can be born there. To list the \
                processes in it takes a /proc of that namespace. Whoever is in the namespace is listed there as well.",
        ask: "The joiner stayed in the host's PID namespace. Which number does web's /proc show for the helper's parent? \
              (0: the parent has no number in web's PID namespace.)",
        misunderstanding: "\"Now the helper has web's files.\" It has joined the PID namespace and nothing else. Its \
                           mounts are a copy of the host's, so the files under its / are the host's.",
    },
};
