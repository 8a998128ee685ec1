//! A stage whose root file system is locked, for programs that do with it as they like.
//!
//! Whoever makes a mount may also change it and take it off. So one process, the builder, makes the root file system in
//! user and mount namespaces of its own. The stage gets a copy of that mount namespace, which belongs to another user
//! namespace below the builder's. The kernel locks all mounts in such a copy: root of the stage can mount on top of
//! them, and can neither make them writable nor uncover what they hide (mount_namespaces(7), "Restrictions on mount
//! namespaces"). The stage's other namespaces belong to its own user namespace, as if there were no builder.

use std::os::fd::OwnedFd;

use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Pid, chdir, pipe2, read, write};
use rustix::process::{PidfdFlags, pidfd_open};

use super::handshake::{Handshake, Successor};
use super::{in_a_child, rootfs, spawn};
use crate::actors::Log;
use crate::args;
use crate::error::{CallResult, Result, retried};
use crate::sys::{self, Forked};
use crate::transcript::{CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, NamespaceId};

/// The life of the builder, which the program has made in new user and mount namespaces. It makes the stage's first
/// process as its own sibling, tells the program that one's id, and ends when the root file system stands. The first
/// process begins with `live`, and gets what it has to do before it is on the stage.
pub(super) fn build(
    log: &Log,
    handshake: Handshake,
    machine: &[NamespaceId],
    live: impl FnOnce(Box<dyn FnOnce() -> Result<()>>),
) -> ! {
    let told = make_the_first_process(handshake, live).and_then(|first| {
        // Before anything else can go wrong: only the program, whose child it is, can end it.
        log.tell(first.pid.as_raw());
        first.successor.give_ids(first.pid)?;
        spawn::left_behind(machine, CLONE_NEWUSER | CLONE_NEWNS)?;
        build_as_a_neighbour_of(first.pid)?;
        write(&first.go, &[GO]).or_refused("write", args!["pipe"]).map(drop)
    });
    if let Err(error) = told {
        log.fail(error);
    }
    sys::exit(0)
}

/// The stage's first process, as the builder knows it.
struct First {
    pid: Pid,
    successor: Successor,
    /// By it the first process hears that the root file system stands; if it hears nothing, there is none.
    go: OwnedFd,
}

/// What it hears.
const GO: u8 = b'.';

fn make_the_first_process(handshake: Handshake, live: impl FnOnce(Box<dyn FnOnce() -> Result<()>>)) -> Result<First> {
    let successor = handshake.take_ids()?;
    spawn::forbid_new_privileges();
    let (built, go) = pipe2(OFlag::O_CLOEXEC).or_refused("pipe2", args![])?;
    match spawn::clone3_into(CLONE_NEWUSER | spawn::THE_OTHERS, libc::CLONE_PARENT)? {
        Forked::Child => {
            drop(go);
            live(Box::new(move || {
                successor.die_with_the_program()?;
                move_in(&built)
            }));
            sys::exit(0)
        }
        Forked::Parent(pid) => Ok(First { pid, successor, go }),
    }
}

/// Builds the root file system in this process's mount namespace, but from within the PID namespace of `first`: the proc
/// in it shows the processes there. The stage's user namespace has no power over this mount namespace, so the first
/// process cannot do it; and joining a PID namespace is for children.
fn build_as_a_neighbour_of(first: Pid) -> Result<()> {
    let pidfd = rustix::process::Pid::from_raw(first.as_raw()).ok_or(rustix::io::Errno::SRCH);
    let pidfd = pidfd.and_then(|first| pidfd_open(first, PidfdFlags::empty())).or_refused("pidfd_open", args![])?;
    setns(&pidfd, CloneFlags::CLONE_NEWPID).or_refused("setns", args!["pidfd", CLONE_NEWPID])?;
    in_a_child(rootfs::build)
}

/// What the first process does before it is on the stage: it waits for the root file system, and gets a mount namespace
/// of its own.
fn move_in(built: &OwnedFd) -> Result<()> {
    if retried(|| read(built, &mut [0])) != Ok(1) {
        // The builder has told why.
        sys::exit(1);
    }
    unshare(CloneFlags::CLONE_NEWNS).or_refused("unshare", args![CLONE_NEWNS])?;
    // Out of the directory that the program was started in, which is on the machine's own root file system.
    chdir("/").or_refused("chdir", args!["/"])
}
