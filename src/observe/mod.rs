//! Looks at what the kernel shows: of processes, namespaces, links and sockets, by /proc and netlink. A look sees what
//! the process that takes it sees. Kernel files are bytes: [`kernel_file`] is the one way to them.

pub(crate) mod firewall;
pub(crate) mod kernel_file;
pub(crate) mod known_as;
pub(crate) mod links;
pub(crate) mod namespaces;
pub(crate) mod netlink;
pub(crate) mod processes;
pub(crate) mod sockets;

pub(crate) use firewall::Rule;
pub(crate) use links::{Interface, Route};
pub(crate) use processes::ProcessRow;
pub(crate) use sockets::Listener;
