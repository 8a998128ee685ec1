//! Actors: processes on the stage that do what the director tells them, each by its own system calls.
//!
//! An actor that lives in its own process hears over a channel what to run; the `host`, the stage's PID 1, is the
//! director's own process and runs it on the spot. The verbs (`super::verbs`) do not see the difference.

use std::cell::RefCell;
use std::fmt;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::cast::Cast;
use super::channel::{Channel, Message};
use super::process::Process;
use crate::error::{Error, Result};
use crate::sys::{SCRIPT_LENGTH, Script};
use crate::transcript::errno_name;

/// A process on the stage, with a name and a part to play.
pub struct Actor {
    name: String,
    /// Its process id as the stage knows it.
    pid: i32,
    /// Its process id as its parent knows it.
    pid_for_parent: i32,
    seat: Seat,
    /// Those with whom it plays.
    cast: Rc<Cast>,
    note: RefCell<Option<String>>,
}

/// Where an actor's process is.
enum Seat {
    /// It is this very process.
    Here(Box<RefCell<Process>>),
    /// It listens at the other end.
    Across(Rc<Channel>),
}

/// What travels with a script.
#[derive(serde::Serialize, serde::Deserialize)]
struct Request<A> {
    args: A,
    note: Option<String>,
}

impl Actor {
    /// The director's own process.
    pub(super) fn here(name: &str, process: Process) -> Self {
        let seat = Seat::Here(Box::new(RefCell::new(process)));
        let cast = Rc::default();
        Actor { name: name.to_owned(), pid: 1, pid_for_parent: 1, seat, cast, note: RefCell::default() }
    }

    /// The process at the other end of `fd`, which this one, its parent, knows as `pid_for_parent`; waits until it is up.
    pub(super) fn child(&self, name: &str, pid_for_parent: i32, fd: OwnedFd) -> Result<Self> {
        let channel = Rc::new(Channel::from(fd));
        let pid = heard(name, &channel)?.sender.ok_or_else(|| Error::Gone(name.to_owned()))?;
        self.cast.enters(name, pid, &channel);
        Ok(Actor {
            name: name.to_owned(),
            pid,
            pid_for_parent,
            seat: Seat::Across(channel),
            cast: Rc::clone(&self.cast),
            note: RefCell::default(),
        })
    }

    /// All actors of the story.
    pub(super) fn cast(&self) -> &Cast {
        &self.cast
    }

    /// The actor's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The actor's process id as the stage's PID namespace knows it.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The actor's process id as its parent's PID namespace knows it: what fork(2) returned there.
    pub fn pid_for_parent(&self) -> i32 {
        self.pid_for_parent
    }

    /// Says what to notice about this actor's next call.
    #[must_use]
    pub fn note(&self, note: &str) -> &Self {
        *self.note.borrow_mut() = Some(note.to_owned());
        self
    }

    /// Lets the actor's process run `play`, and waits for what comes of it.
    pub(super) fn perform<A, R, F>(&self, args: A, play: F) -> Result<R>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(&mut Process, A) -> Result<R> + Copy,
    {
        Ok(self.perform_passing(args, None, play)?.0)
    }

    /// The same, with a file descriptor for the actor along the way, and perhaps one back.
    pub(super) fn perform_passing<A, R, F>(
        &self,
        args: A,
        fd: Option<BorrowedFd<'_>>,
        play: F,
    ) -> Result<(R, Option<OwnedFd>)>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(&mut Process, A) -> Result<R> + Copy,
    {
        let (script, request) = self.prepare(args, play)?;
        match &self.seat {
            Seat::Here(process) => {
                let mut process = process.borrow_mut();
                process.received = match fd {
                    Some(fd) => {
                        Some(fd.try_clone_to_owned().map_err(|why| Error::io("fcntl", "fcntl(F_DUPFD)", &why))?)
                    }
                    None => None,
                };
                let answer = script.run(&mut process, &request);
                Ok((self.understand(&answer)?, process.answer_fd.take()))
            }
            Seat::Across(channel) => {
                self.send(channel, &script, &request, fd)?;
                let message = self.receive(channel)?;
                Ok((self.understand(&message.bytes)?, message.fd))
            }
        }
    }

    /// Lets the actor's process start on `play`, which goes on by itself and sends reports: see [`Actor::hear`].
    pub(super) fn begin<A, F>(&self, args: A, play: F) -> Result<()>
    where
        A: Serialize + DeserializeOwned,
        F: Fn(&mut Process, A) -> Result<()> + Copy,
    {
        let (script, request) = self.prepare(args, play)?;
        match &self.seat {
            Seat::Here(_) => Err(Error::unexpected(&self.name, "the director cannot do two things at once")),
            Seat::Across(channel) => self.send(channel, &script, &request, None),
        }
    }

    /// Waits for the next thing that the actor reports: a report, or, if what it began came to an end, its error.
    pub(super) fn hear<R: DeserializeOwned>(&self) -> Result<R> {
        match &self.seat {
            Seat::Here(_) => Err(Error::unexpected(&self.name, "the director does not report to itself")),
            Seat::Across(channel) => self.understand(&self.receive(channel)?.bytes),
        }
    }

    /// Waits until the actor's process is gone.
    pub(super) fn wait_until_gone(&self) {
        if let Seat::Across(channel) = &self.seat {
            while let Ok(Some(_)) = channel.receive() {}
        }
    }

    fn prepare<A, R, F>(&self, args: A, play: F) -> Result<(Script<Process>, Vec<u8>)>
    where
        A: Serialize + DeserializeOwned,
        R: Serialize + DeserializeOwned,
        F: Fn(&mut Process, A) -> Result<R> + Copy,
    {
        let script = Script::of(move |process: &mut Process, bytes: &[u8]| {
            let result = serde_json::from_slice(bytes).map_err(|why| Error::unexpected(&process.name, why)).and_then(
                |Request { args, note }: Request<A>| {
                    process.note = note;
                    play(process, args)
                },
            );
            serde_json::to_vec(&result).unwrap_or_default()
        });
        let request = Request { args, note: self.note.take() };
        let request = serde_json::to_vec(&request).map_err(|why| Error::unexpected(&self.name, why))?;
        Ok((script, request))
    }

    fn send(
        &self,
        channel: &Channel,
        script: &Script<Process>,
        request: &[u8],
        fd: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let mut message = Vec::with_capacity(SCRIPT_LENGTH + request.len());
        message.extend_from_slice(&script.to_bytes());
        message.extend_from_slice(request);
        channel.send(&message, fd).map_err(|errno| match errno {
            Errno::EPIPE | Errno::ECONNRESET => self.gone(),
            errno => lost("sendmsg", &self.name, errno),
        })
    }

    fn receive(&self, channel: &Channel) -> Result<Message> {
        self.cast.wait_for(channel)?;
        heard(&self.name, channel).map_err(|error| match error {
            Error::Gone(_) => self.gone(),
            error => error,
        })
    }

    /// Nobody is at the other end. Where that is another one's fault, it is that other one who is lost.
    fn gone(&self) -> Error {
        self.cast.lost().unwrap_or_else(|| Error::Gone(self.name.clone()))
    }

    fn understand<R: DeserializeOwned>(&self, answer: &[u8]) -> Result<R> {
        serde_json::from_slice::<Result<R>>(answer).map_err(|why| Error::unexpected(&self.name, why))?
    }
}

/// Waits for what an actor says.
fn heard(name: &str, channel: &Channel) -> Result<Message> {
    let message = channel.receive().map_err(|errno| lost("recvmsg", name, errno))?;
    message.ok_or_else(|| Error::Gone(name.to_owned()))
}

/// A message is lost. This is no refusal of what the actor was to do, which may be done: the story cannot go on.
fn lost(syscall: &str, name: &str, errno: Errno) -> Error {
    Error::unexpected(format!("{syscall}(the actor {name})"), errno_name(errno as i32))
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.pid)
    }
}
