//! Word of changes in a directory, by the oldest of the kernel's ways: `F_NOTIFY` in fcntl(2).

use std::os::fd::{AsRawFd, BorrowedFd};

use super::checked;

/// A file in the directory is written to. The libc crate has neither of the two: they stand in `linux/fcntl.h`.
const DN_MODIFY: libc::c_ulong = 0x0000_0002;
/// The notice is not for the first time alone.
const DN_MULTISHOT: libc::c_ulong = 0x8000_0000;

/// Has the kernel send SIGIO to this process whenever a file in the directory is written to: fcntl(2), `F_NOTIFY` with
/// `DN_MODIFY | DN_MULTISHOT`.
///
/// # Errors
/// `EINVAL` where the kernel was built without it.
pub fn notify_of_writes(directory: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: fcntl(2) with F_NOTIFY takes a number and touches no memory.
    let result = unsafe { libc::fcntl(directory.as_raw_fd(), libc::F_NOTIFY, DN_MODIFY | DN_MULTISHOT) };
    checked(result.into()).map(drop)
}
