//! What this machine shows of itself: small readings that several causes are judged by. Kernel files are bytes.

use std::fs;
use std::path::Path;

use nix::sys::statfs::{FsType, PROC_SUPER_MAGIC, statfs};
use nix::sys::utsname::uname;
use nix::unistd::{Gid, Uid};
use rustix::thread::{CapabilitySet, capabilities};

use crate::observe::kernel_file::{self, fields, lines};
use crate::observe::processes;

/// A file's text; empty where it cannot be read.
pub(super) fn text(file: impl AsRef<Path>) -> String {
    kernel_file::shown(&kernel_file::read(file.as_ref()).unwrap_or_default()).into_owned()
}

/// Whether a file says this and nothing else.
pub(super) fn says(file: &str, value: &str) -> bool {
    text(file).trim() == value
}

/// The number in a file of one number.
pub(super) fn number(file: impl AsRef<Path>) -> Option<u64> {
    text(file).trim().parse().ok()
}

/// Whether a seccomp filter is on this process, its own or one that it was started behind: `Seccomp:` in proc(5). `None`
/// where nobody can tell.
pub(super) fn has_a_filter() -> Option<bool> {
    const SECCOMP_MODE_FILTER: u32 = 2;
    processes::status("self").ok()?.seccomp.map(|mode| mode == SECCOMP_MODE_FILTER)
}

/// Which of the capabilities that root gives ids by are missing: user_namespaces(7).
pub(super) fn missing_of_root() -> Vec<&'static str> {
    let own = capabilities(None).map_or(CapabilitySet::empty(), |own| own.effective);
    let needed = [(CapabilitySet::SETUID, "CAP_SETUID"), (CapabilitySet::SETGID, "CAP_SETGID")];
    needed.into_iter().filter(|(capability, _)| !own.contains(*capability)).map(|(_, name)| name).collect()
}

/// Whether the caller's own ids have a number in its user namespace: unshare(2) is EPERM where they do not.
pub(super) fn own_ids_are_mapped() -> bool {
    let unmapped = |file: &str, id: u32| {
        // Where nothing can be read, nothing is concluded.
        kernel_file::read(file).is_ok_and(|map| !holds(&map, id))
    };
    !unmapped("/proc/self/uid_map", Uid::effective().as_raw())
        && !unmapped("/proc/self/gid_map", Gid::effective().as_raw())
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

/// Whether this is the machine's own user namespace, around which there is no other one.
pub(super) fn is_the_outermost_user_namespace() -> bool {
    /// `PROC_USER_INIT_INO` in the kernel's linux/proc_ns.h.
    const FIRST: &str = "user:[4026531837]";
    fs::read_link("/proc/self/ns/user").is_ok_and(|link| link == Path::new(FIRST))
}

/// How many PID namespaces deep this process is, the machine's own included, as far as the /proc here goes back.
pub(super) fn known_depth() -> usize {
    processes::own_pids().map_or(1, |pids| pids.len())
}

/// Whether what is mounted at /proc is a proc: proc(5).
pub(super) fn has_a_proc() -> bool {
    kind_of("/proc") == Some(PROC_SUPER_MAGIC)
}

/// Whether the proc that is mounted at /proc knows this process: that of a PID namespace which it is not in does not.
pub(super) fn is_in_this_proc() -> bool {
    Path::new("/proc/self").exists()
}

fn kind_of(path: &str) -> Option<FsType> {
    statfs(path).ok().map(|seen| seen.filesystem_type())
}

/// The kernel's release: uname(2).
pub(super) fn release() -> String {
    uname().map(|names| names.release().to_string_lossy().into_owned()).unwrap_or_default()
}

/// The first two numbers of a release: 6 and 1 of `6.1.0-18-amd64`.
pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|letter: char| !letter.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
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
    fn a_release_begins_with_two_numbers() {
        assert_eq!(version("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(version("5.15-microsoft"), Some((5, 15)));
        assert_eq!(version("linux"), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_proc_says_is_too_strange_to_be_read(text in "(\\PC{0,20}[ :\t/\n]){0,30}") {
            let _ = (holds(text.as_bytes(), 0), version(&text));
        }
    }
}
