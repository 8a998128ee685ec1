//! Messages between processes: a connected pair of sequenced-packet Unix sockets (unix(7)). Each message arrives whole,
//! with the sender's process id as the receiver's PID namespace knows it, and may carry one file descriptor.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    sockopt::{Timeout, set_socket_passcred, set_socket_timeout},
};

/// The longest message.
const LONGEST: usize = 16 * 1024;

/// One end of a pair.
#[derive(Debug)]
pub(super) struct Channel(OwnedFd);

/// A message, as it arrives.
#[derive(Debug)]
pub(super) struct Message {
    /// What it says.
    pub(super) bytes: Vec<u8>,
    /// The sender's process id, as the receiver's PID namespace knows it: the kernel says so, not the sender.
    pub(super) sender: Option<i32>,
    /// The file descriptor that came along.
    pub(super) fd: Option<OwnedFd>,
}

impl Channel {
    /// A pair of which the first end learns who sends.
    pub(super) fn pair() -> nix::Result<(Channel, Channel)> {
        let (mine, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).map_err(errno)?;
        // Before anything is sent: the kernel notes the sender's id only where the receiver has asked for it already.
        set_socket_passcred(&mine, true).map_err(errno)?;
        Ok((Channel(mine), Channel(theirs)))
    }

    /// Sends a message, and waits while the receiver is behind.
    pub(super) fn send(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> nix::Result<()> {
        let fds: Vec<BorrowedFd<'_>> = fd.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        }
        loop {
            match sendmsg(&self.0, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
                Err(rustix::io::Errno::INTR) => {}
                result => return result.map(drop).map_err(errno),
            }
        }
    }

    /// Waits for a message; `None` once every holder of the other end is gone.
    pub(super) fn receive(&self) -> nix::Result<Option<Message>> {
        let mut bytes = [0; LONGEST];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1), ScmCredentials(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let length = loop {
            match recvmsg(&self.0, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::CONNRESET) => return Ok(None),
                Ok(message) if message.flags.contains(ReturnFlags::TRUNC) => return Err(Errno::EMSGSIZE),
                result => break result.map_err(errno)?.bytes,
            }
        };
        let (mut sender, mut fd) = (None, None);
        for message in ancillary.drain() {
            match message {
                RecvAncillaryMessage::ScmCredentials(credentials) => {
                    sender = Some(credentials.pid.as_raw_nonzero().get());
                }
                RecvAncillaryMessage::ScmRights(fds) => fd = fds.last(),
                _ => {}
            }
        }
        if length == 0 {
            return Ok(None);
        }
        Ok(Some(Message { bytes: bytes[..length].to_vec(), sender, fd }))
    }

    /// From now on [`Channel::receive`] waits for so long at most, and is `EAGAIN` then.
    pub(super) fn wait_at_most(&self, time: Option<Duration>) -> nix::Result<()> {
        set_socket_timeout(&self.0, Timeout::Recv, time).map_err(errno)
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Channel {
    fn from(fd: OwnedFd) -> Self {
        Channel(fd)
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}

fn errno(error: rustix::io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}
