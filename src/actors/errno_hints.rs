//! What an errno means for the call that it came from.
//!
//! An errno can have several causes, and a wrong hint is worse than none. A hint names a single cause only if a look has shown
//! that this cause is there, and it would bring this answer by itself. Otherwise the hint names the usual causes, joined by
//! "or", or there is no hint.

use nix::errno::Errno;

use super::circumstances as seen;
use crate::transcript::{CLONE_NEWPID, Call, Flags, NamespaceType, Object};

/// The longest name that a UTS namespace holds, in bytes: uts_namespaces(7).
const LONGEST_NAME: usize = 64;

/// The meaning of `errno` as an answer to `call`, which the caller of this has just got from the kernel.
pub(crate) fn hint(call: &Call, errno: Errno) -> Option<String> {
    let meaning = match (call.syscall.as_str(), errno) {
        ("sethostname" | "setdomainname", _) => of_a_name(call, errno)?,
        ("unshare", Errno::EPERM) => of_no_right(call)?,
        ("unshare", Errno::EINVAL) => return of_no_such_type(call),
        ("unshare" | "clone" | "clone3", Errno::ENOSPC) if call.asks_for() != Flags::default() => {
            "a limit is reached: there are too many namespaces, or they are nested too deep. No disk is full"
        }
        ("clone" | "clone3", Errno::ENOMEM) if seen::children_go_elsewhere() => {
            "the PID namespace of its children has lost its PID 1, or there is no memory"
        }
        ("setns", Errno::EINVAL)
            if call.asks_for() == CLONE_NEWPID && call.object == Some(Object::PidNamespaceOf { in_reach: false }) =>
        {
            "a process can join its own PID namespace and those below it; this one is neither"
        }
        ("write", _) => of_an_offset(call, errno)?,
        ("kill", Errno::ESRCH) if seen::no_process(call) => "no process in the caller's PID namespace has this number",
        ("readlink", Errno::ENOENT) => match call.object {
            Some(Object::ForChildren(NamespaceType::Pid)) if seen::no_pid_1_yet() => {
                "the namespace for its children has no PID 1 yet: its first child will be that"
            }
            _ => return None,
        },
        ("connect" | "bind", _) => of_an_address(call, errno)?,
        ("recvfrom", Errno::EAGAIN) => "no reply came in that time",
        _ => return None,
    };
    Some(meaning.to_owned())
}

/// Of setting a hostname or a domain name.
fn of_a_name(call: &Call, errno: Errno) -> Option<&'static str> {
    match (errno, call.object) {
        (Errno::EPERM, _) if seen::no_power_over_own_uts() => {
            Some("the caller has no CAP_SYS_ADMIN in the user namespace that owns this UTS namespace")
        }
        (Errno::EINVAL, Some(Object::NameOf { bytes })) if bytes > LONGEST_NAME => {
            Some("the name is longer than 64 bytes")
        }
        _ => None,
    }
}

/// Of new namespaces that the caller may not make.
fn of_no_right(call: &Call) -> Option<&'static str> {
    if call.asks_for().contain(NamespaceType::User) {
        return Some(if seen::inside_a_chroot() {
            "the caller is inside a chroot, and there the kernel makes no user namespace"
        } else {
            "the caller is inside a chroot, or its ids have no number in its user namespace; or a seccomp filter, a \
             security module or a setting of this machine refuses it"
        });
    }
    seen::no_cap_sys_admin().then_some("the caller has no CAP_SYS_ADMIN in its user namespace")
}

/// Of new namespaces that the kernel cannot make.
fn of_no_such_type(call: &Call) -> Option<String> {
    if call.asks_for().contain(NamespaceType::Pid) && seen::children_go_elsewhere() {
        return Some(
            "its children already go to another PID namespace than its own, and this can be done only once".to_owned(),
        );
    }
    let missing = call.asks_for().types().find(|of| seen::kernel_lacks(*of))?;
    Some(format!("this kernel was built without {missing} namespaces"))
}

/// Of setting how far a clock is ahead.
fn of_an_offset(call: &Call, errno: Errno) -> Option<&'static str> {
    let Some(Object::Offset { clock, seconds }) = call.object else { return None };
    match errno {
        Errno::EACCES if seen::somebody_is_in_childrens_time() => {
            Some("a process is in that namespace already, so its offsets can no longer be changed")
        }
        Errno::EACCES => Some(
            "a process has been in that namespace, and its offsets stay as they are; or a security module refuses it",
        ),
        Errno::ERANGE if seen::reading(clock).is_some_and(|now| now.saturating_add(seconds) < 0) => {
            Some("the clock would show less than zero")
        }
        _ => None,
    }
}

/// Of a socket's address.
fn of_an_address(call: &Call, errno: Errno) -> Option<&'static str> {
    match (call.syscall.as_str(), errno, call.object?) {
        ("connect", Errno::ENETUNREACH, Object::Internet(address)) => Some(if seen::no_route_to(address) {
            "this network has no route to that address"
        } else {
            "there is no route to that address here, or a router on the way says that it has none"
        }),
        ("connect", Errno::ECONNREFUSED, Object::Internet(address)) => {
            Some(if address.ip().is_loopback() && seen::nobody_listens_on(address.port()) {
                "the address can be reached, but nobody listens on this port"
            } else {
                "nobody listens on this port there, or a firewall refuses the connection"
            })
        }
        ("connect", Errno::ECONNREFUSED, Object::AbstractName) if seen::nobody_has_the_name(call) => {
            Some("in the caller's network namespace, no socket has this name")
        }
        ("bind", Errno::EADDRINUSE, Object::Internet(address)) if seen::somebody_listens_on(address.port()) => {
            Some("another socket of this network namespace listens on this port")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
