//! From an error to its likely cause on this machine, and what to do about it. The effect decides: what was refused, and
//! what a harmless call of the same sort is answered. What /proc says only tells look-alikes apart.

mod advice;
mod checks;
mod limits;

use nix::errno::Errno;
use nix::unistd::Uid;

use self::checks::{has_a_filter, is_filtered, may_change_ids, says};
use crate::error::Error;
use crate::transcript::Call;

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
    /// There is no memory, or no more may be had.
    Memory,
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
    /// A module of the kernel is not there.
    Module,
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
            Cause::Memory => "memory",
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
            Cause::Unknown => "unknown",
        }
    }
}

impl Cause {
    /// Whether the machine has it all, and not enough of what it takes to do anything.
    pub(crate) const fn is_want_of_room(self) -> bool {
        matches!(self, Cause::Processes | Cause::Descriptors | Cause::Memory)
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
    let cause = cause(error);
    let mut words = match (cause, error) {
        (Cause::Limit | Cause::Nesting, Error::Refused { call, .. }) => limits::words(cause, call),
        (Cause::Processes | Cause::Descriptors | Cause::Memory, _) => limits::words_on_resources(cause),
        _ => advice::on(cause, error),
    };
    if !words.why.is_empty() {
        words.why.insert_str(0, ". ");
    }
    Advice { cause, reason: format!("{error}{}", words.why), remedy: words.remedy, risk: words.risk }
}

/// Which of the causes it is.
fn cause(error: &Error) -> Cause {
    let (call, errno) = match error {
        Error::Refused { call, errno, .. } | Error::Transport { call, errno } => (call, *errno),
        Error::NoIdsForRoot | Error::ClosedRoot => return Cause::Root,
        _ => return Cause::Unknown,
    };
    let syscall = call.syscall.as_str();
    let names = |start: &str| call.words().any(|word| word.starts_with(start));
    let born = matches!(syscall, "clone3" | "clone" | "fork" | "unshare");
    let powerful = born || takes_a_capability(syscall);
    match errno {
        Errno::ENOSPC if born => limits::cause(call),
        Errno::EAGAIN if born => Cause::Processes,
        Errno::EMFILE | Errno::ENFILE => Cause::Descriptors,
        Errno::ENOMEM => Cause::Memory,
        Errno::EROFS if names("/proc") => Cause::ReadOnlyProc,
        Errno::ENOENT if names("/proc/self") => Cause::NoProc,
        Errno::EPERM | Errno::EACCES if writes_a_map(call) => no_map(),
        _ if is_filtered(syscall, errno) => Cause::Seccomp,
        Errno::EPERM if born => no_user_namespace(),
        Errno::EPERM if syscall == "mount" && names("proc") => Cause::MaskedProc,
        Errno::EPERM if syscall == "mount" && names("sysfs") => Cause::MaskedSys,
        Errno::EPERM | Errno::EACCES if powerful => Cause::SecurityModule,
        Errno::EINVAL | Errno::ENOSYS | Errno::ENODEV if powerful => Cause::Kernel,
        Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::ENOENT
            if may_be_a_module(syscall) =>
        {
            Cause::Module
        }
        _ => Cause::Unknown,
    }
}

/// Whether the call writes a map of ids, or what stands before it.
fn writes_a_map(call: &Call) -> bool {
    const FILES: [&str; 3] = ["uid_map", "gid_map", "setgroups"];
    let is_one = |path: &str| path.rsplit('/').next().is_some_and(|file| FILES.contains(&file));
    call.syscall == "setgroups" || call.words().any(|word| word.starts_with("/proc/") && is_one(word))
}

/// What root of a user namespace of its own may do, unless something else than its capabilities forbids it.
fn takes_a_capability(syscall: &str) -> bool {
    const CALLS: [&str; 7] = ["mount", "mount_setattr", "pivot_root", "umount2", "setns", "sethostname", "chroot"];
    CALLS.contains(&syscall)
}

fn may_be_a_module(syscall: &str) -> bool {
    matches!(syscall, "rtnetlink" | "nfnetlink" | "sock_diag" | "socket")
}

/// EPERM at a new user namespace has four known causes: unshare(2) names two of them, the others are a setting of
/// Debian's and a filter that lets other calls pass.
fn no_user_namespace() -> Cause {
    if says("/proc/sys/kernel/unprivileged_userns_clone", "0") && !Uid::effective().is_root() {
        Cause::UsernsClone
    } else if !checks::own_ids_are_mapped() {
        Cause::Unmapped
    } else if !checks::is_surely_in_a_chroot() && has_a_filter() {
        Cause::Seccomp
    } else {
        Cause::Chroot
    }
}

fn no_map() -> Cause {
    if Uid::effective().is_root() && !may_change_ids() { Cause::Root } else { Cause::SecurityModule }
}

/// Whether AppArmor is told to keep user namespaces from programs that no profile of its own speaks of.
fn apparmor_restricts() -> bool {
    says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1")
}
