//! Interfaces, addresses, routes and firewall tables: rtnetlink(7), veth(4), nft(8).

use std::net::Ipv4Addr;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::observe::netlink::{Netlink, Refused};
use crate::observe::{firewall, links};
use crate::stage::process::Process;
use crate::stage::{Actor, Stage};
use crate::transcript::{Interface, Kind, Look, Route, Value};

/// The multicast group that hears of every interface that comes, goes or changes: rtnetlink(7).
const RTNLGRP_LINK: u32 = 1;

/// The number of a cable's end that is made here; the other one gets the first that is free where it is.
const HERE: u32 = 7;

impl Actor {
    /// Sets an interface up: `ip link set NAME up`.
    ///
    /// # Errors
    /// `ENODEV` where there is no such interface; `EPERM` without CAP_NET_ADMIN.
    pub fn link_up(&self, name: &str) -> Result<()> {
        self.perform(name.to_owned(), |me, name| {
            let args = vec![Value::from("RTM_SETLINK"), Value::Name(name.clone()), Value::from("IFF_UP")];
            configure(me, args, 0, move || up(&name))
        })
    }

    /// Gives an interface an IPv4 address: `ip addr add ADDRESS/PREFIX dev NAME`.
    ///
    /// # Errors
    /// `EEXIST` where it has it already; `EPERM` without CAP_NET_ADMIN.
    pub fn add_address(&self, name: &str, address: Ipv4Addr, prefix: u8) -> Result<()> {
        self.perform((name.to_owned(), address, prefix), |me, (name, address, prefix)| {
            let index = index_of(&name)?;
            let args = vec![Value::from("RTM_NEWADDR"), Value::Name(name), Value::Text(format!("{address}/{prefix}"))];
            configure(me, args, NLM_F_CREATE | NLM_F_EXCL, move || {
                let mut message = AddressMessage::default();
                message.header.family = AddressFamily::Inet;
                message.header.prefix_len = prefix;
                message.header.index = index;
                message.attributes =
                    vec![AddressAttribute::Local(address.into()), AddressAttribute::Address(address.into())];
                RouteNetlinkMessage::NewAddress(message)
            })
        })
    }

    /// Makes a cable with one end here, and the other in the network namespace of another actor, which this one knows
    /// by its process id: `ip link add NAME type veth peer name PEER netns PID`. veth(4).
    ///
    /// # Errors
    /// `EOPNOTSUPP` where the kernel has no veth; `EEXIST` where a name is taken.
    pub fn add_veth(&self, name: &str, peer: &str, other: &Actor) -> Result<()> {
        self.perform((name.to_owned(), peer.to_owned(), other.pid()), |me, (name, peer, pid)| {
            let args = vec![
                Value::from("RTM_NEWLINK"),
                Value::from("veth"),
                Value::Name(name.clone()),
                Value::Text(format!("peer {peer:?} netns {pid}")),
            ];
            configure(me, args, NLM_F_CREATE | NLM_F_EXCL, move || veth(&name, &peer, pid))
        })
    }

    /// Moves an interface into the network namespace of the process that the actor knows by this number:
    /// `ip link set NAME netns PID`.
    ///
    /// # Errors
    /// `EINVAL` for an interface that cannot be moved; `EPERM` without CAP_NET_ADMIN in either namespace.
    pub fn move_link(&self, name: &str, pid: i32) -> Result<()> {
        self.perform((name.to_owned(), pid), |me, (name, pid)| {
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
    pub fn wait_until_link_is_ready(&self, name: &str) -> Result<()> {
        self.wait_for_link(name, Some("UP"))
    }

    /// Waits until an interface is gone, for the kernel destroys it in its own time.
    ///
    /// # Errors
    /// Where the kernel refuses to tell.
    pub fn wait_until_link_is_gone(&self, name: &str) -> Result<()> {
        self.wait_for_link(name, None)
    }

    /// Waits until an interface is in this state; `None`: until there is none of that name.
    fn wait_for_link(&self, name: &str, state: Option<&str>) -> Result<()> {
        self.perform((name.to_owned(), state.map(str::to_owned)), |_, (name, state)| {
            let refused = |why: Refused| Error::refused("rtnetlink", "rtnetlink(RTM_GETLINK)", why.errno);
            // Listening comes first: what changes between the look and the wait is heard as well.
            let mut news = Netlink::open().map_err(refused)?;
            news.listen(RTNLGRP_LINK).map_err(refused)?;
            loop {
                let rows = links::interfaces().map_err(refused)?;
                let now = rows.into_iter().find(|row| row.name == name).map(|row| row.state);
                if now == state {
                    return Ok(());
                }
                if now.is_none() {
                    // Nobody makes another one while the story waits here.
                    return Err(Error::refused("rtnetlink", format!("waiting for {name}"), Errno::ENODEV));
                }
                news.next::<RouteNetlinkMessage>().map_err(refused)?;
            }
        })
    }

    /// The interfaces that the actor sees.
    ///
    /// # Errors
    /// Where the kernel refuses to tell.
    pub fn interfaces(&self) -> Result<Vec<Interface>> {
        self.perform((), |_, ()| {
            links::interfaces().map_err(|why| Error::refused("rtnetlink", "rtnetlink(RTM_GETLINK)", why.errno))
        })
    }

    /// The IPv4 routes that the actor's packets can take.
    ///
    /// # Errors
    /// Where the kernel refuses to tell.
    pub fn routes(&self) -> Result<Vec<Route>> {
        self.perform((), |_, ()| {
            links::routes().map_err(|why| Error::refused("rtnetlink", "rtnetlink(RTM_GETROUTE)", why.errno))
        })
    }

    /// The firewall tables of the actor's network namespace.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` and the like where the kernel has no nftables.
    pub fn firewall_tables(&self) -> Result<Vec<String>> {
        self.perform((), |_, ()| {
            firewall::tables().map_err(|why| Error::refused("nfnetlink", "nfnetlink(NFT_MSG_GETTABLE)", why.errno))
        })
    }

    /// Makes a firewall table: `nft add table inet NAME`.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` and the like where the kernel has no nftables; `EPERM` without CAP_NET_ADMIN.
    pub fn add_firewall_table(&self, name: &str) -> Result<()> {
        self.perform(name.to_owned(), |me, name| {
            me.must_be_off_the_machine(Kind::Net, "nfnetlink")?;
            let added = firewall::add_table(&name);
            let args = vec![Value::from("NFT_MSG_NEWTABLE"), Value::from("inet"), Value::Name(name)];
            answered(me, "nfnetlink", args, added)
        })
    }
}

/// The message that sets an interface up.
pub(in crate::stage) fn up(name: &str) -> RouteNetlinkMessage {
    let mut link = named(name);
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    RouteNetlinkMessage::SetLink(link)
}

/// The message that makes a cable with its other end in the network namespace of a process.
pub(in crate::stage) fn veth(name: &str, peer: &str, pid: i32) -> RouteNetlinkMessage {
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
pub(in crate::stage) fn bridge(name: &str) -> RouteNetlinkMessage {
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
    let rows = links::interfaces().map_err(|why| Error::refused("rtnetlink", "rtnetlink(RTM_GETLINK)", why.errno))?;
    let row = rows.iter().find(|row| row.name == name);
    row.map(|row| row.index).ok_or_else(|| Error::refused("rtnetlink", name, Errno::ENODEV))
}

/// Asks the kernel for a change of the actor's network, and tells of it.
fn configure(
    me: &mut Process,
    args: Vec<Value>,
    flags: u16,
    request: impl FnOnce() -> RouteNetlinkMessage,
) -> Result<()> {
    me.must_be_off_the_machine(Kind::Net, "rtnetlink")?;
    let changed = Netlink::open().and_then(|netlink| netlink.change(request(), flags));
    answered(me, "rtnetlink", args, changed)
}

fn answered(me: &mut Process, call: &str, args: Vec<Value>, answer: std::result::Result<(), Refused>) -> Result<()> {
    let said = answer.as_ref().err().and_then(|refused| refused.said.clone());
    me.called_times(1, call, args, answer.map_err(|refused| refused.errno), said)
}

impl Stage {
    /// Shows an actor's interfaces, and returns them.
    ///
    /// # Errors
    /// As [`Actor::interfaces`].
    pub fn ip_addr(&self, actor: &Actor) -> Result<Vec<Interface>> {
        let rows = actor.interfaces()?;
        self.show(actor, Look::Interfaces(rows.clone()));
        Ok(rows)
    }

    /// Shows an actor's routes, and returns them.
    ///
    /// # Errors
    /// As [`Actor::routes`].
    pub fn ip_route(&self, actor: &Actor) -> Result<Vec<Route>> {
        let rows = actor.routes()?;
        self.show(actor, Look::Routes(rows.clone()));
        Ok(rows)
    }

    /// Shows the firewall tables that an actor sees, and returns their names.
    ///
    /// # Errors
    /// As [`Actor::firewall_tables`].
    pub fn nft_list_tables(&self, actor: &Actor) -> Result<Vec<String>> {
        let names = actor.firewall_tables()?;
        self.show(actor, Look::Tables(names.clone()));
        Ok(names)
    }
}
