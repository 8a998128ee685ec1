//! A stage, from outside: how it comes to be, is heard and ended, and that nothing of it stays.

mod child;
mod foreground;
mod handshake;
mod idmap;
mod kept;
mod locked;
mod machine;
mod privileges;
mod program;
pub(crate) mod rootfs;
mod spawn;
mod taken;

pub(crate) use child::in_a_child;
pub(crate) use foreground::Foreground;
pub(crate) use idmap::map_root;
pub(crate) use program::{run_in_a_sandbox, say, start_first};
pub(crate) use spawn::Init;

use std::os::fd::BorrowedFd;
use std::sync::OnceLock;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::machine::Machine;
use crate::actors::{Channel, Packet};
use crate::args;
use crate::error::{CallResult, Error, Result, retried};
use crate::sys;
use crate::transcript::errno_name;

/// How a stage ended whose first process got no more memory.
const OUT_OF_MEMORY: &str =
    "its first process was out of memory; a limit on address space (ulimit -v) or on memory is the likely cause";

/// What a sandbox is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SandboxKind {
    /// A stage that only this program's processes are on.
    Stage,
    /// A stage on which other programs may visit.
    OpenStage,
    /// A stage for another program, which has the terminal.
    Program,
    /// A user namespace and nothing else, in which is tried what a machine can do that allows no stage.
    UserNamespace,
}

impl SandboxKind {
    /// Whether somebody else's program can run in it: then its root file system is locked.
    fn is_locked(self) -> bool {
        matches!(self, SandboxKind::OpenStage | SandboxKind::Program)
    }
}

/// A sandbox, from outside. Dropping it ends everything in it.
#[derive(Debug)]
pub(crate) struct Sandbox {
    init: Option<Pid>,
    channel: Channel,
    before: Machine,
    /// Whether the end of its first process was seen.
    reaped: nix::Result<()>,
}

impl Sandbox {
    /// Makes a sandbox, whose first process lives as `life` says; returns once it stands.
    ///
    /// # Errors
    /// Where this machine allows none: the call that was refused.
    pub(crate) fn open(kind: SandboxKind, life: impl FnOnce(Init) -> Result<()>) -> Result<Sandbox> {
        let before = Machine::look();
        let (init, channel) = spawn::spawn(kind, life)?;
        privileges::give_up();
        let mut sandbox = Sandbox { init: Some(init), channel, before, reaped: Ok(()) };
        sandbox.be_patient(Some(silence()))?;
        if kind.is_locked() {
            sandbox.hear_of_the_first_process()?;
        } else {
            sandbox.next::<()>()?;
        }
        Ok(sandbox)
    }

    /// Hears of the first process of a locked stage, which the builder has made, and waits until it is on the stage.
    fn hear_of_the_first_process(&mut self) -> Result<()> {
        let init = self.next::<i32>()?;
        let builder = self.init.replace(Pid::from_raw(init));
        let stands = self.next::<()>();
        if stands.is_err() {
            // Whatever the builder is at, it waits for a process in this one's PID namespace at most.
            self.end();
        }
        if let Some(builder) = builder {
            let _ = retried(|| waitpid(builder, None));
        }
        stands
    }

    /// Waits for what comes next in the conversation.
    ///
    /// # Errors
    /// What the stage could not go on after, or that it is lost.
    pub(crate) fn next<M: DeserializeOwned>(&mut self) -> Result<M> {
        self.next_from().map(|(message, _)| message)
    }

    /// The same, with the process id that the sender has on the machine, which only this program can see.
    pub(crate) fn next_from<M: DeserializeOwned>(&mut self) -> Result<(M, Option<i32>)> {
        let Packet { bytes, sender, .. } = match self.channel.receive() {
            Ok(Some(packet)) => packet,
            Ok(None) => return Err(Error::StageLost(self.end())),
            Err(Errno::EAGAIN) => {
                self.end();
                return Err(Error::StageLost(format!("it said nothing for {} seconds", silence().as_secs_f32())));
            }
            Err(errno) => return Err(errno).or_lost("recvmsg", args!["the stage"]),
        };
        let message: Result<M> =
            serde_json::from_slice(&bytes).map_err(|why| Error::unexpected("the stage's words", why))?;
        Ok((message?, sender))
    }

    /// Says something to the first process, with a file descriptor if one goes along.
    ///
    /// # Errors
    /// Where the stage is gone.
    pub(crate) fn say(&self, message: &impl Serialize, fd: Option<BorrowedFd<'_>>) -> Result<()> {
        let bytes = serde_json::to_vec(message).map_err(|why| Error::unexpected("an order", why))?;
        self.channel.send(&bytes, fd).map(drop).or_lost("sendmsg", args!["the stage"])
    }

    /// Does something for which the stage may be silent as long as it takes.
    ///
    /// # Errors
    /// As `wait`.
    pub(crate) fn patiently<T>(&mut self, wait: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.be_patient(None)?;
        let waited = wait(self)?;
        self.be_patient(Some(silence()))?;
        Ok(waited)
    }

    fn be_patient(&self, time: Option<Duration>) -> Result<()> {
        self.channel.wait_at_most(time).or_refused("setsockopt", args!["SO_RCVTIMEO"])
    }

    /// Ends the stage, waits until it is gone, and says what is on the machine now that was not there before.
    pub(crate) fn close(&mut self) -> Vec<String> {
        self.end();
        self.before.left_behind(self.reaped)
    }

    /// Ends the stage, waits until it is gone, and says how its first process ended.
    fn end(&mut self) -> String {
        let Some(init) = self.init.take() else { return "it was closed".to_owned() };
        // Whatever it is at: SIGKILL from the parent PID namespace is the one signal that no init can ignore.
        let _ = kill(init, Signal::SIGKILL);
        match wait_for(init) {
            Ok(WaitStatus::Exited(_, sys::OUT_OF_MEMORY)) => OUT_OF_MEMORY.to_owned(),
            Ok(WaitStatus::Exited(_, status)) => format!("its first process ended with status {status}"),
            Ok(WaitStatus::Signaled(_, signal, _)) => format!("its first process was killed by {signal}"),
            Ok(_) => "its first process is gone".to_owned(),
            Err(errno) => {
                self.reaped = Err(errno);
                format!("waitpid(its first process) says {}", errno_name(errno))
            }
        }
    }
}

/// Waits for the end of a sandbox's first process, and for whoever else ends before. Among them may be a process of its PID
/// namespace whose parent outside is gone: the first process has not ended for as long as nobody waits for that one.
fn wait_for(init: Pid) -> nix::Result<WaitStatus> {
    loop {
        match retried(|| waitpid(None, None))? {
            status if status.pid() == Some(init) => return Ok(status),
            _ => {}
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end();
    }
}

/// How long a stage may be silent before it counts as hung. A build for tests need not wait so long, where
/// `NSLEARN_SILENCE_MS` says so.
fn silence() -> Duration {
    const SILENCE: Duration = Duration::from_secs(30);
    static CHOSEN: OnceLock<Duration> = OnceLock::new();
    let said = || std::env::var("NSLEARN_SILENCE_MS").ok()?.parse().map(Duration::from_millis).ok();
    *CHOSEN.get_or_init(|| said().filter(|_| cfg!(debug_assertions)).unwrap_or(SILENCE))
}
