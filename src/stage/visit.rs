//! Visits: a program, such as a shell, that runs in the namespaces and in the root directory of an actor while the story
//! waits. It gets there as nsenter(1) does: setns(2) with a pidfd, and then chroot(2).

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
use nix::unistd::{AccessFlags, Pid, access, chroot, dup2_stderr, dup2_stdin, dup2_stdout, fchdir, pipe2};
use rustix::process::{PidfdFlags, pidfd_open};

use super::Stage;
use crate::actors::{Visit, VisitOutcome};
use crate::args;
use crate::error::{CallResult, Error, Result};
use crate::observe::namespaces;
use crate::sandbox::{say, start_first};
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
        let types = actor.namespaces.iter().filter(|id| !own.contains(id)).map(|id| id.kind);
        let mut guest = Guest { actor: &actor, types: types.collect(), files: Files::Actors, visit, streams };
        // Whoever visits is root of the stage too, and could do with the director as they like. From here on /proc shows
        // nothing of the director's namespaces, not even to itself; but no story goes on after a visit.
        let _ = prctl::set_dumpable(false);
        loop {
            match (guest.enter(), guest.files) {
                // An actor whose root directory holds no programs.
                (Err(Error::NoProgram(_)), Files::Actors) => guest.files = Files::MountNamespaces,
                // One whose mount namespace holds none: then with the host's.
                (Err(Error::NoProgram(_)), Files::MountNamespaces) if guest.types.contains(&NamespaceType::Mnt) => {
                    guest.types.retain(|kind| *kind != NamespaceType::Mnt);
                    guest.files = Files::Hosts;
                }
                (status, _) => return Ok(VisitOutcome { status: status? }),
            }
        }
    }
}

/// Which files a visitor has before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Files {
    /// Those below the actor's root directory.
    Actors,
    /// All of the actor's mount namespace.
    MountNamespaces,
    /// All of the host's.
    Hosts,
}

/// A program that is about to visit an actor.
struct Guest<'a> {
    actor: &'a Membership,
    /// The namespaces that it joins: those of the actor's that are not the director's own.
    types: Vec<NamespaceType>,
    files: Files,
    visit: &'a Visit,
    streams: &'a [OwnedFd],
}

impl Guest<'_> {
    /// Runs the program: its exit status.
    fn enter(&self) -> Result<i32> {
        let pid = self.actor.pids.first().and_then(|pid| rustix::process::Pid::from_raw(*pid));
        let pidfd = pid.ok_or(rustix::io::Errno::SRCH).and_then(|pid| pidfd_open(pid, PidfdFlags::empty()));
        let pidfd = pidfd.or_refused("pidfd_open", args![])?;
        let (word, tell) = pipe2(OFlag::O_CLOEXEC).or_refused("pipe2", args![])?;
        match sys::clone3(0).or_refused("clone3", args!["flags=0"])? {
            Forked::Child => match self.start(&pidfd, &tell) {
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

    /// What the process does that joins the actor: it starts the program as its child, for in a PID namespace that is
    /// joined, only children are.
    fn start(&self, pidfd: &OwnedFd, tell: &OwnedFd) -> Result<Pid> {
        if let [input, output, error] = self.streams {
            let _ = dup2_stdin(input);
            let _ = dup2_stdout(output);
            let _ = dup2_stderr(error);
        }
        self.join(pidfd)?;
        self.say_where_it_is();
        sys::close_all_but(&mut [0, 1, 2, tell.as_raw_fd()]);
        start_first(&self.visit.programs, Path::new("/"))
    }

    /// Goes where the actor is: into its namespaces, and to its files.
    fn join(&self, pidfd: &OwnedFd) -> Result<()> {
        // Of the director, which keeps its /proc to itself, this process has the root directory.
        let root = match self.actor.pids.first() {
            Some(1) | None => "/".to_owned(),
            Some(pid) => format!("/proc/{pid}/root"),
        };
        // Whoever joins a mount namespace is at its root afterwards: so the actor's own root directory is opened before.
        let actors_root = fs::File::open(&root).or_refused("open", args![&root])?;
        let own_proc = fs::File::open(format!("{root}/proc")).ok();
        let flags: Flags = self.types.iter().copied().collect();
        if !self.types.is_empty() {
            let joined = setns(pidfd, CloneFlags::from_bits_retain(flags.bits()));
            joined.or_refused("setns", args![format!("pidfd of {}", self.visit.actor)])?;
        }
        if self.files == Files::Actors {
            fchdir(&actors_root).or_refused("fchdir", args![&root])?;
            chroot(".").or_refused("chroot", args!["."])?;
        } else if let Some(own_proc) = own_proc.filter(|_| self.types.contains(&NamespaceType::Mnt)) {
            show_own_proc(&own_proc);
        }
        Ok(())
    }

    /// Says so, where a program is not in the actor's root directory: before it starts, and only if it can.
    fn say_where_it_is(&self) {
        let Visit { actor, programs } = self.visit;
        let paths = || programs.iter().map(|program| Path::new(&program.path));
        let place = match self.files {
            Files::MountNamespaces => format!("is in {actor}'s namespaces, but not in that directory"),
            Files::Hosts => format!("has the host's files, and is in {actor}'s other namespaces"),
            Files::Actors => return,
        };
        if paths().any(|path| access(path, AccessFlags::X_OK).is_ok()) {
            let names: Vec<String> = paths().map(|path| path.display().to_string()).collect();
            say(&format!("{actor}'s root directory holds no {}: this program {place}", names.join(" and no ")));
        }
    }
}

/// An actor that has changed its root may have a /proc of its own below that. A visitor whose root is that of the whole
/// mount namespace gets it at the usual place: the mount namespace is the actor's own, and goes with this stage.
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
