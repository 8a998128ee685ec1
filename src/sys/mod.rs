//! What nix and rustix do not cover: the only room with unsafe code. Each function is a thin, safe wrapper around one
//! system call, named as its manual page.
#![allow(unsafe_code)]

mod fds;
mod memory;
mod mount;
mod notify;
mod process;
mod remote_fn;
mod uts;

pub use fds::{close_all_but, open_standard_streams};
pub use memory::{Memory, OUT_OF_MEMORY};
pub use mount::mount_setattr_rdonly;
pub use notify::notify_of_writes;
pub use process::{Forked, clone3, exit, getpid_syscall, nest_pid_namespaces, outlive_file_sizes};
pub use remote_fn::{REMOTE_FN_LENGTH, RemoteFn};
pub use uts::setdomainname;

use nix::errno::Errno;

/// The result of a system call: -1 becomes the errno.
fn checked(result: libc::c_long) -> nix::Result<libc::c_long> {
    if result == -1 { Err(Errno::last()) } else { Ok(result) }
}
