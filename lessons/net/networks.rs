//! Two new networks, and what each of them has for itself.

use std::net::Ipv4Addr;

use nix::errno::Errno;

use super::{steps, yes_or_no};
use crate::actors::Actor;
use crate::error::{Refusal, Result};
use crate::evidence;
use crate::observe::{Interface, Listener, Route};
use crate::stage::Stage;
use crate::transcript::CLONE_NEWNET;

/// A network that nobody is on.
const NOWHERE: Ipv4Addr = Ipv4Addr::new(10, 9, 9, 0);

/// Two networks beside the host's, and what each of them has for itself.
pub(super) fn two(stage: &Stage) -> Result<(Actor, Actor)> {
    let web1 = a_new_network(stage)?;
    let web2 = one_port_in_two_networks(stage, &web1)?;
    Ok((web1, web2))
}

/// The actor web1 gets a network namespace, and switches it on.
fn a_new_network(stage: &Stage) -> Result<Actor> {
    let host = stage.host();
    stage.step(&steps::NEW_NETWORK)?;
    stage.say(
        "The host makes two processes, first web1 and later web2. Each gets a network of its own. Four words first. An \
         interface is what a process sends packets through: a network card, or a virtual one, which exists only in the \
         kernel. It carries packets only while it is up, that is, switched on. A route says through which interface an \
         address can be reached. The loopback, lo, is a virtual interface that leads back to the machine itself; its \
         usual address is 127.0.0.1. A port is a number by which a program on a machine can be reached; web servers use \
         port 80.",
    );
    stage.say(
        "All of these belong to a network namespace. web1 will make a new one, with the system call unshare(2). Then it \
         will try to connect to 127.0.0.1, port 80, where no program listens.",
    );
    stage.ask()?;
    stage.say(
        "This is the host's network. The host switches on its lo, as a machine does when it boots. It also makes a \
         bridge, br0: a switch made of software, such as Docker's docker0. Changes like these are messages to the kernel \
         over a netlink socket, as the command ip sends them.",
    );
    host.link_up("lo")?;
    // Where the kernel has no bridges, the host has its lo alone.
    host.add_bridge("br0").refusal()?;
    let hosts = stage.ip_addr(host)?;
    stage.say(
        "And this is web1's new one. It has a lo of its own, which is down and has no address. The host's br0 is not \
         there, and there is no route.",
    );
    let web1 = host.fork("web1")?;
    web1.unshare(CLONE_NEWNET)?;
    let fresh = stage.ip_addr(&web1)?;
    let routes = stage.ip_route(&web1)?;
    let unreachable = web1.connect(Ipv4Addr::LOCALHOST, 80).refusal()?;
    is_fresh(stage, &hosts, &fresh, &routes)?;
    stage.answer(unreachable)?;

    stage.step(&steps::LOOPBACK_UP)?;
    stage.say(
        "web1 switches on its lo. The kernel then gives lo the address 127.0.0.1, and makes the routes to it. They are in \
         the table local, which ip route does not show. The state is UNKNOWN and not UP, because lo reports none. It \
         works.",
    );
    web1.link_up("lo")?;
    stage.ip_addr(&web1)?;
    stage.say(
        "web1 tries to connect once more, and gets another error. ENETUNREACH, network is unreachable, meant that no \
         route leads to the address. ECONNREFUSED, connection refused, here means that the packet arrived, and that no \
         program listens on the port.",
    );
    let nobody = web1.connect(Ipv4Addr::LOCALHOST, 80).refusal()?;
    stage.verify(
        &steps::LO_UP,
        unreachable == Some(Errno::ENETUNREACH) && nobody == Some(Errno::ECONNREFUSED),
        evidence!["lo down:", unreachable, "· lo up:", nobody],
    )?;
    Ok(web1)
}

/// What is in a new network namespace, and what is not.
fn is_fresh(stage: &Stage, hosts: &[Interface], fresh: &[Interface], routes: &[Route]) -> Result<()> {
    // Where tunnel modules are loaded, such as ip_gre, the kernel puts a tunnel's end into each namespace: not the host's.
    let loopbacks = fresh.iter().filter(|row| row.name == "lo").count();
    let up = fresh.iter().filter(|row| row.is_up()).count();
    let of_the_host = fresh.iter().filter(|row| hosts.iter().any(|other| row.is_the_same_as(other))).count();
    stage.verify(
        &steps::FRESH_LO_DOWN,
        loopbacks == 1 && up == 0 && of_the_host == 0 && routes.is_empty(),
        evidence!["lo:", loopbacks, "· up:", up, "· of the host's:", of_the_host, "· routes:", routes.len()],
    )
}

/// The actor web2 gets a network namespace too, with a port 80 and all else of its own.
fn one_port_in_two_networks(stage: &Stage, web1: &Actor) -> Result<Actor> {
    let host = stage.host();
    stage.step(&steps::PORT_80)?;
    stage.say(
        "A server asks for a port with bind(2), and listens on it with listen(2). It does so for one address, or for \
         0.0.0.0, which stands for all addresses of its network. Within one network namespace, one address and port can \
         have only one listener (unless each asks to share it, with SO_REUSEPORT). web2 now makes a network namespace \
         too.",
    );
    stage.ask()?;
    let web2 = host.fork("web2")?;
    web2.unshare(CLONE_NEWNET)?;
    let listener = web1.listen(80)?;
    let second = web2.listen(80).refusal()?;
    let third = web2.listen(80).refusal()?;
    stage.say(
        "Ports belong to a network namespace, not to the machine. In web2's network, port 80 was free. web2's second attempt met \
         its own first one: EADDRINUSE, address already in use.",
    );
    stage.verify(
        &steps::SAME_PORT,
        second.is_none() && third == Some(Errno::EADDRINUSE),
        evidence!["web1: 0 · web2:", second, "· web2 once more:", third],
    )?;
    stage.answer(vec![second, third])?;
    stage.say("The command ss lists the listeners of one network namespace. web1's is not in the host's list.");
    let listening = stage.or_skip(&[&steps::OWN_EVERYTHING], || Ok((stage.ss_tln(web1)?, stage.ss_tln(host)?)))?;
    // The kernel lets go of a listener's network late. Closed now, it will not hold up the end of web1's.
    web1.close(listener)?;
    stage.or_skip(&[&steps::OWN_EVERYTHING], || {
        let (web1_listens, host_listens) = listening.shown()?;
        all_that_makes_up_a_network(stage, web1, &web2, [web1_listens, host_listens])
    })?;
    Ok(web2)
}

/// Firewall rules, routes and interfaces; the listeners were seen before.
fn all_that_makes_up_a_network(
    stage: &Stage,
    web1: &Actor,
    web2: &Actor,
    listeners: [&Vec<Listener>; 2],
) -> Result<()> {
    let host = stage.host();
    stage.say(
        "The same is true of the other parts of a network. web1 makes a firewall rule, in a table that it calls guard: \
         packets that would pass through web1's network on their way to another one are dropped.",
    );
    web1.drop_forwarded("guard")?;
    let rules = both([web1, host], |actor| stage.nftables_rules(actor))?;
    stage.say("web1 adds a route: the addresses that begin with 10.9.9 are reached through lo.");
    web1.add_route(NOWHERE, 24, "lo")?;
    let routes = both([web1, host], |actor| stage.ip_route(actor))?;
    stage.say("web1's lo is up. web2 has another lo, and nobody has switched that on.");
    let interfaces = both([web1, web2], |actor| stage.ip_addr(actor))?;

    let listening = listeners.map(Vec::len);
    let dropping = rules.map(|rules| rules.iter().filter(|rule| rule.drops).count());
    let routed = routes.map(|routes| routes.iter().filter(|route| leads_nowhere(route)).count());
    let lo_up = interfaces.map(|rows| rows.iter().any(|row| row.name == "lo" && row.is_up()));
    stage.verify(
        &steps::OWN_EVERYTHING,
        [listening, dropping, routed] == [[1, 0]; 3] && lo_up == [true, false],
        evidence![
            "web1: listeners",
            listening[0],
            "· rules",
            dropping[0],
            "· routes",
            routed[0],
            "· lo up:",
            yes_or_no(lo_up[0]),
            "· the host: listeners",
            listening[1],
            "· rules",
            dropping[1],
            "· routes",
            routed[1],
            "· web2: lo up:",
            yes_or_no(lo_up[1])
        ],
    )
}

/// What each of two actors sees.
fn both<T>(actors: [&Actor; 2], look: impl Fn(&Actor) -> Result<T>) -> Result<[T; 2]> {
    let [one, other] = actors;
    Ok([look(one)?, look(other)?])
}

/// Whether it is the route that web1 has added.
fn leads_nowhere(route: &Route) -> bool {
    route.destination == format!("{NOWHERE}/24") && route.interface == "lo"
}
