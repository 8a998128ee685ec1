//! Questions about namespaces that nix and rustix leave out.

use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;

use super::checked;

/// The user namespace that owns the namespace behind a file of `/proc/PID/ns`: `NS_GET_USERNS` in ioctl_nsfs(2).
///
/// # Errors
/// `EPERM` where the owner is neither the caller's own user namespace nor one below it.
pub fn ns_get_userns(namespace: BorrowedFd<'_>) -> nix::Result<OwnedFd> {
    // SAFETY: the ioctl takes no argument and touches no memory.
    let fd = unsafe { libc::ioctl(namespace.as_raw_fd(), libc::NS_GET_USERNS) };
    let fd = i32::try_from(checked(fd.into())?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for this process, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether the process behind a pidfd is in the caller's PID namespace or in one below it: pidfd_send_signal(2) with
/// signal 0, which sends nothing.
///
/// # Errors
/// Any answer that says neither.
pub fn pidfd_is_in_reach(pidfd: BorrowedFd<'_>) -> nix::Result<bool> {
    // SAFETY: signal 0 with no siginfo_t and no flags; no memory is touched.
    let sent = unsafe {
        libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), 0, std::ptr::null::<libc::siginfo_t>(), 0)
    };
    match checked(sent) {
        // It may be somebody else's, but it is there.
        Ok(_) | Err(Errno::EPERM) => Ok(true),
        Err(Errno::EINVAL) => Ok(false),
        Err(errno) => Err(errno),
    }
}
