//! Whoever follows the walk from another terminal: `nslearn notes`. They find it by an abstract Unix socket, which is gone
//! with the walk, however it ends.

use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::{Duration, Instant};

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};

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
    pub(super) fn of(line: &str) -> Option<Whereabouts> {
        serde_json::from_str(line).ok()
    }
}

/// How the names begin by which this user's walks through a lesson are found; the process id is what follows.
pub(super) fn prefix_of_walks(lesson: &str) -> String {
    format!("nslearn/{}/{lesson}/", geteuid())
}

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
        let name = format!("{}{}", prefix_of_walks(lesson), std::process::id());
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
        while let Ok((guest, _)) = door.accept() {
            let same = getsockopt(&guest, sockopt::PeerCredentials).is_ok_and(|who| who.uid() == geteuid().as_raw());
            // A follower that does not read must not hold the walk up.
            if same && guest.set_write_timeout(Some(Duration::from_millis(100))).is_ok() {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_follower_hears_what_was_told(lesson in ".*", step in any::<usize>(), seconds in any::<u64>()) {
            let here = Whereabouts { lesson, step, seconds };
            let line = here.line().unwrap();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(Whereabouts::of(&line), Some(here));
        }

        #[test]
        fn whatever_else_a_follower_hears_says_nothing(line in "\\PC{0,60}|[{}a-z\":,0-9]{0,60}") {
            if let Some(here) = Whereabouts::of(&line) {
                prop_assert_eq!(Whereabouts::of(&here.line().unwrap()), Some(here));
            }
        }
    }
}
