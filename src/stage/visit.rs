//! Visits: a program, such as a shell, that runs in the namespaces of an actor while the story waits. It gets there as
//! nsenter(1) does: setns(2) with a pidfd.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::{fs, io};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, read, write};
use rustix::process::{PidfdFlags, pidfd_open};

use super::Stage;
use crate::actors::{Visit, VisitOutcome};
use crate::args;
use crate::error::{CallResult, Error, Result, retried};
use crate::observe::namespaces;
use crate::sys::{self, Forked};
use crate::transcript::{Flags, Membership, NamespaceType};

impl Stage {
    /// Lets a program visit an actor, and waits until it has ended.
    pub(super) fn receive_visit(&self, visit: &Visit, streams: &[OwnedFd]) -> Result<VisitOutcome> {
        let actor = self.standing()?.into_iter().find(|member| member.actor == visit.actor);
        let actor = actor.ok_or_else(|| Error::Gone(visit.actor.clone()))?;
        for (path, text) in &visit.files {
            let directory = path.parent().unwrap_or(Path::new("/tmp"));
            let put = fs::create_dir_all(directory).and_then(|()| fs::write(path, text));
            put.or_refused("write", args![path.display().to_string()])?;
        }
        let own = namespaces::of("self").or_refused("readlink", args!["/proc/self/ns"])?;
        let mut types: Vec<NamespaceType> =
            actor.namespaces.iter().filter(|id| !own.contains(id)).map(|id| id.kind).collect();
        if let Some(status) = enter(&actor, &types, visit, streams)? {
            return Ok(VisitOutcome { status, with_mounts: true });
        }
        // An actor whose root holds no programs: then with the host's.
        types.retain(|kind| *kind != NamespaceType::Mnt);
        match enter(&actor, &types, visit, streams)? {
            Some(status) => Ok(VisitOutcome { status, with_mounts: false }),
            None => Err(Error::unexpected(visit.program.display().to_string(), "there is no such program here")),
        }
    }
}

/// Runs the program in these namespaces of the actor's: its exit status, or `None` where there is no such program.
fn enter(actor: &Membership, types: &[NamespaceType], visit: &Visit, streams: &[OwnedFd]) -> Result<Option<i32>> {
    let pid = actor.pids.first().and_then(|pid| rustix::process::Pid::from_raw(*pid));
    let pidfd = pid.ok_or(rustix::io::Errno::SRCH).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
    let pidfd = pidfd.or_refused("pidfd_open", args![])?;
    let (word, tell) = pipe2(OFlag::O_CLOEXEC).or_refused("pipe2", args![])?;
    let proc = format!("/proc/{}/root/proc", actor.pids.first().copied().unwrap_or_default());
    match sys::clone3(0).or_refused("fork", args![])? {
        Forked::Child => sys::exit(visitor(&pidfd, types, visit, streams, &proc, tell)),
        Forked::Parent(child) => {
            drop(tell);
            let mut said = [0; 4];
            let length = retried(|| read(&word, &mut said)).unwrap_or_default();
            let status = wait_for(child)?;
            match said.get(..length) {
                Some([]) | None => Ok(Some(status)),
                Some(errno) if errno == NO_PROGRAM => Ok(None),
                Some(errno) => {
                    let errno = errno.try_into().map(i32::from_ne_bytes).unwrap_or_default();
                    Err(Errno::from_raw(errno)).or_refused("setns", args![format!("pidfd of {}", visit.actor)])
                }
            }
        }
    }
}

/// What the visitor says where it cannot run; else it says an errno, or nothing.
const NO_PROGRAM: [u8; 4] = i32::MAX.to_ne_bytes();

/// The life of the process that joins the actor, and runs the program as its child: in a PID namespace that is joined,
/// only children are.
fn visitor(
    pidfd: &OwnedFd,
    types: &[NamespaceType],
    visit: &Visit,
    streams: &[OwnedFd],
    proc: &str,
    tell: OwnedFd,
) -> i32 {
    if let [input, output, error] = streams {
        let _ = dup2_stdin(input);
        let _ = dup2_stdout(output);
        let _ = dup2_stderr(error);
    }
    let own_proc = fs::File::open(proc).ok();
    let flags: Flags = types.iter().copied().collect();
    if !types.is_empty()
        && let Err(errno) = setns(pidfd, CloneFlags::from_bits_retain(flags.bits()))
    {
        let _ = write(&tell, &(errno as i32).to_ne_bytes());
        return 1;
    }
    if !visit.program.exists() {
        let _ = write(&tell, &NO_PROGRAM);
        return 1;
    }
    drop(tell);
    if let Some(own_proc) = own_proc.filter(|_| types.contains(&NamespaceType::Mnt)) {
        show_own_proc(&own_proc);
    }
    sys::close_all_but(&mut [0, 1, 2]);
    let mut command = Command::new(&visit.program);
    command.args(&visit.args).envs(visit.env.iter().cloned()).current_dir("/");
    sys::outlive_file_sizes(false);
    let ended = command.spawn().and_then(|mut child| child.wait());
    ended.map_or_else(|why| cannot_run(&why), |status| status.code().unwrap_or_else(|| killed(status.signal())))
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

/// As a shell tells it.
fn cannot_run(why: &io::Error) -> i32 {
    if why.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}

fn killed(signal: Option<i32>) -> i32 {
    128 + signal.unwrap_or_default()
}

fn wait_for(child: Pid) -> Result<i32> {
    loop {
        match waitpid(child, None) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(status),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(killed(Some(signal as i32))),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).or_refused("waitpid", args!["the visitor"]),
        }
    }
}
