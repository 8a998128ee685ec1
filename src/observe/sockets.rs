//! Listening sockets, as /proc/net/tcp shows them: proc(5).

use procfs::net::TcpState;

use crate::transcript::Listener;

/// The TCP sockets over IPv4 that listen in the reader's network namespace.
///
/// # Errors
/// Where the reader has no /proc.
pub fn listeners() -> procfs::ProcResult<Vec<Listener>> {

    let entries = procfs::net::tcp()?.into_iter().filter(|entry| entry.state == TcpState::Listen);
    Ok(entries.map(|entry| Listener { address: entry.local_address.to_string() }).collect())
}
