//! A shell on an empty stage: a machine to try things on, that is gone when the shell ends.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{Pid, tcgetpgrp, tcsetpgrp};

use super::House;
use super::Manner;
use super::Stage;
use crate::error::{Error, Result};

/// Runs a program on a stage of its own, with this program's standard streams and working directory, and waits until it
/// has ended: its exit status, as a shell tells it. Whatever it started ends with it.
///
/// # Errors
/// Where this machine allows no stage, or the program does not start.
pub fn run_on_a_stage(program: &Path, args: &[&str]) -> Result<i32> {
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut house = House::open(Manner::Program, |stage| live(stage, program, args, &directory))?;
    let terminal = Foreground::lend();
    let status = house.wait_for_status();
    drop(terminal);
    house.close();
    status
}

/// The terminal, lent to a program on a stage. Dropping it takes the terminal back.
#[derive(Debug)]
pub struct Foreground {
    group: Option<Pid>,
    before: Option<SigSet>,
    settings: Option<Termios>,
}

impl Foreground {
    /// Lends the terminal that is this program's standard input, if it is one.
    ///
    /// What is typed to end the program on the stage must not end this one, which is in the same process group. And a
    /// shell leaves the terminal to a process group that is no more: to take it back from there asks for SIGTTOU.
    pub fn lend() -> Foreground {
        let typed = SigSet::from_iter([Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTTOU]);
        let before = typed.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok();
        Foreground { group: tcgetpgrp(io::stdin()).ok(), before, settings: tcgetattr(io::stdin()).ok() }
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            let _ = tcsetpgrp(io::stdin(), group);
        }
        // A program that was killed may have left it in any state.
        if let Some(settings) = &self.settings {
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, settings);
        }
        // What was typed was meant for the program on the stage, and is forgotten.
        let forgotten = SigSet::from_iter([Signal::SIGINT, Signal::SIGQUIT]);
        let nothing = SignalFd::with_flags(&forgotten, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC);
        while nothing.as_ref().is_ok_and(|fd| fd.read_signal().is_ok_and(|signal| signal.is_some())) {}
        if let Some(before) = &self.before {
            let _ = before.thread_set_mask();
        }
    }
}

/// The life of the stage's first process, while the program runs on it.
fn live(stage: &Stage, program: &Path, args: &[&str], directory: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command.args(args).current_dir(if directory.is_dir() { directory } else { Path::new("/") });
    let child = command.spawn().map_err(|why| Error::io("execve", format!("execve({})", program.display()), &why))?;
    loop {
        // As a PID namespace's first process must: it also reaps those whose parents have ended.
        let (pid, status) = match wait() {
            Ok(WaitStatus::Exited(pid, status)) => (pid, status),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(errno) => return Err(Error::refused("wait", "wait()", errno)),
        };
        if i32::try_from(child.id()).map(Pid::from_raw) == Ok(pid) {
            stage.left(status);
            return Ok(());
        }
    }
}
