//! The stage as the program sees it from outside: how it is opened, heard and ended, and that nothing of it stays.

use std::ffi::OsString;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::utsname::uname;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::channel::Channel;
use super::log::Line;
use super::process::{io_errno, retried};
use super::visit::{Left, Order, Visit};
use super::{Manner, Stage, effects, open, privileges, root};
use crate::diagnosis::{Advice, advise};
use crate::error::{Error, Result};
use crate::observe::processes;
use crate::sys;
use crate::transcript::{Event, Look, Value, errno_name};

/// How a stage ended whose first process got no more memory.
const OUT_OF_MEMORY: &str =
    "its first process was out of memory; a limit on address space (ulimit -v) or on memory is the likely cause";

/// How long a stage may be silent before it counts as hung. A build for tests need not wait so long, where
/// `NSLEARN_SILENCE_MS` says so.
fn patience() -> Duration {
    const SILENCE: Duration = Duration::from_secs(30);
    static PATIENCE: OnceLock<Duration> = OnceLock::new();
    let said = || std::env::var("NSLEARN_SILENCE_MS").ok()?.parse().map(Duration::from_millis).ok();
    *PATIENCE.get_or_init(|| said().filter(|_| cfg!(debug_assertions)).unwrap_or(SILENCE))
}

/// Where a story is, when there is nothing to hear for the moment.
#[derive(Debug)]
pub enum Heard {
    /// It waits until it is told to go on.
    Waiting,
    /// It is at its end, or at what it could not go on after.
    Done(Result<()>),
}

/// A stage, from outside. Dropping it ends everything on it.
#[derive(Debug)]
pub struct House {
    init: Option<Pid>,
    channel: Channel,
    before: Machine,
    /// Whether the end of the stage's first process was seen.
    reaped: nix::Result<()>,
}

impl House {
    /// Opens a stage and lets its first process direct; returns once it stands.
    ///
    /// # Errors
    /// Where this machine allows no stage: what is in the way of it.
    pub fn open(manner: Manner, direct: impl FnOnce(&Stage) -> Result<()>) -> Result<House> {
        let house = House::try_open(manner, direct);
        if manner == Manner::Bare { house } else { house.map_err(effects::in_the_way_of_a_stage) }
    }

    fn try_open(manner: Manner, direct: impl FnOnce(&Stage) -> Result<()>) -> Result<House> {
        // Should a process ever outlive its stage, it comes to this one, where it is noticed, and not to the machine's init.
        let _ = prctl::set_child_subreaper(true);
        let (init, channel) = open::open(manner, direct)?;
        privileges::give_up();
        // While the stage is being built, which takes longer and touches nothing of this.
        let mut house = House { init: Some(init), channel, before: Machine::look(), reaped: Ok(()) };
        house.be_patient(Some(patience()))?;
        match house.next()? {
            Line::Failed(error) => Err(error),
            _ => Ok(house),
        }
    }

    /// Hears everything that the stage tells, until it waits or its director is done.
    ///
    /// # Errors
    /// That of whoever hears.
    pub fn listen(&mut self, mut hear: impl FnMut(Event) -> io::Result<()>) -> io::Result<Heard> {
        loop {
            match self.next() {
                Ok(Line::Event(event)) => hear(event)?,
                // Said here and not on the stage: there everything is another, the limits too.
                Ok(Line::Cannot(facts, error)) => {
                    let Advice { reason, remedy, .. } = advise(&error);
                    for id in facts {
                        hear(Event::Skipped { id, reason: reason.clone(), remedy: remedy.clone() })?;
                    }
                }
                Ok(Line::Ready | Line::Tried(..) | Line::Left(_) | Line::Visited(_) | Line::NoVisit(_)) => {}
                Ok(Line::Waiting) => return Ok(Heard::Waiting),
                Ok(Line::Done) => return Ok(Heard::Done(Ok(()))),
                Ok(Line::Failed(error)) | Err(error) => return Ok(Heard::Done(Err(error))),
            }
        }
    }

    /// Waits for what came of trying the next effect, or for another line when there is none more.
    pub(super) fn next_trial(&mut self) -> Result<Line> {
        match self.next()? {
            Line::Event(_) => self.next_trial(),
            line => Ok(line),
        }
    }

    /// Lets a story that waits go on.
    ///
    /// # Errors
    /// Where the stage is gone.
    pub fn go_on(&mut self) -> Result<()> {
        self.order(&Order::GoOn, None)
    }

    /// Lets a program visit an actor of a story that waits, with these standard streams, and waits until it has ended, for
    /// as long as that takes.
    ///
    /// # Errors
    /// Where the actor or the stage is gone, or its namespaces cannot be joined.
    pub fn visit(&mut self, visit: Visit, streams: [BorrowedFd<'_>; 3]) -> Result<Left> {
        for stream in streams {
            self.order(&Order::Stream, Some(stream))?;
        }
        self.order(&Order::Visit(visit), None)?;
        self.be_patient(None)?;
        let left = loop {
            match self.next()? {
                Line::Visited(left) => break left,
                Line::NoVisit(error) | Line::Failed(error) => return Err(error),
                _ => {}
            }
        };
        self.be_patient(Some(patience()))?;
        Ok(left)
    }

    fn order(&self, order: &Order, fd: Option<BorrowedFd<'_>>) -> Result<()> {
        let bytes = serde_json::to_vec(order).map_err(|why| Error::unexpected("an order", why))?;
        self.channel.send(&bytes, fd).map_err(|errno| Error::refused("sendmsg", "sendmsg(the stage)", errno))
    }

    fn be_patient(&self, time: Option<Duration>) -> Result<()> {
        let refused = |errno| Error::refused("setsockopt", "setsockopt(SO_RCVTIMEO)", errno);
        self.channel.wait_at_most(time).map_err(refused)
    }

    /// Waits, for as long as it takes, until the program that the stage was opened for has ended: its exit status.
    ///
    /// # Errors
    /// Where it did not start, or the stage was lost.
    pub fn wait_for_status(&mut self) -> Result<i32> {
        self.be_patient(None)?;
        loop {
            match self.next()? {
                Line::Left(status) => return Ok(status),
                Line::Failed(error) => return Err(error),
                Line::Done => return Err(Error::StageLost("the program is gone".to_owned())),
                _ => {}
            }
        }
    }

    /// Waits for what the stage says next.
    fn next(&mut self) -> Result<Line> {
        let message = match self.channel.receive() {
            Ok(Some(message)) => message,
            Ok(None) => return Err(Error::StageLost(self.end())),
            Err(Errno::EAGAIN) => {
                self.end();
                return Err(Error::StageLost(format!("it said nothing for {} seconds", patience().as_secs_f32())));
            }
            Err(errno) => return Err(Error::refused("recvmsg", "recvmsg(the stage)", errno)),
        };
        let mut line =
            serde_json::from_slice(&message.bytes).map_err(|why| Error::unexpected("the stage's words", why))?;
        if let Line::Event(Event::Saw { look: Look::Pids(pids), .. }) = &mut line {
            look_through_the_curtain(pids, message.sender);
        }
        Ok(line)
    }

    /// Ends the stage, waits until it is gone, and says what is on the machine now that was not there before.
    pub fn close(&mut self) -> Vec<String> {
        self.end();
        self.before.left_behind(self.reaped)
    }

    /// Ends the stage, waits until it is gone, and says how its first process ended.
    fn end(&mut self) -> String {
        let Some(init) = self.init.take() else { return "it was closed".to_owned() };
        // Whatever it is at: SIGKILL from the parent PID namespace is the one signal that no init can ignore.
        let _ = kill(init, Signal::SIGKILL);
        match retried(|| waitpid(init, None)) {
            Ok(WaitStatus::Exited(_, sys::OUT_OF_MEMORY)) => OUT_OF_MEMORY.to_owned(),
            Ok(WaitStatus::Exited(_, status)) => format!("its first process ended with status {status}"),
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("its first process was killed by {signal}"),
            Ok(_) => "its first process is gone".to_owned(),
            Err(errno) => {
                self.reaped = Err(errno);
                format!("waitpid(its first process) says {}", errno_name(errno as i32))
            }
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.end();
    }
}

/// Puts in front of an actor's numbers on the stage the one that it has on the machine, which only the program can see:
/// the kernel tells it with every message of that actor's.
fn look_through_the_curtain(pids: &mut Vec<Value>, sender: Option<i32>) {
    let Some(sender) = sender else { return };
    // From where this /proc looks there may be more levels than the machine's, if the program is in a container.
    match processes::pids(sender) {
        Ok(all) if all.len() > pids.len() => {
            let outer = all.len() - pids.len();
            pids.splice(0..0, all.into_iter().take(outer).map(Value::MachinePid));
        }
        _ => pids.insert(0, Value::MachinePid(sender)),
    }
}

/// What a lesson could change on a machine if the stage did not hold.
#[derive(Debug)]
struct Machine {
    names: nix::Result<[OsString; 2]>,
}

impl Machine {
    fn look() -> Self {
        Machine { names: uname().map(|names| [names.nodename().to_owned(), names.domainname().to_owned()]) }
    }

    /// What is there now that was not there when this look was taken, and what cannot be told.
    fn left_behind(&self, reaped: nix::Result<()>) -> Vec<String> {
        let mut left = Vec::new();
        let says = |call: &str, errno: Errno| format!("{call} says {}", errno_name(errno as i32));
        let unknown = |call: &str, errno: Errno| format!("nobody knows what: {}", says(call, errno));
        match (&self.names, Machine::look().names) {
            (Ok([host, domain]), Ok([host_now, domain_now])) => {
                if *host != host_now {
                    left.push(format!("the hostname is {host_now:?} now"));
                }
                if *domain != domain_now {
                    left.push(format!("the NIS domain name is {domain_now:?} now"));
                }
            }
            (Err(errno), _) => left.push(unknown("uname()", *errno)),
            (_, Err(errno)) => left.push(unknown("uname()", errno)),
        }
        match std::fs::read_to_string("/proc/self/mountinfo") {
            Ok(mounts) if mounts.lines().any(|mount| mount.contains(root::MOUNT_SOURCE)) => {
                left.push("a mount of the stage's".to_owned());
            }
            Ok(_) => {}
            Err(why) => left.push(unknown("read(/proc/self/mountinfo)", io_errno(&why))),
        }
        let any = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match retried(|| waitid(Id::All, any)) {
            Err(Errno::ECHILD) => {}
            Ok(_) => left.push(match reaped {
                Ok(()) => "a process of the stage's".to_owned(),
                Err(errno) => format!("a process of the stage's: {}", says("waitpid()", errno)),
            }),
            Err(errno) => left.push(unknown("waitid()", errno)),
        }
        left
    }
}
