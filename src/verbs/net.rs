//! Interfaces, addresses, routes and firewall tables: rtnetlink(7), veth(4), nft(8).

use std::net::Ipv4Addr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use crate::actors::{Actor, Process};
use crate::args;
use crate::error::{About, CallResult, Result};
use crate::observe::netlink::{Netlink, Refused};
use crate::observe::{Interface, Route, firewall, links};
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWNET, LinkKind, Look, MacAddress, Object, Value};

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
        self.change(CLONE_NEWNET, "rtnetlink", name.to_owned(), |me, name| {
            let args = vec![Value::from("RTM_SETLINK"), Value::Name(name.clone()), Value::from("IFF_UP")];
            configure(me, args, 0, move || up(&name))
        })
    }

    /// Gives an interface an IPv4 address: `ip addr add ADDRESS/PREFIX dev NAME`.
    ///
    /// # Errors
    /// `EEXIST` where it has it already; `EPERM` without CAP_NET_ADMIN.
    pub(crate) fn add_address(&self, name: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
        self.change(CLONE_NEWNET, "rtnetlink", (name.to_owned(), address, prefix), |me, (name, address, prefix)| {
            let index = index_of(&name)?;
            let args = vec![Value::from("RTM_NEWADDR"), Value::Name(name), Value::Text(format!("{address}/{prefix}"))];
            configure(me, args, NLM_F_CREATE | NLM_F_EXCL, move || self::address(index, address, prefix))
        })
    }

    /// Makes a cable with one end here, and the other in the network namespace of another actor, which this one knows
    /// by its process id: `ip link add NAME type veth peer name PEER netns PID`. veth(4).
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the kernel has no veth; `EEXIST` where a name is taken.
    pub(crate) fn add_veth(&self, name: &str, peer: &str, other: &Actor) -> Result<()> {
        self.change(
            CLONE_NEWNET,
            "rtnetlink",
            (name.to_owned(), peer.to_owned(), other.pid()),
            |me, (name, peer, pid)| {
                let args = vec![
                    Value::from("RTM_NEWLINK"),
                    Value::from("veth"),
                    Value::Name(name.clone()),
                    Value::Text(format!("peer {peer:?} netns {pid}")),
                ];
                let made = configure(me, args, NLM_F_CREATE | NLM_F_EXCL, move || veth(&name, &peer, pid));
                made.about(Object::Link(LinkKind::Veth))
            },
        )
    }

    /// Moves an interface into the network namespace of the process that the actor knows by this number:
    /// `ip link set NAME netns PID`.
    ///
    /// # Errors
    /// `EINVAL` for an interface that cannot be moved; `EPERM` without CAP_NET_ADMIN in either namespace.
    pub(crate) fn move_link(&self, name: &str, pid: i32) -> Result<()> {
        self.change(CLONE_NEWNET, "rtnetlink", (name.to_owned(), pid), |me, (name, pid)| {
            let args = vec![Value::from("RTM_SETLINK"), Value::Name(name.clone()), Value::Text(format!("netns {pid}"))];
            configure(me, args, 0, move || {
                let mut link = named(&name);
                link.attributes.push(LinkAttribute::NetNsPid(pid.unsigned_abs()));
                RouteNetlinkMessage::SetLink(link)
            })
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
        self.run((), |_, ()| links::interfaces().or_refused("rtnetlink", args!["RTM_GETLINK"]))
    }

    /// The IPv4 routes that the actor's packets can take.
    ///
    /// # Errors
    /// Where the kernel refuses to tell.
    pub(crate) fn routes(&self) -> Result<Vec<Route>> {
        self.run((), |_, ()| links::routes().or_refused("rtnetlink", args!["RTM_GETROUTE"]))
    }

    /// The firewall tables of the actor's network namespace.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` and the like where the kernel has no nftables.
    pub(crate) fn firewall_tables(&self) -> Result<Vec<String>> {
        self.run((), |_, ()| firewall::tables().or_refused("nfnetlink", args!["NFT_MSG_GETTABLE"]))
    }

    /// Makes a firewall table: `nft add table inet NAME`.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` and the like where the kernel has no nftables; `EPERM` without CAP_NET_ADMIN.
    pub(crate) fn add_firewall_table(&self, name: &str) -> Result<()> {
        self.change(CLONE_NEWNET, "nfnetlink", name.to_owned(), |me, name| {
            let added = firewall::add_table(&name);
            let args = vec![Value::from("NFT_MSG_NEWTABLE"), Value::from("inet"), Value::Name(name)];
            answered(me, "nfnetlink", args, added)
        })
    }
}

/// Waits until an interface of the caller's network is in this state; `None`: until there is none of that name.
pub(crate) fn wait_for_link(name: &str, state: Option<&str>) -> Result<()> {
    let get = || args!["RTM_GETLINK"];
    // Listening comes first: what changes between the look and the wait is heard as well.
    let mut news = Netlink::open().or_refused("rtnetlink", get())?;
    news.listen(RTNLGRP_LINK).or_refused("rtnetlink", get())?;
    loop {
        let rows = links::interfaces().or_refused("rtnetlink", get())?;
        let now = rows.into_iter().find(|row| row.name == name).map(|row| row.state);
        if now.as_deref() == state {
            return Ok(());
        }
        if now.is_none() {
            // Nobody makes another one while the caller waits here.
            return Err(Errno::ENODEV).or_refused("rtnetlink", args![format!("waiting for {name}")]);
        }
        news.next::<RouteNetlinkMessage>().or_refused("rtnetlink", get())?;
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
    let rows = links::interfaces().or_refused("rtnetlink", args!["RTM_GETLINK"])?;
    let row = rows.iter().find(|row| row.name == name);
    row.map(|row| row.index).ok_or(Errno::ENODEV).or_refused("rtnetlink", args![name])
}

/// Asks the kernel for a change of the actor's network, and tells of it.
fn configure(
    me: &mut Process,
    args: Vec<Value>,
    flags: u16,
    request: impl FnOnce() -> RouteNetlinkMessage,
) -> Result<()> {
    let changed = Netlink::open().and_then(|netlink| netlink.change(request(), flags));
    answered(me, "rtnetlink", args, changed)
}

fn answered(me: &mut Process, call: &str, args: Vec<Value>, answer: std::result::Result<(), Refused>) -> Result<()> {
    let said = match &answer {
        Err(Refused::ByKernel { said, .. }) => said.clone(),
        _ => None,
    };
    me.called_times(1, call, args, answer.answer_to(call)?, said)
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
        let row = |route: &Route| args![&route.destination, &route.interface];
        let line = |route: &Route| args![format!("{} dev {}", route.destination, route.interface)];
        let look = Look::table("routes", "ip route", &["destination", "interface"], rows.iter().map(row).collect());
        self.show(actor, look.printed(rows.iter().map(line).collect()));
        Ok(rows)
    }

    /// Shows the firewall tables that an actor sees, and returns their names.
    ///
    /// # Errors
    /// As [`Actor::firewall_tables`].
    pub(crate) fn nft_list_tables(&self, actor: &Actor) -> Result<Vec<String>> {
        let names = actor.firewall_tables()?;
        let lines = names.iter().map(|name| args![format!("table {name}")]).collect();
        self.show(actor, Look::list("firewall_tables", "nft list tables", &names).printed(lines));
        Ok(names)
    }
}

/// Interfaces, as `ip addr` shows them.
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
    let look = Look::table("interfaces", "ip addr", &columns, rows.iter().map(row).collect());
    look.printed(rows.iter().flat_map(lines).collect())
}
