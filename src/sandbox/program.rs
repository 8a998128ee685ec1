//! A shell on an empty stage: a machine to try things on, that is gone when the shell ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, wait};
use nix::unistd::Pid;

use super::{Foreground, Sandbox, SandboxKind};
use crate::actors::Log;
use crate::args;
use crate::error::{CallResult, Result};
use crate::sys;

/// Runs a program on a stage of its own, with this program's standard streams and working directory, and waits until it
/// has ended: its exit status, as a shell tells it. Whatever it started ends with it.
///
/// # Errors
/// Where this machine allows no stage, or the program does not start.
pub(crate) fn run_in_a_sandbox(program: &Path, args: &[&str]) -> Result<i32> {
    let directory = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let mut sandbox = Sandbox::open(SandboxKind::Program, |init| live(&init.log, program, args, &directory))?;
    let terminal = Foreground::lend();
    let status = sandbox.patiently(Sandbox::next);
    drop(terminal);
    sandbox.close();
    status
}

/// The life of the stage's first process, while the program runs on it.
fn live(log: &Log, program: &Path, args: &[&str], directory: &Path) -> Result<()> {
    let mut command = Command::new(program);
    command.args(args).current_dir(if directory.is_dir() { directory } else { Path::new("/") });
    sys::outlive_file_sizes(false);
    let child = command.spawn().or_refused("execve", args![program.display().to_string()])?;
    loop {
        // As a PID namespace's first process must: it also reaps those whose parents have ended.
        let (pid, status) = match wait() {
            Ok(WaitStatus::Exited(pid, status)) => (pid, status),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno).or_refused("wait", args![]),
        };
        if i32::try_from(child.id()).map(Pid::from_raw) == Ok(pid) {
            log.tell(status);
            return Ok(());
        }
    }
}
