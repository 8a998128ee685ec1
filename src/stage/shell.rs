//! A shell on an empty stage: a machine to try things on, that is gone when the shell ends.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::{Pid, tcgetpgrp, tcsetpgrp};

use super::House;
use super::Stage;
use super::open::Terminal;
use crate::error::{Error, Result};

/// Runs a program on a stage of its own, with this program's standard streams and working directory, and waits until it
/// has ended: its exit status, as a shell tells it. Whatever it started ends with it.
///
/// # Errors
/// Where this machine allows no stage, or the program does not start.
pub fn run_on_a_stage(program: &Path, args: &[&str]) -> Result<i32> {
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut house = House::open(Terminal::Kept, |stage| live(stage, program, args, &directory))?;
    // What is typed to end the program on the stage must not end this one, which is in the same process group. And a
    // shell leaves the terminal to a process group that is no more: to take it back from there asks for SIGTTOU.
    let typed = SigSet::from_iter([Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTTOU]);
    let _ = typed.thread_block();
    let group = tcgetpgrp(io::stdin());
    let status = house.wait_for_status();
    if let Ok(group) = group {
        let _ = tcsetpgrp(io::stdin(), group);
    }
    house.close();
    status
}

/// The life of the stage's first process, while the program runs on it.
fn live(stage: &Stage, program: &Path, args: &[&str], directory: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command.args(args).current_dir(if directory.is_dir() { directory } else { Path::new("/") });
    let child = command.spawn().map_err(|why| Error::unexpected(program.display().to_string(), why))?;
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
