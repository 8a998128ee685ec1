//! Interfaces, addresses and routes: rtnetlink(7), veth(4).

use std::net::Ipv4Addr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use crate::actors::{Actor, Process, Reply};
use crate::args;
use crate::error::{About, CallResult, Result};
use crate::observe::netlink::{MESSAGE, Netlink, Refused, message};
use crate::observe::{Interface, Route, links};
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWNET, LinkKind, Look, MacAddress, NetlinkPart, Object, Value};

/// The multicast group that hears of every interface that comes, goes or changes: rtnetlink(7).
const RTNLGRP_LINK: u32 = 1;

/// The number of a cable's end that is made here; the other one gets the first that is free where it is.
const HERE: u32 = 7;

impl Actor {
    /// Sets an interface up: `ip link set NAME up`.
    ///
    /// # Errors
    /// `ENODEV` where there is no such interface; `EPERM` without CAP_NET_ADMIN.
    pub(crate) fn link_up(&self, name: &str) -> Result<()> {
        self.change(CLONE_NEWNET, MESSAGE, name.to_owned(), |me, name| {
            configure(me, format!("RTM_SETLINK {name} up"), 0, up(&name))
        })
    }

    /// Gives an interface an IPv4 address: `ip addr add ADDRESS/PREFIX dev NAME`.
    ///
    /// # Errors
    /// `EEXIST` where it has it already; `EPERM` without CAP_NET_ADMIN.
    pub(crate) fn add_address(&self, name: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
        self.change(CLONE_NEWNET, MESSAGE, (name.to_owned(), address, prefix), |me, (name, address, prefix)| {
            let index = index_of(&name)?;
            let says = format!("RTM_NEWADDR {name} {address}/{prefix}");
            configure(me, says, NLM_F_CREATE | NLM_F_EXCL, self::address(index, address, prefix))
        })
    }

    /// Adds a route to a network that an interface leads to: `ip route add DESTINATION/PREFIX dev NAME`.
    ///
    /// # Errors
    /// `EEXIST` where there is one; `ENETDOWN` where the interface is down; `EPERM` without CAP_NET_ADMIN.
    pub(crate) fn add_route(&self, destination: Ipv4Addr, prefix: u8, name: &str) -> Result<()> {
        self.change(CLONE_NEWNET, MESSAGE, (destination, prefix, name.to_owned()), |me, (destination, prefix, name)| {
            let index = index_of(&name)?;
            let says = format!("RTM_NEWROUTE {destination}/{prefix} dev {name}");
            configure(me, says, NLM_F_CREATE | NLM_F_EXCL, route(index, destination, prefix))
        })
    }

    /// Makes a bridge: `ip link add NAME type bridge`.
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the kernel has no bridges; `EEXIST` where the name is taken.
    pub(crate) fn add_bridge(&self, name: &str) -> Result<()> {
        self.change(CLONE_NEWNET, MESSAGE, name.to_owned(), |me, name| {
            let says = format!("RTM_NEWLINK {name} bridge");
            let made = configure(me, says, NLM_F_CREATE | NLM_F_EXCL, bridge(&name));
            made.about(Object::Link(LinkKind::Bridge))
        })
    }

    /// Makes a cable with one end here, and the other in the network namespace of another actor, which this one knows
    /// by its process id: `ip link add NAME type veth peer name PEER netns PID`. veth(4).
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the kernel has no veth; `EEXIST` where a name is taken.
    pub(crate) fn add_veth(&self, name: &str, peer: &str, other: &Actor) -> Result<()> {
        self.change(CLONE_NEWNET, MESSAGE, (name.to_owned(), peer.to_owned(), other.pid()), |me, (name, peer, pid)| {
            let says = format!("RTM_NEWLINK {name} veth index {HERE} peer {peer} netns {pid}");
            let made = configure(me, says, NLM_F_CREATE | NLM_F_EXCL, veth(&name, &peer, pid));
            made.about(Object::Link(LinkKind::Veth))
        })
    }

    /// Moves an interface into the network namespace of the process that the actor knows by this number:
    /// `ip link set NAME netns PID`.
    ///
    /// # Errors
    /// `EINVAL` for an interface that cannot be moved; `EPERM` without CAP_NET_ADMIN in either namespace.
    pub(crate) fn move_link(&self, name: &str, pid: i32) -> Result<()> {
        self.change(CLONE_NEWNET, MESSAGE, (name.to_owned(), pid), |me, (name, pid)| {
            let mut link = named(&name);
            link.attributes.push(LinkAttribute::NetNsPid(pid.unsigned_abs()));
            configure(me, format!("RTM_SETLINK {name} netns {pid}"), 0, RouteNetlinkMessage::SetLink(link))
        })
    }

    /// Waits until an interface is ready to send: the kernel notices a cable's other end in its own time, and says so.
    ///
    /// # Errors
    /// `ENODEV` where there is no such interface, or no longer.
    pub(crate) fn wait_until_link_is_ready(&self, name: &str) -> Result<()> {
        self.wait_for_link(name, Some("UP"))
    }

    /// Waits until an interface is gone, for the kernel destroys it in its own time.
    ///
    /// # Errors
    /// Where the kernel refuses to tell.
    pub(crate) fn wait_until_link_is_gone(&self, name: &str) -> Result<()> {
        self.wait_for_link(name, None)
    }

    /// Waits until an interface is in this state; `None`: until there is none of that name.
    fn wait_for_link(&self, name: &str, state: Option<&str>) -> Result<()> {
        self.run((name.to_owned(), state.map(str::to_owned)), |_, (name, state)| {
            self::wait_for_link(&name, state.as_deref())
        })
    }

    /// The interfaces that the actor sees.
    ///
    /// # Errors
    /// Where the kernel refuses to tell.
    pub(crate) fn interfaces(&self) -> Result<Vec<Interface>> {
        self.run((), |_, ()| links::interfaces().or_refused(MESSAGE, message("RTM_GETLINK")))
    }

    /// The IPv4 routes that the actor's packets can take.
    ///
    /// # Errors
    /// Where the kernel refuses to tell.
    pub(crate) fn routes(&self) -> Result<Vec<Route>> {
        self.run((), |_, ()| links::routes().or_refused(MESSAGE, message("RTM_GETROUTE")))
    }
}

/// Waits until an interface of the caller's network is in this state; `None`: until there is none of that name.
pub(crate) fn wait_for_link(name: &str, state: Option<&str>) -> Result<()> {
    let get = || message("RTM_GETLINK");
    // Listening comes first: what changes between the look and the wait is heard as well.
    let mut news = Netlink::open(NetlinkPart::Route).or_refused(MESSAGE, get())?;
    news.listen(RTNLGRP_LINK).or_refused(MESSAGE, get())?;
    loop {
        let rows = links::interfaces().or_refused(MESSAGE, get())?;
        let now = rows.into_iter().find(|row| row.name == name).map(|row| row.state);
        if now.as_deref() == state {
            return Ok(());
        }
        if now.is_none() {
            // Nobody makes another one while the caller waits here.
            return Err(Errno::ENODEV).or_refused(MESSAGE, message(format!("RTM_GETLINK {name}")));
        }
        news.next::<RouteNetlinkMessage>().or_refused(MESSAGE, get())?;
    }
}

/// The message that gives an interface, by its number, an IPv4 address.
pub(crate) fn address(index: u32, address: Ipv4Addr, prefix: u8) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = prefix;
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Local(address.into()), AddressAttribute::Address(address.into())];
    RouteNetlinkMessage::NewAddress(message)
}

/// The message that adds a route to an IPv4 network, by the number of an interface that is on it.
fn route(index: u32, destination: Ipv4Addr, prefix: u8) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.destination_prefix_length = prefix;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = RouteScope::Link;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet(destination)), RouteAttribute::Oif(index)];
    RouteNetlinkMessage::NewRoute(message)
}

/// The message that sets an interface up.
pub(crate) fn up(name: &str) -> RouteNetlinkMessage {
    let mut link = named(name);
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    RouteNetlinkMessage::SetLink(link)
}

/// The message that makes a cable with its other end in the network namespace of a process.
pub(crate) fn veth(name: &str, peer: &str, pid: i32) -> RouteNetlinkMessage {
    let mut end = named(peer);
    end.attributes.push(LinkAttribute::NetNsPid(pid.unsigned_abs()));
    let info = vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(end)))];
    let mut link = named(name);
    // Not the number that the other end gets: the kernel takes a link to its own number for none, and is in no hurry then
    // to notice that the cable is plugged in at both ends.
    link.header.index = HERE;
    link.attributes.push(LinkAttribute::LinkInfo(info));
    RouteNetlinkMessage::NewLink(link)
}

/// The message that makes a bridge.
pub(crate) fn bridge(name: &str) -> RouteNetlinkMessage {
    let mut link = named(name);
    link.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]));
    RouteNetlinkMessage::NewLink(link)
}

/// An interface, by its name.
fn named(name: &str) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::IfName(name.to_owned()));
    link
}

fn index_of(name: &str) -> Result<u32> {
    let rows = links::interfaces().or_refused(MESSAGE, message("RTM_GETLINK"))?;
    let row = rows.iter().find(|row| row.name == name);
    row.map(|row| row.index).ok_or(Errno::ENODEV).or_refused(MESSAGE, message(format!("RTM_GETLINK {name}")))
}

/// Asks the kernel for a change of the actor's network, and tells of it.
fn configure(me: &mut Process, says: String, flags: u16, request: RouteNetlinkMessage) -> Result<()> {
    let changed = Netlink::open(NetlinkPart::Route).and_then(|netlink| netlink.change(request, flags));
    me.messaged(says, changed)
}

impl Process {
    /// Tells of a message that was sent to the kernel, and of the reply to it.
    pub(super) fn messaged(&mut self, says: String, answer: std::result::Result<usize, Refused>) -> Result<()> {
        match answer {
            Ok(sent) => {
                let acknowledged = Value::Text(format!("{sent}, acknowledged"));
                self.called(MESSAGE, message(says), Ok(acknowledged)).map(drop)
            }
            Err(Refused::ByKernel { at: MESSAGE, part, errno, said, sent }) => {
                let told = self.called_times(1, MESSAGE, message(says), Err(errno), Some(Reply { said, sent }));
                told.about(Object::Netlink(part))
            }
            // One on the way there.
            on_the_way => on_the_way.map(drop).or_refused(MESSAGE, message(says)),
        }
    }
}

impl Stage {
    /// Shows an actor's interfaces, and returns them.
    ///
    /// # Errors
    /// As [`Actor::interfaces`].
    pub(crate) fn ip_addr(&self, actor: &Actor) -> Result<Vec<Interface>> {
        let rows = actor.interfaces()?;
        self.show(actor, as_ip_addr(&rows));
        Ok(rows)
    }

    /// Shows an actor's routes, and returns them.
    ///
    /// # Errors
    /// As [`Actor::routes`].
    pub(crate) fn ip_route(&self, actor: &Actor) -> Result<Vec<Route>> {
        let rows = actor.routes()?;
        let columns = ["destination", "interface", "protocol", "scope", "source"];
        let row = |route: &Route| {
            let source = route.source.map_or(Value::Nothing, |source| Value::from(source.to_string()));
            args![&route.destination, &route.interface, &route.protocol, &route.scope, source]
        };
        let look = Look::table("routes", "ip route", &columns, rows.iter().map(row).collect());
        self.show(actor, look.printed(rows.iter().map(|route| args![route.to_string()]).collect()));
        Ok(rows)
    }
}

/// Interfaces, as `ip addr` shows them; what the lessons do not speak of is left out.
fn as_ip_addr(rows: &[Interface]) -> Look {
    let columns = ["index", "name", "link", "flags", "state", "mac", "addresses"];
    let row = |row: &Interface| {
        let link = row.link.map_or(Value::Nothing, Value::from);
        args![row.index, &row.name, link, row.flag_names(), &row.state, row.mac, row.addresses.clone()]
    };
    let lines = |row: &Interface| {
        let link = row.link.map(|link| format!("@if{link}")).unwrap_or_default();
        let flags = row.flag_names().join(",");
        let mut lines = vec![args![format!("{}: {}{link}: <{flags}> state {}", row.index, row.name, row.state)]];
        if row.mac != MacAddress::default() {
            lines.push(args!["    link/ether ", row.mac]);
        }
        lines.extend(row.addresses.iter().map(|address| args![format!("    inet {address}")]));
        lines
    };
    let look = Look::table("interfaces", "ip addr (shortened)", &columns, rows.iter().map(row).collect());
    look.printed(rows.iter().flat_map(lines).collect())
}
