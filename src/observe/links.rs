//! Network interfaces, their addresses and their routes, as rtnetlink(7) lists them.

use std::fmt;
use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use serde::{Deserialize, Serialize};

use super::netlink::{Netlink, Refused};
use crate::transcript::{MacAddress, NetlinkPart};

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The index of the interface that it is linked to: for a veth, the other end of the cable.
    pub link: Option<u32>,
    /// Its flags, as the kernel numbers them (`IFF_UP`, …): netdevice(7).
    flags: u32,
    /// Its operational state: `UP`, `DOWN`, `UNKNOWN`, …
    pub state: String,
    /// Its hardware address.
    pub mac: MacAddress,
    /// Its IPv4 addresses with their prefix lengths.
    pub addresses: Vec<String>,
}

impl Interface {
    /// Whether it has been set up (`IFF_UP`).
    pub(crate) fn is_up(&self) -> bool {
        self.has(LinkFlags::Up)
    }

    /// Whether it is that one, by its name and by the hardware address that it was given: some that the kernel puts into
    /// each network namespace have no hardware address, and the same name everywhere.
    pub(crate) fn is_the_same_as(&self, other: &Interface) -> bool {
        self.name == other.name && self.mac == other.mac && self.mac != MacAddress::default()
    }

    fn has(&self, flag: LinkFlags) -> bool {
        LinkFlags::from_bits_retain(self.flags).contains(flag)
    }

    /// Its flags as ip(8) spells them, in its order. `RUNNING` it leaves out.
    pub(crate) fn flag_names(&self) -> Vec<&'static str> {
        let names = [
            (LinkFlags::Loopback, "LOOPBACK"),
            (LinkFlags::Broadcast, "BROADCAST"),
            (LinkFlags::Pointopoint, "POINTOPOINT"),
            (LinkFlags::Multicast, "MULTICAST"),
            (LinkFlags::Noarp, "NOARP"),
            (LinkFlags::Up, "UP"),
            (LinkFlags::LowerUp, "LOWER_UP"),
        ];
        names.into_iter().filter(|(flag, _)| self.has(*flag)).map(|(_, name)| name).collect()
    }
}

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Route {
    /// The destination, such as `10.1.1.0/24`.
    pub destination: String,
    /// The name of the interface that leads there.
    pub interface: String,
    /// Who made it: `kernel`, `boot`, `static`, …
    pub protocol: String,
    /// How far away what it leads to may be: `link` is the network that the interface is on.
    pub scope: String,
    /// The address that packets on it come from, if nothing else says so.
    pub source: Option<IpAddr>,
}

impl fmt::Display for Route {
    /// As ip(8) prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} dev {}", self.destination, self.interface)?;
        // What everything has that was made by hand, it leaves out.
        if self.protocol != "boot" {
            write!(f, " proto {}", self.protocol)?;
        }
        if self.scope != "universe" {
            write!(f, " scope {}", self.scope)?;
        }
        self.source.iter().try_for_each(|source| write!(f, " src {source}"))
    }
}

/// All interfaces of the reader's network namespace, with their IPv4 addresses, by index.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn interfaces() -> Result<Vec<Interface>, Refused> {
    let netlink = Netlink::open(NetlinkPart::Route)?;
    let links = netlink.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))?;
    let mut request = AddressMessage::default();
    request.header.family = AddressFamily::Inet;
    let addresses = netlink.dump(RouteNetlinkMessage::GetAddress(request))?;

    let mut rows: Vec<Interface> = links.into_iter().filter_map(interface).collect();
    for message in addresses {
        let RouteNetlinkMessage::NewAddress(address) = message else { continue };
        let row = rows.iter_mut().find(|row| row.index == address.header.index);
        if let (Some(row), Some(ip)) = (row, local(&address)) {
            row.addresses.push(format!("{ip}/{}", address.header.prefix_len));
        }
    }
    rows.sort_by_key(|row| row.index);
    Ok(rows)
}

fn local(address: &AddressMessage) -> Option<IpAddr> {
    address.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(ip) => Some(*ip),
        _ => None,
    })
}

/// The interface that a message tells of.
pub(crate) fn interface(message: RouteNetlinkMessage) -> Option<Interface> {
    let (RouteNetlinkMessage::NewLink(link) | RouteNetlinkMessage::DelLink(link)) = message else { return None };
    let mut row = Interface {
        index: link.header.index,
        name: String::new(),
        link: None,
        flags: link.header.flags.bits(),
        state: String::new(),
        mac: MacAddress::default(),
        addresses: Vec::new(),
    };
    for attribute in link.attributes {
        match attribute {
            LinkAttribute::IfName(name) => row.name = name,
            LinkAttribute::OperState(state) => row.state = state.to_string(),
            LinkAttribute::Link(index) => row.link = Some(index),
            LinkAttribute::Address(bytes) => {
                row.mac = bytes.as_slice().try_into().map(MacAddress).unwrap_or_default();
            }
            _ => {}
        }
    }
    Some(row)
}

/// The IPv4 routes of the main table, as `ip route` lists them.
///
/// # Errors
/// The kernel's refusal.
pub(crate) fn routes() -> Result<Vec<Route>, Refused> {
    let interfaces = interfaces()?;
    let mut request = RouteMessage::default();
    request.header.address_family = AddressFamily::Inet;
    let messages = Netlink::open(NetlinkPart::Route)?.dump(RouteNetlinkMessage::GetRoute(request))?;
    let mut routes = Vec::new();
    for message in messages {
        let RouteNetlinkMessage::NewRoute(route) = message else { continue };
        if route.header.table != RouteHeader::RT_TABLE_MAIN {
            continue;
        }
        let mut row = Route {
            destination: "default".to_owned(),
            interface: String::new(),
            protocol: format!("{:?}", route.header.protocol).to_lowercase(),
            scope: route.header.scope.to_string(),
            source: None,
        };
        for attribute in route.attributes {
            match attribute {
                RouteAttribute::Destination(RouteAddress::Inet(ip)) => {
                    row.destination = format!("{ip}/{}", route.header.destination_prefix_length);
                }
                RouteAttribute::PrefSource(RouteAddress::Inet(ip)) => row.source = Some(ip.into()),
                RouteAttribute::Oif(index) => {
                    let interface = interfaces.iter().find(|row| row.index == index);
                    row.interface = interface.map(|row| row.name.clone()).unwrap_or_default();
                }
                _ => {}
            }
        }
        routes.push(row);
    }
    Ok(routes)
}
