//! The roster: all actors of a story, and whether each is still there. An actor may end because the story has it so; one
//! that ends for any other reason (somebody on the machine kills it, or the kernel does for want of memory) ends the
//! story with it, at once and by name: nobody may wait for it in vain, and no claim may be told that rests on it.

use std::cell::{Cell, RefCell};
use std::os::fd::AsFd;
use std::rc::Rc;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::channel::Channel;
use crate::error::{Error, Result};
use crate::observe::{namespaces, processes};
use crate::transcript::{NamespaceId, NamespaceType};

/// An actor, as the director knows it.
#[derive(Debug)]
struct Member {
    name: String,
    /// Its process id as the stage knows it.
    pid: i32,
    /// Kept here, it is never closed: an actor stays on the stage until the story ends it or the stage goes, whether or
    /// not the story has more use for it.
    channel: Rc<Channel>,
    /// Whether the story has it end.
    may_end: Cell<bool>,
    /// The signals that the story has sent to it: a bit each.
    sent: Cell<u64>,
}

/// All actors that were ever on the stage, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Roster(RefCell<Vec<Member>>);

impl Roster {
    /// An actor comes on the stage.
    pub(crate) fn enters(&self, name: &str, pid: i32, channel: &Rc<Channel>) {
        let (name, channel) = (name.to_owned(), Rc::clone(channel));
        self.0.borrow_mut().push(Member { name, pid, channel, may_end: Cell::new(false), sent: Cell::new(0) });
    }

    /// The story has this actor end; with the first process of a PID namespace, all that are in there.
    pub(crate) fn may_end(&self, pid: i32) {
        let first = processes::pids(pid).is_ok_and(|pids| pids.last() == Some(&1));
        let namespace = pid_namespace(pid).filter(|_| first);
        for member in self.0.borrow().iter().filter(|member| !member.may_end.get()) {
            if member.pid == pid || namespace.is_some() && pid_namespace(member.pid) == namespace {
                member.may_end.set(true);
            }
        }
    }

    /// The story has the actor `by` send a signal to whom it knows by this number: that one may end of it.
    ///
    /// # Errors
    /// Where somebody is lost already: if it is that one, the story has not done it.
    pub(crate) fn may_end_of(&self, by: i32, number: i32, signal: Signal) -> Result<()> {
        self.all_are_here()?;
        // The first process of one's own PID namespace ends of nothing that is sent from in there.
        let Some(pid) = self.known_as(by, number).filter(|_| number != 1) else { return Ok(()) };
        for member in self.0.borrow().iter().filter(|member| member.pid == pid) {
            member.sent.set(member.sent.get() | bit(signal));
        }
        self.may_end(pid);
        Ok(())
    }

    /// Makes sure that an actor that was killed by a signal was sent it by the story, and not by somebody who was faster.
    ///
    /// # Errors
    /// Names the actor.
    pub(crate) fn was_killed(&self, pid: i32, signal: Signal) -> Result<()> {
        match self.0.borrow().iter().find(|member| member.pid == pid) {
            Some(member) if member.sent.get() & bit(signal) == 0 => Err(Error::Gone(member.name.clone())),
            _ => Ok(()),
        }
    }

    /// The process id, as the stage knows it, of the actor that another one knows by this number.
    pub(crate) fn known_as(&self, by: i32, number: i32) -> Option<i32> {
        let (namespace, stages) = (pid_namespace(by), pid_namespace(1));
        let is_meant = |pid: i32| {
            // Of the stage's numbers every actor has one.
            if namespace == stages {
                return pid == number;
            }
            pid_namespace(pid) == namespace && processes::pids(pid).is_ok_and(|pids| pids.last() == Some(&number))
        };
        self.0.borrow().iter().map(|member| member.pid).find(|pid| is_meant(*pid))
    }

    /// Waits until there is something to hear on one actor's channel.
    ///
    /// # Errors
    /// Where an actor is lost meanwhile, be it that one or any other: it may be the one that all wait for.
    pub(crate) fn wait_for(&self, channel: &Channel) -> Result<()> {
        let members = self.0.borrow();
        let mut ends = vec![PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
        ends.extend(ends_of(&members));
        loop {
            match poll(&mut ends, PollTimeout::NONE) {
                Err(Errno::EINTR) => {}
                // The caller finds out what is wrong with it.
                Err(_) => return Ok(()),
                Ok(_) => break,
            }
        }
        if ends[1..].iter().any(has_hung_up) { self.all_are_here() } else { Ok(()) }
    }

    /// Makes sure that nobody is lost.
    ///
    /// # Errors
    /// Names the first one that is.
    pub(crate) fn all_are_here(&self) -> Result<()> {
        let members = self.0.borrow();
        let mut ends: Vec<PollFd<'_>> = ends_of(&members).collect();
        let look = |ends: &mut [PollFd<'_>]| {
            let _ = poll(ends, PollTimeout::ZERO);
            ends.iter().position(has_hung_up)
        };
        if look(&mut ends).is_none() {
            return Ok(());
        }
        // The first process of a PID namespace takes the others in there along. It ends before they do, but perhaps not
        // before the look at it: a second one finds it.
        let expected = members.iter().filter(|member| !member.may_end.get());
        let lost = look(&mut ends).and_then(|place| expected.into_iter().nth(place));
        lost.map_or(Ok(()), |member| Err(Error::Gone(member.name.clone())))
    }

    /// Who is lost, also of those whose end has only just begun: what others see of that may be why something failed.
    pub(crate) fn lost(&self) -> Option<Error> {
        let members = self.0.borrow();
        let mut expected = members.iter().filter(|member| !member.may_end.get());
        expected.find(|member| processes::is_ending(member.pid)).map(|member| Error::Gone(member.name.clone()))
    }
}

/// The ends of those who are not to go, to hear only of their going.
fn ends_of(members: &[Member]) -> impl Iterator<Item = PollFd<'_>> {
    let expected = members.iter().filter(|member| !member.may_end.get());
    expected.map(|member| PollFd::new(member.channel.as_fd(), PollFlags::empty()))
}

fn has_hung_up(end: &PollFd<'_>) -> bool {
    end.revents().is_some_and(|seen| seen.contains(PollFlags::POLLHUP))
}

fn pid_namespace(pid: i32) -> Option<NamespaceId> {
    namespaces::read(&format!("{pid}/ns/pid"), NamespaceType::Pid).ok()
}

fn bit(signal: Signal) -> u64 {
    1 << signal as i32
}
