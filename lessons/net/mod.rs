//! Network namespaces: two networks and a cable.

mod networks;
mod steps;

use std::net::Ipv4Addr;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::actors::Actor;
use crate::error::{Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::observe::Interface;
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWUTS, NamespaceType};

/// The lesson's card.
pub(super) static LESSON: Lesson = Lesson {
    id: "net",
    title: "Network namespaces",
    subtitle: "two networks and a cable",
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

const WEB1: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 1);
const WEB2: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 2);

fn play(stage: &Stage) -> Result<()> {
    let networks = stage.part(&[&steps::NEW_NETWORK, &steps::LOOPBACK_UP, &steps::PORT_80], || networks::two(stage))?;
    let Some((web1, web2)) = networks.ok() else {
        // What stands on the two networks is skipped for the same reason as they are.
        stage.part(&[&steps::CABLE, &steps::THERE_AND_BACK, &steps::DOOR], || networks.shown())?;
        the_hosts_network(stage, None)?;
        stage.step(&steps::END)?;
        stage.or_skip(steps::END.facts, || networks.shown())?;
        return Ok(());
    };

    stage.step(&steps::CABLE)?;
    stage.say(
        "Two networks can be connected by a veth pair (virtual Ethernet). It is a virtual cable with two ends, and each \
         end is an interface. What is sent into one end is received at the other. The host makes a pair. It puts the end \
         v1 into web1's network namespace, and keeps the end v2 for now.",
    );
    let crossed = stage.or_skip(steps::CABLE.facts, || a_packet_crosses(stage, web1, web2))?;
    stage.say(
        "By default, Docker does the same for each container: one end of a veth pair is in the container, where it is \
         called eth0, and the other end stays on the host.",
    );

    stage.step(&steps::THERE_AND_BACK)?;
    let back = stage.or_skip(&[&steps::ONE_PLACE], || the_way_back(stage, web2, crossed.shown()?))?;
    the_loopback_stays(stage, web2)?;

    unix_sockets(stage, web1)?;

    the_hosts_network(stage, Some(web1))?;

    stage.step(&steps::END)?;
    stage.or_skip(steps::END.facts, || {
        back.shown()?;
        the_end_of_a_cable(stage, web1)
    })?;
    Ok(())
}

/// A veth pair from web1 to web2, and a packet that crosses it. What the host saw when it had an end and when it had none,
/// and then what web2 saw.
fn a_packet_crosses(stage: &Stage, web1: &Actor, web2: &Actor) -> Result<[Vec<Interface>; 3]> {
    let host = stage.host();
    host.add_veth("v2", "v1", web1)?;
    let here = stage.ip_addr(host)?;
    stage.say(
        "Behind the @ stands the number of the other end. In v2@if2 that is number 2 of web1's network, v1, and not the \
         host's br0: each network namespace counts on its own. nslearn asked for number 7 for v2, so that the two differ. \
         An interface is always in exactly one namespace. When the host moves v2 into web2's network, v2 is gone here.",
    );
    host.move_link("v2", web2.pid())?;
    let gone = stage.ip_addr(host)?;
    stage.say("Now each end gets an address and is switched on. The kernel adds the route to the other end by itself.");
    web1.add_address("v1", WEB1, 24)?;
    web2.add_address("v2", WEB2, 24)?;
    web1.link_up("v1")?;
    web2.link_up("v2")?;
    web1.wait_until_link_is_ready("v1")?;
    web2.wait_until_link_is_ready("v2")?;
    let there = stage.ip_addr(web2)?;
    let web1_routes = stage.ip_route(web1)?;
    stage.say(
        "web1 sends a ping, a small packet that asks for a reply, to web2's address. The reply comes from there. Its 84 \
         bytes: 64, and 20 of the IP header.",
    );
    let reply = web1.ping(WEB2)?;
    stage.verify(
        &steps::VETH,
        reply.bytes == 64 && reply.from == WEB2 && web1_routes.iter().any(|route| route.interface == "v1"),
        evidence![reply.to_string()],
    )?;
    Ok([here, gone, there])
}

/// The end that was moved comes back to the host.
fn the_way_back(stage: &Stage, web2: &Actor, [here, gone, there]: &[Vec<Interface>; 3]) -> Result<()> {
    stage.say(
        "web2 gives v2 back to the host. The message names a process, and means the network namespace that this process \
         is in. So netns 1 means the one of process 1. On the stage, that is the host. v2 comes back down and without its \
         address.",
    );
    web2.move_link("v2", 1)?;
    let back = stage.ip_addr(stage.host())?;
    let left_behind = web2.interfaces()?;

    stage.verify(
        &steps::ONE_PLACE,
        has(here, "v2") && !has(gone, "v2") && has(there, "v2") && has(&back, "v2") && !has(&left_behind, "v2"),
        evidence![
            "v2 on the host: at first",
            yes_or_no(has(here, "v2")),
            "· moved",
            yes_or_no(has(gone, "v2")),
            "· moved back",
            yes_or_no(has(&back, "v2"))
        ],
    )
}

/// The interface that every network namespace keeps.
fn the_loopback_stays(stage: &Stage, web2: &Actor) -> Result<()> {
    stage.say(
        "Some interfaces cannot be moved. The loopback is one of them: every network namespace keeps its own. A bridge is \
         another. Before Linux 6.12, ethtool -k marked them as netns-local. web2 simply tries.",
    );
    let refused = web2.move_link("lo", stage.host().pid()).refusal()?;
    stage.verify(&steps::LO_IMMOVABLE, refused == Some(Errno::EINVAL), evidence!["moving lo:", refused])
}

/// What crosses network namespaces without a network.
fn unix_sockets(stage: &Stage, web1: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::DOOR)?;
    stage.say(
        "Unix sockets connect processes on one machine, without any interface. A server may give its socket a name, so \
         that clients can find it. There are two kinds of names. A pathname is the name of a file: a client must reach \
         that file, and must be allowed to write to it. An abstract name is the name of no file. Its first byte is zero; \
         tools show that byte as @.",
    );
    stage.say(
        "The host will listen on one socket of each kind. web1 is in a network namespace of its own, but it sees the same \
         files as the host.",
    );
    stage.ask()?;
    let door = host.listen_unix("/tmp/door")?;
    host.listen_unix("@door")?;
    let by_path = web1.connect_unix("/tmp/door").refusal()?;
    let by_name = web1.remark("in web1's network, nobody has that name").connect_unix("@door").refusal()?;
    let at_home = host.connect_unix("@door").refusal()?;
    stage.verify(
        &steps::ABSTRACT_UNIX,
        by_path.is_none() && by_name == Some(Errno::ECONNREFUSED) && at_home.is_none(),
        evidence!["from web1: the path", by_path, "and the abstract name", by_name, "· from the host:", at_home],
    )?;
    stage.answer(vec![by_path, by_name])?;
    stage.say("An abstract name belongs to the network namespace that its socket was made in. A file does not.");
    // A connection that nobody has taken waits in the door, and would keep web1's network alive.
    host.close(door)
}

/// A container without a network of its own, beside one that has one.
fn the_hosts_network(stage: &Stage, web1: Option<&Actor>) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::HOSTS_NETWORK)?;
    stage.say(
        "A container may also stay in the host's network namespace. The agent is such a container. It gets new namespaces \
         for mounts, for the hostname (UTS) and for message queues (IPC), and none for the network. So it has the host's \
         interfaces and ports. In the table, equal letters in a row mean the same namespace.",
    );
    stage.or_skip(steps::HOSTS_NETWORK.facts, || {
        let agent = host.start("agent")?;
        agent.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)?;
        let agents = stage.ip_addr(&agent)?;
        let hosts = host.interfaces()?;
        let all: Vec<&Actor> = [Some(host), web1, Some(&agent)].into_iter().flatten().collect();

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
fn the_end_of_a_cable(stage: &Stage, web1: &Actor) -> Result<()> {
    let host = stage.host();
    stage.say(
        "The cable still has two ends: v1 is in web1's network namespace, and v2 is on the host. A network namespace \
         lives as long as something holds it: a process in it, a socket that was made in it, or an open file or a mount \
         that stands for it. web1's network namespace is held by web1 alone.",
    );
    stage.ask()?;
    stage.say(
        "The host kills web1 with the signal SIGKILL. The kernel then destroys web1's network namespace and the virtual \
         interfaces in it. It does so a moment later; nslearn waits until the kernel reports the change.",
    );
    let before = host.interfaces()?;
    host.kill(web1.pid(), Signal::SIGKILL)?;
    host.waitpid(web1.pid())?;
    host.wait_until_link_is_gone("v2")?;
    let after = stage.ip_addr(host)?;
    stage.verify(
        &steps::VETH_DIES,
        has(&before, "v2") && !has(&after, "v2"),
        evidence!["v2 on the host: before", yes_or_no(has(&before, "v2")), "and after", yes_or_no(has(&after, "v2"))],
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

/// Whether it is so, in a word.
fn yes_or_no(is: bool) -> &'static str {
    if is { "yes" } else { "no" }
}
