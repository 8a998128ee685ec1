//! A shell on an empty stage: a machine to try things on, that is gone when the shell ends.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, wait, waitpid};
use nix::unistd::{AccessFlags, Pid, access};

use super::{Foreground, Sandbox, SandboxKind};
use crate::actors::{Log, Program};
use crate::args;
use crate::error::{CallResult, Error, Result, retried};
use crate::sys::{self, Forked};

/// Runs the first of these programs that can be, on a stage of its own, with this program's standard streams and working
/// directory, and waits until it has ended: its exit status, as a shell tells it. Whatever it started ends with it.
///
/// # Errors
/// Where this machine allows no stage, or none of the programs starts.
pub(crate) fn run_in_a_sandbox(programs: &[Program]) -> Result<i32> {
    let directory = std::env::current_dir();
    let mut sandbox = Sandbox::open(SandboxKind::Program, |init| live(&init.log, programs, directory))?;
    let terminal = Foreground::lend();
    let status = sandbox.patiently(Sandbox::next);
    drop(terminal);
    sandbox.close();
    status
}

/// Starts the first of these programs that can be. It takes a try: what is on the machine need not be on the stage, and what
/// is there is perhaps not for whoever is root there.
///
/// # Errors
/// [`Error::NoProgram`] with what is wrong with each.
pub(crate) fn start_first(programs: &[Program], directory: &Path) -> Result<Pid> {
    let mut refused: Vec<String> = Vec::new();
    for program in programs {
        let path = Path::new(&program.path);
        let started = check(path).and_then(|()| {
            if let Some(refused) = refused.first() {
                say(&format!("your shell {refused}, so this is {}", path.display()));
            }
            let mut command = Command::new(path);
            command.args(&program.args).envs(program.env.iter().cloned()).current_dir(directory);
            start(&mut command)
        });
        match started {
            Ok(child) => return Ok(child),
            Err(why) => refused.push(format!("{path:?} is not on the stage ({why})")),
        }
    }
    Err(Error::NoProgram(refused.join(", ")))
}

/// Starts a program as a child, or says why it cannot be. The standard library does the same, but panics where it does not
/// hear from the child.
fn start(command: &mut Command) -> Result<Pid, String> {
    let (mut answer, mut tell) = named(io::pipe())?;
    match sys::clone3(0).map_err(name)? {
        Forked::Child => {
            let refused = Err(sys::with_signals_as_they_were(command).exec());
            if let Err(why) = named::<()>(refused) {
                let _ = tell.write_all(why.as_bytes());
            }
            sys::exit(1)
        }
        Forked::Parent(child) => {
            drop(tell);
            // The child's end of the pipe is closed by execve(2).
            let mut why = Vec::new();
            named(answer.read_to_end(&mut why))?;
            if why.is_empty() {
                return Ok(child);
            }
            let _ = retried(|| waitpid(child, None));
            Err(String::from_utf8_lossy(&why).into_owned())
        }
    }
}

/// Whether the path is one of a program, as far as can be told beforehand; if not, why.
fn check(program: &Path) -> Result<(), String> {
    if !program.is_absolute() {
        return Err("it is not an absolute path".to_owned());
    }
    if program.is_dir() {
        return Err(name(Errno::EISDIR));
    }
    access(program, AccessFlags::X_OK).map_err(name)
}

fn name(errno: Errno) -> String {
    format!("{errno:?}: {}", errno.desc())
}

fn named<T>(result: io::Result<T>) -> Result<T, String> {
    result.kernels_answer().map_or_else(|why| Err(why.to_string()), |answer| answer.map_err(name))
}

/// Says something on standard error. Here and not by the program outside: it comes before the first word of what is started.
pub(crate) fn say(what: &str) {
    let _ = writeln!(io::stderr(), "nslearn: {what}");
}

/// The learner's working directory, or the root where they cannot be in there on the stage.
fn on_the_stage(directory: io::Result<PathBuf>) -> PathBuf {
    let enterable = |path: PathBuf| access(&path.join("."), AccessFlags::X_OK).map(|()| path).map_err(name);
    named(directory).and_then(enterable).unwrap_or_else(|why| {
        say(&format!("your working directory is not on the stage ({why}), so this is /"));
        PathBuf::from("/")
    })
}

/// The life of the stage's first process, while the program runs on it.
fn live(log: &Log, programs: &[Program], directory: io::Result<PathBuf>) -> Result<()> {
    let child = start_first(programs, &on_the_stage(directory))?;
    loop {
        // As a PID namespace's first process must: it also reaps those whose parents have ended.
        let (pid, status) = match wait() {
            Ok(WaitStatus::Exited(pid, status)) => (pid, status),
            Ok(WaitStatus::Signaled(pid, signal, _)) => (pid, 128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno).or_refused("wait", args![]),
        };
        if pid == child {
            log.tell(status);
            return Ok(());
        }
    }
}
