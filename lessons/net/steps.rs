//! The steps of the lesson on network namespaces.

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

pub(super) static FRESH_LO_DOWN: Fact = Fact {
    id: "net-fresh-lo-down",
    claim: "A new network namespace has only its own loopback (and idle tunnel ends, where old modules are loaded); \
            all are down, and there are no routes.",
};

static LOCALHOST: Ask = Ask {
    id: "net-localhost",
    text: "A process in a new network namespace connects to its own 127.0.0.1, port 80. What does the kernel answer?",
    choices: &[
        ("ECONNREFUSED: nobody listens there", "ECONNREFUSED"),
        ("ETIMEDOUT: nothing comes back", "ETIMEDOUT"),
        ("ENETUNREACH: no way leads there", "ENETUNREACH"),
    ],
    why: "Even the loopback has to be switched on, and until then no route leads anywhere.",
};

/// A network namespace as it is made.
pub(super) static NEW_NETWORK: Step = Step {
    title: "A new network",
    minutes: 2,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback)],
    asks: &[&LOCALHOST],
    facts: &[&FRESH_LO_DOWN],
    by_hand: &[ByHand::Shell("unshare --user --map-root-user --net ip addr")],
    note: Note {
        point: "A new network namespace takes nothing over from the old one. It has a loopback that is down, no \
                address and no route, and so no packet can be sent in it.",
        ask: "The host's lo is up and has 127.0.0.1. What will left's lo have? (No address, and it is down: it is \
              another interface, of the same name.)",
        misunderstanding: "\"127.0.0.1 works by itself.\" Like every address, it works once it is on an interface \
                           that is up. The kernel puts it on lo when somebody sets lo up, and not before.",
    },
};

pub(super) static LO_UP: Fact = Fact {
    id: "net-lo-up",
    claim: "With lo down, connect(2) is ENETUNREACH; with lo up it is ECONNREFUSED: a network, and nobody there.",
};

/// The first thing to do in it.
pub(super) static LOOPBACK_UP: Step = Step {
    title: "Up goes the loopback",
    minutes: 1,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback)],
    asks: &[],
    facts: &[&LO_UP],
    by_hand: &[ByHand::Shell("unshare --user --map-root-user --net sh -c 'ip link set lo up; ip -br -4 addr show lo'")],
    note: Note {
        point: "The two errors are two findings. ENETUNREACH: my own namespace has no route, and nothing was sent. \
                ECONNREFUSED: there is a way, and at its end nobody listens.",
        ask: "Now lo is up. Will connect(2) to port 80 succeed? (Not yet, ECONNREFUSED: the network works, and there \
              is no server.)",
        misunderstanding: "\"Refused: so a firewall is in the way.\" left has none. It was left's own TCP that \
                           answered, because it found no listener on port 80; so packets do travel.",
    },
};

pub(super) static SAME_PORT: Fact =
    Fact { id: "net-same-port", claim: "Two servers listen on port 80 at once, one in each namespace." };

pub(super) static OWN_EVERYTHING: Fact = Fact {
    id: "net-own-everything",
    claim: "Interfaces, routes, firewall rules and Internet sockets are each namespace's own.",
};

static WHO_IS_REFUSED: Ask = Ask {
    id: "net-port",
    text: "A server listens on port 80 in left. Then a second one wants port 80 in right, and a third one too, in \
           right as well. Who is refused?",
    choices: &[
        ("the second and the third", "EADDRINUSE,EADDRINUSE"),
        ("the third alone", "0,EADDRINUSE"),
        ("nobody", "0,0"),
    ],
    why: "A port is taken in one network namespace, and free in every other.",
};

/// Ports, and what else is each network's own.
pub(super) static PORT_80: Step = Step {
    title: "Port 80, three times",
    minutes: 2,
    needs: &[
        Need::Of(Feature::Net),
        Need::Of(Feature::Loopback),
        Need::For(Feature::Nftables, &[&OWN_EVERYTHING]),
        Need::For(Feature::SockDiag, &[&OWN_EVERYTHING]),
    ],
    asks: &[&WHO_IS_REFUSED],
    facts: &[&SAME_PORT, &OWN_EVERYTHING],
    by_hand: &[ByHand::Shell(
        "unshare --user --map-root-user --net sh -c 'ip link set lo up; ip -br link; unshare --net ip -br link'",
    )],
    note: Note {
        point: "A port is free or taken within one network namespace. Interfaces, routes, firewall rules and Internet \
                sockets are in it as well: each namespace has the whole set.",
        ask: "In right, lo is still down. Can a server bind port 80 there? (It can: for 0.0.0.0, bind(2) needs no \
              interface that is up. But nobody can reach that server yet.)",
        misunderstanding: "\"A firewall rule holds for the whole machine.\" It holds for one network namespace: left \
                           lists the table guard, and the host's list is empty.",
    },
};

pub(super) static VETH: Fact =
    Fact { id: "net-veth", claim: "A veth pair is a cable: one end in each namespace, and packets cross." };

/// The demonstration as ip(8) does it, in two network namespaces of a user namespace.
const BY_IP: &str = "unshare --user --map-root-user --net --mount sh -c '
  mount -t tmpfs run /run; ip netns add left; ip netns add right
  ip link add v2 type veth peer name v1 netns left
  ip link set v2 netns right
  ip -n left addr add 10.1.1.1/24 dev v1; ip -n left link set v1 up
  ip -n right addr add 10.1.1.2/24 dev v2
  ip -n right link set v2 up
  nsenter --net=/run/netns/left bash -c \\
    \"echo >/dev/tcp/10.1.1.2/80\" || echo the other end has answered'";

/// A veth pair, and a packet that crosses it.
pub(super) static CABLE: Step = Step {
    title: "A cable between two networks",
    minutes: 3,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback), Need::Of(Feature::Veth)],
    asks: &[],
    facts: &[&VETH],
    by_hand: &[ByHand::Shell(BY_IP), ByHand::Docker("docker run --rm alpine ip addr")],
    note: Note {
        point: "One interface cannot be in two namespaces, so it takes a pair to join them: what is sent into one end \
                is received at the other. Each end belongs to the namespace that it is in, and is set up there.",
        ask: "Both ends are in their places. What is still to be done before a ping crosses? (An address for each \
              end, and each end set up. The route to the other end comes with that, without a command.)",
        misunderstanding: "\"v1 and v2 are two names of one interface.\" They are two interfaces, each with a number \
                           and addresses of its own. What stands behind the @ is the number of the peer, as the \
                           peer's namespace counts.",
    },
};

pub(super) static ONE_PLACE: Fact = Fact {
    id: "net-interface-one-place",
    claim: "An interface is in exactly one namespace: moved in, it is gone outside; netns 1 moves it back.",
};

pub(super) static LO_IMMOVABLE: Fact = Fact { id: "net-lo-immovable", claim: "The loopback cannot be moved." };

/// An end that moves in, and out again; process 1 is the shell, so that netns 1 is where it is.
const IN_AND_OUT: &str = "unshare --user --map-root-user --net --mount --pid --fork sh -c '
  names() { ip -br link | cut -d \" \" -f 1 | xargs; }
  mount -t proc proc /proc; mount -t tmpfs run /run
  ip netns add right; ip link add v2 type veth peer name v1; names
  ip link set v2 netns right; names
  ip -n right link set v2 netns 1; names'";

/// An interface that moves, and one that does not.
pub(super) static THERE_AND_BACK: Step = Step {
    title: "There and back again",
    minutes: 2,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback), Need::For(Feature::Veth, &[&ONE_PLACE])],
    asks: &[],
    facts: &[&ONE_PLACE, &LO_IMMOVABLE],
    by_hand: &[
        ByHand::Shell(IN_AND_OUT),
        ByHand::Shell(
            "unshare --user --map-root-user --net --pid --fork --mount-proc sh -c \
             'unshare --net ip link set lo netns 1 || echo refused'",
        ),
    ],
    note: Note {
        point: "An interface is moved, never copied, and on the way it goes down and loses its addresses and routes. \
                Some cannot be moved at all, lo among them.",
        ask: "In right, v2 was up and had 10.1.1.2. What will be left of that on the host? (Nothing: it is down and \
              has no IP address.)",
        misunderstanding: "\"netns 1 is the machine's network, whoever says it.\" The 1 is a process number, and the \
                           caller's PID namespace decides which process that is. Who is in a PID namespace of a \
                           container names the container's first process by it.",
    },
};

pub(super) static ABSTRACT_UNIX: Fact = Fact {
    id: "net-abstract-unix",
    claim: "A Unix socket with a pathname crosses network namespaces, an abstract one does not.",
};

static WHICH_DOOR: Ask = Ask {
    id: "net-unix",
    text: "The host listens on two Unix sockets: the file /tmp/door, and the abstract name @door. To which of them can \
           left connect, from its own network?",
    choices: &[
        ("neither", "ECONNREFUSED,ECONNREFUSED"),
        ("the abstract name alone", "ECONNREFUSED,0"),
        ("the file alone", "0,ECONNREFUSED"),
        ("both", "0,0"),
    ],
    why: "A file is found by way of the mounts, which the two share; an abstract name only in one's own network.",
};

/// How often an abstract name is in the list of the network namespace that it was made in, and of a new one.
const BY_NAME: &str = r#"unshare --user --map-root-user --net perl -MIO::Socket::UNIX -e '
  $door = IO::Socket::UNIX->new(Local => "\0door", Listen => 1);
  print qx($_ grep -c \@door /proc/net/unix)
    for "", "unshare --net"'"#;

/// What crosses network namespaces without a network.
pub(super) static DOOR: Step = Step {
    title: "A door beside the network",
    minutes: 2,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback)],
    asks: &[&WHICH_DOOR],
    facts: &[&ABSTRACT_UNIX],
    by_hand: &[ByHand::Shell(BY_NAME)],
    note: Note {
        point: "A network namespace keeps packets apart, not files. A Unix socket with a pathname is open to whoever \
                can reach the file and write to it; an abstract name is looked up in the caller's own network \
                namespace.",
        ask: "Both sockets are the host's. To which of them can left connect? (To the one with the pathname. The \
              abstract name is ECONNREFUSED for left, and 0 for the host.)",
        misunderstanding: "\"@door is a file of that name.\" There is no file; the @ is a way to write a zero byte. \
                           So no file permission guards an abstract name, and in its network namespace everybody may \
                           try it.",
    },
};

pub(super) static HOST_SHARED: Fact =
    Fact { id: "net-host-shared", claim: "With the host's network namespace a container sees the host's interfaces." };

/// A container without a network of its own.
pub(super) static HOSTS_NETWORK: Step = Step {
    title: "The host's network, all of it",
    minutes: 1,
    needs: &[Need::Of(Feature::Mnt), Need::Of(Feature::Uts), Need::Of(Feature::Ipc), Need::Of(Feature::Loopback)],
    asks: &[],
    facts: &[&HOST_SHARED],
    by_hand: &[
        ByHand::Shell("unshare --user --map-root-user --mount --uts --ipc ip link | head -n 2"),
        ByHand::Docker("docker run --rm --network host alpine ip addr"),
    ],
    note: Note {
        point: "Without CLONE_NEWNET a container stays in the host's network, with its interfaces, its ports and its \
                abstract Unix sockets. This type, too, is a choice by itself.",
        ask: "The agent has unshared mounts, names and message queues. Which letter will it have in the row net? (A, \
              as the host has: the network was not among the flags.)",
        misunderstanding: "\"The agent has been given a copy of the interfaces.\" They are the same ones. If the \
                           agent, which is root here, deleted v2, the host would have lost it.",
    },
};

pub(super) static VETH_DIES: Fact = Fact {
    id: "net-veth-dies",
    claim: "The namespace's end destroys its virtual interfaces, and with one end of a veth the other.",
};

static WHAT_BECOMES_OF_V2: Ask = Ask {
    id: "net-cable-end",
    text: "v1 is in left, v2 on the host. Now the last process in left ends. What becomes of v2?",
    choices: &[
        ("it is gone as well", "gone"),
        ("it stays, without its other end", "v2"),
        ("it stays, and v1 comes home to it", "v1, v2"),
    ],
    why: "A virtual interface ends with its namespace, and a veth pair has no single end.",
};

/// A namespace that ends, and how long its cable outlives it.
const THE_END: &str = "unshare --user --map-root-user --net --mount sh -c '
  names() { ip -br link | cut -d \" \" -f 1 | xargs; }
  mount -t tmpfs run /run; ip netns add left
  ip link add v2 type veth peer name v1 netns left; names
  ip netns del left; while names | grep -q v2; do :; done; names'";

/// A namespace ends, and its interfaces with it.
pub(super) static END: Step = Step {
    title: "The end of a cable",
    minutes: 2,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback), Need::Of(Feature::Veth)],
    asks: &[&WHAT_BECOMES_OF_V2],
    facts: &[&VETH_DIES],
    by_hand: &[ByHand::Shell(THE_END)],
    note: Note {
        point: "A network namespace lives as long as something holds it. When it ends, the virtual interfaces in it \
                are destroyed, and of a veth pair the end outside as well.",
        ask: "left's last process is dead, and waitpid(2) has returned. Can a script rely on v2 being gone now? (No. \
              The kernel takes the namespace apart afterwards; nslearn waits for its notice, the command by hand asks \
              again and again.)",
        misunderstanding: "\"ip netns del ends a network namespace.\" It takes away a name. As long as a process is \
                           in the namespace, or somebody has a descriptor of it open, it stays, and all its \
                           interfaces do.",
    },
};
