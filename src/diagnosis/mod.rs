//! From an error to its cause on this machine, and what to do about it. The error is data: which call it was, what it asked
//! for and was about, the errno. What tells look-alikes apart is tried: a type of namespace alone, a call of the same
//! kind that can do nothing. A cause is named where something shows it; else it is unknown, with what is known.

mod advice;
mod controls;
mod limits;
mod machine;
mod modules;
mod mounts;
mod refusals;
mod resources;

use nix::errno::Errno;

use self::controls::{Refuser, who_refused};
use crate::error::Error;
use crate::transcript::{Call, Object};

/// Why a machine refuses something. The names are for programs, and stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A limit of /proc/sys/user on how many namespaces there may be.
    Limit,
    /// The bound on how deep namespaces may lie in each other.
    Nesting,
    /// The limit on how many processes a user or a session may have.
    Processes,
    /// The limit on open file descriptors.
    Descriptors,
    /// The limit on how large a file may be.
    FileSize,
    /// The limit on what message queues may take.
    MessageQueues,
    /// There is no memory, or no more may be had.
    Memory,
    /// The limit on how many mounts there may be.
    Mounts,
    /// A seccomp filter, as containers have it.
    Seccomp,
    /// A security module, such as AppArmor or SELinux.
    SecurityModule,
    /// `kernel.unprivileged_userns_clone` is 0.
    UsernsClone,
    /// The root directory is not the one of the mount namespace.
    Chroot,
    /// The user has no id in the user namespace that this is.
    Unmapped,
    /// Parts of /proc are covered.
    MaskedProc,
    /// Parts of /sys are covered, or it is read-only.
    MaskedSys,
    /// /proc is read-only.
    ReadOnlyProc,
    /// There is no /proc.
    NoProc,
    /// Root without the capability, or the ids, to make a stage that is not the machine's root.
    Root,
    /// The kernel is too old, or was built without it.
    Kernel,
    /// A module of the kernel is not loaded.
    Module,
    /// The root directory is the kernel's first one, which nothing can replace.
    Initramfs,
    /// New networks do not answer their neighbours: `net.ipv4.conf.all.arp_ignore`.
    ArpIgnore,
    /// None of the known ones.
    Unknown,
}

impl Cause {
    /// The name for programs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Cause::Limit => "limit",
            Cause::Nesting => "nesting",
            Cause::Processes => "processes",
            Cause::Descriptors => "descriptors",
            Cause::FileSize => "file-size",
            Cause::MessageQueues => "message-queues",
            Cause::Memory => "memory",
            Cause::Mounts => "mounts",
            Cause::Seccomp => "seccomp",
            Cause::SecurityModule => "security-module",
            Cause::UsernsClone => "unprivileged-userns-clone",
            Cause::Chroot => "chroot",
            Cause::Unmapped => "unmapped",
            Cause::MaskedProc => "masked-proc",
            Cause::MaskedSys => "masked-sys",
            Cause::ReadOnlyProc => "read-only-proc",
            Cause::NoProc => "no-proc",
            Cause::Root => "root",
            Cause::Kernel => "kernel",
            Cause::Module => "module",
            Cause::Initramfs => "initramfs",
            Cause::ArpIgnore => "arp-ignore",
            Cause::Unknown => "unknown",
        }
    }
}

impl Cause {
    /// Whether the machine has it all, and not enough of what it takes to do anything.
    pub(crate) const fn is_want_of_room(self) -> bool {
        use Cause::{Descriptors, FileSize, Memory, MessageQueues, Mounts, Processes};
        matches!(self, Processes | Descriptors | FileSize | MessageQueues | Memory | Mounts)
    }
}

/// What there is to say of the risk where nobody knows of any.
const NO_RISK: &str = "no risk known";

/// A cause, and what there is to say of it.
#[derive(Debug)]
struct Diagnosis {
    cause: Cause,
    /// Why the kernel refused it, and what shows that; empty where there is nothing to add to the error.
    why: String,
    /// What would change that.
    remedy: String,
    /// What speaks against it.
    risk: String,
}

impl Diagnosis {
    fn new(cause: Cause, why: impl Into<String>, remedy: impl Into<String>, risk: &str) -> Diagnosis {
        Diagnosis { cause, why: why.into(), remedy: remedy.into(), risk: risk.to_owned() }
    }
}

/// What to tell somebody whose machine refused something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advice {
    /// The cause, for programs.
    pub cause: Cause,
    /// What was tried, what the kernel said, and why, as far as this machine shows.
    pub reason: String,
    /// What would change that: a command, where there is one.
    pub remedy: String,
    /// What speaks against the remedy, in half a sentence.
    pub risk: String,
}

/// The cause of an error, the way around it, and the risk of that.
pub(crate) fn advise(error: &Error) -> Advice {
    let Diagnosis { cause, mut why, remedy, risk } = diagnose(error);
    if !why.is_empty() {
        why.insert_str(0, ". ");
    }
    Advice { cause, reason: format!("{error}{why}"), remedy, risk }
}

fn diagnose(error: &Error) -> Diagnosis {
    let known = match error {
        Error::Refused { call, errno, .. } | Error::Transport { call, errno } => known(call, *errno),
        Error::NoIdsForRoot => Some(advice::no_ids_for_root()),
        Error::ClosedRoot => Some(advice::closed_root()),
        _ => None,
    };
    known.unwrap_or_else(|| advice::unknown(error))
}

/// The cause, where something shows it.
fn known(call: &Call, errno: Errno) -> Option<Diagnosis> {
    let makes_namespaces = call.makes_namespaces();
    if errno == Errno::ENOSPC && makes_namespaces {
        return Some(limits::diagnose(call));
    }
    if let Some(scarcity) = resources::diagnose(call, errno) {
        return Some(scarcity);
    }
    match (errno, call.object) {
        (Errno::EROFS, Some(Object::Setgroups | Object::Map)) if mounts::proc_is_read_only() => {
            return Some(advice::read_only_proc());
        }
        (Errno::ENOENT, _) if !machine::has_a_proc() => return Some(advice::no_proc()),
        (Errno::ENOENT, _) if !machine::is_in_this_proc() => return Some(advice::anothers_proc()),
        // With 1 to 3, a host answers over a cable like the ones here: ip-sysctl in the kernel's documentation.
        (Errno::EAGAIN, Some(Object::Neighbour { arp_ignore: 8 })) => return Some(advice::arp_ignore()),
        (Errno::EINVAL, _) if call.syscall == "pivot_root" && mounts::root_is_the_initramfs() => {
            return Some(advice::initramfs());
        }
        (Errno::EPERM, _) if makes_namespaces && refusals::is_switched_off() => return Some(advice::userns_clone()),
        _ => {}
    }
    // Before all other reasons: behind a filter the kernel has not even looked.
    if who_refused(call, errno) == Refuser::Filter {
        return Some(advice::seccomp());
    }
    match errno {
        Errno::EPERM | Errno::EACCES => refusals::diagnose(call, errno),
        Errno::EINVAL | Errno::ENOSYS | Errno::ENODEV if is_younger_than_some_kernels(call, errno) => {
            Some(advice::kernel())
        }
        _ => modules::diagnose(call, errno),
    }
}

/// Whether this errno is how a kernel without such a call, such a type of namespace or such a file system answers.
fn is_younger_than_some_kernels(call: &Call, errno: Errno) -> bool {
    match call.syscall.as_str() {
        "clone3" | "clone" | "unshare" | "pidfd_open" | "setns" | "mount_setattr" | "fcntl" => true,
        "mount" => errno == Errno::ENODEV,
        _ => errno == Errno::ENOSYS,
    }
}
