//! Actors: processes on the stage that do what the director tells them, each by its own system calls.
//!
//! An actor that lives in its own process hears over a channel what to run; the `host`, the stage's PID 1, is the
//! director's own process and runs it on the spot. The verbs ([`crate::verbs`]) do not see the difference.

use std::cell::RefCell;
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::channel::{Channel, Packet};
use super::ledger::Entry;
use super::process::{Fd, Process, ReturnValue};
use super::protocol::{Change, Log, Request};
use super::roster::Roster;
use crate::args;
use crate::error::{CallResult, Error, Result};
use crate::sys::{REMOTE_FN_LENGTH, RemoteFn};
use crate::transcript::{Call, Flags, Value};

/// A process on the stage, with a name and a part to play.
pub(crate) struct Actor {
    name: String,
    /// Its process id as the stage knows it.
    pid: i32,
    /// Its process id as its parent knows it.
    pid_for_parent: i32,
    transport: Transport,
    /// Those with whom it plays.
    roster: Rc<Roster>,
    /// Where the director tells of its own calls: the host's.
    log: Log,
    director: Rc<str>,
    remark: RefCell<Option<String>>,
}

/// What a call that the director makes belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// What the lesson tells.
    Story,
    /// What it takes to tell it.
    SetUp,
}

/// Where an actor's process is.
enum Transport {
    /// It is this very process.
    Here(Box<RefCell<Process>>),
    /// It listens at the other end.
    Across(Rc<Channel>),
}

impl Actor {
    /// The director's own process.
    pub(crate) fn here(name: &str, process: Process) -> Self {
        let log = process.log.clone();
        let transport = Transport::Here(Box::new(RefCell::new(process)));
        let (roster, remark) = Default::default();
        let director = Rc::from(name);
        Actor { name: name.to_owned(), pid: 1, pid_for_parent: 1, transport, roster, log, director, remark }
    }

    /// The process at the other end of `fd`, which this one, its parent, knows as `pid_for_parent`; waits until it is up.
    pub(crate) fn child(&self, name: &str, pid_for_parent: i32, fd: OwnedFd) -> Result<Self> {
        let channel = Rc::new(Channel::from(fd));
        let pid = heard(name, &channel)?.sender.ok_or_else(|| Error::Gone(name.to_owned()))?;
        self.roster.enters(name, pid, &channel);
        Ok(Actor {
            name: name.to_owned(),
            pid,
            pid_for_parent,
            transport: Transport::Across(channel),
            roster: Rc::clone(&self.roster),
            log: self.log.clone(),
            director: Rc::clone(&self.director),
            remark: RefCell::default(),
        })
    }

    /// All actors of the story.
    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The actor's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The actor's process id as the stage's PID namespace knows it.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// The actor's process id as its parent's PID namespace knows it: what clone3(2) returned there.
    pub(crate) fn pid_for_parent(&self) -> i32 {
        self.pid_for_parent
    }

    /// Says what to notice about this actor's next call.
    #[must_use]
    pub(crate) fn remark(&self, remark: &str) -> &Self {
        *self.remark.borrow_mut() = Some(remark.to_owned());
        self
    }

    /// Lets the actor's process run `play`, and waits for what comes of it. For looks, and for what a process does to
    /// itself alone; all that changes anything goes by [`Actor::change`].
    pub(crate) fn run<A, R, F>(&self, args: A, play: F) -> Result<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(&mut Process, A) -> Result<R> + Copy,
    {
        Ok(self.run_receiving(args, play)?.0)
    }

    /// The same of a call that changes what namespaces of these types hold: an actor that is still in the machine's own
    /// does not make it.
    pub(crate) fn change<A, R, F>(&self, of: Flags, syscall: &str, args: A, play: F) -> Result<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(&mut Process, A) -> Result<R> + Copy,
    {
        let change = Change { of, syscall: syscall.to_owned() };
        Ok(self.ask(args, Some(change), None, play)?.0)
    }

    /// Passes a file descriptor to the actor, which takes it into keeping: sendmsg(2) by the director, with
    /// `SCM_RIGHTS`. `of` says what it is of.
    ///
    /// # Errors
    /// Those of recvmsg(2).
    pub(crate) fn pass(&self, fd: BorrowedFd<'_>, of: &str, belongs_to: Purpose) -> Result<Fd> {
        // What is to be noticed is a call of the actor's own.
        let remark = self.remark.take();
        let (kept, _) = self.ask(of.to_owned(), None, Some((fd, of, belongs_to)), |me, of| {
            // A message comes without its file descriptor where the receiver has as many as it may: unix(7).
            let fd =
                me.received.take().ok_or(Errno::EMFILE).or_refused("recvmsg", args![format!("SCM_RIGHTS {of}")])?;
            Ok(me.keep(fd, of))
        })?;
        *self.remark.borrow_mut() = remark;
        Ok(kept)
    }

    /// Tells of a call that the director has made for this actor, and passes its result on.
    ///
    /// # Errors
    /// That of the call.
    pub(crate) fn director_called<T: ReturnValue>(
        &self,
        belongs_to: Purpose,
        syscall: &str,
        args: Vec<Value>,
        result: nix::Result<T>,
    ) -> Result<T> {
        let entry = match belongs_to {
            Purpose::Story => Entry::new(&self.log, &self.director),
            Purpose::SetUp => Entry::of_set_up(&self.log, &self.director),
        };
        entry.tell(Call::new(syscall, args), result)
    }

    /// As [`Actor::run`], and perhaps a file descriptor comes back.
    pub(crate) fn run_receiving<A, R, F>(&self, args: A, play: F) -> Result<(R, Option<OwnedFd>)>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(&mut Process, A) -> Result<R> + Copy,
    {
        self.ask(args, None, None, play)
    }

    fn ask<A, R, F>(
        &self,
        args: A,
        changes: Option<Change>,
        passed: Option<(BorrowedFd<'_>, &str, Purpose)>,
        play: F,
    ) -> Result<(R, Option<OwnedFd>)>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(&mut Process, A) -> Result<R> + Copy,
    {
        let (function, request) = self.prepare(args, changes, play)?;
        let fd = passed.map(|(fd, ..)| fd);
        match &self.transport {
            Transport::Here(process) => {
                let mut process = process.borrow_mut();
                let received = fd.map(|fd| fd.try_clone_to_owned().or_refused("fcntl", args!["F_DUPFD"]));
                process.received = received.transpose()?;
                let answer = function.run(&mut *process, &request);
                Ok((self.understand(&answer)?, process.answer_fd.take()))
            }
            Transport::Across(channel) => {
                let sent = self.send(channel, function, &request, fd)?;
                let packet = self.receive(channel)?;
                // Each that carries a descriptor is told of when it has arrived.
                let rights = |to: &str, of: &str| args![format!("to {to}"), format!("SCM_RIGHTS {of}")];
                if let Some((_, of, belongs_to)) = passed {
                    self.director_called(belongs_to, "sendmsg", rights(&self.name, of), Ok(Value::from(sent)))?;
                }
                if packet.fd.is_some() {
                    let call = Call::new("sendmsg", rights(&self.director, "the end of a channel"));
                    Entry::of_set_up(&self.log, &self.name).tell(call, Ok(Value::from(packet.sent)))?;
                }
                Ok((self.understand(&packet.bytes)?, packet.fd))
            }
        }
    }

    /// Lets the actor's process start on `play`, which goes on by itself and sends reports: see [`Actor::hear`].
    pub(crate) fn begin<A, F>(&self, args: A, play: F) -> Result<()>
    where
        A: Serialize + DeserializeOwned,
        F: Fn(&mut Process, A) -> Result<()> + Copy,
    {
        let (function, request) = self.prepare(args, None, play)?;
        match &self.transport {
            Transport::Here(_) => Err(Error::unexpected(&self.name, "the director cannot do two things at once")),
            Transport::Across(channel) => self.send(channel, function, &request, None).map(drop),
        }
    }

    /// Waits for the next thing that the actor reports: a report, or, if what it began came to an end, its error.
    pub(crate) fn hear<R: DeserializeOwned>(&self) -> Result<R> {
        match &self.transport {
            Transport::Here(_) => Err(Error::unexpected(&self.name, "the director does not report to itself")),
            Transport::Across(channel) => self.understand(&self.receive(channel)?.bytes),
        }
    }

    fn prepare<A, R, F>(&self, args: A, changes: Option<Change>, play: F) -> Result<(RemoteFn, Vec<u8>)>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(&mut Process, A) -> Result<R> + Copy,
    {
        let function = RemoteFn::of(move |process: &mut Process, bytes: &[u8]| {
            let request = serde_json::from_slice(bytes).map_err(|why| Error::unexpected(&process.name, why));
            let result = request.and_then(|Request { args, changes, remark }: Request<A>| {
                process.remark = remark;
                if let Some(change) = changes {
                    process.may_change(&change)?;
                }
                play(process, args)
            });
            serde_json::to_vec(&result).unwrap_or_default()
        });
        let function = function.or_lost("mmap", args!["MAP_SHARED"])?;
        let request = Request { args, changes, remark: self.remark.take() };
        let request = serde_json::to_vec(&request).map_err(|why| Error::unexpected(&self.name, why))?;
        Ok((function, request))
    }

    fn send(&self, channel: &Channel, function: RemoteFn, request: &[u8], fd: Option<BorrowedFd<'_>>) -> Result<usize> {
        let mut message = Vec::with_capacity(REMOTE_FN_LENGTH + request.len());
        message.extend_from_slice(&function.to_bytes());
        message.extend_from_slice(request);
        match channel.send(&message, fd) {
            Err(Errno::EPIPE | Errno::ECONNRESET) => Err(self.gone()),
            sent => sent.or_lost("sendmsg", args![format!("the actor {}", self.name)]),
        }
    }

    fn receive(&self, channel: &Channel) -> Result<Packet> {
        self.roster.wait_for(channel)?;
        heard(&self.name, channel).map_err(|error| match error {
            Error::Gone(_) => self.gone(),
            error => error,
        })
    }

    /// Nobody is at the other end. Where that is another one's fault, it is that other one who is lost.
    fn gone(&self) -> Error {
        self.roster.lost().unwrap_or_else(|| Error::Gone(self.name.clone()))
    }

    fn understand<R: DeserializeOwned>(&self, answer: &[u8]) -> Result<R> {
        serde_json::from_slice::<Result<R>>(answer).map_err(|why| Error::unexpected(&self.name, why))?
    }
}

/// Waits for what an actor says. A message that is lost is no refusal of what the actor was to do, which may be done: the
/// story cannot go on.
fn heard(name: &str, channel: &Channel) -> Result<Packet> {
    let packet = channel.receive().or_lost("recvmsg", args![format!("the actor {name}")])?;
    packet.ok_or_else(|| Error::Gone(name.to_owned()))
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.pid)
    }
}
