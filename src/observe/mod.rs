//! Looks at what the kernel shows: of processes, namespaces, links and sockets, by /proc and netlink. A look sees what
//! the process that takes it sees.

pub mod firewall;
pub mod links;
pub mod namespaces;
pub mod netlink;
pub mod processes;
pub mod sockets;
