//! Network namespaces: a network each, a cable between.

mod steps;

use std::net::Ipv4Addr;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::actors::Actor;
use crate::error::{Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::observe::{Interface, Listener};
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUTS, NamespaceType};

/// The lesson's card.
pub(super) static LESSON: Lesson = Lesson {
    id: "net",
    title: "Network namespaces",
    subtitle: "a network each, a cable between",
    question: "Two web servers, one machine, both on port 80. How?",
    man: &["network_namespaces(7)", "veth(4)", "ip-netns(8)", "rtnetlink(7)"],
    steps: &[
        &steps::NEW_NETWORK,
        &steps::LOOPBACK_UP,
        &steps::PORT_80,
        &steps::CABLE,
        &steps::THERE_AND_BACK,
        &steps::DOOR,
        &steps::HOSTS_NETWORK,
        &steps::END,
    ],
    play,
};

const LEFT: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 2);

fn play(stage: &Stage) -> Result<()> {
    let networks = stage.part(&[&steps::NEW_NETWORK, &steps::LOOPBACK_UP, &steps::PORT_80], || two_networks(stage))?;
    let Some((left, right)) = networks.ok() else {
        // What stands on the two networks is skipped for the same reason as they are.
        stage.part(&[&steps::CABLE, &steps::THERE_AND_BACK, &steps::DOOR], || networks.shown())?;
        the_hosts_network(stage, None)?;
        stage.step(&steps::END)?;
        stage.or_skip(steps::END.facts, || networks.shown())?;
        return Ok(());
    };

    stage.step(&steps::CABLE)?;
    stage.say(
        "A veth pair is a cable: two interfaces, and what goes in at one end comes out at the other. The ends may be \
         in different namespaces. The host makes one with the end v1 in left. The other, v2, stays here at first.",
    );
    let crossed = stage.or_skip(steps::CABLE.facts, || a_packet_crosses(stage, left, right))?;
    stage.say("Docker puts one end of such a cable into each container, and calls it eth0.");

    stage.step(&steps::THERE_AND_BACK)?;
    let back = stage.or_skip(&[&steps::ONE_PLACE], || the_way_back(stage, right, crossed.shown()?))?;
    the_loopback_stays(stage, right)?;

    unix_sockets(stage, left)?;

    the_hosts_network(stage, Some(left))?;

    stage.step(&steps::END)?;
    stage.or_skip(steps::END.facts, || {
        back.shown()?;
        the_end_of_a_cable(stage, left)
    })?;
    Ok(())
}

/// Two networks beside the host's, and what each of them has for itself.
fn two_networks(stage: &Stage) -> Result<(Actor, Actor)> {
    let left = a_new_network(stage)?;
    let right = one_port_in_two_networks(stage, &left)?;
    Ok((left, right))
}

/// The actor left gets a network namespace, and switches it on.
fn a_new_network(stage: &Stage) -> Result<Actor> {
    let host = stage.host();
    stage.step(&steps::NEW_NETWORK)?;
    stage.ask()?;
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
    let names: Vec<&str> = fresh.iter().map(|row| row.name.as_str()).collect();
    let up = fresh.iter().filter(|row| row.is_up()).count();
    stage.verify(
        &steps::FRESH_LO_DOWN,
        names.iter().filter(|name| **name == "lo").count() == 1 && up == 0 && no_ethernet(&fresh) && routes.is_empty(),
        evidence![names.join(", "), "· up:", up, "· routes:", routes.len()],
    )?;
    stage.answer(unreachable)?;

    stage.step(&steps::LOOPBACK_UP)?;
    stage.say("Whoever makes a network has to switch it on. Watch the error change: it says what is missing now.");
    left.link_up("lo")?;
    stage.ip_addr(&left)?;
    let nobody = left.connect(Ipv4Addr::LOCALHOST, 80).refusal()?;
    stage.verify(
        &steps::LO_UP,
        unreachable == Some(Errno::ENETUNREACH) && nobody == Some(Errno::ECONNREFUSED),
        evidence!["down:", unreachable, "and up:", nobody],
    )?;
    Ok(left)
}

/// The actor right gets a network namespace too, with a port 80 and all else of its own.
fn one_port_in_two_networks(stage: &Stage, left: &Actor) -> Result<Actor> {
    let host = stage.host();
    stage.step(&steps::PORT_80)?;
    stage.ask()?;
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
        &steps::SAME_PORT,
        second.is_none() && third == Some(Errno::EADDRINUSE),
        evidence!["left: 0, right:", second, "and once more in right:", third],
    )?;
    stage.answer(vec![second, third])?;
    let listening = stage.or_skip(&[&steps::OWN_EVERYTHING], || Ok((stage.ss_tln(left)?, stage.ss_tln(host)?)))?;
    // The kernel lets go of a listener's network late. Closed now, it will not hold up the end of left's.
    left.close(listener)?;
    stage.say(
        "The same is true of all that makes up a network. Firewall rules: left gets a table of them. Interfaces and \
         routes: in right, lo is still as it was made.",
    );
    stage.or_skip(&[&steps::OWN_EVERYTHING], || {
        let (left_listens, host_listens) = listening.shown()?;
        all_that_makes_up_a_network(stage, left, &right, left_listens, host_listens)
    })?;
    Ok(right)
}

/// Firewall rules, interfaces and routes; the listeners were seen before.
fn all_that_makes_up_a_network(
    stage: &Stage,
    left: &Actor,
    right: &Actor,
    left_listens: &[Listener],
    host_listens: &[Listener],
) -> Result<()> {
    left.add_firewall_table("guard")?;
    let left_tables = stage.nft_list_tables(left)?;
    let host_tables = stage.nft_list_tables(stage.host())?;
    let rights = stage.ip_addr(right)?;
    let no_route = right.connect(Ipv4Addr::LOCALHOST, 80).refusal()?;
    stage.verify(
        &steps::OWN_EVERYTHING,
        left_tables == ["inet guard"]
            && host_tables.is_empty()
            && left_listens.len() == 1
            && host_listens.is_empty()
            && !rights.iter().any(Interface::is_up)
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
    )
}

/// A veth pair from left to right, and a packet that crosses it. What the host saw when it had an end and when it had none,
/// and then what right saw.
fn a_packet_crosses(stage: &Stage, left: &Actor, right: &Actor) -> Result<[Vec<Interface>; 3]> {
    let host = stage.host();
    host.add_veth("v2", "v1", left)?;
    let here = stage.ip_addr(host)?;
    stage.say("An interface is always in exactly one namespace. When v2 moves into right, it is gone from the host.");
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
        &steps::VETH,
        reply.bytes == 64 && reply.from == RIGHT && left_routes.iter().any(|route| route.interface == "v1"),
        evidence![reply.to_string()],
    )?;
    Ok([here, gone, there])
}

/// The end that was moved comes back to the host.
fn the_way_back(stage: &Stage, right: &Actor, [here, gone, there]: &[Vec<Interface>; 3]) -> Result<()> {
    stage.say(
        "The way back is the same call, and a process stands for the namespace that is meant: netns 1 is wherever \
         process 1 is, on the stage as on your machine.",
    );
    right.move_link("v2", 1)?;
    let back = stage.ip_addr(stage.host())?;
    let left_behind = right.interfaces()?;
    stage.verify(
        &steps::ONE_PLACE,
        has(here, "v2") && !has(gone, "v2") && has(there, "v2") && has(&back, "v2") && !has(&left_behind, "v2"),
        evidence![
            "v2 on the host: at first",
            yes_or_no(here),
            "· moved",
            yes_or_no(gone),
            "· moved back",
            yes_or_no(&back)
        ],
    )
}

/// The one interface that does not move.
fn the_loopback_stays(stage: &Stage, right: &Actor) -> Result<()> {
    stage.say(
        "One interface never moves: a network without its loopback would not be one. Older texts have it that \
         ethtool(8) shows which ones those are. It no longer does; but one can ask the kernel by trying.",
    );
    let refused = right.move_link("lo", stage.host().pid()).refusal()?;
    stage.verify(&steps::LO_IMMOVABLE, refused == Some(Errno::EINVAL), evidence!["moving lo:", refused])
}

/// What crosses network namespaces without a network.
fn unix_sockets(stage: &Stage, left: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::DOOR)?;
    stage.ask()?;
    stage.say(
        "Unix sockets have names of two sorts. A pathname is a file, so it belongs to the mounts, and whoever can name \
         the file can connect. An abstract name begins with @ and is no file: it belongs to the network namespace.",
    );
    let door = host.listen_unix("/tmp/door")?;
    host.listen_unix("@door")?;
    let by_path = left.connect_unix("/tmp/door").refusal()?;
    let by_name = left.remark("in left's network, nobody has that name").connect_unix("@door").refusal()?;
    let at_home = host.connect_unix("@door").refusal()?;
    stage.verify(
        &steps::ABSTRACT_UNIX,
        by_path.is_none() && by_name == Some(Errno::ECONNREFUSED) && at_home.is_none(),
        evidence!["from left: the path", by_path, "and the abstract name", by_name, "· from the host:", at_home],
    )?;
    stage.answer(vec![by_path, by_name])?;
    // A connection that nobody has taken waits in the door, and would keep left's network alive.
    host.close(door)
}

/// A container without a network of its own, beside one that has one.
fn the_hosts_network(stage: &Stage, left: Option<&Actor>) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::HOSTS_NETWORK)?;
    stage.say(
        "As with every type, a container may keep the host's. Then it sees what the host sees: every interface, every \
         port. It is fast and simple, and not isolated at all.",
    );
    stage.or_skip(steps::HOSTS_NETWORK.facts, || {
        let agent = host.start("agent")?;
        agent.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)?;
        let agents = stage.ip_addr(&agent)?;
        let hosts = host.interfaces()?;
        let all: Vec<&Actor> = [Some(host), left, Some(&agent)].into_iter().flatten().collect();
        stage.who_is_where(&all)?;
        stage.verify(
            &steps::HOST_SHARED,
            agents == hosts && stage.same_namespace(host, &agent, NamespaceType::Net)?,
            evidence!["the host sees", hosts.len(), "interfaces, the agent", agents.len()],
        )
    })?;
    Ok(())
}

/// A namespace ends, and its interfaces with it.
fn the_end_of_a_cable(stage: &Stage, left: &Actor) -> Result<()> {
    let host = stage.host();
    stage.ask()?;
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
        &steps::VETH_DIES,
        has(&before, "v2") && !has(&after, "v2"),
        evidence!["v2 on the host: before", yes_or_no(&before), "and after", yes_or_no(&after)],
    )?;
    stage.answer(match (has(&after, "v1"), has(&after, "v2")) {
        (_, false) => "gone",
        (false, true) => "v2",
        (true, true) => "v1, v2",
    })
}

fn has(interfaces: &[Interface], name: &str) -> bool {
    interfaces.iter().any(|row| row.name == name)
}

/// Whether v2 is there, in a word.
fn yes_or_no(interfaces: &[Interface]) -> &'static str {
    if has(interfaces, "v2") { "yes" } else { "no" }
}

/// Nothing that could lead to another machine.
fn no_ethernet(interfaces: &[Interface]) -> bool {
    !interfaces.iter().any(Interface::broadcasts)
}
