//! What the ledger says an errno means. The supervisor refuses calls that nothing stands in the way of: whatever single
//! cause is named for such a refusal is wrong. Several causes, joined by "or", may be.

use nix::errno::Errno;
use syscalls::Sysno;

use super::*;

/// A call that is refused for no reason.
struct Refused {
    lesson: &'static str,
    sysno: Sysno,
    errno: Errno,
    /// Which of them: the first that an actor makes and that is so.
    is_it: fn(&Call<'_>) -> bool,
}

/// What is no part of the set-up: before there are actors, processes have the program's name.
const ANY: fn(&Call<'_>) -> bool = |call| by(call) != "nslearn";

const REFUSED: &[Refused] = &[
    refused("uts", Sysno::sethostname, Errno::EPERM, names_another),
    refused("uts", Sysno::sethostname, Errno::EINVAL, names_another),
    refused("uts", Sysno::unshare, Errno::EPERM, ANY),
    refused("uts", Sysno::unshare, Errno::EINVAL, ANY),
    refused("uts", Sysno::unshare, Errno::EPERM, |call| asks_for(call, 0, libc::CLONE_NEWUSER)),
    refused("uts", Sysno::setns, Errno::EINVAL, ANY),
    refused("chroot", Sysno::kill, Errno::ESRCH, ANY),
    refused("chroot", Sysno::unshare, Errno::EPERM, ANY),
    refused("pid", Sysno::unshare, Errno::EINVAL, ANY),
    refused("pid", Sysno::kill, Errno::ESRCH, |call| call.args[1] == 9),
    refused("pid", Sysno::clone3, Errno::ENOMEM, ANY),
    refused("net", Sysno::unshare, Errno::EPERM, ANY),
    refused("net", Sysno::bind, Errno::EADDRINUSE, |call| is_internet(call, 0)),
    refused("shared-net", Sysno::setns, Errno::EINVAL, ANY),
    refused("shared-net", Sysno::connect, Errno::ENETUNREACH, |call| is_internet(call, 127)),
    refused("shared-net", Sysno::connect, Errno::ECONNREFUSED, |call| is_internet(call, 127) && is_answered(call)),
    refused("time", Sysno::unshare, Errno::EINVAL, ANY),
    refused("time", Sysno::write, Errno::EACCES, sets_an_offset),
    refused("time", Sysno::write, Errno::ERANGE, sets_an_offset),
];

const fn refused(lesson: &'static str, sysno: Sysno, errno: Errno, is_it: fn(&Call<'_>) -> bool) -> Refused {
    Refused { lesson, sysno, errno, is_it }
}

/// Whether a name is set that is not the stage's own.
fn names_another(call: &Call<'_>) -> bool {
    call.read(call.args[0], 8).is_some_and(|name| name != b"workshop")
}

/// Whether a socket call has an IPv4 address that begins so, and a port.
fn is_internet(call: &Call<'_>, first: u8) -> bool {
    let Some(address) = call.read(call.args[1], 8) else { return false };
    address[..2] == libc::AF_INET.to_ne_bytes()[..2] && address[2..4] != [0, 0] && address[4] == first
}

/// Whether somebody listens in the caller's network: state 0A in proc_pid_net(5).
fn is_answered(call: &Call<'_>) -> bool {
    let table = crate::support::read_text(format!("/proc/{}/net/tcp", call.pid)).unwrap_or_default();
    table.lines().any(|line| line.split_whitespace().nth(3) == Some("0A"))
}

fn sets_an_offset(call: &Call<'_>) -> bool {
    call.fd_target(call.args[0]).is_some_and(|file| file.ends_with("timens_offsets"))
}

/// What a lesson says that the errno of such a call means, where that is one cause.
fn wrong_meaning(lab: &Lab, case: &Refused) -> Option<String> {
    let Refused { lesson, sysno, errno, is_it } = case;
    let mut actor = None;
    let end = lab.run(["lesson", lesson, "--format", "json"]).judged(&[*sysno], |call| {
        if actor.is_some() || call.sysno != *sysno || !is_it(call) {
            return Verdict::Continue;
        }
        // The transcript's name for the process that ps calls init.
        actor = Some(by(call).replace("init", "host"));
        Verdict::Refuse(*errno)
    });
    let what = format!("{lesson}: {sysno:?}, refused with {errno:?}");
    let Some(actor) = actor else { return Some(format!("{what}: nobody makes such a call")) };
    let errno = format!("{errno:?}");
    let events = end.events();
    let is_told = |event: &&&serde_json::Value| {
        let syscall = event["syscall"].as_str().unwrap_or_default();
        event["actor"] == actor && event["errno"] == errno && syscall == sysno.name()
    };
    let calls = of_kind(&events, "called");
    let Some(told) = calls.iter().find(is_told) else { return Some(format!("{what}: {actor}'s call is not told of")) };
    let meaning = told["meaning"].as_str().filter(|meaning| !meaning.contains(" or "));
    meaning.map(|meaning| format!("{what}: it says that {meaning}"))
}

#[test]
fn no_cause_is_named_that_is_not_there() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    let wrong: Vec<String> = REFUSED.iter().filter_map(|case| wrong_meaning(&lab, case)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
