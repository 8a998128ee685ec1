//! An echo request and its reply: icmp(7).

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

use super::sockets::PATIENCE;
use crate::actors::{Actor, ReturnValue};
use crate::args;
use crate::error::{About, CallResult, Error, Result, retried};
use crate::observe::kernel_file::{self, number};
use crate::transcript::{Object, Value};

impl Actor {
    /// Sends an ICMP echo request, sendto(2), and waits for the reply, recvfrom(2): icmp(7).
    ///
    /// # Errors
    /// `ENETUNREACH` without a route; `EAGAIN` where no reply comes within five seconds.
    pub(crate) fn ping(&self, address: Ipv4Addr) -> Result<EchoReply> {
        self.run(address, |me, address| {
            let echo = Echo::begin(address, PATIENCE)?;
            me.set_up("setsockopt", args!["SO_RCVTIMEO"], echo.be_patient())?;
            me.called("sendto", echo.request(), echo.send()).map_err(about_a_neighbour)?;
            me.called("recvfrom", echo.reply(), echo.receive()).map_err(about_a_neighbour)
        })
    }
}

/// The reply to an ICMP echo request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EchoReply {
    /// How many bytes were received: with the IP header, which a raw socket gets as well.
    received: usize,
    /// How long it is, in bytes, without the IP header.
    pub(crate) bytes: usize,
    /// Who sent it.
    pub(crate) from: Ipv4Addr,
    /// Which of the requests it answers.
    pub(crate) sequence: u16,
    /// Through how many routers it could still have gone.
    time_to_live: u8,
}

/// As ping(8) prints it.
impl fmt::Display for EchoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes from {}: icmp_seq={} ttl={}", self.bytes, self.from, self.sequence, self.time_to_live)
    }
}

impl ReturnValue for EchoReply {
    fn value(&self) -> Value {
        let EchoReply { received, from, sequence, .. } = self;
        Value::Text(format!("{received}, from {from}, seq={sequence}"))
    }
}

/// One echo request and its reply, which may take so many seconds.
///
/// # Errors
/// As [`Actor::ping`].
pub(crate) fn ping(address: Ipv4Addr, patience: i64) -> Result<EchoReply> {
    let echo = Echo::begin(address, patience)?;
    echo.be_patient().or_refused("setsockopt", args!["SO_RCVTIMEO"])?;
    echo.send().or_refused("sendto", echo.request()).map_err(about_a_neighbour)?;
    echo.receive().or_refused("recvfrom", echo.reply()).map_err(about_a_neighbour)
}

/// What became of an echo depends on a setting. It is read here, for each network has one of its own.
fn about_a_neighbour(error: Error) -> Error {
    let setting = kernel_file::read("/proc/sys/net/ipv4/conf/all/arp_ignore").ok();
    let arp_ignore = setting.and_then(|setting| number(&setting)).unwrap_or_default();
    error.about(Object::Neighbour { arp_ignore })
}

/// An echo on a raw socket: that takes CAP_NET_RAW over the network namespace, which root of the stage has.
struct Echo {
    socket: OwnedFd,
    address: Ipv4Addr,
    /// How long the reply may take, in seconds.
    patience: i64,
    /// Who asks and for which time: the reply has the same four bytes.
    number: [u8; 4],
}

impl Echo {
    const SEQUENCE: u16 = 1;

    fn begin(address: Ipv4Addr, patience: i64) -> Result<Echo> {
        let opened = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp);
        let socket = opened.or_refused("socket", args!["AF_INET", "SOCK_RAW", "IPPROTO_ICMP"]);
        let socket = socket.map_err(about_a_neighbour)?;
        let ([.., i0, i1], [s0, s1]) = (std::process::id().to_be_bytes(), Self::SEQUENCE.to_be_bytes());
        Ok(Echo { socket, address, patience, number: [i0, i1, s0, s1] })
    }

    /// Keeps the call that receives the reply from waiting for longer.
    fn be_patient(&self) -> nix::Result<()> {
        setsockopt(&self.socket, sockopt::ReceiveTimeout, &TimeVal::new(self.patience, 0))
    }

    /// The arguments of the call that sends the request.
    fn request(&self) -> Vec<Value> {
        args![format!("ICMP echo request seq={}", Self::SEQUENCE), self.address.to_string()]
    }

    fn send(&self) -> nix::Result<Value> {
        const REQUEST: u8 = 8;
        let mut packet = [0_u8; 64];
        packet[0] = REQUEST;
        packet[4..8].copy_from_slice(&self.number);
        let sum = checksum(&packet).to_be_bytes();
        packet[2..4].copy_from_slice(&sum);
        let to = SockaddrIn::from(SocketAddrV4::new(self.address, 0));
        retried(|| sendto(self.socket.as_raw_fd(), &packet, &to, MsgFlags::empty())).map(Value::from)
    }

    /// The arguments of the call that receives the reply.
    fn reply(&self) -> Vec<Value> {
        args![format!("ICMP echo reply within {} s", self.patience)]
    }

    fn receive(&self) -> nix::Result<EchoReply> {
        const REPLY: u8 = 0;
        let mut reply = [0_u8; 128];
        loop {
            let received = retried(|| recv(self.socket.as_raw_fd(), &mut reply, MsgFlags::empty()))?;
            // The IP header comes along (RFC 791): its length is in its first byte, in words of four bytes.
            let header = usize::from(reply[0] & 0x0f) * 4;
            // A raw socket gets every ICMP packet that comes, whoever it is for.
            if reply[header] == REPLY && reply[header + 4..header + 8] == self.number {
                let bytes = received.saturating_sub(header);
                let from = Ipv4Addr::from([reply[12], reply[13], reply[14], reply[15]]);
                let sequence = u16::from_be_bytes([reply[header + 6], reply[header + 7]]);
                return Ok(EchoReply { received, bytes, from, sequence, time_to_live: reply[8] });
            }
        }
    }
}

/// The checksum of the Internet's protocols: RFC 1071.
fn checksum(packet: &[u8]) -> u16 {
    let words =
        packet.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        assert_eq!(super::checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }
}
