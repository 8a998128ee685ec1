//! The inside of an actor: the process that makes the calls, and tells of each one as it makes it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::log::Log;
use super::meaning::meaning;
use crate::error::{Error, Result};
use crate::sys::{self, Forked, Script};
use crate::transcript::{Answer, Called, Event, Kind, Value};

/// A file descriptor that an actor holds; it means something to that actor and to those that it forks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fd(usize);

/// What an actor's process knows of itself.
#[derive(Debug)]
pub(super) struct Process {
    /// The actor's name, and its process's (`comm`).
    pub(super) name: String,
    /// Where events go.
    pub(super) log: Log,
    /// Where this process hears what to do next; the director has none.
    pub(super) channel: Option<Channel>,
    /// The file descriptors that lessons know by [`Fd`].
    held: Vec<Option<OwnedFd>>,
    /// A file descriptor that came along with what there is to do.
    pub(super) received: Option<OwnedFd>,
    /// A file descriptor that goes back with the answer.
    pub(super) answer_fd: Option<OwnedFd>,
    /// What to notice about the next call.
    pub(super) note: Option<String>,
    /// The types of namespaces of which this is no longer the machine's own.
    pub(super) off_the_machine: Vec<Kind>,
}

impl Process {
    /// The first process of a stage.
    pub(super) fn director(name: &str, log: Log, off_the_machine: Vec<Kind>) -> Self {
        Process {
            name: name.to_owned(),
            log,
            channel: None,
            held: Vec::new(),
            received: None,
            answer_fd: None,
            note: None,
            off_the_machine,
        }
    }

    /// Tells of a call and passes its result on. `args` are as a reader knows them, not as the kernel takes them.
    pub(super) fn called<T: Told>(&mut self, syscall: &str, args: Vec<Value>, result: nix::Result<T>) -> Result<T> {
        self.called_times(1, syscall, args, result, None)
    }

    /// Tells of `times` calls in a row with the same result, and of what the kernel itself said of a refusal.
    pub(super) fn called_times<T: Told>(
        &mut self,
        times: usize,
        syscall: &str,
        args: Vec<Value>,
        result: nix::Result<T>,
        kernel_said: Option<String>,
    ) -> Result<T> {
        let answer = match &result {
            Ok(value) => Answer::Returned(value.told()),
            Err(errno) => Answer::Failed {
                errno: *errno as i32,
                meaning: meaning(syscall, *errno).map(str::to_owned),
                kernel_said: kernel_said.clone(),
            },
        };
        let call = written(syscall, &args);
        self.log.event(Event::Called(Called {
            actor: self.name.clone(),
            syscall: syscall.to_owned(),
            args,
            answer,
            times,
            note: self.note.take(),
        }));
        let syscall = syscall.to_owned();
        result.map_err(|errno| Error::Refused { syscall, call, errno: errno as i32, kernel_said, told: true })
    }

    /// The guard in front of every call that changes what a namespace of this type holds: it lets nobody through who is
    /// still in the machine's own.
    pub(super) fn must_be_off_the_machine(&self, kind: Kind, call: &str) -> Result<()> {
        if self.off_the_machine.contains(&kind) {
            return Ok(());
        }
        Err(Error::OnTheMachine { actor: self.name.clone(), call: call.to_owned(), kind })
    }

    /// Takes a file descriptor into keeping.
    pub(super) fn keep(&mut self, fd: impl Into<OwnedFd>) -> Fd {
        self.held.push(Some(fd.into()));
        Fd(self.held.len() - 1)
    }

    /// A file descriptor that is in keeping.
    pub(super) fn fd(&self, fd: Fd) -> Result<BorrowedFd<'_>> {
        let held = self.held.get(fd.0).and_then(Option::as_ref);
        held.map(AsFd::as_fd).ok_or_else(|| Error::unexpected(&self.name, "it does not hold that file descriptor"))
    }

    /// Closes a file descriptor that is in keeping.
    pub(super) fn close(&mut self, fd: Fd) {
        if let Some(held) = self.held.get_mut(fd.0) {
            *held = None;
        }
    }

    /// Forks an actor off this process, in new namespaces if `flags` say so. The child never returns from here.
    ///
    /// The kernel's own result stays apart, for the caller to tell of: its errno may be the point of a lesson.
    pub(super) fn fork_actor(&mut self, name: &str, flags: i32) -> Result<nix::Result<Pid>> {
        let (directors_end, actors_end) =
            Channel::pair().map_err(|errno| Error::refused("socketpair", "socketpair(AF_UNIX)", errno))?;
        match sys::clone3(flags) {
            Ok(Forked::Parent(pid)) => {
                self.answer_fd = Some(directors_end.into());
                Ok(Ok(pid))
            }
            Ok(Forked::Child) => self.live(name, actors_end),
            Err(errno) => Ok(Err(errno)),
        }
    }

    /// Lives as the actor `name`: does what it is told, until nobody is left who could tell it.
    fn live(&mut self, name: &str, channel: Channel) -> ! {
        name.clone_into(&mut self.name);
        self.channel = Some(channel);
        self.received = None;
        self.note = None;
        let mut keep: Vec<RawFd> = self.held.iter().flatten().map(AsRawFd::as_raw_fd).collect();
        keep.extend(self.channel.iter().map(|channel| channel.as_fd().as_raw_fd()));
        keep.push(self.log.as_fd().as_raw_fd());
        sys::close_all_but(&mut keep);
        Process::take_name(name);
        // The first message: by it the director learns this process's id in its own PID namespace.
        self.report(&());
        while let Ok(Some(message)) = self.hear() {
            let Some(script) = Script::from_bytes(&message) else { break };
            let answer = script.run(self, message.get(sys::SCRIPT_LENGTH..).unwrap_or_default());
            self.answer(&answer);
        }
        sys::exit(0)
    }

    /// Calls this process by a name (`comm`, 15 bytes), so that a look at /proc finds it: PR_SET_NAME(2const).
    pub(super) fn take_name(name: &str) {
        if let Ok(name) = std::ffi::CString::new(name) {
            // It cannot fail, and only a look at /proc would miss the name.
            let _ = nix::sys::prctl::set_name(&name);
        }
    }

    /// Sends the director something while the script still runs.
    pub(super) fn report(&self, report: &impl Serialize) {
        let report: std::result::Result<_, &Error> = Ok(report);
        self.send(&serde_json::to_vec(&report).unwrap_or_default(), None);
    }

    fn hear(&mut self) -> nix::Result<Option<Vec<u8>>> {
        let Some(channel) = &self.channel else { return Ok(None) };
        let Some(message) = channel.receive()? else { return Ok(None) };
        self.received = message.fd;
        Ok(Some(message.bytes))
    }

    fn answer(&mut self, answer: &[u8]) {
        let fd = self.answer_fd.take();
        self.send(answer, fd.as_ref().map(AsFd::as_fd));
    }

    fn send(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) {
        let Some(channel) = &self.channel else { return };
        if channel.send(bytes, fd).is_err() {
            // The director is gone, and with it the story.
            sys::exit(1);
        }
    }
}

/// A call as one writes it: `sethostname("tenant")`.
pub(super) fn written(syscall: &str, args: &[Value]) -> String {
    let args: Vec<String> = args.iter().map(Value::quoted).collect();
    format!("{syscall}({})", args.join(", "))
}

/// What a call returned, as a value of the transcript.
pub(super) trait Told {
    /// The value.
    fn told(&self) -> Value;
}

impl Told for () {
    fn told(&self) -> Value {
        Value::Number(0)
    }
}

/// What came of a call whose own result is 0.
pub(super) struct Zero<T>(pub(super) T);

impl<T> Told for Zero<T> {
    fn told(&self) -> Value {
        Value::Number(0)
    }
}

impl Told for Value {
    fn told(&self) -> Value {
        self.clone()
    }
}

impl Told for String {
    fn told(&self) -> Value {
        Value::Name(self.clone())
    }
}

impl Told for Pid {
    fn told(&self) -> Value {
        Value::Pid(self.as_raw())
    }
}

impl Told for crate::transcript::NamespaceId {
    fn told(&self) -> Value {
        Value::Namespace(*self)
    }
}

impl Told for OwnedFd {
    fn told(&self) -> Value {
        Value::Text("a file descriptor".to_owned())
    }
}

/// Makes a call once more for as long as a signal came in between: that says nothing about the call.
pub(super) fn retried<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// The errno behind an error of the standard library's.
pub(super) fn io_errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}
