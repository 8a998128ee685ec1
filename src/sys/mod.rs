//! What nix and rustix do not cover: the only room with unsafe code. Each function is a thin, safe wrapper around one
//! system call, named as its manual page.
#![allow(unsafe_code)]

mod fds;
mod memory;
mod mount;
mod namespaces;
mod notify;
mod process;
mod remote_fn;
mod signals;
mod uts;

pub use fds::{close_all_but, open_standard_streams, write_all};
pub use memory::{Memory, OUT_OF_MEMORY};
pub use mount::mount_setattr_rdonly;
pub use namespaces::{ns_get_userns, pidfd_is_in_reach};
pub use notify::notify_of_writes;
pub use process::{Forked, Nested, clone3, exit, getpid_syscall, look_at_oneself, nest_pid_namespaces};
pub use remote_fn::{REMOTE_FN_LENGTH, RemoteFn};
pub use signals::{default_signals, put_signals_in_order, with_signals_as_they_were};
pub use uts::setdomainname;

use nix::errno::Errno;

/// The result of a system call: -1 becomes the errno.
fn checked(result: libc::c_long) -> nix::Result<libc::c_long> {
    if result == -1 { Err(Errno::last()) } else { Ok(result) }
}
