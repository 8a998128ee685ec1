//! Small experiments and readings that tell look-alikes apart.

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid};
use rustix::thread::{CapabilitySet, capabilities};

use crate::observe::kernel_file::{self, fields, lines};
use crate::observe::processes;

/// Whether a file says this and nothing else.
pub(super) fn says(file: &str, value: &str) -> bool {
    kernel_file::read(file).is_ok_and(|text| text.trim_ascii() == value.as_bytes())
}

/// Whether a seccomp filter is what answered `errno` to this call. A filter answers before the kernel looks at the
/// arguments, so it shows by a call that could never do anything.
pub(super) fn is_filtered(syscall: &str, errno: Errno) -> bool {
    let refused = |answer: nix::Result<()>| matches!(answer, Err(answer) if answer == errno);
    match (syscall, errno) {
        ("clone3" | "clone" | "fork" | "unshare", Errno::EPERM | Errno::ENOSYS) => {
            // It changes nothing for a process that shares its working directory with nobody.
            unshare(CloneFlags::CLONE_FS) == Err(Errno::EPERM) || errno == Errno::ENOSYS && has_a_filter()
        }
        ("mount", Errno::EPERM | Errno::ENOSYS) => {
            // The path is looked up before anybody is asked whether the caller may mount: else this is ENOENT.
            let nowhere = "/proc/self/no such file";
            refused(mount(None::<&str>, nowhere, None::<&str>, MsFlags::MS_BIND, None::<&str>))
        }
        ("setns", Errno::EPERM | Errno::ENOSYS) => {
            // There are no namespaces of this type: EINVAL, whatever standard input is and whoever asks.
            refused(setns(std::io::stdin(), CloneFlags::CLONE_FS))
        }
        // It asks for no capability, so that nothing else refuses it.
        ("pidfd_open", Errno::EPERM) => true,
        (_, Errno::ENOSYS) => has_a_filter(),
        _ => false,
    }
}

/// Whether a seccomp filter is on this process: seccomp(2), `SECCOMP_MODE_FILTER`.
pub(super) fn has_a_filter() -> bool {
    const SECCOMP_MODE_FILTER: u32 = 2;
    processes::status("self").is_ok_and(|status| status.seccomp == Some(SECCOMP_MODE_FILTER))
}

/// Whether this process may write maps of other ids than its own: user_namespaces(7).
pub(super) fn may_change_ids() -> bool {
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID;
    capabilities(None).is_ok_and(|own| own.effective.contains(needed))
}

/// Whether the caller's own ids have a number in its user namespace: unshare(2) is EPERM where they do not.
pub(super) fn own_ids_are_mapped() -> bool {
    let mapped = |file: &str, id: u32| {
        // Where nothing can be read, nothing is concluded.
        kernel_file::read(file).is_ok_and(|map| !holds(&map, id))
    };
    !mapped("/proc/self/uid_map", Uid::effective().as_raw()) && !mapped("/proc/self/gid_map", Gid::effective().as_raw())
}

/// Whether a map of ids has this one on its inner side.
fn holds(map: &[u8], id: u32) -> bool {
    lines(map).any(|line| {
        let mut numbers = fields(line).map(kernel_file::number::<u64>);
        match (numbers.next().flatten(), numbers.nth(1).flatten()) {
            (Some(first), Some(count)) => (first..first.saturating_add(count)).contains(&id.into()),
            _ => false,
        }
    })
}

/// Whether the root directory is no mount at all: then it cannot be that of the mount namespace. A chroot into a
/// directory on which something is mounted does not show so.
pub(super) fn is_surely_in_a_chroot() -> bool {
    kernel_file::read("/proc/self/mountinfo").is_ok_and(|mounts| !has_a_root(&mounts))
}

/// Whether one of the mounts is the root: the fifth field in /proc/PID/mountinfo is the mount's place.
fn has_a_root(mountinfo: &[u8]) -> bool {
    lines(mountinfo).any(|mount| fields(mount).nth(4) == Some(b"/"))
}

/// The number in a file of one number.
pub(super) fn number(file: &str) -> Option<u64> {
    kernel_file::number(&kernel_file::read(file).ok()?)
}

/// How many PID namespaces deep this process is, the machine's own included, as far as the /proc here goes back.
pub(super) fn known_depth() -> usize {
    processes::own_pids().map_or(1, |pids| pids.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_on_the_inner_side_of_a_map() {
        let map = b"         0       1000          1\n         1     100000      65536\n";
        assert!(holds(map, 0) && holds(map, 65_536));
        assert!(!holds(map, 65_537) && !holds(b"", 0) && !holds(b"0 x", 0));
    }

    #[test]
    fn a_root_that_is_no_mount_is_not_in_the_list_of_mounts() {
        assert!(has_a_root(b"21 1 254:0 / / rw - ext4 /dev/vda rw\n22 21 0:20 / /proc rw - proc proc rw\n"));
        assert!(!has_a_root(b"22 21 0:9 / /h\xff rw - tmpfs \xfe rw\n22 21 0:20 / /proc rw - proc proc rw\n"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_proc_says_is_too_strange_to_be_read(text in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = (holds(&text, 0), has_a_root(&text));
        }
    }
}
