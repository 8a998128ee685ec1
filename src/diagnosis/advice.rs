//! The causes in words: why, what to do, and what speaks against that.

use std::path::Path;

use super::{Cause, apparmor_restricts};
use crate::error::Error;

/// What there is to say of a cause.
pub(super) struct Words {
    /// Why the kernel refused it; empty where that is not known.
    pub(super) why: String,
    /// What would change that.
    pub(super) remedy: String,
    /// What speaks against it.
    pub(super) risk: String,
}

impl Words {
    pub(super) fn new(why: impl Into<String>, remedy: impl Into<String>, risk: &str) -> Words {
        Words { why: why.into(), remedy: remedy.into(), risk: risk.to_owned() }
    }
}

const NO_RISK: &str = "none";

/// What there is to say of a cause that is told in the same words wherever it is met.
pub(super) fn on(cause: Cause, error: &Error) -> Words {
    match cause {
        Cause::Seccomp => Words::new(
            "You are inside a container or sandbox whose seccomp filter refuses the call",
            "run nslearn on the machine itself, or start the container with --security-opt seccomp=unconfined",
            "without the filter, programs in the container reach every system call of the machine's kernel",
        ),
        Cause::SecurityModule if apparmor_restricts() => Words::new(
            "AppArmor lets programs make a user namespace here, but not use it",
            "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
            "every program may then use user namespaces, and so the bugs in what they open up",
        ),
        Cause::SecurityModule => Words::new(
            "A security module (AppArmor, SELinux, Landlock) forbids it: by the kernel's other rules, root of a user \
             namespace may do it",
            "cat /sys/kernel/security/lsm; sudo dmesg | grep -iE 'apparmor|selinux|landlock' | tail -n 5   (then run \
             nslearn outside of that container or sandbox, or have its rule changed)",
            "the rule was made to keep bugs of the kernel out of reach",
        ),
        Cause::UsernsClone => Words::new(
            "This kernel lets only root make user namespaces (kernel.unprivileged_userns_clone = 0)",
            "sudo sysctl kernel.unprivileged_userns_clone=1",
            "every user can then reach parts of the kernel that only root could before, and the bugs in them",
        ),
        Cause::Chroot => Words::new(
            "You are inside a chroot; the kernel makes no user namespace there",
            "leave the chroot, or enter the directory with pivot_root(2) instead, as `bwrap` does",
            NO_RISK,
        ),
        Cause::Unmapped => Words::new(
            "You have no id in the user namespace that you are in, and without one the kernel makes no other",
            "make that namespace with an id in it: unshare --user --map-current-user",
            NO_RISK,
        ),
        Cause::MaskedProc => Words::new(
            "Parts of /proc are covered here, as containers do; the kernel mounts no new one then",
            "run nslearn on the machine itself, or start the container with --security-opt systempaths=unconfined",
            "programs in the container can then read and set what its engine had covered",
        ),
        Cause::MaskedSys => Words::new(
            "/sys is read-only here, or parts of it are covered, as containers do; the kernel mounts no new one then",
            "run nslearn on the machine itself",
            NO_RISK,
        ),
        Cause::ReadOnlyProc => Words::new(
            "/proc is read-only here, and a user namespace gets its ids by writing there",
            "run nslearn on the machine itself, or as root: mount -o remount,rw /proc",
            "root in here can then change settings of the kernel",
        ),
        Cause::NoProc if Path::new("/proc/self").is_symlink() => Words::new(
            "The /proc here is that of a PID namespace that you are not in: it knows nothing of this process",
            "as root: mount -t proc proc /proc   (or enter that PID namespace too: nsenter --pid --mount)",
            NO_RISK,
        ),
        Cause::NoProc => Words::new(
            "There is no proc at /proc, and only there the kernel shows who is in which namespace",
            "as root: mount -t proc proc /proc",
            NO_RISK,
        ),
        Cause::Root if *error == Error::NoIdsForRoot => {
            Words::new("", "run nslearn as a plain user, or as root of the machine itself", NO_RISK)
        }
        Cause::Root if *error == Error::ClosedRoot => {
            Words::new("", "chmod o+x /", "other users can then reach what their own modes let them")
        }
        Cause::Root => Words::new(
            "This root lacks CAP_SETUID or CAP_SETGID, and without them it has no ids to give to a stage but its own",
            "setpriv --reuid 1000 --regid 1000 --clear-groups nslearn doctor   (or any other plain user)",
            NO_RISK,
        ),
        Cause::Module => Words::new(
            "This kernel was built without it, or its module is not loaded",
            format!("sudo modprobe {}", module(error)),
            "it is more of the kernel that a plain user can reach",
        ),
        Cause::Kernel => Words::new(
            "This kernel does not have it",
            "boot a kernel from 2021 or later, built with all namespaces (nslearn is made for Linux 5.12 and later)",
            "a driver that is no part of the kernel may not work with another one",
        ),
        _ => unknown(error),
    }
}

/// The module of the kernel that a call is about.
fn module(error: &Error) -> &'static str {
    let Error::Refused { call, .. } = error else { return "" };
    let asks_for = |kind: &str| call.words().any(|word| word == kind);
    match call.syscall.as_str() {
        "nfnetlink" => "nf_tables",
        "sock_diag" => "tcp_diag",
        _ if asks_for("veth") => "veth",
        _ if asks_for("bridge") => "bridge",
        _ => "veth bridge nf_tables tcp_diag",
    }
}

fn unknown(error: &Error) -> Words {
    let remedy = match error {
        Error::Refused { call, .. } | Error::Transport { call, .. } => {
            format!("see what its manual page says of this error: man 2 {}", call.syscall)
        }
        Error::Gone(_) | Error::StageLost(_) => {
            "run it once more; somebody may have ended that process, or the machine for want of memory (sudo dmesg | tail). \
             If neither is so, please report it"
                .to_owned()
        }
        Error::NoProgram(_) => {
            "have a shell at /bin/sh; or set SHELL to one that everybody may run, and that is not below /tmp".to_owned()
        }
        _ => "this is not known to happen: please report it, with what `nslearn doctor` prints".to_owned(),
    };
    Words::new("", remedy, NO_RISK)
}
