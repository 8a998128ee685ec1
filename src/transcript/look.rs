//! What actors see when they look: typed rows, each as people know it from a tool.

use serde::{Deserialize, Serialize};

use super::{MacAddress, NamespaceId, Value};

/// A look at the world of one actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Look {
    /// The processes listed in the actor's /proc, as `ps -eo pid,ppid,comm` shows them.
    Processes(Vec<ProcessRow>),
    /// One process's numbers, from the outermost PID namespace that the look reaches to the innermost (`NSpid:` in
    /// `/proc/PID/status`).
    Pids(Vec<Value>),
    /// Who is in which namespace, as `ls -l /proc/PID/ns` shows it, for several actors.
    Namespaces(Vec<Membership>),
    /// Network interfaces, as `ip addr` shows them.
    Interfaces(Vec<Interface>),
    /// Routes, as `ip route` shows them.
    Routes(Vec<Route>),
    /// Firewall tables, as `nft list tables` shows them.
    Tables(Vec<String>),
    /// Listening TCP sockets, as `ss -tln` shows them.
    Listeners(Vec<Listener>),
    /// The entries of a directory, as `ls` shows them.
    Directory {
        /// The directory, as the actor names it.
        path: String,
        /// Its entries, sorted.
        entries: Vec<String>,
    },
    /// What the actor's program printed.
    Output {
        /// The command that is known to print this.
        like: String,
        /// What it printed; none: nothing at all.
        lines: Vec<String>,
    },
}

impl Look {
    /// The name of this look in the JSON's `what`.
    pub const fn what(&self) -> &'static str {
        match self {
            Look::Processes(_) => "processes",
            Look::Pids(_) => "pids",
            Look::Namespaces(_) => "namespaces",
            Look::Interfaces(_) => "interfaces",
            Look::Routes(_) => "routes",
            Look::Tables(_) => "firewall_tables",
            Look::Listeners(_) => "listeners",
            Look::Directory { .. } => "directory",
            Look::Output { .. } => "output",
        }
    }
}

/// A process, as one PID namespace knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRow {
    /// Its number.
    pub pid: i32,
    /// Its parent's number; 0: the parent is outside of this PID namespace.
    pub ppid: i32,
    /// Its name (`comm`).
    pub command: String,
}

/// The namespaces that one actor is in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Membership {
    /// The actor.
    pub actor: String,
    /// Its process ids, from the stage's to its own: more than one, if it is in a PID namespace of its own.
    pub pids: Vec<i32>,
    /// One for each type that this kernel has, in the order of [`super::Kind::ALL`].
    pub namespaces: Vec<NamespaceId>,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// The index of the interface that it is linked to: for a veth, the other end of the cable.
    pub link: Option<u32>,
    /// Its flags, as ip(8) spells them.
    pub flags: Vec<String>,
    /// Its operational state: `UP`, `DOWN`, `UNKNOWN`, …
    pub state: String,
    /// Its hardware address.
    pub mac: MacAddress,
    /// Its IPv4 addresses with their prefix lengths.
    pub addresses: Vec<String>,
}

impl Interface {
    /// Whether it has been set up (`IFF_UP`).
    pub fn is_up(&self) -> bool {
        self.flags.iter().any(|flag| flag == "UP")
    }
}

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The destination, such as `10.1.1.0/24`.
    pub destination: String,
    /// The name of the interface that leads there.
    pub interface: String,
}

/// A listening TCP socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The local address and port, such as `0.0.0.0:80`.
    pub address: String,
}
