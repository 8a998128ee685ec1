//! The causes in words: why, what to do, and what speaks against that.

use super::{Cause, Diagnosis, NO_RISK};
use crate::error::Error;

pub(super) fn seccomp() -> Diagnosis {
    Diagnosis::new(
        Cause::Seccomp,
        "A seccomp filter refuses this call, as the filters of containers, sandboxes and systemd services do. A harmless call \
         of the same kind got the same answer",
        "run nslearn on the machine itself, or start the container with --security-opt seccomp=unconfined   (for a systemd \
         service: leave out SystemCallFilter= and the settings that begin with Restrict)",
        "without the filter, programs in the container can make every system call of the machine's kernel",
    )
}

pub(super) fn apparmor_restricts() -> Diagnosis {
    Diagnosis::new(
        Cause::SecurityModule,
        "AppArmor lets programs make a user namespace here, but not use it \
         (kernel.apparmor_restrict_unprivileged_userns = 1)",
        "nslearn doctor --apparmor-profile   (prints a profile that allows it for nslearn alone, and says how to install it). \
         Or, to allow it for all programs: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        "with the profile, everybody who may run nslearn can start any program with that right, through nslearn shell. With \
         the sysctl, every program has the right. Either way, programs can reach kernel bugs that only root could reach before",
    )
}

pub(super) fn security_module(evidence: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::SecurityModule,
        format!("A security module (AppArmor, SELinux, Landlock) forbids it. {evidence}"),
        "cat /sys/kernel/security/lsm; sudo dmesg | grep -iE 'apparmor|selinux|landlock' | tail -n 5   (then run nslearn \
         outside of that container or sandbox, or have its rule changed)",
        "rules like this one keep bugs of the kernel out of reach",
    )
}

pub(super) fn userns_clone() -> Diagnosis {
    Diagnosis::new(
        Cause::UsernsClone,
        "This kernel lets only root make user namespaces (kernel.unprivileged_userns_clone = 0)",
        "sudo sysctl kernel.unprivileged_userns_clone=1",
        "every user can then reach parts of the kernel that only root could reach before, and the bugs in them",
    )
}

pub(super) fn chroot(evidence: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::Chroot,
        format!("You are inside a chroot ({evidence}), and there the kernel makes no user namespace"),
        "leave the chroot; or enter the directory with pivot_root(2) instead, as `bwrap` does",
        NO_RISK,
    )
}

pub(super) fn unmapped() -> Diagnosis {
    Diagnosis::new(
        Cause::Unmapped,
        "You have no id in the user namespace that you are in, and the kernel makes a new one only for somebody who has",
        "make the namespace that you are in with your id in it: unshare --user --map-current-user",
        NO_RISK,
    )
}

pub(super) fn masked_proc(evidence: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::MaskedProc,
        format!("Parts of /proc are covered here, as in most containers ({evidence}), so the kernel mounts no new one"),
        "run nslearn on the machine itself, or start the container with --security-opt systempaths=unconfined",
        "programs in the container can then read and set what its engine had covered",
    )
}

pub(super) fn masked_sys(evidence: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::MaskedSys,
        format!(
            "/sys is read-only here, or parts of it are covered, as in most containers ({evidence}), so the kernel mounts no \
             new one"
        ),
        "run nslearn on the machine itself",
        NO_RISK,
    )
}

pub(super) fn read_only_proc() -> Diagnosis {
    Diagnosis::new(
        Cause::ReadOnlyProc,
        "/proc is read-only here, and a user namespace gets its ids by a write to a file there",
        "run nslearn on the machine itself, or as root: mount -o remount,rw /proc",
        "root can then change settings of the kernel here",
    )
}

pub(super) fn no_proc() -> Diagnosis {
    Diagnosis::new(
        Cause::NoProc,
        "There is no proc at /proc. nslearn needs it: the kernel shows there which process is in which namespace",
        "as root: mount -t proc proc /proc",
        NO_RISK,
    )
}

pub(super) fn anothers_proc() -> Diagnosis {
    Diagnosis::new(
        Cause::NoProc,
        "The /proc here belongs to a PID namespace that you are not in, so it does not show this process",
        "as root: mount -t proc proc /proc   (or enter that PID namespace too: nsenter --pid --mount)",
        NO_RISK,
    )
}

pub(super) fn no_ids_for_root() -> Diagnosis {
    Diagnosis::new(Cause::Root, "", "run nslearn as a plain user, or as root of the machine itself", NO_RISK)
}

pub(super) fn closed_root() -> Diagnosis {
    Diagnosis::new(
        Cause::Root,
        "",
        "chmod o+x /",
        "other users can then reach the files below / whose own modes allow it",
    )
}

pub(super) fn root_without(missing: &[&str]) -> Diagnosis {
    Diagnosis::new(
        Cause::Root,
        format!("This root lacks {}, so the only id that it can give to a stage is its own", missing.join(" and ")),
        "log in as a plain user and run nslearn there; or start the container with --user 1000, or with --cap-add SETUID \
         --cap-add SETGID",
        NO_RISK,
    )
}

pub(super) fn module(module: &str, evidence: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::Module,
        format!("The kernel's module {module} is not loaded; {evidence}"),
        format!("on the machine itself: sudo modprobe {module}"),
        "a plain user can then reach more of the kernel",
    )
}

pub(super) fn kernel_without(module: &str, release: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::Kernel,
        format!(
            "This kernel does not have it: {release} was built without {module}, and there is no such module for it"
        ),
        "boot another kernel, such as the standard one of a large distribution",
        "drivers that do not come with the kernel may not work with another one",
    )
}

pub(super) fn kernel() -> Diagnosis {
    Diagnosis::new(
        Cause::Kernel,
        "This kernel does not have it",
        "boot Linux 5.12 (from 2021) or later, built with all types of namespaces",
        "drivers that do not come with the kernel may not work with another one",
    )
}

pub(super) fn initramfs() -> Diagnosis {
    Diagnosis::new(
        Cause::Initramfs,
        "Your root directory is the kernel's first one, an initramfs, and pivot_root(2) cannot replace that one",
        "start nslearn after the boot has gone on to a real root file system; or, in a rescue system, mount a tmpfs, copy \
         the files there, and make it the root with switch_root(8)",
        NO_RISK,
    )
}

pub(super) fn arp_ignore() -> Diagnosis {
    Diagnosis::new(
        Cause::ArpIgnore,
        "Nobody answers, because new network namespaces inherit net.ipv4.conf.all.arp_ignore = 8 from this machine. With \
         that setting, a host does not tell its neighbours which hardware address its IP addresses have",
        "sudo sysctl net.ipv4.conf.all.arp_ignore=0",
        "this machine then answers everybody on its networks who asks for its addresses. If it shares an address with other \
         machines, to balance load, packets for those may come here",
    )
}

/// A cause that is not known, with what is.
pub(super) fn unknown_with(known: &str) -> Diagnosis {
    Diagnosis::new(
        Cause::Unknown,
        known,
        "run nslearn on the machine itself, outside of any container, sandbox or chroot. What the kernel says about it: \
         sudo dmesg | tail",
        NO_RISK,
    )
}

pub(super) fn unknown(error: &Error) -> Diagnosis {
    let remedy = match error {
        Error::Refused { call, .. } | Error::Transport { call, .. } => {
            format!("read what the manual page says about this error: man 2 {}", call.syscall)
        }
        Error::Gone(_) | Error::StageLost(_) => {
            "run it again. Somebody may have ended that process, or the kernel did because memory ran out (sudo dmesg | tail). \
             If neither is the case, please report it"
                .to_owned()
        }
        Error::NoProgram(_) => {
            "put a shell at /bin/sh; or set SHELL to one that everybody may run and that is not below /tmp".to_owned()
        }
        _ => "this should not happen: please report it, with what `nslearn doctor` prints".to_owned(),
    };
    let why = match error {
        Error::Refused { .. } | Error::Transport { .. } => "The cause is not known",
        _ => "",
    };
    Diagnosis::new(Cause::Unknown, why, remedy, NO_RISK)
}
