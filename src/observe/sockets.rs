//! Listening sockets, by sock_diag(7): the way of ss(8). /proc/net/tcp tells the same, after a walk through a table that is
//! as large as the machine's memory allows.

use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use serde::{Deserialize, Serialize};

use super::netlink::{Netlink, Refused};
use crate::transcript::NetlinkPart;

/// A listening TCP socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Listener {
    /// The local address and port, such as `0.0.0.0:80`.
    pub address: String,
}

/// The TCP sockets over IPv4 that listen in the reader's network namespace.
///
/// # Errors
/// `ENOENT` where the kernel has no sock_diag for TCP.
pub(crate) fn listeners() -> Result<Vec<Listener>, Refused> {
    let request = SockDiagMessage::InetRequest(InetRequest {
        family: AF_INET,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::LISTEN,
        socket_id: SocketId::new_v4(),
    });
    let answers = Netlink::open(NetlinkPart::SockDiag)?.dump(request)?;
    let listener = |message| match message {
        SockDiagMessage::InetResponse(socket) => {
            let local = &socket.header.socket_id;
            Some(Listener { address: format!("{}:{}", local.source_address, local.source_port) })
        }
        _ => None,
    };
    Ok(answers.into_iter().filter_map(listener).collect())
}
