//! Whoever follows the walk from another terminal: `nslearn notes`. They find it by an abstract Unix socket, which is gone
//! with the walk, however it ends. Everybody on the machine can bind such a name and connect to it, so either side asks
//! the kernel who the other one is: `SO_PEERCRED` in unix(7).

use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Split, Write};
use std::iter;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::{Duration, Instant};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, socket, sockopt};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

use crate::observe::kernel_file::{self, number};

/// Where a walk is, as its followers hear it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Whereabouts {
    /// The lesson.
    pub lesson: String,
    /// The step; 0 before the first.
    pub step: usize,
    /// How long the walk has taken up to now, in seconds.
    pub seconds: u64,
}

impl Whereabouts {
    /// A line that a follower hears.
    fn line(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// What such a line says; `None` if it is none.
    fn of(line: &[u8]) -> Option<Whereabouts> {
        serde_json::from_slice(line).ok()
    }
}

/// How the names begin by which this user's walks through a lesson are found. The process id follows, and a number that
/// nobody can guess: else another user could bind the name before the walk does, and it would have none.
fn prefix_of_walks(lesson: &str) -> String {
    format!("nslearn/{}/{lesson}/", geteuid())
}

/// Whether a process of this user's is at the other end; of a listening socket, the one that called listen(2).
fn is_ours(peer: &UnixStream) -> bool {
    getsockopt(peer, sockopt::PeerCredentials).is_ok_and(|who| who.uid() == geteuid().as_raw())
}

/// How many are let in before the walk looks at its keys again.
const AT_ONCE: usize = 64;

/// Those who follow a walk.
#[derive(Debug)]
pub(super) struct Followers {
    lesson: &'static str,
    door: Option<UnixListener>,
    inside: Vec<UnixStream>,
    step: usize,
    began: Instant,
}

impl Followers {
    /// Opens the door. Without one, the walk goes on unfollowed.
    pub(super) fn new(lesson: &'static str) -> Self {
        let process = std::process::id();
        let name = format!("{}{process}/{:016x}", prefix_of_walks(lesson), RandomState::new().hash_one(process));
        let door = SocketAddr::from_abstract_name(name).and_then(|address| UnixListener::bind_addr(&address)).ok();
        let door = door.filter(|door| door.set_nonblocking(true).is_ok());
        Followers { lesson, door, inside: Vec::new(), step: 0, began: Instant::now() }
    }

    /// What is readable when somebody knocks.
    pub(super) fn door(&self) -> Option<BorrowedFd<'_>> {
        self.door.as_ref().map(AsFd::as_fd)
    }

    /// Lets those in who knock, and tells them where the walk is. Only the same user is let in.
    pub(super) fn let_in(&mut self) {
        let Some(door) = &self.door else { return };
        // Not for as long as somebody knocks: another user could knock without end.
        for (guest, _) in iter::from_fn(|| door.accept().ok()).take(AT_ONCE) {
            // A follower that does not read must not hold the walk up.
            if is_ours(&guest) && guest.set_write_timeout(Some(Duration::from_millis(100))).is_ok() {
                self.inside.push(guest);
            }
        }
        self.tell_all();
    }

    /// Tells where the walk is now.
    pub(super) fn tell(&mut self, step: usize) {
        self.step = step;
        self.tell_all();
    }

    fn tell_all(&mut self) {
        let here =
            Whereabouts { lesson: self.lesson.to_owned(), step: self.step, seconds: self.began.elapsed().as_secs() };
        let Some(line) = here.line() else { return };
        // Whoever is gone, or does not read, is followed no more.
        self.inside.retain_mut(|guest| writeln!(guest, "{line}").is_ok());
    }
}

/// A walk of this user's that somebody follows: where it is, each time that it has gone on, until it is over.
#[derive(Debug)]
pub(crate) struct Following(Split<BufReader<UnixStream>>);

impl Following {
    /// Finds a walk of this user's through a lesson that is under way; of several, the one that was begun last.
    pub(crate) fn find(lesson: &str) -> Option<Following> {
        let sockets = kernel_file::read("/proc/net/unix").ok()?;
        let mut walks = walks_among(&sockets, prefix_of_walks(lesson).as_bytes());
        walks.sort_unstable();
        walks.into_iter().rev().find_map(|(_, name)| {
            let walk = knock(name).ok().filter(is_ours)?;
            Some(Following(BufReader::new(walk).split(b'\n')))
        })
    }
}

impl Iterator for Following {
    type Item = Whereabouts;

    fn next(&mut self) -> Option<Whereabouts> {
        Whereabouts::of(&self.0.next()?.ok()?)
    }
}

/// The abstract names in /proc/net/unix that begin so, with the process id that follows. Anybody's names stand there, of
/// any bytes; each has `@` in the place of its first byte: unix(7).
fn walks_among<'a>(sockets: &'a [u8], prefix: &[u8]) -> Vec<(u32, &'a [u8])> {
    let walk = |line: &'a [u8]| {
        let at = line.windows(2).position(|bytes| bytes == b" @")?;
        let name = &line[at + 2..];
        let process = name.strip_prefix(prefix)?.split(|byte| *byte == b'/').next()?;
        Some((number(process)?, name))
    };
    kernel_file::lines(sockets).filter_map(walk).collect()
}

/// Connects to an abstract name, and does not wait for it: whoever listens there may have a full queue, and no intention
/// of emptying it.
fn knock(name: &[u8]) -> io::Result<UnixStream> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let door = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(door.as_raw_fd(), &UnixAddr::new_abstract(name)?)?;
    let door = UnixStream::from(door);
    door.set_nonblocking(false)?;
    Ok(door)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn walks_are_found_among_names_of_any_bytes() {
        let head = "0000000000000000: 00000002 00000000 00010000 0001 01 4711";
        let sockets =
            format!("Num RefCount\n{head} @nslearn/7/uts/40/ab\n{head} /run/x\n{head}\n{head} @nslearn/7/net/1/a");
        let strange =
            [sockets.as_bytes(), b"\n", head.as_bytes(), b" @\xff\xfe\n", head.as_bytes(), b" @nslearn/7/uts/\xff"];
        assert_eq!(walks_among(&strange.concat(), b"nslearn/7/uts/"), [(40, &b"nslearn/7/uts/40/ab"[..])]);
    }

    proptest! {
        #[test]
        fn a_follower_hears_what_was_told(lesson in ".*", step in any::<usize>(), seconds in any::<u64>()) {
            let here = Whereabouts { lesson, step, seconds };
            let line = here.line().unwrap();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(Whereabouts::of(line.as_bytes()), Some(here));
        }

        #[test]
        fn whatever_else_a_follower_hears_says_nothing(line in "\\PC{0,60}|[{}a-z\":,0-9]{0,60}") {
            if let Some(here) = Whereabouts::of(line.as_bytes()) {
                prop_assert_eq!(Whereabouts::of(here.line().unwrap().as_bytes()), Some(here));
            }
        }
    }
}
