//! The steps of the lesson on network namespaces.

use crate::feature::Feature;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

pub(super) static FRESH_LO_DOWN: Fact = Fact {
    id: "net-fresh-lo-down",
    claim: "A new network namespace has its own loopback, which is down; it has none of the host's interfaces and no \
            routes.",
};

static LOCALHOST: Ask = Ask {
    id: "net-localhost",
    text: "In its new network namespace, web1 connects to 127.0.0.1, port 80. What does the kernel answer?",
    choices: &[
        ("ECONNREFUSED: no program listens on that port", "ECONNREFUSED"),
        ("ETIMEDOUT: no answer came back", "ETIMEDOUT"),
        ("ENETUNREACH: no route leads to that address", "ENETUNREACH"),
    ],
    why: "The new network's lo is down, and nothing else there is up, so no route leads to 127.0.0.1.",
};

/// A network namespace as it is made.
pub(super) static NEW_NETWORK: Step = Step {
    title: "A new network",
    minutes: 2,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback)],
    asks: &[&LOCALHOST],
    facts: &[&FRESH_LO_DOWN],
    by_hand: &[ByHand::Shell { command: "unshare --user --map-root-user --net ip addr", shows: "state DOWN" }],
    note: Note {
        point: "A new network namespace has a loopback that is down, no address and no route, so no packet can be sent in \
                it. What it may take over is settings: by default its values in /proc/sys/net/ipv4/conf are copies of \
                those in the machine's first network namespace (sysctl net.core.devconf_inherit_init_net).",
        ask: "The host's lo is up and has 127.0.0.1. What will web1's lo have? (No address, and it is down: it is another \
              interface, of the same name.)",
        misunderstanding: "\"127.0.0.1 works by itself.\" Like every address, it works once it is on an interface that is \
                           up. The kernel puts it on lo when lo is switched on, and not before.",
    },
};

pub(super) static LO_UP: Fact = Fact {
    id: "net-lo-up",
    claim: "In a new network, connect(2) to 127.0.0.1 gives ENETUNREACH while lo is down, and ECONNREFUSED once lo is up.",
};

/// The first thing to do in it.
pub(super) static LOOPBACK_UP: Step = Step {
    title: "Switching on the loopback",
    minutes: 1,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback)],
    asks: &[],
    facts: &[&LO_UP],
    by_hand: &[ByHand::Shell {
        command: "unshare --user --map-root-user --net sh -c 'ip link set lo up && ip -br -4 addr show lo'",
        shows: "127.0.0.1/8",
    }],
    note: Note {
        point: "The two errors mean different things. ENETUNREACH: there is no route in one's own network namespace, and \
                nothing was sent. ECONNREFUSED, here: the packet arrived, and no program listens on that port.",
        ask: "Now lo is up. Will connect(2) to port 80 succeed? (No, it is ECONNREFUSED: the network works, but there is \
              no server.)",
        misunderstanding: "\"Connection refused means that a firewall is in the way.\" A firewall can be set to answer \
                           so, but web1 has no firewall rule. Its own kernel answered for TCP, because no program listens \
                           on port 80. So packets do travel.",
    },
};

pub(super) static SAME_PORT: Fact = Fact {
    id: "net-same-port",
    claim: "Two servers listen on port 80 at the same time, one in each network namespace.",
};

pub(super) static OWN_EVERYTHING: Fact = Fact {
    id: "net-own-everything",
    claim: "Each network namespace has its own interfaces, routes, firewall rules and listeners.",
};

static WHO_IS_REFUSED: Ask = Ask {
    id: "net-port",
    text: "web1 listens on port 80 of 0.0.0.0, in its own network namespace. Then web2 asks for port 80 of 0.0.0.0 in its \
           own namespace, twice. Which of web2's two attempts are refused?",
    choices: &[
        ("both of them", "EADDRINUSE,EADDRINUSE"),
        ("only the second one", "0,EADDRINUSE"),
        ("neither of them", "0,0"),
    ],
    why: "A port that is taken in one network namespace can still be free in another.",
};

/// Three programs ask for port 80: two in one network namespace, and one in another.
const LISTEN_THREE_TIMES: &str = r#"unshare --user --map-root-user --net perl -MIO::Socket::INET -e '
  # Three attempts: two in one network, the third in a new one
  $try = q(print +($s = IO::Socket::INET->new(LocalPort => 80,
    Listen => 1)) ? "listening; " : "$!; ");
  eval $try;
  system split, $^X, "-MIO::Socket::INET", "-e", $try
    for "", "unshare --net"; print "\n"'"#;

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
    by_hand: &[ByHand::Shell { command: LISTEN_THREE_TIMES, shows: "listening; Address already in use; listening;" }],
    note: Note {
        point: "A port is free or taken within one network namespace. Interfaces, routes and firewall rules belong to a \
                network namespace as well.",
        ask: "In web2's network, lo is still down. Can a server bind port 80 there? (Yes: for 0.0.0.0, bind(2) needs no \
              interface that is up. But no program can reach that server yet.)",
        misunderstanding: "\"A firewall rule holds for the whole machine.\" It holds for one network namespace: web1's \
                           list shows the rule in the table guard, and the host's list is empty.",
    },
};

pub(super) static VETH: Fact = Fact {
    id: "net-veth",
    claim: "A veth pair connects two network namespaces: one end is in each, and packets cross.",
};

/// The demonstration as ip(8) does it, in two network namespaces of a user namespace.
const BY_IP: &str = "unshare --user --map-root-user --net --mount sh -ec '
  mount -t tmpfs run /run; ip netns add web1; ip netns add web2
  ip link add v2 type veth peer name v1 netns web1
  ip link set v2 netns web2
  ip -n web1 addr add 10.1.1.1/24 dev v1; ip -n web1 link set v1 up
  ip -n web2 addr add 10.1.1.2/24 dev v2
  ip -n web2 link set v2 up
  # A refusal is good news: the packet has crossed, as in step 2
  ! nsenter --net=/run/netns/web1 \\
    bash -c \"echo >/dev/tcp/10.1.1.2/80\"'";

/// A veth pair, and a packet that crosses it.
pub(super) static CABLE: Step = Step {
    title: "A cable between two networks",
    minutes: 3,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback), Need::Of(Feature::Veth)],
    asks: &[],
    facts: &[&VETH],
    by_hand: &[
        ByHand::Shell { command: BY_IP, shows: "Connection refused" },
        ByHand::Docker("docker run --rm alpine ip addr"),
    ],
    note: Note {
        point: "One interface cannot be in two namespaces, so two networks are joined by a pair of them. What is sent \
                into one end is received at the other. Each end belongs to the namespace that it is in, and gets its \
                address there.",
        ask: "Both ends are in their places. What is still to be done before a ping crosses? (An address for each end, \
              and each end switched on. The route to the other end comes with that, without a command.)",
        misunderstanding: "\"v1 and v2 are two names of one interface.\" They are two interfaces, each with a number and \
                           addresses of its own. Behind the @ stands the number that the other end has in its own \
                           namespace.",
    },
};

pub(super) static ONE_PLACE: Fact = Fact {
    id: "net-interface-one-place",
    claim: "An interface is in one network namespace at a time: moved into web2's, it is gone from the host; netns 1 \
            moves it back.",
};

pub(super) static LO_IMMOVABLE: Fact =
    Fact { id: "net-lo-immovable", claim: "The loopback cannot be moved to another network namespace." };

/// An end that moves in, and out again; process 1 is the shell, so that netns 1 is where it is.
const IN_AND_OUT: &str = "unshare --user --map-root-user --net --mount --pid --fork sh -ec '
  mount -t proc proc /proc; mount -t tmpfs run /run
  ip netns add web2; ip link add v2 type veth peer name v1
  ip link set v2 netns web2; ip -br link
  ip -n web2 link set v2 netns 1; ip -br link show v2'";

/// An interface that moves, and one that does not.
pub(super) static THERE_AND_BACK: Step = Step {
    title: "Moving an interface",
    minutes: 2,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback), Need::For(Feature::Veth, &[&ONE_PLACE])],
    asks: &[],
    facts: &[&ONE_PLACE, &LO_IMMOVABLE],
    by_hand: &[
        ByHand::Shell { command: IN_AND_OUT, shows: "v2@v1" },
        ByHand::Shell {
            command: "unshare --user --map-root-user --net sh -c '! unshare --net ip link set lo netns $$'",
            shows: "netns is immutable",
        },
    ],
    note: Note {
        point: "An interface is moved, not copied. On the way it goes down and loses its addresses and routes. Some \
                interfaces cannot be moved at all, lo among them.",
        ask: "In web2's network, v2 was up and had 10.1.1.2. Will it be so on the host? (No: it is down and has no IP \
              address.)",
        misunderstanding: "\"netns 1 is always the machine's network.\" The 1 is a process number, and the caller's PID \
                           namespace decides which process that is. In a container with a PID namespace of its own, it is \
                           the container's first process.",
    },
};

pub(super) static ABSTRACT_UNIX: Fact = Fact {
    id: "net-abstract-unix",
    claim: "web1 can connect to the host's Unix socket by its pathname, and not by its abstract name.",
};

static WHICH_DOOR: Ask = Ask {
    id: "net-unix",
    text: "The host listens on two Unix sockets: the file /tmp/door, and the abstract name @door. To which of them can \
           web1 connect?",
    choices: &[
        ("to neither", "ECONNREFUSED,ECONNREFUSED"),
        ("to the abstract name only", "ECONNREFUSED,0"),
        ("to the file only", "0,ECONNREFUSED"),
        ("to both", "0,0"),
    ],
    why: "Both see the same files, but a process can find only the abstract names of its own network namespace.",
};

/// One abstract name, and who connects to it: a program in the same network namespace, and one in another.
const BY_NAME: &str = r#"unshare --user --map-root-user --net perl -MIO::Socket::UNIX -e '
  # Two attempts: here, and in a new network
  $door = IO::Socket::UNIX->new(Local => "\0door", Listen => 1);
  $try = q(print +(IO::Socket::UNIX->new(Peer => "\0door"))
    ? "connected; " : "$!; ");
  system split, $^X, "-MIO::Socket::UNIX", "-e", $try
    for "", "unshare --net"; print "\n"'"#;

/// What crosses network namespaces without a network.
pub(super) static DOOR: Step = Step {
    title: "Two Unix sockets",
    minutes: 2,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback)],
    asks: &[&WHICH_DOOR],
    facts: &[&ABSTRACT_UNIX],
    by_hand: &[ByHand::Shell { command: BY_NAME, shows: "connected; Connection refused;" }],
    note: Note {
        point: "A network namespace keeps packets apart, not files. To connect to a Unix socket by its pathname, a \
                process must be able to reach the file and to write to it. An abstract name is looked up in the caller's \
                own network namespace.",
        ask: "Both sockets are the host's. To which of them can web1 connect? (To the one with the pathname. For the \
              abstract name web1 gets ECONNREFUSED, while the host can connect.)",
        misunderstanding: "\"@door is a file of that name.\" There is no file; tools show a zero byte as @. So no file \
                           permission guards an abstract name, and every process in its network namespace may try it.",
    },
};

pub(super) static HOST_SHARED: Fact =
    Fact { id: "net-host-shared", claim: "A container in the host's network namespace sees the host's interfaces." };

/// A bridge in a network namespace, and who sees it: one who left other namespaces, but not that.
const NO_NETWORK_OF_ITS_OWN: &str = "unshare --user --map-root-user --net sh -ec '
  ip link add br0 type bridge
  unshare --mount --uts --ipc ip -br link'";

/// A container without a network of its own.
pub(super) static HOSTS_NETWORK: Step = Step {
    title: "Staying in the host's network",
    minutes: 1,
    needs: &[Need::Of(Feature::Mnt), Need::Of(Feature::Uts), Need::Of(Feature::Ipc), Need::Of(Feature::Loopback)],
    asks: &[],
    facts: &[&HOST_SHARED],
    by_hand: &[
        ByHand::Shell { command: NO_NETWORK_OF_ITS_OWN, shows: "<BROADCAST,MULTICAST>" },
        ByHand::Docker("docker run --rm --network host alpine ip addr"),
    ],
    note: Note {
        point: "Without CLONE_NEWNET a container stays in the host's network, with the host's interfaces, ports and \
                abstract Unix sockets. Each type of namespace is a separate choice.",
        ask: "The agent has new namespaces for mounts, hostname and message queues. Which letter will it have in the row \
              net? (A, as the host has: CLONE_NEWNET was not among the flags.)",
        misunderstanding: "\"The agent has a copy of the interfaces.\" They are the same interfaces. If the agent, which \
                           is root here, deleted v2, the host would no longer have it.",
    },
};

pub(super) static VETH_DIES: Fact = Fact {
    id: "net-veth-dies",
    claim: "When web1's network namespace ends, v1 is destroyed, and with it the other end of the cable, v2.",
};

static WHAT_BECOMES_OF_V2: Ask = Ask {
    id: "net-cable-end",
    text: "The host kills web1, so web1's network namespace ends. What becomes of v2, which is on the host?",
    choices: &[
        ("it is destroyed as well", "gone"),
        ("it stays, without its other end", "v2"),
        ("it stays, and v1 is moved to the host too", "v1, v2"),
    ],
    why: "A virtual interface ends with its namespace, and the two ends of a veth pair end together.",
};

/// A namespace that ends, and how long its cable outlives it.
const THE_END: &str = "unshare --user --map-root-user --net --mount sh -ec '
  mount -t tmpfs run /run; ip netns add web1
  ip link add v2 type veth peer name v1 netns web1
  ip -br link show v2; ip netns del web1
  while ip -br link | grep -q v2; do :; done
  ! ip link show v2'";

/// A namespace ends, and its interfaces with it.
pub(super) static END: Step = Step {
    title: "The end of a cable",
    minutes: 2,
    needs: &[Need::Of(Feature::Net), Need::Of(Feature::Loopback), Need::Of(Feature::Veth)],
    asks: &[&WHAT_BECOMES_OF_V2],
    facts: &[&VETH_DIES],
    by_hand: &[ByHand::Shell { command: THE_END, shows: "\"v2\" does not exist" }],
    note: Note {
        point: "A network namespace lives as long as something holds it: a process in it, a socket that was made in it, \
                an open file or a mount of /proc/PID/ns/net. When it ends, the virtual interfaces in it are destroyed, \
                and with one end of a veth pair the other end, wherever that is.",
        ask: "web1 has ended, and waitpid(2) has returned. Can a script rely on v2 being gone now? (No. The kernel \
              destroys the namespace a moment later. nslearn waits for the kernel's message; the command by hand asks \
              again and again.)",
        misunderstanding: "\"ip netns del ends a network namespace.\" It takes away a name. As long as a process is in \
                           the namespace, or somebody has an open file that stands for it, the namespace stays, and all \
                           its interfaces do.",
    },
};
