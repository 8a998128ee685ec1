//! Visits: a program, such as a shell, that runs in the namespaces of an actor while the story waits. It gets there as
//! nsenter(1) does: setns(2) with a pidfd.

use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, io};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};
use nix::sys::prctl;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, pipe2};
use rustix::process::{PidfdFlags, pidfd_open};

use super::Stage;
use crate::actors::{Visit, VisitOutcome};
use crate::args;
use crate::error::{CallResult, Error, Result};
use crate::observe::namespaces;
use crate::sandbox::start_first;
use crate::sys::{self, Forked};
use crate::transcript::{Flags, Membership, NamespaceType};

impl Stage {
    /// Lets a program visit an actor, and waits until it has ended.
    pub(super) fn receive_visit(&self, visit: &Visit, streams: &[OwnedFd]) -> Result<VisitOutcome> {
        let actor = self.standing()?.into_iter().find(|member| member.actor == visit.actor);
        let actor = actor.ok_or_else(|| Error::Gone(visit.actor.clone()))?;
        for (path, text) in visit.programs.iter().flat_map(|program| &program.files) {
            let directory = path.parent().unwrap_or(Path::new("/tmp"));
            let put = fs::create_dir_all(directory).and_then(|()| fs::write(path, text));
            put.or_refused("write", args![path.display().to_string()])?;
        }
        let own = namespaces::of("self").or_refused("readlink", args!["/proc/self/ns"])?;
        let mut types: Vec<NamespaceType> =
            actor.namespaces.iter().filter(|id| !own.contains(id)).map(|id| id.kind).collect();
        // Whoever visits is root of the stage too, and could do with the director as they like. From here on /proc shows
        // nothing of the director's namespaces, not even to itself; but no story goes on after a visit.
        let _ = prctl::set_dumpable(false);
        match enter(&actor, &types, visit, streams) {
            // An actor whose root holds no programs: then with the host's.
            Err(Error::NoProgram(_)) if types.contains(&NamespaceType::Mnt) => {
                types.retain(|kind| *kind != NamespaceType::Mnt);
                let status = enter(&actor, &types, visit, streams)?;
                Ok(VisitOutcome { status, with_mounts: false })
            }
            status => Ok(VisitOutcome { status: status?, with_mounts: true }),
        }
    }
}

/// Runs the program in these namespaces of the actor's: its exit status.
fn enter(actor: &Membership, types: &[NamespaceType], visit: &Visit, streams: &[OwnedFd]) -> Result<i32> {
    let pid = actor.pids.first().and_then(|pid| rustix::process::Pid::from_raw(*pid));
    let pidfd = pid.ok_or(rustix::io::Errno::SRCH).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
    let pidfd = pidfd.or_refused("pidfd_open", args![])?;
    let (word, tell) = pipe2(OFlag::O_CLOEXEC).or_refused("pipe2", args![])?;
    let proc = format!("/proc/{}/root/proc", actor.pids.first().copied().unwrap_or_default());
    match sys::clone3(0).or_refused("fork", args![])? {
        Forked::Child => match visitor(&pidfd, types, visit, streams, &proc, &tell) {
            Ok(program) => {
                // Nothing more to tell: it runs.
                drop(tell);
                sys::exit(wait_for(program).unwrap_or(126))
            }
            Err(why) => {
                let _ = fs::File::from(tell).write_all(&serde_json::to_vec(&why).unwrap_or_default());
                sys::exit(1)
            }
        },
        Forked::Parent(child) => {
            drop(tell);
            let mut said = Vec::new();
            let _ = fs::File::from(word).read_to_end(&mut said);
            let status = wait_for(child)?;
            match serde_json::from_slice(&said) {
                Ok(why) => Err(why),
                Err(_) => Ok(status),
            }
        }
    }
}

/// What the process does that joins the actor: it starts the program as its child, for in a PID namespace that is joined,
/// only children are.
fn visitor(
    pidfd: &OwnedFd,
    types: &[NamespaceType],
    visit: &Visit,
    streams: &[OwnedFd],
    proc: &str,
    tell: &OwnedFd,
) -> Result<Pid> {
    if let [input, output, error] = streams {
        let _ = dup2_stdin(input);
        let _ = dup2_stdout(output);
        let _ = dup2_stderr(error);
    }
    let own_proc = fs::File::open(proc).ok();
    let flags: Flags = types.iter().copied().collect();
    if !types.is_empty() {
        let joined = setns(pidfd, CloneFlags::from_bits_retain(flags.bits()));
        joined.or_refused("setns", args![format!("pidfd of {}", visit.actor)])?;
    }
    if let Some(own_proc) = own_proc.filter(|_| types.contains(&NamespaceType::Mnt)) {
        show_own_proc(&own_proc);
    }
    sys::close_all_but(&mut [0, 1, 2, tell.as_raw_fd()]);
    start_first(&visit.programs, Path::new("/"))
}

/// An actor that has changed its root may have a /proc of its own below that. The visitor, whose root is that of the whole
/// mount namespace, gets it at the usual place: the mount namespace is the actor's own, and goes with this stage.
fn show_own_proc(own_proc: &fs::File) {
    let device = |seen: io::Result<fs::Metadata>| seen.map(|seen| seen.dev()).ok();
    if device(own_proc.metadata()) != device(fs::metadata("/proc")) {
        let source = format!("/proc/self/fd/{}", own_proc.as_raw_fd());
        // Where that is not possible, the host's /proc is what there is to see.
        let _ = mount(Some(source.as_str()), "/proc", None::<&str>, MsFlags::MS_BIND, None::<&str>);
    }
}

/// Waits for the end of a child: its status, as a shell tells it.
fn wait_for(child: Pid) -> Result<i32> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(status),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(128 + signal as i32),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).or_refused("waitpid", args!["the visitor"]),
        }
    }
}
