//! Conversations with the kernel's network configuration, rtnetlink(7): synchronous, and in the network namespace of
//! whoever opens them.

use std::io;

use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_SOCK_DIAG};
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

use crate::args;
use crate::error::{CallResult, Error, retried};
use crate::transcript::{Call, NetlinkPart, Object, Value};

/// Why nothing came of it.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The kernel said no.
    ByKernel {
        /// The call that it said no to, or in the case of [`MESSAGE`] perhaps what the message asked for.
        at: &'static str,
        /// Who in the kernel was spoken to.
        part: NetlinkPart,
        /// The errno.
        errno: Errno,
        /// The kernel's own words, where it has some (the extended acknowledgement).
        said: Option<String>,
        /// How long the message was that the call has sent, where the errno came in the reply to it.
        sent: Option<usize>,
    },
    /// What came could not be read: no answer of the kernel's.
    NotUnderstood(io::Error),
}

/// The call that sends a message to the kernel: sendto(2).
pub(crate) const MESSAGE: &str = "sendto";

/// That call's arguments, for a ledger: the kind of socket, and what the message says.
pub(crate) fn message(says: impl Into<String>) -> Vec<Value> {
    args!["netlink", says.into()]
}

impl<T> CallResult<T> for Result<T, Refused> {
    fn kernels_answer(self) -> Result<nix::Result<T>, io::Error> {
        match self {
            Ok(result) => Ok(Ok(result)),
            Err(Refused::ByKernel { errno, .. }) => Ok(Err(errno)),
            Err(Refused::NotUnderstood(why)) => Err(why),
        }
    }

    fn or_refused(self, syscall: &str, args: Vec<Value>) -> Result<T, Error> {
        self.map_err(|why| match why {
            Refused::ByKernel { at, part, errno, said: kernel_said, .. } => {
                let mut call =
                    if at == syscall { Call::new(syscall, args) } else { Call::new(at, args![part.protocol()]) };
                call.object = Some(Object::Netlink(part));
                Error::Refused { call, errno, kernel_said, recorded: false }
            }
            Refused::NotUnderstood(why) => Error::unexpected(Call::new(syscall, args).to_string(), why),
        })
    }
}

/// A conversation.
pub(crate) struct Netlink {
    socket: Socket,
    with: NetlinkPart,
}

impl Netlink {
    /// Begins a conversation with a part of the kernel: netlink(7).
    ///
    /// # Errors
    /// Those of socket(2): `EPROTONOSUPPORT` where the kernel does not have that part.
    pub(crate) fn open(with: NetlinkPart) -> Result<Self, Refused> {
        let protocol = match with {
            NetlinkPart::Route => NETLINK_ROUTE,
            NetlinkPart::Netfilter => NETLINK_NETFILTER,
            NetlinkPart::SockDiag => NETLINK_SOCK_DIAG,
        };
        let mut socket = Socket::new(protocol).map_err(refusal("socket", with))?;
        socket.bind_auto().map_err(refusal("bind", with))?;
        socket.connect(&SocketAddr::new(0, 0)).map_err(refusal("connect", with))?;
        // The kernel's own sentence for a refusal, instead of a copy of the request that it refused.
        socket.set_cap_ack(true).and_then(|()| socket.set_ext_ack(true)).map_err(refusal("setsockopt", with))?;
        Ok(Netlink { socket, with })
    }

    /// Asks for a change, and waits until the kernel has made it: how many bytes were sent.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub(crate) fn change(&self, request: RouteNetlinkMessage, flags: u16) -> Result<usize, Refused> {
        let sent = self.send(request, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        self.answers::<RouteNetlinkMessage>(sent).map(|_| sent)
    }

    /// Asks for a list.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub(crate) fn dump<M: NetlinkSerializable + NetlinkDeserializable>(&self, request: M) -> Result<Vec<M>, Refused> {
        let sent = self.send(request, NLM_F_REQUEST | NLM_F_DUMP)?;
        self.answers(sent)
    }

    /// Sends a message.
    fn send<M: NetlinkSerializable>(&self, request: M, flags: u16) -> Result<usize, Refused> {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.send_bytes(&bytes)
    }

    /// Sends messages that are bytes already: sendto(2).
    ///
    /// # Errors
    /// Those of sendto(2).
    pub(crate) fn send_bytes(&self, bytes: &[u8]) -> Result<usize, Refused> {
        retried(|| self.socket.send(bytes, 0)).map_err(refusal(MESSAGE, self.with))
    }

    /// Listens to what the kernel tells everybody who is in this group: `RTNLGRP_LINK`, … in rtnetlink(7).
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub(crate) fn listen(&mut self, group: u32) -> Result<(), Refused> {
        self.socket.add_membership(group).map_err(refusal("setsockopt", self.with))
    }

    /// The messages of the next packet, whatever they are.
    ///
    /// # Errors
    /// Those of recvfrom(2), and whatever the kernel refuses.
    pub(crate) fn next<M: NetlinkDeserializable>(&self) -> Result<Vec<NetlinkMessage<M>>, Refused> {
        let (packet, _) = retried(|| self.socket.recv_from_full()).map_err(refusal("recvfrom", self.with))?;
        messages(&packet)
    }

    /// What the kernel's reply to a message of so many bytes says no to.
    pub(crate) fn refused(&self, error: &ErrorMessage, sent: usize) -> Refused {
        let (errno, said) = refused(error);
        Refused::ByKernel { at: MESSAGE, part: self.with, errno, said, sent: Some(sent) }
    }

    /// Everything up to the kernel's last word on a request.
    fn answers<M: NetlinkDeserializable>(&self, sent: usize) -> Result<Vec<M>, Refused> {
        let mut answers = Vec::new();
        loop {
            for message in self.next::<M>()? {
                match message.payload {
                    NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                    NetlinkPayload::Error(error) if error.code.is_some() => return Err(self.refused(&error, sent)),
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answers),
                    _ => {}
                }
            }
        }
    }
}

/// How a call of a conversation was refused.
fn refusal(at: &'static str, part: NetlinkPart) -> impl Fn(io::Error) -> Refused {
    move |why| match why.raw_os_error() {
        Some(errno) => Refused::ByKernel { at, part, errno: Errno::from_raw(errno), said: None, sent: None },
        None => Refused::NotUnderstood(why),
    }
}

/// The messages of a packet.
fn messages<M: NetlinkDeserializable>(packet: &[u8]) -> Result<Vec<NetlinkMessage<M>>, Refused> {
    let mut messages = Vec::new();
    let mut rest = packet;
    while !rest.is_empty() {
        let message = NetlinkMessage::<M>::deserialize(rest)
            .map_err(|why| Refused::NotUnderstood(io::Error::other(why.to_string())))?;
        let length = usize::try_from(message.header.length).unwrap_or(rest.len()).next_multiple_of(4);
        rest = rest.get(length.max(4)..).unwrap_or_default();
        messages.push(message);
    }
    Ok(messages)
}

/// The errno of a refusal, and the sentence that stands behind the header of the request in it.
fn refused(error: &ErrorMessage) -> (Errno, Option<String>) {
    const HEADER: usize = 16;
    const NLMSGERR_ATTR_MSG: u16 = 1;
    let mut rest = error.header.get(HEADER..).unwrap_or_default();
    let mut said = None;
    while let [l0, l1, t0, t1, ..] = *rest {
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        if u16::from_ne_bytes([t0, t1]) == NLMSGERR_ATTR_MSG {
            let text = rest.get(4..length).unwrap_or_default();
            said = Some(String::from_utf8_lossy(text).trim_end_matches('\0').to_owned());
        }
        rest = rest.get(length.next_multiple_of(4).max(4)..).unwrap_or_default();
    }
    (Errno::from_raw(error.raw_code().saturating_abs()), said)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroI32;

    use netlink_packet_sock_diag::SockDiagMessage;
    use proptest::prelude::*;

    use super::*;
    use crate::observe::{firewall, links};

    /// Packets as the kernel could send them, if it wanted to vex us: with lengths and types that are nearly right.
    fn packet() -> impl Strategy<Value = Vec<u8>> {
        let kinds = prop_oneof![0_u16..=32, 90_u16..=120, 2560_u16..=2580, any::<u16>()];
        let message = (kinds, any::<u16>(), prop::collection::vec(any::<u8>(), 0..200), -20_i64..20);
        let bytes = message.prop_map(|(kind, flags, payload, wrong)| {
            let length = i64::try_from(16 + payload.len()).unwrap();
            let length = if wrong > 0 { length } else { length + wrong };
            let mut bytes = u32::try_from(length.max(0)).unwrap().to_ne_bytes().to_vec();
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(&flags.to_ne_bytes());
            bytes.extend_from_slice(&[0; 8]);
            bytes.extend_from_slice(&payload);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
            bytes
        });
        prop_oneof![
            prop::collection::vec(bytes, 0..4).prop_map(|messages| messages.concat()),
            prop::collection::vec(any::<u8>(), 0..300)
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_packet_is_too_strange_to_be_read(packet in packet()) {
            if let Ok(messages) = messages::<RouteNetlinkMessage>(&packet) {
                for message in messages {
                    match message.payload {
                        NetlinkPayload::InnerMessage(message) => drop(links::interface(message)),
                        NetlinkPayload::Error(error) => drop(refused(&error)),
                        _ => {}
                    }
                }
            }
            let _ = messages::<SockDiagMessage>(&packet);
            let _ = messages::<firewall::Message>(&packet);
        }

        #[test]
        fn no_refusal_is_too_strange_to_be_told(code in any::<i32>(), header in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut error = ErrorMessage::default();
            error.code = NonZeroI32::new(code);
            error.header = header;
            refused(&error);
        }
    }

    #[test]
    fn the_kernels_own_sentence_is_found_behind_the_requests_header() {
        let mut error = ErrorMessage::default();
        error.code = NonZeroI32::new(-libc::EINVAL);
        error.header = [&[0; 16][..], &[10, 0, 1, 0], b"hello\0", &[0, 0]].concat();
        let (errno, said) = refused(&error);
        assert_eq!((errno, said.as_deref()), (Errno::EINVAL, Some("hello")));
    }
}
