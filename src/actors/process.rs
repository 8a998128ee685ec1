//! The inside of an actor: the process that makes the calls, and tells of each one as it makes it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::ledger::{Entry, Reply};
use super::protocol::{Change, Log};
use crate::args;
use crate::error::{CallResult, Error, Result};
use crate::sys::{self, Forked, RemoteFn};
use crate::transcript::{Call, NamespaceType, Object, Value};

/// A file descriptor that an actor holds; it means something to that actor and to those that it forks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fd(usize);

/// A file descriptor in keeping, and what it is of.
#[derive(Debug)]
struct Held {
    fd: OwnedFd,
    of: String,
}

/// What an actor's process knows of itself.
#[derive(Debug)]
pub(crate) struct Process {
    /// The actor's name, and its process's (`comm`).
    pub(crate) name: String,
    /// Where events go.
    pub(crate) log: Log,
    /// Where this process hears what to do next; the director has none.
    pub(crate) channel: Option<Channel>,
    /// The file descriptors that lessons know by [`Fd`].
    held: Vec<Option<Held>>,
    /// A file descriptor that came along with what there is to do.
    pub(crate) received: Option<OwnedFd>,
    /// A file descriptor that goes back with the answer.
    pub(crate) answer_fd: Option<OwnedFd>,
    /// What to notice about the next call.
    pub(crate) remark: Option<String>,
    /// What the next call is about.
    object: Option<Object>,
    /// The types of namespaces of which this is no longer the machine's own.
    pub(crate) off_the_machine: Vec<NamespaceType>,
}

impl Process {
    /// The first process of a stage.
    pub(crate) fn director(name: &str, log: Log, off_the_machine: Vec<NamespaceType>) -> Self {
        Process {
            name: name.to_owned(),
            log,
            channel: None,
            held: Vec::new(),
            received: None,
            answer_fd: None,
            remark: None,
            object: None,
            off_the_machine,
        }
    }

    /// Says what the next call that is told of is about, where neither its name nor its flags say it.
    pub(crate) fn about(&mut self, object: impl Into<Option<Object>>) -> &mut Self {
        self.object = object.into();
        self
    }

    /// Tells of a call and passes its result on. `args` are as a reader knows them, not as the kernel takes them.
    pub(crate) fn called<T: ReturnValue>(
        &mut self,
        syscall: &str,
        args: Vec<Value>,
        result: nix::Result<T>,
    ) -> Result<T> {
        self.called_times(1, syscall, args, result, None)
    }

    /// Tells of `times` calls in a row with the same result, and of what came in the kernel's reply where that is a message.
    pub(crate) fn called_times<T: ReturnValue>(
        &mut self,
        times: usize,
        syscall: &str,
        args: Vec<Value>,
        result: nix::Result<T>,
        refusal: Option<Reply>,
    ) -> Result<T> {
        let call = Call { object: self.object.take(), ..Call::new(syscall, args) };
        let (remark, reply) = (self.remark.take(), refusal.unwrap_or_default());
        let entry = Entry { times, remark, reply, ..Entry::new(&self.log, &self.name) };
        entry.tell(call, result)
    }

    /// Tells of a call that only sets something up, such as a stage property: a reader hears how many of those there were.
    pub(crate) fn set_up<T: ReturnValue>(&self, syscall: &str, args: Vec<Value>, result: nix::Result<T>) -> Result<T> {
        Entry::of_set_up(&self.log, &self.name).tell(Call::new(syscall, args), result)
    }

    /// Tells of calls that other processes have made for this one, which have no channel of their own: by whom, and how
    /// many in a row.
    pub(crate) fn called_by<T: ReturnValue>(
        &mut self,
        caller: &str,
        times: usize,
        syscall: &str,
        args: Vec<Value>,
        result: nix::Result<T>,
    ) -> Result<T> {
        let own = std::mem::replace(&mut self.name, caller.to_owned());
        let told = self.called_times(times, syscall, args, result, None);
        self.name = own;
        told
    }

    /// The guard in front of every call that changes what a namespace holds: it lets nobody through who is still in the
    /// machine's own.
    pub(crate) fn may_change(&self, change: &Change) -> Result<()> {
        match change.of.types().find(|of| !self.off_the_machine.contains(of)) {
            Some(of) => Err(Error::OnTheMachine { actor: self.name.clone(), syscall: change.syscall.clone(), of }),
            None => Ok(()),
        }
    }

    /// Takes a file descriptor into keeping, and what it is of.
    pub(crate) fn keep(&mut self, fd: impl Into<OwnedFd>, of: impl Into<String>) -> Fd {
        self.held.push(Some(Held { fd: fd.into(), of: of.into() }));
        Fd(self.held.len() - 1)
    }

    /// A file descriptor that is in keeping.
    pub(crate) fn fd(&self, fd: Fd) -> Result<BorrowedFd<'_>> {
        let held = self.held.get(fd.0).and_then(Option::as_ref);
        held.map(|held| held.fd.as_fd())
            .ok_or_else(|| Error::unexpected(&self.name, "it does not hold that file descriptor"))
    }

    /// Takes a file descriptor out of keeping, with what it is of.
    pub(crate) fn give_up(&mut self, fd: Fd) -> Result<(OwnedFd, String)> {
        let held = self.held.get_mut(fd.0).and_then(Option::take);
        let held = held.ok_or_else(|| Error::unexpected(&self.name, "it does not hold that file descriptor"))?;
        Ok((held.fd, held.of))
    }

    /// Forks an actor off this process, in new namespaces if `flags` say so. The child never returns from here.
    ///
    /// The kernel's own result stays apart, for the caller to tell of: its errno may be the point of a lesson.
    pub(crate) fn fork_actor(&mut self, name: &str, flags: i32) -> Result<nix::Result<Pid>> {
        let (directors_end, actors_end) = Channel::pair().or_refused("socketpair", args!["AF_UNIX"])?;
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
        self.remark = None;
        self.object = None;
        let mut keep: Vec<RawFd> = self.held.iter().flatten().map(|held| held.fd.as_raw_fd()).collect();
        keep.extend(self.channel.iter().map(|channel| channel.as_fd().as_raw_fd()));
        keep.push(self.log.as_fd().as_raw_fd());
        sys::close_all_but(&mut keep);
        Process::take_name(name);
        // The first message: by it the director learns this process's id in its own PID namespace.
        self.report(&());
        while let Ok(Some(message)) = self.hear() {
            let Some(function) = RemoteFn::from_bytes(&message) else { break };
            let answer = function.run(self, message.get(sys::REMOTE_FN_LENGTH..).unwrap_or_default());
            self.answer(&answer);
        }
        sys::exit(0)
    }

    /// Calls this process by a name (`comm`, 15 bytes), so that a look at /proc finds it: PR_SET_NAME(2const).
    pub(crate) fn take_name(name: &str) {
        if let Ok(name) = std::ffi::CString::new(name) {
            // It cannot fail, and only a look at /proc would miss the name.
            let _ = nix::sys::prctl::set_name(&name);
        }
    }

    /// Sends the director something while the function still runs.
    pub(crate) fn report(&self, report: &impl Serialize) {
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

/// What a call returned, as a value of the transcript.
pub(crate) trait ReturnValue {
    /// The value.
    fn value(&self) -> Value;
}

impl ReturnValue for () {
    fn value(&self) -> Value {
        Value::Number(0)
    }
}

/// What came of a call whose own result is 0.
pub(crate) struct Zero<T>(pub(crate) T);

impl<T> ReturnValue for Zero<T> {
    fn value(&self) -> Value {
        Value::Number(0)
    }
}

impl ReturnValue for Value {
    fn value(&self) -> Value {
        self.clone()
    }
}

impl ReturnValue for String {
    fn value(&self) -> Value {
        Value::Name(self.clone())
    }
}

impl ReturnValue for Pid {
    fn value(&self) -> Value {
        Value::Pid(self.as_raw())
    }
}

impl ReturnValue for crate::transcript::NamespaceId {
    fn value(&self) -> Value {
        Value::Namespace(*self)
    }
}

impl ReturnValue for OwnedFd {
    fn value(&self) -> Value {
        Value::Text("a file descriptor".to_owned())
    }
}
