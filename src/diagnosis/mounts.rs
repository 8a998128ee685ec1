//! What the list of mounts shows: /proc/PID/mountinfo in proc(5).

use std::fs::{self, File};
use std::io::Read;

use nix::fcntl::{OFlag, openat};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;

use super::controls::in_a_child;
use super::machine::text;

/// A mount, as one process sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    id: u64,
    /// The mount that it is on. Itself, where it is on none.
    parent: u64,
    /// The directory of the file system that is its root.
    pub(super) root: String,
    /// Where it is.
    pub(super) place: String,
    options: String,
    /// The type of the file system.
    pub(super) kind: String,
    /// The options of the file system, whichever mount shows it.
    pub(super) kinds_options: String,
}

/// The mounts that this process can reach.
pub(super) fn own() -> Vec<Mount> {
    parse(&text("/proc/self/mountinfo"))
}

pub(super) fn parse(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ');
    let mut back = back.split(' ');
    Some(Mount {
        id: front.next()?.parse().ok()?,
        parent: front.next()?.parse().ok()?,
        root: front.nth(1)?.to_owned(),
        place: front.next()?.to_owned(),
        options: front.next()?.to_owned(),
        kind: back.next()?.to_owned(),
        kinds_options: back.nth(1).unwrap_or_default().to_owned(),
    })
}

/// Whether a list of options, as mount(8) writes it, has this one.
pub(super) fn has_option(options: &str, wanted: &str) -> bool {
    options.split(',').any(|option| option == wanted)
}

/// The mount on top at the root directory.
fn top(mounts: &[Mount]) -> Option<&Mount> {
    mounts.iter().rev().find(|mount| mount.place == "/")
}

/// Why the kernel mounts no new file system of this type in a user namespace, as far as the mounts show: it does so only
/// where one is mounted that hides nothing. `None` where such a one is in sight.
pub(super) fn hidden(kind: &str) -> Option<String> {
    why_hidden(&own(), kind)
}

fn why_hidden(mounts: &[Mount], kind: &str) -> Option<String> {
    /// Directories of /proc and /sys that are made for a mount, and so hide nothing below it.
    const MOUNT_POINTS: [&str; 12] = [
        "/sys/fs/binfmt_misc",
        "/fs/nfsd",
        "/fs/cgroup",
        "/fs/bpf",
        "/fs/pstore",
        "/fs/selinux",
        "/fs/fuse/connections",
        "/kernel/config",
        "/kernel/debug",
        "/kernel/security",
        "/kernel/tracing",
        "/firmware/efi/efivars",
    ];
    let all: Vec<&Mount> = mounts.iter().filter(|mount| mount.kind == kind && mount.root == "/").collect();
    if all.is_empty() {
        return Some(format!("no {kind} is mounted here"));
    }
    let hides = |mount: &Mount| {
        let covers = |other: &&Mount| {
            let below = other.place.strip_prefix(mount.place.as_str()).unwrap_or_default();
            other.parent == mount.id && other.id != mount.id && !MOUNT_POINTS.contains(&below)
        };
        if let Some(cover) = mounts.iter().find(covers) {
            Some(format!("{} is covered", cover.place))
        } else {
            has_option(&mount.options, "ro").then(|| format!("{} is read-only", mount.place))
        }
    };
    let reasons: Option<Vec<String>> = all.into_iter().map(hides).collect();
    reasons?.into_iter().next()
}

/// Whether the root directory is the kernel's first one, an initramfs, which nothing lies under: pivot_root(2).
pub(super) fn root_is_the_initramfs() -> bool {
    is_an_initramfs(&own())
}

fn is_an_initramfs(mounts: &[Mount]) -> bool {
    top(mounts).is_some_and(|root| root.kind == "rootfs" || root.parent == root.id)
}

/// Whether /proc is read-only.
pub(super) fn proc_is_read_only() -> bool {
    let mounts = own();
    let proc = mounts.iter().rev().find(|mount| mount.place == "/proc");
    proc.is_some_and(|proc| has_option(&proc.options, "ro") || has_option(&proc.kinds_options, "ro"))
}

/// What shows that the root directory of this process is not the one of its mount namespace; `None` where nothing does.
/// The kernel compares the two, and says neither: chroot(2).
pub(super) fn chroot_is_shown_by() -> Option<String> {
    let mounts = own();
    if mounts.is_empty() {
        return None;
    }
    let Some(root) = top(&mounts) else {
        return Some("nothing is mounted at your root directory".to_owned());
    };
    if comes_out_elsewhere(root.id) {
        return Some("the root of your mount namespace is another directory".to_owned());
    }
    let (process, place) = seen_from_outside(root.id)?;
    Some(format!("your root directory is {place} for process {process}"))
}

/// Whether who joins this process's own mount namespace comes out at another root: the kernel puts whoever joins one at
/// its root. That takes capabilities, and shows nothing where they are missing.
fn comes_out_elsewhere(root: u64) -> bool {
    let joined = in_a_child(0, || {
        let namespace = File::open("/proc/self/ns/mnt").map_err(|_| nix::errno::Errno::ENOENT)?;
        let proc = File::open("/proc").map_err(|_| nix::errno::Errno::ENOENT)?;
        setns(&namespace, CloneFlags::CLONE_NEWNS)?;
        let mut bytes = Vec::new();
        let list = openat(&proc, "self/mountinfo", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?;
        let read = File::from(list).read_to_end(&mut bytes);
        let mounts = parse(&String::from_utf8_lossy(&bytes));
        // Told by an errno that nothing of the above has.
        let elsewhere = read.is_ok() && top(&mounts).is_some_and(|there| there.id != root);
        if elsewhere { Err(nix::errno::Errno::EXDEV) } else { Ok(()) }
    });
    joined == Some(Err(nix::errno::Errno::EXDEV))
}

/// Another process in this mount namespace to whom that mount is not the root, and where it is there. A mount's number
/// is its own on the whole machine.
fn seen_from_outside(root: u64) -> Option<(String, String)> {
    let numbers = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let processes = numbers.filter(|name| name.bytes().all(|letter| letter.is_ascii_digit()));
    processes.into_iter().find_map(|process| {
        let mounts = parse(&text(format!("/proc/{process}/mountinfo")));
        let other = mounts.into_iter().find(|mount| mount.id == root && mount.place != "/")?;
        Some((process, other.place))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "21 1 254:0 / / rw shared:1 - ext4 /dev/vda rw\n";
    const PROC: &str = "22 21 0:20 / /proc rw - proc proc rw\n";

    fn hidden(mountinfo: &str) -> Option<String> {
        why_hidden(&parse(mountinfo), "proc")
    }

    #[test]
    fn a_proc_that_is_covered_or_missing_hides_something() {
        assert_eq!(hidden(&[ROOT, PROC].concat()), None);
        assert!(hidden(ROOT).is_some());
        let covered = [ROOT, PROC, "23 22 0:6 /null /proc/kcore rw - devtmpfs dev rw\n"].concat();
        assert_eq!(hidden(&covered).unwrap(), "/proc/kcore is covered");
        let made_for_it = [ROOT, PROC, "23 22 0:9 / /proc/sys/fs/binfmt_misc rw - autofs x rw\n"].concat();
        assert_eq!(hidden(&made_for_it), None);
    }

    #[test]
    fn the_kernels_first_root_lies_on_nothing() {
        assert!(is_an_initramfs(&parse("1 1 0:2 / / rw - rootfs rootfs rw\n")));
        assert!(!is_an_initramfs(&parse(ROOT)));
    }

    proptest::proptest! {
        #[test]
        fn no_list_of_mounts_is_too_strange_to_be_read(
            text in "([0-9]{1,9} [0-9]{1,9} \\PC{0,9} /\\PC{0,9} /\\PC{0,9} \\PC{0,9} - \\PC{0,9} \\PC{0,9}\n|\\PC{0,9}\n){0,9}",
        ) {
            let mounts = parse(&text);
            let _ = (why_hidden(&mounts, "proc"), is_an_initramfs(&mounts));
        }
    }
}
