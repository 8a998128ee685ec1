//! How a sandbox comes to be: its first process, in new namespaces of all eight types, safe before the lesson begins.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};

use nix::sched::{CpuSet, sched_getcpu, sched_setaffinity};
use nix::sys::prctl;
use nix::unistd::Pid;

use super::handshake::Handshake;
use super::{SandboxKind, locked, rootfs};
use crate::actors::{Channel, Log, Process};
use crate::args;
use crate::error::{CallResult, Error, Result};
use crate::observe::namespaces;
use crate::sys::{self, Forked};
use crate::transcript::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS,
    Flags, NamespaceId, NamespaceType, Value,
};

/// The name of the machine that the stage plays.
const HOSTNAME: &str = "workshop";

/// The number after which the stage's PID namespace counts on: a host on which nothing else ever ran would give its
/// first process the number 2, and numbers inside and outside of a container would be hard to tell apart.
const LAST_PID: &str = "1000";

/// What a stage has of its own besides its user and mount namespaces.
pub(super) const THE_OTHERS: Flags =
    CLONE_NEWPID.and(CLONE_NEWUTS).and(CLONE_NEWIPC).and(CLONE_NEWNET).and(CLONE_NEWCGROUP).and(CLONE_NEWTIME);

/// The types that a stage can be without: nothing in them changes unless somebody has made one.
const DISPENSABLE: Flags = CLONE_NEWCGROUP.and(CLONE_NEWTIME);

/// What the first process of a sandbox has when it begins to live.
#[derive(Debug)]
pub(crate) struct Init {
    /// Its end of the conversation with the program.
    pub(crate) log: Log,
    /// The types of namespaces of which it is in others than the program.
    pub(crate) off_the_machine: Vec<NamespaceType>,
}

/// Makes a sandbox and lets its first process live: the id on the machine of the process with which it begins, and the
/// channel on which is told. A locked stage begins with its builder.
pub(super) fn spawn(kind: SandboxKind, life: impl FnOnce(Init) -> Result<()>) -> Result<(Pid, Channel)> {
    let machine = own_namespaces()?;
    let handshake = Handshake::prepare()?;
    let (here, there) = Channel::pair().or_refused("socketpair", args!["AF_UNIX"])?;
    // The user namespace owns all others because clone3(2) makes it first.
    let first = match kind {
        SandboxKind::UserNamespace => clone3(CLONE_NEWUSER, 0),
        kind if kind.is_locked() => clone3(CLONE_NEWUSER | CLONE_NEWNS, 0),
        _ => clone3_into(CLONE_NEWUSER | CLONE_NEWNS | THE_OTHERS, 0),
    };
    match first? {
        Forked::Child => {
            drop(here);
            let log = Log::new(there);
            sys::default_signals();
            report_panics(&log);
            if kind.is_locked() {
                locked::build(&log, handshake, &machine, |move_in| {
                    begin(&log, kind, || move_in().and_then(|()| furnish(&machine)), life)
                })
            }
            begin(&log, kind, || prepare(kind, handshake, &machine), life)
        }
        Forked::Parent(pid) => {
            drop(there);
            handshake.give_ids(pid)?;
            Ok((pid, here))
        }
    }
}

fn clone3(types: Flags, options: i32) -> Result<Forked> {
    sys::clone3(types.bits() | options).or_refused("clone3", args![types])
}

/// Makes a process in new namespaces of these types; or without one or both of those that a stage can be without, for
/// whatever reason they cannot be had: all else can be shown all the same. clone3(2) with `options` besides.
pub(super) fn clone3_into(types: Flags, options: i32) -> Result<Forked> {
    let refused = match clone3(types, options) {
        Err(error) => error,
        made => return made,
    };
    // At first all of them once more: a want of memory may have passed, and then nothing need be missing.
    let given_up = [Flags::default(), CLONE_NEWTIME, CLONE_NEWCGROUP, DISPENSABLE];
    // The first refusal is the one that counts: it says what was wanted.
    given_up.into_iter().find_map(|given_up| clone3(types.without(given_up), options).ok()).ok_or(refused)
}

fn own_namespaces() -> Result<Vec<NamespaceId>> {
    namespaces::of("self").or_refused("open", args!["/proc/self/ns"])
}

/// The life of the first process. Its end is the end of the sandbox: every process in its PID namespace goes.
fn begin(
    log: &Log,
    kind: SandboxKind,
    prepare: impl FnOnce() -> Result<Vec<NamespaceType>>,
    life: impl FnOnce(Init) -> Result<()>,
) -> ! {
    let lived = prepare().and_then(|off_the_machine| {
        if kind == SandboxKind::Program {
            // Before the program is there: it is root as well, and could do with this process as it likes.
            let _ = prctl::set_dumpable(false);
        } else {
            stay_on_this_cpu();
            detach_from_the_terminal();
        }
        sys::close_all_but(&mut [0, 1, 2, log.as_fd().as_raw_fd()]);
        Process::take_name("init");
        log.tell(());
        life(Init { log: log.clone(), off_the_machine })
    });
    if let Err(error) = lived {
        log.fail(error);
    }
    sys::exit(0)
}

/// Makes the new namespaces a safe place to play in. The order matters throughout.
fn prepare(kind: SandboxKind, handshake: Handshake, machine: &[NamespaceId]) -> Result<Vec<NamespaceType>> {
    handshake.take_ids()?;
    forbid_new_privileges();
    if kind == SandboxKind::UserNamespace {
        return Ok(vec![NamespaceType::User]);
    }
    left_behind(machine, THE_OTHERS | CLONE_NEWUSER | CLONE_NEWNS)?;
    rootfs::build()?;
    furnish(machine)
}

/// No program that is started on the stage can win privileges by its file's mode.
pub(super) fn forbid_new_privileges() {
    let _ = prctl::set_no_new_privs();
}

/// Gives the stage, whose root file system stands, what else a machine has: the types of namespaces of its own.
fn furnish(machine: &[NamespaceId]) -> Result<Vec<NamespaceType>> {
    let off_the_machine = left_behind(machine, THE_OTHERS | CLONE_NEWUSER | CLONE_NEWNS)?;
    nix::unistd::sethostname(HOSTNAME).or_refused("sethostname", vec![Value::Name(HOSTNAME.to_owned())])?;
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

/// The types of namespaces of which this process is in another than the program, those among them that it must have left:
/// anything that could be changed from here. But a stage can be without what it gives nobody a hand in.
pub(super) fn left_behind(machine: &[NamespaceId], must: Flags) -> Result<Vec<NamespaceType>> {
    let own = own_namespaces()?;
    let off: Vec<NamespaceType> = own.iter().filter(|id| !machine.contains(id)).map(|id| id.kind).collect();
    match must.without(DISPENSABLE).types().find(|of| !off.contains(of)) {
        Some(of) => {
            let syscall = format!("a lesson on {of} namespaces");
            Err(Error::OnTheMachine { actor: "the stage".to_owned(), syscall, of })
        }
        None => Ok(off),
    }
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
        log.fail(Error::unexpected("a bug in nslearn", panic));
        sys::exit(101)
    }));
}
