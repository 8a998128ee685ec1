//! Messages between processes: a connected pair of sequenced-packet Unix sockets (unix(7)). Each message arrives whole,
//! however long it is, with the sender's process id as the receiver's PID namespace knows it, and may carry one file
//! descriptor.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::uio::pread;
use nix::unistd;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    sockopt::{Timeout, set_socket_passcred, set_socket_timeout},
};

use crate::error::{errno_of, retried};

/// What a packet holds at most. The kernel takes no packet that is longer than its buffer, which a system can make small;
/// so what is longer comes in a file in memory, whose descriptor the packet carries.
const LONGEST: usize = 16 * 1024;

/// The first byte of a packet: the message follows in it.
const INSIDE: u8 = 0;
/// The message is in the file whose descriptor comes last.
const IN_A_FILE: u8 = 1;

/// One end of a pair.
#[derive(Debug)]
pub(crate) struct Channel(OwnedFd);

/// A message, as it arrives.
#[derive(Debug)]
pub(crate) struct Packet {
    /// What it says.
    pub(crate) bytes: Vec<u8>,
    /// How long the packet was, as sendmsg(2) has told the sender.
    pub(crate) sent: usize,
    /// The sender's process id, as the receiver's PID namespace knows it: the kernel says so, not the sender.
    pub(crate) sender: Option<i32>,
    /// The file descriptor that came along.
    pub(crate) fd: Option<OwnedFd>,
}

impl Channel {
    /// A pair of which the first end learns who sends.
    pub(crate) fn pair() -> nix::Result<(Channel, Channel)> {
        let (mine, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).map_err(errno_of)?;
        // Before anything is sent: the kernel notes the sender's id only where the receiver has asked for it already.
        set_socket_passcred(&mine, true).map_err(errno_of)?;
        Ok((Channel(mine), Channel(theirs)))
    }

    /// Sends a message, and waits while the receiver is behind: how long the packet was, as sendmsg(2) says.
    pub(crate) fn send(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> nix::Result<usize> {
        if bytes.len() < LONGEST {
            return self.send_packet(INSIDE, bytes, fd.as_slice());
        }
        let file = memfd_create("nslearn-message", MFdFlags::MFD_CLOEXEC)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = retried(|| unistd::write(&file, rest))?;
            rest = rest.get(length..).unwrap_or_default();
        }
        let fds: Vec<BorrowedFd<'_>> = fd.into_iter().chain([file.as_fd()]).collect();
        self.send_packet(IN_A_FILE, &[], &fds)
    }

    fn send_packet(&self, kind: u8, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> nix::Result<usize> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(fds));
        }
        let kind = [kind];
        let parts = [IoSlice::new(&kind), IoSlice::new(bytes)];
        let sent = retried(|| sendmsg(&self.0, &parts, &mut ancillary, SendFlags::NOSIGNAL));
        sent.map_err(errno_of)
    }

    /// Waits for a message; `None` once every holder of the other end is gone.
    pub(crate) fn receive(&self) -> nix::Result<Option<Packet>> {
        let (mut kind, mut bytes) = ([0], [0; LONGEST]);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2), ScmCredentials(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut kind), IoSliceMut::new(&mut bytes)];
        let received = retried(|| recvmsg(&self.0, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC));
        let length = match received.map_err(errno_of) {
            Err(Errno::ECONNRESET) => return Ok(None),
            Ok(packet) if packet.flags.contains(ReturnFlags::TRUNC) => return Err(Errno::EMSGSIZE),
            result => result?.bytes,
        };
        let (mut sender, mut fds) = (None, Vec::new());
        for message in ancillary.drain() {
            match message {
                RecvAncillaryMessage::ScmCredentials(credentials) => {
                    sender = Some(credentials.pid.as_raw_nonzero().get());
                }
                RecvAncillaryMessage::ScmRights(received) => fds.extend(received),
                _ => {}
            }
        }
        let sent = length;
        let Some(length) = length.checked_sub(1) else { return Ok(None) };
        let mut bytes = bytes[..length].to_vec();
        if kind == [IN_A_FILE] {
            // Where this process has as many files open as it may, a packet comes without: unix(7).
            let file = fds.pop().ok_or(Errno::EMFILE)?;
            bytes = read_from_start(&file)?;
        }
        Ok(Some(Packet { bytes, sent, sender, fd: fds.pop() }))
    }

    /// From now on [`Channel::receive`] waits for so long at most, and is `EAGAIN` then.
    pub(crate) fn wait_at_most(&self, time: Option<Duration>) -> nix::Result<()> {
        set_socket_timeout(&self.0, Timeout::Recv, time).map_err(errno_of)
    }
}

/// All that is in a file, wherever whoever wrote it has left off.
fn read_from_start(file: &OwnedFd) -> nix::Result<Vec<u8>> {
    let (mut bytes, mut part) = (Vec::new(), [0; LONGEST]);
    loop {
        let at = i64::try_from(bytes.len()).map_err(|_| Errno::EFBIG)?;
        match retried(|| pread(file, &mut part, at))? {
            0 => return Ok(bytes),
            length => bytes.extend_from_slice(&part[..length]),
        }
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_message_arrives_whole_however_long_it_is_and_so_does_what_it_carries() {
        let (here, there) = Channel::pair().unwrap();
        for length in [0, 1, LONGEST - 1, LONGEST, LONGEST + 1, 3_000_000] {
            let sent: Vec<u8> = (0..length).map(|place| (place % 251) as u8).collect();
            let mut file = File::from(memfd_create("carried", MFdFlags::MFD_CLOEXEC).unwrap());
            write!(file, "{length}").unwrap();
            there.send(&sent, Some(file.as_fd())).unwrap();
            there.send(&sent, None).unwrap();
            let with = here.receive().unwrap().unwrap();
            assert!(with.bytes == sent, "{length} bytes");
            let carried = read_from_start(&with.fd.unwrap()).unwrap();
            assert_eq!(carried, length.to_string().as_bytes());
            let without = here.receive().unwrap().unwrap();
            assert!(without.bytes == sent && without.fd.is_none(), "{length} bytes");
        }
    }

    #[test]
    fn nobody_is_left_to_hear_once_the_other_end_is_gone() {
        let (here, there) = Channel::pair().unwrap();
        drop(there);
        assert!(here.receive().unwrap().is_none());
        assert_eq!(here.send(b"hello", None), Err(Errno::EPIPE));
    }
}
