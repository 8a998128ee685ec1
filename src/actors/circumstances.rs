//! What a process can see of itself and its surroundings that would explain an errno. Each look is read-only. It says yes
//! only if it has seen that; if it could not find out, it says no.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getpgid};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
use rustix::thread::{CapabilitySet, capabilities};

use crate::observe::kernel_file::{self, fields, lines};
use crate::observe::{namespaces, processes, sockets};
use crate::sys;
use crate::transcript::{Call, Clock, NamespaceId, NamespaceType, Value};

/// The link of one of the caller's own namespaces.
fn own(link: &str, of: NamespaceType) -> Option<NamespaceId> {
    namespaces::read(&format!("self/ns/{link}"), of).ok()
}

/// Whether the caller's root directory is another one than that of its mount namespace. That one is always the root of a
/// mount; so what is none of these is another. In a chroot to a directory that is itself a mount, the answer is no.
pub(super) fn inside_a_chroot() -> bool {
    let Ok(root) = statx(CWD, c"/", AtFlags::empty(), StatxFlags::empty()) else { return false };
    root.stx_attributes_mask.contains(StatxAttributes::MOUNT_ROOT)
        && !root.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}

/// Whether the caller lacks CAP_SYS_ADMIN in its own user namespace.
pub(super) fn no_cap_sys_admin() -> bool {
    capabilities(None).is_ok_and(|sets| !sets.effective.contains(CapabilitySet::SYS_ADMIN))
}

/// Whether the caller has no CAP_SYS_ADMIN in the user namespace that owns its UTS namespace. A capability holds in the
/// caller's own user namespace and in those below it.
pub(super) fn no_power_over_own_uts() -> bool {
    let owner_is_out_of_reach = || {
        let Ok(uts) = File::open("/proc/self/ns/uts") else { return false };
        matches!(sys::ns_get_userns(uts.as_fd()), Err(Errno::EPERM))
    };
    no_cap_sys_admin() || owner_is_out_of_reach()
}

/// Whether the next child will not be in the PID namespace that the caller is in.
pub(super) fn children_go_elsewhere() -> bool {
    let Some(own_pid) = own("pid", NamespaceType::Pid) else { return false };
    no_pid_1_yet() || own("pid_for_children", NamespaceType::Pid).is_some_and(|childrens| childrens != own_pid)
}

/// Whether the children's PID namespace has had no process yet: the kernel shows such a one by no link.
pub(super) fn no_pid_1_yet() -> bool {
    const LINK: &str = "/proc/self/ns/pid_for_children";
    // The link itself is there, and leads nowhere.
    let links = std::fs::read_dir("/proc/self/ns").into_iter().flatten().flatten();
    links.into_iter().any(|link| link.file_name() == "pid_for_children")
        && std::fs::read_link(LINK).is_err_and(|why| why.raw_os_error() == Some(libc::ENOENT))
}

/// Whether this kernel shows other types of namespaces and not this one.
pub(super) fn kernel_lacks(of: NamespaceType) -> bool {
    let Ok(links) = std::fs::read_dir("/proc/self/ns") else { return false };
    let names: Vec<_> = links.flatten().map(|link| link.file_name()).collect();
    !names.is_empty() && names.iter().all(|name| name != of.name())
}

/// Whether a process is in the time namespace that the caller's children will be in.
pub(super) fn somebody_is_in_childrens_time() -> bool {
    let Some(childrens) = own("time_for_children", NamespaceType::Time) else { return false };
    let is_in_it = |id: &NamespaceId| *id == childrens;
    processes::standing().is_ok_and(|all| all.iter().any(|one| one.namespaces.iter().any(is_in_it)))
}

/// What a clock shows the caller, in seconds.
pub(super) fn reading(clock: Clock) -> Option<i64> {
    let clock = match clock {
        Clock::Monotonic => ClockId::CLOCK_MONOTONIC,
        Clock::Boottime => ClockId::CLOCK_BOOTTIME,
        Clock::Realtime | Clock::Boot => return None,
    };
    clock_gettime(clock).ok().map(|now| now.tv_sec())
}

/// Whether the caller's PID namespace has no process with the number that a call names.
pub(super) fn no_process(call: &Call) -> bool {
    let pid = call.args.iter().find_map(|arg| if let Value::Pid(pid) = arg { Some(*pid) } else { None });
    pid.is_some_and(|pid| pid > 0 && getpgid(Some(Pid::from_raw(pid))) == Err(Errno::ESRCH))
}

/// Whether the caller's network has no way to an address. To connect a socket for datagrams looks for the way, and sends
/// nothing.
pub(super) fn no_route_to(address: SocketAddrV4) -> bool {
    let looked = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| socket.connect(address));
    looked.is_err_and(|why| why.raw_os_error() == Some(libc::ENETUNREACH))
}

/// The ports on which TCP sockets of the caller's network namespace listen over IPv4.
fn listened_on() -> Option<Vec<u16>> {
    let port = |listener: &sockets::Listener| listener.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    sockets::listeners().ok().map(|listeners| listeners.iter().filter_map(port).collect())
}

/// Whether a TCP socket listens on this port over IPv4.
pub(super) fn somebody_listens_on(port: u16) -> bool {
    listened_on().is_some_and(|ports| ports.contains(&port))
}

/// Whether none does.
pub(super) fn nobody_listens_on(port: u16) -> bool {
    listened_on().is_some_and(|ports| !ports.contains(&port))
}

/// Whether no socket of the caller's network namespace has the abstract name that a call gives: unix(7).
pub(super) fn nobody_has_the_name(call: &Call) -> bool {
    let Some(name) = call.words().next() else { return false };
    let Ok(table) = kernel_file::read("/proc/self/net/unix") else { return false };
    let mut rows = lines(&table);
    rows.next().is_some() && rows.all(|row| fields(row).last() != Some(name.as_bytes()))
}
