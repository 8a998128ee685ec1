//! From an error to its likely cause on this machine, and what to do about it. The effect decides; what /proc says only
//! tells look-alikes apart.

use std::fs;

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};

use crate::error::Error;

/// What to tell somebody whose machine refused something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Why it was refused, as far as this machine shows.
    pub reason: String,
    /// What would change that.
    pub remedy: String,
}

/// The cause of an error and the way around it.
pub fn advise(error: &Error) -> Advice {
    if *error == Error::NoIdsForRoot {
        return advice(error, "run nslearn as a plain user, or as root of the machine itself");
    }
    let Error::Refused { syscall, call, errno, .. } = error else {
        return advice(error, "this is not known to happen: please report it, with what `nslearn doctor` prints");
    };
    match (syscall.as_str(), Errno::from_raw(*errno)) {
        (_, Errno::ENOSPC) => exhausted(error, call),
        ("clone3" | "unshare", Errno::EPERM) if says("/proc/sys/kernel/unprivileged_userns_clone", "0") => advice(
            &format!("{error}. This kernel lets only root make user namespaces (kernel.unprivileged_userns_clone = 0)"),
            "sudo sysctl kernel.unprivileged_userns_clone=1",
        ),
        ("clone3" | "unshare" | "setns" | "mount", Errno::EPERM | Errno::ENOSYS) if filtered() => advice(
            &format!("{error}. You are inside a container whose seccomp filter refuses the call"),
            "run nslearn on the machine itself, or start the container with --security-opt seccomp=unconfined",
        ),
        // What is left of the reasons in unshare(2).
        ("clone3" | "unshare", Errno::EPERM) => advice(
            &format!("{error}. You are inside a chroot; the kernel makes no user namespace there"),
            "leave the chroot, or enter the directory with pivot_root(2) instead, as `bwrap` does",
        ),
        ("write" | "mount", Errno::EPERM | Errno::EACCES)
            if says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") =>
        {
            advice(
                &format!("{error}. AppArmor lets programs make a user namespace here, but not use it"),
                "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0   (until the next boot)",
            )
        }
        ("mount", Errno::EPERM) if call.contains("proc") => advice(
            &format!("{error}. Parts of /proc are covered here, as containers do; the kernel mounts no new one then"),
            "run nslearn on the machine itself, or start the container with --security-opt systempaths=unconfined",
        ),
        (_, Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT) => advice(
            &format!("{error}. This kernel was built without it, or its module is not loaded"),
            "load the kernel module as root (veth: `modprobe veth`, firewall tables: `modprobe nf_tables`)",
        ),
        (_, Errno::EINVAL | Errno::ENOSYS) => advice(
            &format!("{error}. This kernel does not have it"),
            "a kernel from 2020 or later, built with all namespaces, has it (nslearn is made for Linux 5.12 and later)",
        ),
        _ => advice(
            error,
            &format!(
                "see the manual page of {} for what it means: man 2 {syscall}",
                call.split('(').next().unwrap_or(call)
            ),
        ),
    }
}

/// A limit of /proc/sys/user is in the way: the one that is 0, else that of the one type which the call asks for.
fn exhausted(error: &Error, call: &str) -> Advice {
    const LIMITS: [(&str, &str); 7] = [
        ("CLONE_NEWUSER", "max_user_namespaces"),
        ("CLONE_NEWNS", "max_mnt_namespaces"),
        ("CLONE_NEWPID", "max_pid_namespaces"),
        ("CLONE_NEWUTS", "max_uts_namespaces"),
        ("CLONE_NEWIPC", "max_ipc_namespaces"),
        ("CLONE_NEWNET", "max_net_namespaces"),
        ("CLONE_NEWCGROUP", "max_cgroup_namespaces"),
    ];
    /// As many namespaces of a type as a class may need on one machine.
    const FEW: u64 = 10_000;
    let limits = fs::read_dir("/proc/sys/user").into_iter().flatten().flatten();
    let zero = limits
        .filter(|limit| fs::read_to_string(limit.path()).is_ok_and(|text| text.trim() == "0"))
        .filter_map(|limit| limit.file_name().into_string().ok())
        .find(|name| name.ends_with("_namespaces"));
    let reason = match &zero {
        Some(name) => format!("{error}. The limit user.{name} is 0 here; no disk is full"),
        None => format!("{error}. A limit on the number of namespaces is used up; no disk is full"),
    };
    let value = |name: &str| -> Option<u64> {
        fs::read_to_string(format!("/proc/sys/user/{name}")).ok().and_then(|text| text.trim().parse().ok())
    };
    // ENOSPC does not say of which type there was one too many. Of those that were asked for, the lowest limit is the
    // likeliest; a call that is told in short asked for all.
    let asked = LIMITS.iter().filter(|(flag, _)| call.contains(flag) || call.contains('…')).map(|(_, name)| *name);
    let lowest = asked.min_by_key(|name| value(name).unwrap_or(u64::MAX)).unwrap_or("max_user_namespaces");
    let name = zero.unwrap_or_else(|| lowest.to_owned());
    // The kernel takes no larger one.
    let most = u64::from(i32::MAX.unsigned_abs());
    let more = value(&name).map_or(FEW, |limit| FEW.max(limit.saturating_mul(2)).min(most));
    advice(&reason, &format!("sudo sysctl user.{name}={more}"))
}

fn advice(reason: &(impl ToString + ?Sized), remedy: &str) -> Advice {
    Advice { reason: reason.to_string(), remedy: remedy.to_owned() }
}

fn says(file: &str, value: &str) -> bool {
    fs::read_to_string(file).is_ok_and(|text| text.trim() == value)
}

/// Whether a seccomp filter is in the way: it refuses even a call that changes nothing, as unshare(CLONE_FS) does for a
/// process that shares its working directory with nobody.
fn filtered() -> bool {
    unshare(CloneFlags::CLONE_FS) == Err(Errno::EPERM)
}
