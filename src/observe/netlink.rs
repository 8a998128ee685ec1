//! Conversations with the kernel's network configuration, rtnetlink(7): synchronous, and in the network namespace of
//! whoever opens them.

use std::io;

use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::errno::Errno;

/// Why the kernel said no: the errno, and its own sentence, where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The errno.
    pub errno: Errno,
    /// The kernel's own words (the extended acknowledgement).
    pub said: Option<String>,
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        Refused { errno: Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)), said: None }
    }
}

/// A conversation.
pub struct Netlink(Socket);

impl Netlink {
    /// Begins a conversation.
    ///
    /// # Errors
    /// Those of socket(2).
    pub fn open() -> Result<Self, Refused> {
        Netlink::open_for(NETLINK_ROUTE)
    }

    /// Begins a conversation with another part of the kernel: netlink(7).
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` where the kernel does not have it.
    pub fn open_for(protocol: isize) -> Result<Self, Refused> {
        let mut socket = Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        // The kernel's own sentence for a refusal, instead of a copy of the request that it refused.
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        Ok(Netlink(socket))
    }

    /// Asks for a change, and waits until the kernel has made it.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn change(&self, request: RouteNetlinkMessage, flags: u16) -> Result<(), Refused> {
        self.send(request, NLM_F_REQUEST | NLM_F_ACK | flags)?;
        self.answers::<RouteNetlinkMessage>().map(drop)
    }

    /// Asks for a list.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn dump<M: NetlinkSerializable + NetlinkDeserializable>(&self, request: M) -> Result<Vec<M>, Refused> {
        self.send(request, NLM_F_REQUEST | NLM_F_DUMP)?;
        self.answers()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// Those of send(2).
    pub fn send<M: NetlinkSerializable>(&self, request: M, flags: u16) -> Result<(), Refused> {
        let mut header = NetlinkHeader::default();
        header.flags = flags;
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.send_bytes(&bytes)
    }

    /// Sends messages that are bytes already.
    ///
    /// # Errors
    /// Those of send(2).
    pub fn send_bytes(&self, bytes: &[u8]) -> Result<(), Refused> {
        retried(|| self.0.send(bytes, 0))?;
        Ok(())
    }

    /// Listens to what the kernel tells everybody who is in this group: `RTNLGRP_LINK`, … in rtnetlink(7).
    ///
    /// # Errors
    /// Those of setsockopt(2).
    pub fn listen(&mut self, group: u32) -> Result<(), Refused> {
        Ok(self.0.add_membership(group)?)
    }

    /// The messages of the next packet, whatever they are.
    ///
    /// # Errors
    /// Those of recv(2), and whatever the kernel refuses.
    pub fn next<M: NetlinkDeserializable>(&self) -> Result<Vec<NetlinkMessage<M>>, Refused> {
        let (packet, _) = retried(|| self.0.recv_from_full())?;
        let mut messages = Vec::new();
        let mut rest = packet.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<M>::deserialize(rest)
                .map_err(|why| Refused { errno: Errno::EBADMSG, said: Some(why.to_string()) })?;
            let length = usize::try_from(message.header.length).unwrap_or(rest.len()).next_multiple_of(4);
            rest = rest.get(length.max(4)..).unwrap_or_default();
            messages.push(message);
        }
        Ok(messages)
    }

    /// Everything up to the kernel's last word on a request.
    fn answers<M: NetlinkDeserializable>(&self) -> Result<Vec<M>, Refused> {
        let mut answers = Vec::new();
        loop {
            for message in self.next::<M>()? {
                match message.payload {
                    NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                    NetlinkPayload::Error(error) if error.code.is_some() => return Err(refused(&error)),
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answers),
                    _ => {}
                }
            }
        }
    }
}

/// Makes a call once more for as long as a signal came in between.
fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The errno of a refusal, and the sentence that stands behind the header of the request in it.
pub fn refused(error: &ErrorMessage) -> Refused {
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
    Refused { errno: Errno::from_raw(error.raw_code().saturating_abs()), said }
}
