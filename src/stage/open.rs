//! How a stage comes to be: its first process, in new namespaces of all eight types, safe before the lesson begins.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::sys::prctl;
use nix::unistd::Pid;

use super::birth::Handshake;
use super::channel::Channel;
use super::log::{Line, Log};
use super::process::Process;
use super::{Stage, root};
use crate::error::{Error, Result};
use crate::observe::namespaces;
use crate::sys::{self, Forked};
use crate::transcript::{Kind, NamespaceId};

/// The name of the machine that the stage plays.
const HOSTNAME: &str = "workshop";

/// The number after which the stage's PID namespace counts on: a host on which nothing else ever ran would give its
/// first process the number 2, and numbers inside and outside of a container would be hard to tell apart.
const LAST_PID: &str = "1000";

/// The namespaces that a stage is made of. The user namespace owns all others because clone3(2) makes it first.
const NEW: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWCGROUP;

/// How a stage is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A story is told at one go.
    Straight,
    /// A story is told step by step: the stage waits before each, and at questions, until it is told to go on.
    StepByStep,
    /// A program runs on it that has the terminal.
    Program,
    /// It is no stage: a user namespace, in which is tried what a machine can do that allows no stage.
    Bare,
}

/// Makes a stage, and lets its first process direct: its id on the machine, and the channel on which it tells. The
/// stage is gone, with all that is on it, as soon as that process is.
pub(super) fn open(manner: Manner, direct: impl FnOnce(&Stage) -> Result<()>) -> Result<(Pid, Channel)> {
    let machine = namespaces::of("self").map_err(|why| refused_to_open("/proc/self/ns", &why))?;
    let handshake = Handshake::prepare()?;
    let (here, there) = Channel::pair().map_err(|errno| Error::refused("socketpair", "socketpair(AF_UNIX)", errno))?;
    match make(manner)? {
        Forked::Child => {
            drop(here);
            begin(Log::new(there), manner, || prepare(manner, handshake, &machine), direct)
        }
        Forked::Parent(pid) => {
            drop(there);
            handshake.give_ids(pid)?;
            Ok((pid, here))
        }
    }
}

fn make(manner: Manner) -> Result<Forked> {
    let refused = |call: &'static str| move |errno| Error::refused("clone3", call, errno);
    if manner == Manner::Bare {
        return sys::clone3(libc::CLONE_NEWUSER).map_err(refused("clone3(CLONE_NEWUSER)"));
    }
    // Time namespaces are the one type that kernels are still built without: all else can be shown all the same.
    let child = match sys::clone3(NEW | libc::CLONE_NEWTIME) {
        Err(Errno::EINVAL) => sys::clone3(NEW),
        child => child,
    };
    child.map_err(refused("clone3(CLONE_NEWUSER | CLONE_NEWNS | …)"))
}

fn refused_to_open(path: &str, why: &std::io::Error) -> Error {
    Error::io("open", format!("open({path})"), why)
}

/// The life of the stage's first process. Its end is the end of the stage: every process in its PID namespace goes.
fn begin(
    log: Log,
    manner: Manner,
    prepare: impl FnOnce() -> Result<Vec<Kind>>,
    direct: impl FnOnce(&Stage) -> Result<()>,
) -> ! {
    report_panics(&log);
    match prepare() {
        Err(error) => log.line(&Line::Failed(error)),
        Ok(off_the_machine) => {
            if manner != Manner::Program {
                stay_on_this_cpu();
                detach_from_the_terminal();
            }
            sys::close_all_but(&mut [0, 1, 2, log.as_fd().as_raw_fd()]);
            Process::take_name("init");
            let stage = Stage::new(log.clone(), manner, Process::director("host", log.clone(), off_the_machine));
            log.line(&Line::Ready);
            match direct(&stage) {
                Ok(()) => {
                    stage.end_of_step();
                    log.line(&Line::Done);
                }
                Err(error) => log.line(&Line::Failed(stage.cause(error))),
            }
        }
    }
    sys::exit(0)
}

/// Makes the new namespaces a safe place to play in. The order matters throughout.
fn prepare(manner: Manner, handshake: Handshake, machine: &[NamespaceId]) -> Result<Vec<Kind>> {
    handshake.take_ids()?;
    // No program that is started on the stage can win privileges by its file's mode.
    let _ = prctl::set_no_new_privs();
    if manner == Manner::Bare {
        return Ok(vec![Kind::User]);
    }
    let off_the_machine = left_behind(machine)?;
    root::build()?;
    nix::unistd::sethostname(HOSTNAME)
        .map_err(|errno| Error::refused("sethostname", "sethostname(\"workshop\")", errno))?;
    // A kernel without checkpoint and restore has no such file: then the numbers are small, and nothing else differs.
    let _ = fs::write("/proc/sys/kernel/ns_last_pid", LAST_PID);
    Ok(off_the_machine)
}

/// Keeps the stage on the CPU that its first process is on. Actors take turns, so there is nothing to gain from a second
/// one: to hand over to it takes an interrupt and, where it was idle, the time until it is awake, at every call that an
/// actor makes. A lesson takes up to four times as long then.
fn stay_on_this_cpu() {
    let mut here = CpuSet::new();
    if sched_getcpu().and_then(|cpu| here.set(cpu)).is_ok() {
        // Where it is not allowed, a lesson takes longer, and that is all.
        let _ = sched_setaffinity(Pid::from_raw(0), &here);
    }
}

/// The types of namespaces of which this process is in another than the program. Anything that a lesson could change
/// must be among them, or there is no stage.
fn left_behind(machine: &[NamespaceId]) -> Result<Vec<Kind>> {
    let own = namespaces::of("self").map_err(|why| refused_to_open("/proc/self/ns", &why))?;
    let off: Vec<Kind> = own.iter().filter(|id| !machine.contains(id)).map(|id| id.kind).collect();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Time) {
        if !off.contains(&kind) {
            let call = format!("a lesson on {kind} namespaces");
            return Err(Error::OnTheMachine { actor: "the stage".to_owned(), call, kind });
        }
    }
    Ok(off)
}

/// Lets go of the standard streams.
fn detach_from_the_terminal() {
    if let Ok(null) = fs::File::options().read(true).write(true).open("/dev/null") {
        let _ = nix::unistd::dup2_stdin(&null);
        let _ = nix::unistd::dup2_stdout(&null);
        let _ = nix::unistd::dup2_stderr(&null);
    }
}

/// A panic on the stage is told to the program, which has the terminal, and ends the process that it happened in.
fn report_panics(log: &Log) {
    let log = log.clone();
    std::panic::set_hook(Box::new(move |panic| {
        log.line(&Line::Failed(Error::unexpected("a bug in nslearn", panic)));
        sys::exit(101)
    }));
}
