//! What must be on the machine after a stage as it was before.

use std::collections::BTreeSet;
use std::ffi::OsString;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::utsname::uname;
use nix::unistd::getpid;

use super::rootfs;
use crate::observe::kernel_file;
use crate::transcript::errno_name;

/// What is mounted here, with the name that a stage gives to its own: proc(5).
const MOUNTS: &str = "/proc/self/mountinfo";

/// This process's children, living ones and those that nobody has waited for: proc(5).
const CHILDREN: &str = "/proc/thread-self/children";

/// What a lesson could change on a machine if the stage did not hold.
///
/// Much is there that is not the stage's: children that this process has had since before execve(2), and mounts with any
/// name whatever. So what counts is what was not there before. The kernel ends all processes in the stage's PID namespace
/// with the first of them; a child of this program's own, outside of that, is what could be left.
#[derive(Debug)]
pub(super) struct Machine {
    names: nix::Result<[OsString; 2]>,
    /// The ids of mounts that are named like a stage's. Another stage's may be among them: a lesson runs on a stage, too.
    mounts: nix::Result<BTreeSet<Vec<u8>>>,
    /// The children; `None` where the kernel does not list them, or where orphans of others come to this process.
    children: nix::Result<Option<BTreeSet<Vec<u8>>>>,
}

impl Machine {
    /// How it is now.
    pub(super) fn look() -> Self {
        Machine {
            names: uname().map(|names| [names.nodename().to_owned(), names.domainname().to_owned()]),
            mounts: kernel_file::read(MOUNTS).map(|mounts| ids_of_stage_mounts(&mounts)),
            children: children(),
        }
    }

    /// What is there now that was not there when this look was taken, and what cannot be told. `reaped` is what came of
    /// waiting for the stage's first process.
    pub(super) fn left_behind(&self, reaped: nix::Result<()>) -> Vec<String> {
        let now = Machine::look();
        let mut traces = Vec::new();
        match both("uname()", &self.names, &now.names) {
            Ok(([host, domain], [host_now, domain_now])) => {
                if host != host_now {
                    traces.push(format!("the hostname is {host_now:?} now"));
                }
                if domain != domain_now {
                    traces.push(format!("the NIS domain name is {domain_now:?} now"));
                }
            }
            Err(unknown) => traces.push(unknown),
        }
        match both(&format!("read({MOUNTS})"), &self.mounts, &now.mounts) {
            Ok((before, now)) if now.is_subset(before) => {}
            Ok(_) => traces.push("a mount of the stage".to_owned()),
            Err(unknown) => traces.push(unknown),
        }
        match (reaped, both(&format!("read({CHILDREN})"), &self.children, &now.children)) {
            (Err(errno), _) => traces.push(format!("a process of the stage: {}", says("waitpid()", errno))),
            (_, Ok((Some(before), Some(now)))) if !now.is_subset(before) => {
                traces.push("a process of the stage".to_owned());
            }
            (_, Ok(_)) => {}
            (_, Err(unknown)) => traces.push(unknown),
        }
        traces
    }
}

/// What was seen before and what is seen now; or that nobody knows, as one of the two looks failed.
fn both<'a, T>(call: &str, before: &'a nix::Result<T>, now: &'a nix::Result<T>) -> Result<(&'a T, &'a T), String> {
    match (before, now) {
        (Ok(before), Ok(now)) => Ok((before, now)),
        (Err(errno), _) | (_, Err(errno)) => Err(format!("it cannot be told what: {}", says(call, *errno))),
    }
}

fn says(call: &str, errno: Errno) -> String {
    format!("{call} says {}", errno_name(errno))
}

/// The ids (first field) of the mounts whose source (second field after the hyphen) is a stage's. A mount's names are bytes
/// of any kind; none of them is a space, which the kernel writes as `\040`.
fn ids_of_stage_mounts(mountinfo: &[u8]) -> BTreeSet<Vec<u8>> {
    /// The hyphen stands behind these and any number of optional fields, none of which is one.
    const FIXED: usize = 6;
    let id = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ');
        let id = fields.next()?;
        let source = fields.skip(FIXED - 1).skip_while(|field| *field != b"-").nth(2)?;
        (source == rootfs::MOUNT_SOURCE.as_bytes()).then(|| id.to_owned())
    };
    mountinfo.split(|byte| *byte == b'\n').filter_map(id).collect()
}

/// The numbers of this process's children: all that it has made, unless it is one to which orphans come, as the first of a
/// PID namespace is, or a subreaper.
fn children() -> nix::Result<Option<BTreeSet<Vec<u8>>>> {
    if getpid().as_raw() == 1 || prctl::get_child_subreaper().unwrap_or_default() {
        return Ok(None);
    }
    match kernel_file::read(CHILDREN) {
        Ok(numbers) => {
            let numbers = numbers.split(|byte| *byte == b' ').filter(|number| !number.is_empty());
            Ok(Some(numbers.map(<[u8]>::to_owned).collect()))
        }
        // A kernel without CONFIG_PROC_CHILDREN.
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_mount_is_a_stages_by_its_source_alone() {
        let mountinfo = b"21 1 0:20 / /tmp rw shared:5 master:2 - tmpfs nslearn-stage rw\n\
            22 1 0:21 / /nslearn-stage rw - tmpfs none rw\n\
            23 1 0:22 / /h\xff rw - tmpfs \xff rw\n\
            24 1 0:23 / - rw - tmpfs nslearn-stage rw\n\
            25 1 0:24 / /x rw - - - rw\n";
        let expected: BTreeSet<Vec<u8>> = [b"21".to_vec(), b"24".to_vec()].into();
        assert_eq!(ids_of_stage_mounts(mountinfo), expected);
    }

    proptest! {
        #[test]
        fn no_list_of_mounts_is_too_strange_to_be_read(mountinfo in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(ids_of_stage_mounts(&mountinfo).is_empty());
        }
    }
}
