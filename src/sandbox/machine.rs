//! What must be on the machine after a stage as it was before.

use std::ffi::OsString;

use nix::errno::Errno;
use nix::sys::utsname::uname;
use nix::sys::wait::{Id, WaitPidFlag, waitid};

use super::rootfs;
use crate::error::retried;
use crate::observe::kernel_file;
use crate::transcript::errno_name;

/// What a lesson could change on a machine if the stage did not hold.
#[derive(Debug)]
pub(super) struct Machine {
    names: nix::Result<[OsString; 2]>,
}

impl Machine {
    pub(super) fn look() -> Self {
        Machine { names: uname().map(|names| [names.nodename().to_owned(), names.domainname().to_owned()]) }
    }

    /// What is there now that was not there when this look was taken, and what cannot be told.
    pub(super) fn left_behind(&self, reaped: nix::Result<()>) -> Vec<String> {
        let mut traces = Vec::new();
        let says = |call: &str, errno: Errno| format!("{call} says {}", errno_name(errno));
        let unknown = |call: &str, errno: Errno| format!("nobody knows what: {}", says(call, errno));
        match (&self.names, Machine::look().names) {
            (Ok([host, domain]), Ok([host_now, domain_now])) => {
                if *host != host_now {
                    traces.push(format!("the hostname is {host_now:?} now"));
                }
                if *domain != domain_now {
                    traces.push(format!("the NIS domain name is {domain_now:?} now"));
                }
            }
            (Err(errno), _) => traces.push(unknown("uname()", *errno)),
            (_, Err(errno)) => traces.push(unknown("uname()", errno)),
        }
        let is_ours = |field: &[u8]| field == rootfs::MOUNT_SOURCE.as_bytes();
        match kernel_file::read("/proc/self/mountinfo") {
            Ok(mounts) if kernel_file::fields(&mounts).any(is_ours) => {
                traces.push("a mount of the stage's".to_owned());
            }
            Ok(_) => {}
            Err(errno) => traces.push(unknown("read(/proc/self/mountinfo)", errno)),
        }
        let any = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        match retried(|| waitid(Id::All, any)) {
            Err(Errno::ECHILD) => {}
            Ok(_) => traces.push(match reaped {
                Ok(()) => "a process of the stage's".to_owned(),
                Err(errno) => format!("a process of the stage's: {}", says("waitpid()", errno)),
            }),
            Err(errno) => traces.push(unknown("waitid()", errno)),
        }
        traces
    }
}
