//! Control calls: they tell a refusal of a seccomp filter from one of the kernel's.
//!
//! A filter sees numbers: which call it is, and the arguments that are no addresses. So it gives the same answer to a call
//! of the same kind that can do nothing, and the kernel another one: that there is no such file, say.

use std::io;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{chdir, chroot, getpid, pivot_root, sethostname};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use super::machine::{has_a_filter, release, version};
use crate::error::{errno_of, retried};
use crate::sys::{self, Forked};
use crate::transcript::{CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWUTS, Call, Flags, Object};

/// Who refused a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refuser {
    /// A seccomp filter: a control call shows it.
    Filter,
    /// The kernel: no filter is on this process, or a control call has come past it.
    Kernel,
    /// One of the two: there is a filter, and no control call for this.
    Untold,
}

/// A path at which there is nothing, wherever /proc is.
const NOWHERE: &str = "/proc/self/no such file";

/// Who answered this to a call.
pub(super) fn who_refused(call: &Call, errno: Errno) -> Refuser {
    // The kernel answers EINVAL and ENOENT to control calls, and filters answer neither: those would be told apart by nothing.
    if has_a_filter() == Some(false) || matches!(errno, Errno::EINVAL | Errno::ENOENT) {
        return Refuser::Kernel;
    }
    if errno == Errno::ENOSYS && version(&release()).is_some_and(|version| version >= since(&call.syscall)) {
        return Refuser::Filter;
    }
    match control(call) {
        Some(Err(answer)) if answer == errno => Refuser::Filter,
        Some(_) => Refuser::Kernel,
        None => Refuser::Untold,
    }
}

/// The first kernel with a call, of those that are younger than all kernels that are still in use.
fn since(syscall: &str) -> (u32, u32) {
    match syscall {
        "clone3" | "pidfd_open" => (5, 3),
        "mount_setattr" => (5, 12),
        _ => (3, 17),
    }
}

/// Makes a call of the same kind that can do nothing, or does it where nobody sees it.
fn control(call: &Call) -> Option<nix::Result<()>> {
    let none = None::<&str>;
    // A flag that does not go with the others: the kernel says EINVAL before it looks at anything else.
    let contradicting = |other: i32| CloneFlags::from_bits_retain(call.asks_for().bits() | other);
    match call.syscall.as_str() {
        "clone3" => Some(contradictory_clone3(call.asks_for())),
        // The lowest bits are a signal's number in clone(2), and nothing here.
        "unshare" => Some(unshare(contradicting(1))),
        "clone" => Some(unshare(contradicting(1))).filter(Result::is_err).filter(|got| *got != Err(Errno::EINVAL)),
        "mount" => match call.object {
            Some(Object::FileSystem(_)) => {
                Some(mount(Some("none"), NOWHERE, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, none))
            }
            _ => Some(mount(none, NOWHERE, none, MsFlags::MS_BIND | MsFlags::MS_REC, none)),
        },
        "umount2" => Some(umount2(NOWHERE, MntFlags::MNT_DETACH)),
        "chroot" => Some(chroot(NOWHERE)),
        // There are no namespaces of this type: EINVAL, whatever standard input is and whoever asks.
        "setns" => Some(setns(io::stdin(), CloneFlags::CLONE_FS)),
        "pidfd_open" => {
            let own = Pid::from_raw(getpid().as_raw()).ok_or(rustix::io::Errno::SRCH);
            Some(own.and_then(|own| pidfd_open(own, PidfdFlags::empty())).map(drop).map_err(errno_of))
        }
        "prctl" => in_a_child(0, || prctl::set_pdeathsig(Signal::SIGKILL)),
        // Before these, the kernel asks for a capability, which root of a user namespace has.
        "pivot_root" => as_root(CLONE_NEWNS, || pivot_root(NOWHERE, NOWHERE)),
        "mount_setattr" => as_root(CLONE_NEWNS, || chdir("/").and_then(|()| sys::mount_setattr_rdonly())),
        "sethostname" => as_root(CLONE_NEWUTS, || sethostname("control")),
        "bind" | "connect" | "listen" => Some(open(AddressFamily::Inet, SockType::Stream, SockProtocol::Tcp)),
        // Where a conversation takes several calls, it takes a socket first: that is all that a filter can tell apart.
        _ => match call.object {
            Some(Object::Neighbour { .. }) => {
                as_root(CLONE_NEWNET, || open(AddressFamily::Inet, SockType::Raw, SockProtocol::Icmp))
            }
            Some(Object::Netlink(_) | Object::Link(_)) => {
                Some(open(AddressFamily::Netlink, SockType::Raw, SockProtocol::NetlinkRoute))
            }
            _ => None,
        },
    }
}

fn open(family: AddressFamily, of: SockType, protocol: SockProtocol) -> nix::Result<()> {
    socket(family, of, SockFlag::SOCK_CLOEXEC, protocol).map(drop)
}

/// CLONE_FS goes neither with a mount namespace nor with a user namespace.
fn contradictory_clone3(asked: Flags) -> nix::Result<()> {
    match sys::clone3((asked | CLONE_NEWNS).bits() | libc::CLONE_FS)? {
        Forked::Child => sys::exit(0),
        Forked::Parent(pid) => retried(|| waitpid(pid, None)).map(drop),
    }
}

/// Makes a call as root of a new user namespace, which owns new namespaces of these types. `None` where there is none.
fn as_root(types: Flags, run: impl FnOnce() -> nix::Result<()>) -> Option<nix::Result<()>> {
    in_a_child((CLONE_NEWUSER | types).bits(), run)
}

/// Does something in a child, in new namespaces if `flags` say so: what came of it. `None` where there is no such child,
/// or nothing came of it.
pub(super) fn in_a_child(flags: i32, run: impl FnOnce() -> nix::Result<()>) -> Option<nix::Result<()>> {
    match sys::clone3(flags).ok()? {
        Forked::Child => sys::exit(run().err().map_or(0, |errno| errno as i32)),
        Forked::Parent(pid) => match retried(|| waitpid(pid, None)) {
            Ok(WaitStatus::Exited(_, 0)) => Some(Ok(())),
            Ok(WaitStatus::Exited(_, errno)) => Some(Err(Errno::from_raw(errno))),
            _ => None,
        },
    }
}
