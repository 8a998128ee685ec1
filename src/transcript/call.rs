//! A system call as data, and its errno.

use std::fmt;
use std::net::SocketAddrV4;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::namespace::{Flags, NamespaceType};
use super::value::Value;

/// A system call with its arguments, as a reader knows them and not as the kernel takes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// Its name, as its manual page has it.
    pub syscall: String,
    /// Its arguments.
    pub args: Vec<Value>,
    /// What it was about, for [`crate::diagnosis`]: the arguments above are for a reader, and may be shortened.
    pub object: Option<Object>,
}

/// What a call is about, where its name does not say it and the cause of a refusal depends on it: for
/// [`crate::diagnosis`], and for what a ledger says of an errno.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Object {
    /// `/proc/PID/setgroups`, which goes before a map: user_namespaces(7).
    Setgroups,
    /// `/proc/PID/uid_map` or `/proc/PID/gid_map`.
    Map,
    /// A file system of a type, or a file in it.
    FileSystem(FileSystem),
    /// An interface of a kind that the kernel has as a module.
    Link(LinkKind),
    /// A part of the kernel that is spoken to over a netlink socket.
    Netlink(NetlinkPart),
    /// A neighbour on a cable, in a network whose `net.ipv4.conf.all.arp_ignore` is this.
    Neighbour {
        /// The setting: 0 where it cannot be read.
        arp_ignore: u64,
    },
    /// A hostname or a domain name of so many bytes.
    NameOf {
        /// How many.
        bytes: usize,
    },
    /// A link in `/proc/self/ns` that stands for the namespace of the caller's children.
    ForChildren(NamespaceType),
    /// A clock in `/proc/self/timens_offsets`, and how far it is to be ahead.
    Offset {
        /// The clock.
        clock: Clock,
        /// The seconds.
        seconds: i64,
    },
    /// An address and a port of the Internet protocols.
    Internet(SocketAddrV4),
    /// A name of a Unix socket that is abstract, which means that it is no path: unix(7).
    AbstractName,
    /// The PID namespace of a process.
    PidNamespaceOf {
        /// Whether that process is in the caller's PID namespace, or in one below it.
        in_reach: bool,
    },
}

/// A type of file system that the kernel makes itself: proc(5), sysfs(5), tmpfs(5), mq_overview(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum FileSystem {
    Proc,
    Sysfs,
    Tmpfs,
    Mqueue,
}

/// The parts of the kernel that nslearn speaks to over netlink sockets: netlink(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NetlinkPart {
    /// Interfaces, addresses and routes: rtnetlink(7).
    Route,
    /// Firewall tables.
    Netfilter,
    /// Lists of sockets: sock_diag(7).
    SockDiag,
}

impl NetlinkPart {
    /// Its protocol, as socket(2) takes it.
    pub(crate) const fn protocol(self) -> &'static str {
        match self {
            NetlinkPart::Route => "NETLINK_ROUTE",
            NetlinkPart::Netfilter => "NETLINK_NETFILTER",
            NetlinkPart::SockDiag => "NETLINK_SOCK_DIAG",
        }
    }
}

/// A kind of interface, as `ip link add type KIND` takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LinkKind {
    Veth,
    Bridge,
}

impl Call {
    /// A call of this name: see [`crate::args!`].
    pub(crate) fn new(syscall: &str, args: Vec<Value>) -> Self {
        Call { syscall: syscall.to_owned(), args, object: None }
    }

    /// The types of namespaces that it asks for.
    pub(crate) fn asks_for(&self) -> Flags {
        let flags = |arg: &Value| if let Value::Flags(flags) = arg { Some(*flags) } else { None };
        self.args.iter().find_map(flags).unwrap_or_default()
    }

    /// Whether it is one that makes namespaces. A clone3(2) that asks for none makes a process.
    pub(crate) fn makes_namespaces(&self) -> bool {
        match self.syscall.as_str() {
            "clone" | "unshare" => true,
            "clone3" => self.asks_for() != Flags::default(),
            _ => false,
        }
    }

    /// The words among its arguments: paths, names and flags.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.args.iter().filter_map(|arg| match arg {
            Value::Text(word) | Value::Name(word) => Some(word.as_str()),
            _ => None,
        })
    }
}

/// As one writes it: `sethostname("tenant")`.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args: Vec<String> = self.args.iter().map(Value::quoted).collect();
        write!(f, "{}({})", self.syscall, args.join(", "))
    }
}

/// Makes the arguments of a call: `args!["/tmp", flags]`.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => { vec![$($crate::transcript::Value::from($arg)),*] };
}

/// An errno as strace(1) shows it: `EPERM (Operation not permitted)`.
pub(crate) fn errno_name(errno: Errno) -> String {
    format!("{errno:?} ({})", errno.desc())
}

/// An errno travels as its number.
pub(crate) mod errno_as_number {
    use nix::errno::Errno;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(errno: &Errno, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i32(*errno as i32)
    }

    pub(crate) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Errno, D::Error> {
        i32::deserialize(from).map(Errno::from_raw)
    }
}
