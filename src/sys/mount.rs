//! Mounts.

use std::mem::size_of;

use super::checked;

/// Makes the mount at the current directory and all mounts below it read-only: mount_setattr(2) with `AT_RECURSIVE`
/// and `MOUNT_ATTR_RDONLY`.
///
/// # Errors
/// `ENOSYS` before Linux 5.12.
pub fn mount_setattr_rdonly() -> nix::Result<()> {
    let attributes = libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let flags = libc::AT_RECURSIVE;
    // SAFETY: the path is a C string, and the attributes are a mount_attr of the size that is passed along; both
    // outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            c".".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    checked(result).map(drop)
}
