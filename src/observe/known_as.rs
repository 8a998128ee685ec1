//! By which number a /proc knows a process. fork(2), pidfds and credentials tell the numbers of the caller's own PID namespace,
//! but a /proc shows those of the one in which it was mounted, pid_namespaces(7): a container's shell that was started
//! without a /proc of its own finds other processes there under the numbers that it knows.
//!
//! So a number goes into a path below /proc only if it was read in that /proc, if the same PID namespace has mounted it, as
//! a stage does with its own, or if it comes from here.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::kernel_file;

/// The number by which the reader's /proc knows the process that the reader's PID namespace knows by `pid`.
///
/// # Errors
/// Those of pidfd_open(2), and of [`number_of`].
pub(crate) fn number(pid: i32) -> io::Result<i32> {
    let pid = Pid::from_raw(pid).ok_or(Errno::ESRCH)?;
    number_of(pidfd_open(pid, PidfdFlags::empty())?.as_fd())
}

/// The same of the process behind a pidfd: `Pid:` in `/proc/self/fdinfo/FD`, which the kernel writes as that /proc counts.
///
/// # Errors
/// `ENOENT` where this /proc does not know the reader or that process; `ESRCH` where the process is gone.
pub(crate) fn number_of(pidfd: BorrowedFd<'_>) -> io::Result<i32> {
    let about = kernel_file::read(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()).as_str())?;
    match pid_in(&about) {
        Some(number) if number > 0 => Ok(number),
        // The kernel's words for a process that this /proc does not show, and for one that is gone.
        Some(0) => Err(Errno::ENOENT.into()),
        _ => Err(Errno::ESRCH.into()),
    }
}

fn pid_in(about: &[u8]) -> Option<i32> {
    kernel_file::number(kernel_file::labelled(about, "Pid:")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_the_one_behind_pid() {
        assert_eq!(pid_in(b"pos:\t0\nflags:\t02000002\nmnt_id:\t4\nPid:\t12341\nNSpid:\t12341\t42\n"), Some(12341));
        assert_eq!(pid_in(b"Pid:\t-1\n"), Some(-1));
        assert_eq!(pid_in(b"NSpid:\t1\nPid:\tx\n"), None);
    }

    #[test]
    fn a_proc_of_ones_own_knows_one_as_the_kernel_does() {
        let own = i32::try_from(std::process::id()).unwrap();
        let shown: i32 = std::fs::read_link("/proc/self").unwrap().to_str().unwrap().parse().unwrap();
        assert_eq!(number(own).unwrap(), shown);
        assert_eq!(number(i32::MAX).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    }
}
