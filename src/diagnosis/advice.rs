//! The causes in words: why, what to do, and what speaks against that.

use super::{Cause, Diagnosis, NO_RISK};
use crate::error::Error;

pub(super) fn seccomp() -> Diagnosis {
    Diagnosis::new(
        Cause::Seccomp,
        "You are inside a container or sandbox whose seccomp filter refuses the call: a call of this kind that can do nothing \
         gets the same answer",
        "run nslearn on the machine itself, or start the container with --security-opt seccomp=unconfined   (a systemd \
         service: without SystemCallFilter= and the settings that begin with Restrict)",
        "without the filter, programs in the container reach every system call of the machine's kernel",
    )
}

pub(super) fn apparmor_restricts() -> Diagnosis {
    Diagnosis::new(
        Cause::SecurityModule,
        "AppArmor lets programs make a user namespace here, but not use it \
         (kernel.apparmor_restrict_unprivileged_userns = 1)",
        "nslearn doctor --apparmor-profile   (shows a profile that allows it to nslearn alone, and how to install it). Or for \
         all programs: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        "with the profile, whoever may run nslearn can start any program with that right, by nslearn shell. With the sysctl, \
         every program has it. With the right go the bugs in what user namespaces open up",
    )
}

pub(super) fn security_module(evidence: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::SecurityModule,
        format!("A security module (AppArmor, SELinux, Landlock) forbids it. {evidence}"),
        "cat /sys/kernel/security/lsm; sudo dmesg | grep -iE 'apparmor|selinux|landlock' | tail -n 5   (then run nslearn \
         outside of that container or sandbox, or have its rule changed)",
        "the rule was made to keep bugs of the kernel out of reach",
    )
}

pub(super) fn userns_clone() -> Diagnosis {
    Diagnosis::new(
        Cause::UsernsClone,
        "This kernel lets only root make user namespaces (kernel.unprivileged_userns_clone = 0)",
        "sudo sysctl kernel.unprivileged_userns_clone=1",
        "every user can then reach parts of the kernel that only root could before, and the bugs in them",
    )
}

pub(super) fn chroot(evidence: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::Chroot,
        format!("You are inside a chroot ({evidence}); the kernel makes no user namespace there"),
        "leave the chroot, or enter the directory with pivot_root(2) instead, as `bwrap` does",
        NO_RISK,
    )
}

pub(super) fn unmapped() -> Diagnosis {
    Diagnosis::new(
        Cause::Unmapped,
        "You have no id in the user namespace that you are in, and without one the kernel makes no other",
        "make that namespace with an id in it: unshare --user --map-current-user",
        NO_RISK,
    )
}

pub(super) fn masked_proc(evidence: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::MaskedProc,
        format!("Parts of /proc are covered here, as containers do ({evidence}); the kernel mounts no new one then"),
        "run nslearn on the machine itself, or start the container with --security-opt systempaths=unconfined",
        "programs in the container can then read and set what its engine had covered",
    )
}

pub(super) fn masked_sys(evidence: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::MaskedSys,
        format!(
            "/sys is read-only here, or parts of it are covered, as containers do ({evidence}); the kernel mounts no new one \
             then"
        ),
        "run nslearn on the machine itself",
        NO_RISK,
    )
}

pub(super) fn read_only_proc() -> Diagnosis {
    Diagnosis::new(
        Cause::ReadOnlyProc,
        "/proc is read-only here, and a user namespace gets its ids by writing there",
        "run nslearn on the machine itself, or as root: mount -o remount,rw /proc",
        "root in here can then change settings of the kernel",
    )
}

pub(super) fn no_proc() -> Diagnosis {
    Diagnosis::new(
        Cause::NoProc,
        "There is no proc at /proc, and only there the kernel shows who is in which namespace",
        "as root: mount -t proc proc /proc",
        NO_RISK,
    )
}

pub(super) fn anothers_proc() -> Diagnosis {
    Diagnosis::new(
        Cause::NoProc,
        "The /proc here is that of a PID namespace that you are not in: it knows nothing of this process",
        "as root: mount -t proc proc /proc   (or enter that PID namespace too: nsenter --pid --mount)",
        NO_RISK,
    )
}

pub(super) fn no_ids_for_root() -> Diagnosis {
    Diagnosis::new(Cause::Root, "", "run nslearn as a plain user, or as root of the machine itself", NO_RISK)
}

pub(super) fn closed_root() -> Diagnosis {
    Diagnosis::new(Cause::Root, "", "chmod o+x /", "other users can then reach what their own modes let them")
}

pub(super) fn root_without(missing: &[&str]) -> Diagnosis {
    Diagnosis::new(
        Cause::Root,
        format!("This root lacks {}, and without it has no ids to give to a stage but its own", missing.join(" and ")),
        "log in as a plain user, and run nslearn there; or start the container with --user 1000, or with --cap-add SETUID \
         --cap-add SETGID",
        NO_RISK,
    )
}

pub(super) fn module(module: &str, evidence: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::Module,
        format!("The kernel's module {module} is not loaded; {evidence}"),
        format!("on the machine itself: sudo modprobe {module}"),
        "it is more of the kernel that a plain user can reach",
    )
}

pub(super) fn kernel_without(module: &str, release: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::Kernel,
        format!("This kernel does not have it: {release} was built without {module}, and has no such module"),
        "boot another kernel; those of the large distributions have it",
        "a driver that is no part of the kernel may not work with another one",
    )
}

pub(super) fn kernel() -> Diagnosis {
    Diagnosis::new(
        Cause::Kernel,
        "This kernel does not have it",
        "boot a kernel from 2021 or later, built with all namespaces (nslearn is made for Linux 5.12 and later)",
        "a driver that is no part of the kernel may not work with another one",
    )
}

pub(super) fn initramfs() -> Diagnosis {
    Diagnosis::new(
        Cause::Initramfs,
        "Your root directory is the kernel's first one, an initramfs, and nothing else can take its place",
        "start nslearn after the boot has gone on to a real root file system; or, in a rescue system, from a copy of the \
         files: mount a tmpfs, copy them there, and go there with switch_root(8)",
        NO_RISK,
    )
}

pub(super) fn arp_ignore(setting: u64) -> Diagnosis {
    Diagnosis::new(
        Cause::ArpIgnore,
        format!(
            "Nobody answers, because new networks inherit net.ipv4.conf.all.arp_ignore = {setting} from this machine: then a \
             host does not tell its neighbours the hardware address of its own IP address"
        ),
        "sudo sysctl net.ipv4.conf.all.arp_ignore=0",
        "this machine then answers on all of its networks who asks for its addresses; where it balances load for others, that \
         may draw their packets here",
    )
}

/// A cause that is not known, with what is.
pub(super) fn unknown_with(known: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::Unknown,
        known,
        "run nslearn on the machine itself, outside of any container, sandbox or chroot; and see what the kernel says of it: \
         sudo dmesg | tail",
        NO_RISK,
    )
}

pub(super) fn unknown(error: &Error) -> Diagnosis {
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
    let why = match error {
        Error::Refused { .. } | Error::Transport { .. } => "The cause is not known",
        _ => "",
    };
    Diagnosis::new(Cause::Unknown, why, remedy, NO_RISK)
}
