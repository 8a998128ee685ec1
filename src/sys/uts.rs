//! The NIS domain name, which nix leaves out.

use super::checked;

/// Sets the NIS domain name of the caller's UTS namespace: setdomainname(2).
///
/// # Errors
/// `EPERM` without CAP_SYS_ADMIN over the UTS namespace; `EINVAL` for more than 64 bytes.
pub fn setdomainname(name: &str) -> nix::Result<()> {
    // SAFETY: the pointer and the length are those of `name`, which outlives the call.
    let result = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
    checked(result.into()).map(drop)
}
