//! Visits: a program, such as a shell, that runs in the namespaces of an actor while the story waits. It gets there as
//! nsenter(1) does: setns(2) with a pidfd.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, read, write};
use rustix::process::{PidfdFlags, pidfd_open};
use serde::{Deserialize, Serialize};

use super::Stage;
use super::process::retried;
use crate::error::{Error, Result};
use crate::observe::namespaces;
use crate::sys::{self, Forked};
use crate::transcript::{Kind, Membership};

/// What the program asks of a stage that waits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Go on with the story.
    GoOn,
    /// Here is a standard stream for a visit: input, output and error, in this order.
    Stream,
    /// Let a program visit an actor.
    Visit(Visit),
}

/// A program that is to run in an actor's namespaces.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Visit {
    /// The actor.
    pub actor: String,
    /// The program's path, on the machine.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// What is in its environment besides what the program has.
    pub env: Vec<(String, String)>,
    /// Files that it wants to find on the stage, below /tmp: their paths and what is in them.
    pub files: Vec<(PathBuf, String)>,
}

/// How a visit ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Left {
    /// The exit status, as a shell tells it.
    pub status: i32,
    /// Whether the program ran in the actor's mount namespace. Where that has no such program, it is the host's.
    pub with_mounts: bool,
}

impl Stage {
    /// Lets a program visit an actor, and waits until it has ended.
    pub(super) fn receive_visit(&self, visit: &Visit, streams: &[OwnedFd]) -> Result<Left> {
        let actor = self.standing().into_iter().find(|member| member.actor == visit.actor);
        let actor = actor.ok_or_else(|| Error::Gone(visit.actor.clone()))?;
        for (path, text) in &visit.files {
            let directory = path.parent().unwrap_or(Path::new("/tmp"));
            let put = fs::create_dir_all(directory).and_then(|()| fs::write(path, text));
            put.map_err(|why| Error::io("write", format!("write({})", path.display()), &why))?;
        }
        let own = namespaces::of("self").map_err(|why| Error::io("readlink", "readlink(/proc/self/ns)", &why))?;
        let mut types: Vec<Kind> = actor.namespaces.iter().filter(|id| !own.contains(id)).map(|id| id.kind).collect();
        if let Some(status) = enter(&actor, &types, visit, streams)? {
            return Ok(Left { status, with_mounts: true });
        }
        // An actor whose root holds no programs: then with the host's.
        types.retain(|kind| *kind != Kind::Mnt);
        match enter(&actor, &types, visit, streams)? {
            Some(status) => Ok(Left { status, with_mounts: false }),
            None => Err(Error::unexpected(visit.program.display().to_string(), "there is no such program here")),
        }
    }
}

/// Runs the program in these namespaces of the actor's: its exit status, or `None` where there is no such program.
fn enter(actor: &Membership, types: &[Kind], visit: &Visit, streams: &[OwnedFd]) -> Result<Option<i32>> {
    let pid = actor.pids.first().and_then(|pid| rustix::process::Pid::from_raw(*pid));
    let pidfd = pid.ok_or(rustix::io::Errno::SRCH).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
    let pidfd =
        pidfd.map_err(|errno| Error::refused("pidfd_open", "pidfd_open()", Errno::from_raw(errno.raw_os_error())))?;
    let (told, tell) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| Error::refused("pipe2", "pipe2()", errno))?;
    let proc = format!("/proc/{}/root/proc", actor.pids.first().copied().unwrap_or_default());
    match sys::clone3(0).map_err(|errno| Error::refused("fork", "fork()", errno))? {
        Forked::Child => sys::exit(visitor(&pidfd, types, visit, streams, &proc, tell)),
        Forked::Parent(child) => {
            drop(tell);
            let mut word = [0; 4];
            let length = retried(|| read(&told, &mut word)).unwrap_or_default();
            let status = wait_for(child)?;
            match word.get(..length) {
                Some([]) | None => Ok(Some(status)),
                Some(errno) if errno == NO_PROGRAM => Ok(None),
                Some(errno) => {
                    let errno = errno.try_into().map(i32::from_ne_bytes).unwrap_or_default();
                    let call = format!("setns(pidfd of {})", visit.actor);
                    Err(Error::refused("setns", call, Errno::from_raw(errno)))
                }
            }
        }
    }
}

/// What the visitor says where it cannot run; else it says an errno, or nothing.
const NO_PROGRAM: [u8; 4] = i32::MAX.to_ne_bytes();

/// The life of the process that joins the actor, and runs the program as its child: in a PID namespace that is joined,
/// only children are.
fn visitor(pidfd: &OwnedFd, types: &[Kind], visit: &Visit, streams: &[OwnedFd], proc: &str, tell: OwnedFd) -> i32 {
    if let [input, output, error] = streams {
        let _ = dup2_stdin(input);
        let _ = dup2_stdout(output);
        let _ = dup2_stderr(error);
    }
    let own_proc = fs::File::open(proc).ok();
    let flags = types.iter().fold(CloneFlags::empty(), |flags, kind| flags | flag(*kind));
    if !flags.is_empty()
        && let Err(errno) = setns(pidfd, flags)
    {
        let _ = write(&tell, &(errno as i32).to_ne_bytes());
        return 1;
    }
    if !visit.program.exists() {
        let _ = write(&tell, &NO_PROGRAM);
        return 1;
    }
    drop(tell);
    if let Some(own_proc) = own_proc.filter(|_| types.contains(&Kind::Mnt)) {
        show_own_proc(&own_proc);
    }
    sys::close_all_but(&mut [0, 1, 2]);
    let mut command = Command::new(&visit.program);
    command.args(&visit.args).envs(visit.env.iter().cloned()).current_dir("/");
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
            Err(errno) => return Err(Error::refused("waitpid", "waitpid(the visitor)", errno)),
        }
    }
}

/// The type as setns(2) takes it.
fn flag(kind: Kind) -> CloneFlags {
    match kind {
        Kind::Cgroup => CloneFlags::CLONE_NEWCGROUP,
        Kind::Ipc => CloneFlags::CLONE_NEWIPC,
        Kind::Mnt => CloneFlags::CLONE_NEWNS,
        Kind::Net => CloneFlags::CLONE_NEWNET,
        Kind::Pid => CloneFlags::CLONE_NEWPID,
        Kind::Time => CloneFlags::from_bits_retain(libc::CLONE_NEWTIME),
        Kind::User => CloneFlags::CLONE_NEWUSER,
        Kind::Uts => CloneFlags::CLONE_NEWUTS,
    }
}
