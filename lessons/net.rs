//! Network namespaces: a network each, a cable between.

use std::net::Ipv4Addr;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::error::{Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::lessons::notes;
use crate::stage::{Actor, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS, Effect, Stage};
use crate::transcript::{Interface, Kind};

/// The lesson's card.
pub(super) const LESSON: Lesson = Lesson {
    id: "net",
    title: "Network namespaces",
    subtitle: "a network each, a cable between",
    question: "Two web servers, one machine, both on port 80. How?",
    minutes: 15,
    steps: 8,
    needs: &[
        (Effect::Net, OF_EACH),
        (Effect::Net, WITH_A_CABLE),
        (Effect::Net, &["net-lo-immovable", "net-abstract-unix"]),
        (Effect::Veth, WITH_A_CABLE),
        (Effect::Nftables, &["net-own-everything"]),
        (Effect::SockDiag, &["net-own-everything"]),
        (Effect::Mnt, &["net-host-shared"]),
        (Effect::Uts, &["net-host-shared"]),
        (Effect::Ipc, &["net-host-shared"]),
        (Effect::Several, &[]),
    ],
    man: &["network_namespaces(7)", "veth(4)", "ip-netns(8)", "rtnetlink(7)"],
    facts: &[
        "net-fresh-lo-down",
        "net-lo-up",
        "net-same-port",
        "net-own-everything",
        "net-veth",
        "net-interface-one-place",
        "net-lo-immovable",
        "net-abstract-unix",
        "net-host-shared",
        "net-veth-dies",
    ],
    notes: notes::net::NOTES,
    play,
};

const LEFT: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 2);

/// The facts about a network namespace by itself.
const OF_EACH: &[&str] = &["net-fresh-lo-down", "net-lo-up", "net-same-port", "net-own-everything"];

/// The facts about a veth pair.
const WITH_A_CABLE: &[&str] = &["net-veth", "net-interface-one-place", "net-veth-dies"];

fn play(stage: &Stage) -> Result<()> {
    let host = stage.host();
    stage.has_steps(LESSON.steps);

    let networks = stage.or_skip_steps(3, OF_EACH, || two_networks(stage))?;
    let connected = match &networks {
        Some((left, right)) => {
            let connected = cable(stage, host, left, right)?;
            unix_sockets(stage, host, left)?;
            connected
        }
        None => {
            stage.skip_as_well(&["net-veth", "net-interface-one-place", "net-lo-immovable", "net-abstract-unix"]);
            stage.go_to_step(6);
            None
        }
    };

    the_hosts_network(stage, networks.as_ref().map(|(left, _)| left))?;

    stage.step("The end of a cable");
    match (&networks, connected) {
        (Some((left, _)), Some(())) => {
            stage.or_skip(&["net-veth-dies"], || the_end_of_a_cable(stage, host, left)).map(drop)?;
        }
        _ => stage.skip_as_well(&["net-veth-dies"]),
    }
    stage.by_hand(THE_END);
    Ok(())
}

/// Two networks beside the host's, and what each of them has for itself.
fn two_networks(stage: &Stage) -> Result<(Actor, Actor)> {
    let host = stage.host();
    stage.step("A new network");
    let question = stage.ask(
        "net-localhost",
        "A process in a new network namespace connects to its own 127.0.0.1, port 80. What does the kernel answer?",
        &["ECONNREFUSED: nobody listens there", "ETIMEDOUT: nothing comes back", "ENETUNREACH: no way leads there"],
    );
    stage.say(
        "A UTS namespace starts as a copy. A network namespace starts empty: its own loopback, which is down, and \
         nothing else. Here is the host's network, which has been set up:",
    );
    host.link_up("lo")?;
    stage.ip_addr(host)?;
    stage.say("And here is a new one. Not one packet can move in it, not even from a process to itself.");
    let left = host.fork("left")?;
    left.unshare(CLONE_NEWNET)?;
    let fresh = stage.ip_addr(&left)?;
    let routes = stage.ip_route(&left)?;
    let unreachable = left.connect(Ipv4Addr::LOCALHOST, 80).refusal()?;
    // Where old tunnel modules are loaded, the kernel puts a `sit0` or `tunl0` into each namespace: it leads nowhere.
    let others: Vec<&str> = fresh.iter().map(|row| row.name.as_str()).filter(|name| *name != "lo").collect();
    let only = if others.is_empty() { "only lo".to_owned() } else { format!("only lo and {}", others.join(", ")) };
    stage.verify(
        "net-fresh-lo-down",
        &format!("A new network namespace has {only}, which is down, and no routes."),
        fresh.len() == others.len() + 1 && none_up(&fresh) && no_ethernet(&fresh) && routes.is_empty(),
        evidence![fresh.len(), "interface, down;", routes.len(), "routes"],
    );
    stage.answer(
        question,
        &[
            unreachable == Some(Errno::ECONNREFUSED),
            unreachable == Some(Errno::ETIMEDOUT),
            unreachable == Some(Errno::ENETUNREACH),
        ],
        "Even the loopback has to be switched on, and until then no route leads anywhere.",
    );
    stage.by_hand("unshare --user --map-root-user --net ip addr");

    stage.step("Up goes the loopback");
    stage.say("Whoever makes a network has to switch it on. Watch the error change: it says what is missing now.");
    left.link_up("lo")?;
    stage.ip_addr(&left)?;
    let nobody = left.connect(Ipv4Addr::LOCALHOST, 80).refusal()?;
    stage.verify(
        "net-lo-up",
        "With lo down, connect(2) is ENETUNREACH; with lo up it is ECONNREFUSED: a network, and nobody there.",
        unreachable == Some(Errno::ENETUNREACH) && nobody == Some(Errno::ECONNREFUSED),
        evidence!["down:", unreachable, "and up:", nobody],
    );
    stage.by_hand("unshare --user --map-root-user --net sh -c 'ip link set lo up; ip -br -4 addr show lo'");

    stage.step("Port 80, three times");
    let question = stage.ask(
        "net-port",
        "A server listens on port 80 in left. Then a second one wants port 80 in right, and a third one too, in right as \
         well. Who is refused?",
        &["the second and the third", "the third alone", "nobody"],
    );
    stage.say(
        "A port number belongs to a network, not to the machine. A second namespace has a port 80 of its own. Within \
         one of them, the old rule stands: a port for one listener.",
    );
    let right = host.fork("right")?;
    right.unshare(CLONE_NEWNET)?;
    let listener = left.listen(80)?;
    let second = right.listen(80).refusal()?;
    let third = right.listen(80).refusal()?;
    stage.verify(
        "net-same-port",
        "Two servers listen on port 80 at once, one in each namespace.",
        second.is_none() && third == Some(Errno::EADDRINUSE),
        evidence!["left: 0, right:", second, "and once more in right:", third],
    );
    stage.answer(
        question,
        &[
            second.is_some() && third.is_some(),
            second.is_none() && third.is_some(),
            second.is_none() && third.is_none(),
        ],
        "A port is taken in one network namespace, and free in every other.",
    );
    let listening = stage.or_skip(&["net-own-everything"], || Ok((stage.ss_tln(&left)?, stage.ss_tln(host)?)))?;
    // The kernel lets go of a listener's network late. Closed now, it will not hold up the end of left's.
    left.close(listener)?;
    stage.say(
        "The same is true of all that makes up a network. Firewall rules: left gets a table of them. Interfaces and \
         routes: in right, lo is still as it was made.",
    );
    stage.or_skip(&["net-own-everything"], || {
        let Some((left_listens, host_listens)) = listening else { return Ok(()) };
        left.add_firewall_table("guard")?;
        let left_tables = stage.nft_list_tables(&left)?;
        let host_tables = stage.nft_list_tables(host)?;
        let rights = stage.ip_addr(&right)?;
        let no_route = right.connect(Ipv4Addr::LOCALHOST, 80).refusal()?;
        stage.verify(
            "net-own-everything",
            "Interfaces, routes, firewall rules and Internet sockets are each namespace's own.",
            left_tables == ["inet guard"]
                && host_tables.is_empty()
                && left_listens.len() == 1
                && host_listens.is_empty()
                && none_up(&rights)
                && no_route == Some(Errno::ENETUNREACH),
            evidence![
                "listeners: left",
                left_listens.len(),
                "host",
                host_listens.len(),
                "· tables: left",
                left_tables.len(),
                "host",
                host_tables.len(),
                "· right's own localhost:",
                no_route
            ],
        );
        Ok(())
    })?;
    stage.by_hand(
        "unshare --user --map-root-user --net sh -c 'ip link set lo up; ip -br link; unshare --net ip -br link'",
    );
    Ok((left, right))
}

/// A veth pair: a packet crosses, an end moves. `None` where this machine has no such cable.
fn cable(stage: &Stage, host: &Actor, left: &Actor, right: &Actor) -> Result<Option<()>> {
    stage.step("A cable between two networks");
    stage.say(
        "A veth pair is a cable: two interfaces, and what goes in at one end comes out at the other. The ends may be \
         in different namespaces. The host makes one with the end v1 in left. The other, v2, stays here at first.",
    );
    let crossed = stage.or_skip(&["net-veth"], || {
        host.add_veth("v2", "v1", left)?;
        let here = stage.ip_addr(host)?;
        stage.say(
            "An interface is always in exactly one namespace. When v2 moves into right, it is gone from the host.",
        );
        host.move_link("v2", right.pid())?;
        let gone = stage.ip_addr(host)?;
        left.add_address("v1", LEFT, 24)?;
        right.add_address("v2", RIGHT, 24)?;
        left.link_up("v1")?;
        right.link_up("v2")?;
        left.wait_until_link_is_ready("v1")?;
        right.wait_until_link_is_ready("v2")?;
        let there = stage.ip_addr(right)?;
        let left_routes = stage.ip_route(left)?;
        let reply = stage.ping(left, RIGHT)?;
        stage.verify(
            "net-veth",
            "A veth pair is a cable: one end in each namespace, and packets cross.",
            reply.starts_with("64 bytes from 10.1.1.2") && left_routes.iter().any(|route| route.interface == "v1"),
            evidence![reply],
        );
        Ok((here, gone, there))
    })?;
    stage.by_hand(VETH);
    stage.say("Docker puts one end of such a cable into each container, and calls it eth0.");
    stage.by_hand_with_docker("docker run --rm alpine ip addr");

    stage.step("There and back again");
    let connected = match crossed {
        Some((here, gone, there)) => stage.or_skip(&["net-interface-one-place"], || {
            stage.say(
                "The way back is the same call, and a process stands for the namespace that is meant: netns 1 is \
                 wherever process 1 is, on the stage as on your machine.",
            );
            right.move_link("v2", 1)?;
            let back = stage.ip_addr(host)?;
            let left_behind = right.interfaces()?;
            stage.verify(
                "net-interface-one-place",
                "An interface is in exactly one namespace: moved in, it is gone outside; netns 1 moves it back.",
                has(&here, "v2")
                    && !has(&gone, "v2")
                    && has(&there, "v2")
                    && has(&back, "v2")
                    && !has(&left_behind, "v2"),
                evidence![
                    "v2 on the host: at first",
                    yes_or_no(&here),
                    "· moved",
                    yes_or_no(&gone),
                    "· moved back",
                    yes_or_no(&back)
                ],
            );
            Ok(())
        })?,
        None => {
            stage.skip_as_well(&["net-interface-one-place"]);
            None
        }
    };
    stage.by_hand(THERE_AND_BACK);
    stage.say(
        "One interface never moves: a network without its loopback would not be one. Older texts have it that \
         ethtool(8) shows which ones those are. It no longer does; but one can ask the kernel by trying.",
    );
    let refused = right.move_link("lo", host.pid()).refusal()?;
    stage.verify(
        "net-lo-immovable",
        "The loopback cannot be moved.",
        refused == Some(Errno::EINVAL),
        evidence!["moving lo:", refused],
    );
    stage.by_hand(
        "unshare --user --map-root-user --net --pid --fork --mount-proc sh -c \
         'unshare --net ip link set lo netns 1 || echo refused'",
    );
    Ok(connected)
}

/// The demonstration as ip(8) does it, in two network namespaces of a user namespace.
const VETH: &str = "unshare --user --map-root-user --net --mount sh -c '
  mount -t tmpfs run /run; ip netns add left; ip netns add right
  ip link add v2 type veth peer name v1 netns left
  ip link set v2 netns right
  ip -n left addr add 10.1.1.1/24 dev v1; ip -n left link set v1 up
  ip -n right addr add 10.1.1.2/24 dev v2
  ip -n right link set v2 up
  nsenter --net=/run/netns/left bash -c \\
    \"echo >/dev/tcp/10.1.1.2/80\" || echo the other end has answered'";

/// An end that moves in, and out again; process 1 is the shell, so that netns 1 is where it is.
const THERE_AND_BACK: &str = "unshare --user --map-root-user --net --mount --pid --fork sh -c '
  names() { ip -br link | cut -d \" \" -f 1 | xargs; }
  mount -t proc proc /proc; mount -t tmpfs run /run
  ip netns add right; ip link add v2 type veth peer name v1; names
  ip link set v2 netns right; names
  ip -n right link set v2 netns 1; names'";

/// A namespace that ends, and how long its cable outlives it.
const THE_END: &str = "unshare --user --map-root-user --net --mount sh -c '
  names() { ip -br link | cut -d \" \" -f 1 | xargs; }
  mount -t tmpfs run /run; ip netns add left
  ip link add v2 type veth peer name v1 netns left; names
  ip netns del left; while names | grep -q v2; do :; done; names'";

/// What crosses network namespaces without a network.
fn unix_sockets(stage: &Stage, host: &Actor, left: &Actor) -> Result<()> {
    stage.step("A door beside the network");
    let question = stage.ask(
        "net-unix",
        "The host listens on two Unix sockets: the file /tmp/door, and the abstract name @door. To which of them can \
         left connect, from its own network?",
        &["neither", "the abstract name alone", "the file alone", "both"],
    );
    stage.say(
        "Unix sockets have names of two sorts. A pathname is a file, so it belongs to the mounts, and whoever can name \
         the file can connect. An abstract name begins with @ and is no file: it belongs to the network namespace.",
    );
    let door = host.listen_unix("/tmp/door")?;
    host.listen_unix("@door")?;
    let by_path = left.connect_unix("/tmp/door").refusal()?;
    let by_name = left.note("in left's network, nobody has that name").connect_unix("@door").refusal()?;
    let at_home = host.connect_unix("@door").refusal()?;
    stage.verify(
        "net-abstract-unix",
        "A Unix socket with a pathname crosses network namespaces, an abstract one does not.",
        by_path.is_none() && by_name == Some(Errno::ECONNREFUSED) && at_home.is_none(),
        evidence!["from left: the path", by_path, "and the abstract name", by_name, "· from the host:", at_home],
    );
    stage.answer(
        question,
        &[
            by_path.is_some() && by_name.is_some(),
            by_path.is_some() && by_name.is_none(),
            by_path.is_none() && by_name.is_some(),
            by_path.is_none() && by_name.is_none(),
        ],
        "A file is found by way of the mounts, which the two share; an abstract name only in one's own network.",
    );
    // A connection that nobody has taken waits in the door, and would keep left's network alive.
    host.close(door)?;
    stage.by_hand(BY_NAME);
    Ok(())
}

/// How often an abstract name is in the list of the network namespace that it was made in, and of a new one.
const BY_NAME: &str = r#"unshare --user --map-root-user --net perl -MIO::Socket::UNIX -e '
  $door = IO::Socket::UNIX->new(Local => "\0door", Listen => 1);
  print qx($_ grep -c \@door /proc/net/unix)
    for "", "unshare --net"'"#;

/// A container without a network of its own, beside one that has one.
fn the_hosts_network(stage: &Stage, left: Option<&Actor>) -> Result<()> {
    let host = stage.host();
    stage.step("The host's network, all of it");
    stage.say(
        "As with every type, a container may keep the host's. Then it sees what the host sees: every interface, every \
         port. It is fast and simple, and not isolated at all.",
    );
    stage.or_skip(&["net-host-shared"], || {
        let agent = host.start("agent")?;
        agent.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)?;
        let agents = stage.ip_addr(&agent)?;
        let hosts = host.interfaces()?;
        let all: Vec<&Actor> = [Some(host), left, Some(&agent)].into_iter().flatten().collect();
        stage.who_is_where(&all)?;
        stage.verify(
            "net-host-shared",
            "With the host's network namespace a container sees the host's interfaces.",
            agents == hosts && stage.same_namespace(host, &agent, Kind::Net)?,
            evidence!["the host sees", hosts.len(), "interfaces, the agent", agents.len()],
        );
        Ok(())
    })?;
    stage.by_hand("unshare --user --map-root-user --mount --uts --ipc ip link | head -n 2");
    stage.by_hand_with_docker("docker run --rm --network host alpine ip addr");
    Ok(())
}

/// A namespace ends, and its interfaces with it.
fn the_end_of_a_cable(stage: &Stage, host: &Actor, left: &Actor) -> Result<()> {
    let question = stage.ask(
        "net-cable-end",
        "v1 is in left, v2 on the host. Now the last process in left ends. What becomes of v2?",
        &["it is gone as well", "it stays, without its other end", "it stays, and v1 comes home to it"],
    );
    stage.say(
        "The host ends left, the last process in its network namespace. So that namespace ends, and with it all \
         its virtual interfaces: v1 first. A cable with one end is none, so v2 goes too, here on the host. The \
         kernel does this in its own time; nslearn waits for the kernel's own notice.",
    );
    let before = host.interfaces()?;
    host.kill(left.pid(), Signal::SIGKILL)?;
    host.waitpid(left.pid())?;
    host.wait_until_link_is_gone("v2")?;
    let after = stage.ip_addr(host)?;
    stage.verify(
        "net-veth-dies",
        "The namespace's end destroys its virtual interfaces, and with one end of a veth the other.",
        has(&before, "v2") && !has(&after, "v2"),
        evidence!["v2 on the host: before", yes_or_no(&before), "and after", yes_or_no(&after)],
    );
    stage.answer(
        question,
        &[!has(&after, "v2"), has(&after, "v2") && !has(&after, "v1"), has(&after, "v2") && has(&after, "v1")],
        "A virtual interface ends with its namespace, and a veth pair has no single end.",
    );
    Ok(())
}

fn has(interfaces: &[Interface], name: &str) -> bool {
    interfaces.iter().any(|row| row.name == name)
}

/// Whether v2 is there, in a word.
fn yes_or_no(interfaces: &[Interface]) -> &'static str {
    if has(interfaces, "v2") { "yes" } else { "no" }
}

fn none_up(interfaces: &[Interface]) -> bool {
    !interfaces.iter().any(Interface::is_up)
}

/// Nothing that could lead to another machine.
fn no_ethernet(interfaces: &[Interface]) -> bool {
    !interfaces.iter().any(|row| row.flags.iter().any(|flag| flag == "BROADCAST"))
}
