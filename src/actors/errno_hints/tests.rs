//! A hint is given where its cause is there, and is not given where it is not. This process is what the looks look at.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use super::*;
use crate::args;
use crate::transcript::{CLONE_NEWTIME, CLONE_NEWUSER, CLONE_NEWUTS, Clock, Value};

fn call(syscall: &str, args: Vec<Value>, object: impl Into<Option<Object>>) -> Call {
    Call { object: object.into(), ..Call::new(syscall, args) }
}

/// What a hint says: nothing, or several causes, or one.
#[derive(Debug, PartialEq, Eq)]
enum Names {
    Nothing,
    Several,
    One,
}

fn names(call: &Call, errno: Errno) -> Names {
    match hint(call, errno) {
        None => Names::Nothing,
        Some(hint) if hint.contains(" or ") => Names::Several,
        Some(_) => Names::One,
    }
}

#[test]
fn a_name_is_called_too_long_if_it_is() {
    let set = |bytes| call("sethostname", args!["n"], Object::NameOf { bytes });
    assert_eq!(names(&set(65), Errno::EINVAL), Names::One);
    assert_eq!(names(&set(64), Errno::EINVAL), Names::Nothing);
    assert_eq!(names(&set(65), Errno::EFAULT), Names::Nothing);
}

#[test]
fn no_cause_of_eperm_is_named_that_is_not_there() {
    // The test's own root directory is that of its mount namespace.
    assert_eq!(names(&call("unshare", args![CLONE_NEWUSER], None), Errno::EPERM), Names::Several);
    let expected = if seen::no_cap_sys_admin() { Names::One } else { Names::Nothing };
    assert_eq!(names(&call("unshare", args![CLONE_NEWUTS], None), Errno::EPERM), expected);
    let said = hint(&call("unshare", args![CLONE_NEWUTS], None), Errno::EPERM);
    assert!(said.is_none_or(|said| !said.contains("chroot")));
}

#[test]
fn a_type_that_the_kernel_has_is_not_called_missing() {
    for flags in [CLONE_NEWPID, CLONE_NEWUTS] {
        assert_eq!(names(&call("unshare", args![flags], None), Errno::EINVAL), Names::Nothing, "{flags}");
    }
    let expected = if seen::kernel_lacks(NamespaceType::Time) { Names::One } else { Names::Nothing };
    assert_eq!(names(&call("unshare", args![CLONE_NEWTIME], None), Errno::EINVAL), expected);
}

#[test]
fn enospc_is_explained_of_new_namespaces_alone() {
    assert_eq!(names(&call("clone3", args![CLONE_NEWPID], None), Errno::ENOSPC), Names::Several);
    assert_eq!(names(&call("clone3", vec![], None), Errno::ENOSPC), Names::Nothing);
    assert_eq!(names(&call("clone3", vec![], None), Errno::ENOMEM), Names::Nothing);
}

#[test]
fn a_process_that_is_there_is_not_denied() {
    let kill = |pid| call("kill", args![Value::Pid(pid), "SIGTERM"], None);
    let own = i32::try_from(std::process::id()).unwrap();
    assert_eq!(names(&kill(own), Errno::ESRCH), Names::Nothing);
    assert_eq!(names(&kill(i32::MAX), Errno::ESRCH), Names::One);
    assert_eq!(names(&kill(i32::MAX), Errno::EPERM), Names::Nothing);
    // By 0 and by -1 other processes are meant than one of that number.
    assert_eq!(names(&kill(0), Errno::ESRCH), Names::Nothing);
}

#[test]
fn setns_is_explained_only_of_a_namespace_that_is_out_of_reach() {
    let join = |in_reach| call("setns", args!["pidfd", CLONE_NEWPID], Object::PidNamespaceOf { in_reach });
    assert_eq!(names(&join(false), Errno::EINVAL), Names::One);
    assert_eq!(names(&join(true), Errno::EINVAL), Names::Nothing);
    let other = call("setns", args!["fd", CLONE_NEWUTS], None);
    assert_eq!(names(&other, Errno::EINVAL), Names::Nothing);
}

#[test]
fn a_link_is_explained_by_what_it_stands_for_and_not_by_its_name() {
    let link = || args!["/proc/self/ns/pid_for_children"];
    // The children's namespace is the test's own, which has a PID 1.
    let own = call("readlink", link(), Object::ForChildren(NamespaceType::Pid));
    assert_eq!(names(&own, Errno::ENOENT), Names::Nothing);
    assert_eq!(names(&call("readlink", link(), None), Errno::ENOENT), Names::Nothing);
}

#[test]
fn a_clock_is_called_too_early_if_it_would_be() {
    let set = |seconds| call("write", args!["line"], Object::Offset { clock: Clock::Boottime, seconds });
    assert_eq!(names(&set(-1_000_000_000_000), Errno::ERANGE), Names::One);
    assert_eq!(names(&set(1), Errno::ERANGE), Names::Nothing);
    assert_eq!(names(&call("write", args!["/proc/self/timens_offsets"], None), Errno::EACCES), Names::Nothing);
}

#[test]
fn nobody_is_said_to_listen_where_nobody_does() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port());
    let on = |syscall, address: SocketAddrV4| call(syscall, args![address.to_string()], Object::Internet(address));
    assert_ne!(names(&on("connect", taken), Errno::ECONNREFUSED), Names::One);
    assert_ne!(names(&on("connect", taken), Errno::ENETUNREACH), Names::One);
    drop(listener);
    assert_eq!(names(&on("bind", taken), Errno::EADDRINUSE), Names::Nothing);
    // A firewall of another machine's may answer as well.
    let far = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 1), 80);
    assert_eq!(names(&on("connect", far), Errno::ECONNREFUSED), Names::Several);
}

#[test]
fn an_abstract_name_is_denied_if_nobody_has_it() {
    let name = format!("nslearn-hint-{}", std::process::id());
    let connect = |shown: String| call("connect", vec![Value::Text(shown)], Object::AbstractName);
    assert_eq!(names(&connect(format!("@{name}")), Errno::ECONNREFUSED), Names::One);
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    assert_eq!(names(&connect(format!("@{name}")), Errno::ECONNREFUSED), Names::Nothing);
    // A path is no abstract name, and there is no network to speak of.
    assert_eq!(names(&call("connect", args!["/run/door"], None), Errno::ECONNREFUSED), Names::Nothing);
}

#[test]
fn of_a_call_that_is_not_known_nothing_is_said() {
    for errno in [Errno::EPERM, Errno::ENOENT, Errno::EINVAL] {
        assert_eq!(names(&call("mount", args!["proc"], None), errno), Names::Nothing);
    }
}
