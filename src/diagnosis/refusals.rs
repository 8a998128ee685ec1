//! EPERM and EACCES: who forbids it, and what shows that.

use nix::errno::Errno;
use nix::unistd::Uid;

use super::controls::{Refuser, who_refused};
use super::machine::{has_a_filter, is_the_outermost_user_namespace, missing_of_root, own_ids_are_mapped, says, text};
use super::{Diagnosis, advice, mounts};
use crate::transcript::{Call, FileSystem, NamespaceType, Object};

/// The reason for a refusal, where one can be shown.
pub(super) fn diagnose(call: &Call, errno: Errno) -> Option<Diagnosis> {
    match call.object {
        Some(Object::Setgroups | Object::Map) => return Some(no_ids()),
        Some(Object::FileSystem(FileSystem::Proc)) if call.syscall == "mount" && errno == Errno::EPERM => {
            if let Some(hidden) = mounts::hidden("proc") {
                return Some(advice::masked_proc(&hidden));
            }
        }
        Some(Object::FileSystem(FileSystem::Sysfs)) if call.syscall == "mount" && errno == Errno::EPERM => {
            if let Some(hidden) = mounts::hidden("sysfs") {
                return Some(advice::masked_sys(&hidden));
            }
        }
        _ => {}
    }
    let makes_namespaces = call.makes_namespaces();
    if makes_namespaces && call.asks_for().types().any(|of| of == NamespaceType::User) {
        return no_user_namespace(errno, who_refused(call, errno));
    }
    if makes_namespaces || takes_a_capability(&call.syscall) {
        return forbidden(who_refused(call, errno));
    }
    None
}

/// What root of a user namespace of its own may do, unless something else than its capabilities forbids it.
fn takes_a_capability(syscall: &str) -> bool {
    const CALLS: [&str; 7] = ["mount", "mount_setattr", "pivot_root", "umount2", "setns", "sethostname", "chroot"];
    CALLS.contains(&syscall)
}

/// A call that root of a user namespace may make.
fn forbidden(by: Refuser) -> Option<Diagnosis> {
    match (security_module(), by) {
        (Some(module), _) => Some(module),
        (None, Refuser::Kernel) => Some(advice::security_module(&format!(
            "There is no other reason left: root of a user namespace may do this, and {}",
            no_filter()
        ))),
        (None, _) => None,
    }
}

/// EPERM at a new user namespace has two causes in unshare(2): an id that is not mapped, and a chroot. Debian's kernels
/// have a setting besides. EACCES is a security module's: the kernel has no other reason for it.
fn no_user_namespace(errno: Errno, by: Refuser) -> Option<Diagnosis> {
    if errno == Errno::EACCES {
        return forbidden(by);
    }
    if !own_ids_are_mapped() {
        return Some(advice::unmapped());
    }
    if let Some(shown) = mounts::chroot_is_shown_by() {
        return Some(advice::chroot(&shown));
    }
    security_module().or_else(|| {
        let filter = match by {
            Refuser::Untold => "A seccomp filter is on this process, and may be the reason",
            _ => no_filter(),
        };
        Some(advice::unknown_with(&format!(
            "The cause is not known. Your ids are mapped, and {filter}. What is left is a chroot that does not show, or a \
             security module"
        )))
    })
}

/// Whether Debian's setting forbids user namespaces to this user: then it does not matter what else would.
pub(super) fn is_switched_off() -> bool {
    says("/proc/sys/kernel/unprivileged_userns_clone", "0") && !Uid::effective().is_root()
}

fn no_filter() -> &'static str {
    if has_a_filter() == Some(false) {
        "no seccomp filter is on this process"
    } else {
        "the seccomp filter on this process lets a call of the same kind pass"
    }
}

/// The files that give a user namespace its ids cannot be written. No filter does that: it cannot tell one file from another.
fn no_ids() -> Diagnosis {
    let missing = if Uid::effective().is_root() { missing_of_root() } else { Vec::new() };
    if !missing.is_empty() {
        return advice::root_without(&missing);
    }
    let by_elimination = "There is no other reason left: whoever makes a user namespace may map their own id in it";
    security_module().unwrap_or_else(|| advice::security_module(by_elimination))
}

/// A security module that confines this process, where something shows one.
fn security_module() -> Option<Diagnosis> {
    if apparmor_restricts() {
        return Some(advice::apparmor_restricts());
    }
    let profile = profile()?;
    Some(advice::security_module(&format!("This process is confined by it as \"{profile}\"")))
}

/// Whether AppArmor is told to keep user namespaces from programs that no profile of its own speaks of.
fn apparmor_restricts() -> bool {
    // A profile of its own, even one that forbids nothing, is what lets a program through.
    let has_no_profile = current().is_none_or(|current| current == "unconfined");
    let is_the_machines_root = Uid::effective().is_root() && is_the_outermost_user_namespace();
    says("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") && has_no_profile && !is_the_machines_root
}

/// What the kernel's security module calls this process: AppArmor's profile, or SELinux' context.
fn current() -> Option<String> {
    let files = ["/proc/self/attr/apparmor/current", "/proc/self/attr/current"];
    let names = files.into_iter().map(|file| text(file).trim_matches(['\0', '\n', ' ']).to_owned());
    names.into_iter().find(|name| !name.is_empty())
}

/// By which name a security module confines this process. `None` where there is none, or it confines nobody.
fn profile() -> Option<String> {
    let current = current()?;
    // SELinux forbids nothing where it is not enforcing.
    let is_context = current.split(':').count() >= 3;
    let is_lax = is_context && says("/sys/fs/selinux/enforce", "0");
    (confines(&current) && !is_lax).then_some(current)
}

fn confines(current: &str) -> bool {
    let free = current == "unconfined" || current == "kernel" || current.ends_with("(unconfined)");
    let watched = current.ends_with("(complain)");
    // user:role:type:level
    let free_domain = matches!(current.split(':').nth(2), Some("unconfined_t" | "kernel_t" | "spc_t"));
    !(free || watched || free_domain)
}

#[cfg(test)]
mod tests {
    use super::confines;

    #[test]
    fn a_process_is_confined_by_a_profile_that_forbids_something() {
        for free in ["unconfined", "nslearn (unconfined)", "x (complain)", "unconfined_u:unconfined_r:unconfined_t:s0"]
        {
            assert!(!confines(free), "{free}");
        }
        for confined in ["docker-default (enforce)", "unprivileged_userns", "system_u:system_r:container_t:s0:c1,c2"] {
            assert!(confines(confined), "{confined}");
        }
    }
}
