//! How the first process of new namespaces gets its ids, and how it is made to end with the program: what a stage has in
//! common with a bare user namespace.

use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::{getpid, pipe2, read};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::idmap::Maps;
use crate::args;
use crate::error::{CallResult, Result, retried};

/// What passes between the program and the process that it makes, until that one has its ids.
#[derive(Debug)]
pub(super) struct Handshake {
    maps: Maps,
    /// Ends when the program has written the maps that are its own affair.
    mapped: OwnedFd,
    maps_written: OwnedFd,
    program: OwnedFd,
}

impl Handshake {
    /// To be had before the process is made.
    pub(super) fn prepare() -> Result<Self> {
        let maps = Maps::choose()?;
        let (mapped, maps_written) = pipe2(OFlag::O_CLOEXEC).or_refused("pipe2", args![])?;
        let own = Pid::from_raw(getpid().as_raw()).ok_or(rustix::io::Errno::SRCH);
        let program = own.and_then(|own| pidfd_open(own, PidfdFlags::empty()));
        let program = program.or_refused("pidfd_open", args!["self"])?;
        Ok(Handshake { maps, mapped, maps_written, program })
    }

    /// The program's part. A process that gets no maps is ended.
    pub(super) fn give_ids(self, child: nix::unistd::Pid) -> Result<()> {
        drop(self.mapped);
        let written = self.maps.write_for(child.as_raw());
        // Closing it is the sign that the maps stand. If they do not, the child finds itself without, and ends.
        drop(self.maps_written);
        if written.is_err() {
            let _ = kill(child, Signal::SIGKILL);
            let _ = retried(|| waitpid(child, None));
        }
        written
    }

    /// The new process's part: it becomes root of its user namespace, and ends when the program does. What is left is
    /// for the process that it makes in its own place, if it makes one.
    pub(super) fn take_ids(self) -> Result<Successor> {
        drop(self.maps_written);
        self.maps.write_own()?;
        let _ = retried(|| read(&self.mapped, &mut [0]));
        self.maps.drop_into()?;
        // After the change of ids, which makes a process undumpable and its /proc files the machine's root's: whoever is
        // on the stage writes maps of their own there.
        let _ = prctl::set_dumpable(true);
        let successor = Successor { maps: self.maps, program: self.program };
        successor.die_with_the_program()?;
        Ok(successor)
    }
}

/// What a process needs to know that is made by the one which has taken the ids, as its sibling.
#[derive(Debug)]
pub(super) struct Successor {
    maps: Maps,
    program: OwnedFd,
}

impl Successor {
    /// Gives the process all ids that its maker has, under the same numbers. The maker calls this.
    pub(super) fn give_ids(&self, successor: nix::unistd::Pid) -> Result<()> {
        self.maps.write_again_for(successor.as_raw())
    }

    /// Ends this process as soon as the program, its parent, is gone, however it goes. After a change of ids, which resets
    /// it; and with a look whether the program is gone already, for whom the signal would come too late.
    pub(super) fn die_with_the_program(&self) -> Result<()> {
        prctl::set_pdeathsig(Signal::SIGKILL).or_refused("prctl", args!["PR_SET_PDEATHSIG"])?;
        let mut gone = [PollFd::new(self.program.as_fd(), PollFlags::POLLIN)];
        if retried(|| poll(&mut gone, PollTimeout::ZERO)).is_ok_and(|ready| ready > 0) {
            crate::sys::exit(1);
        }
        Ok(())
    }
}
