//! Limits: on namespaces, on how deep they lie in each other, and on what a process may have.

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;

use super::Cause;
use super::advice::Words;
use super::checks::{known_depth, number};
use crate::sys::{self, Forked};
use crate::transcript::{CLONE_NEWUSER, Call, NamespaceType};

/// How deep user and PID namespaces may lie in each other, below the machine's own.
const DEEPEST: u64 = 32;

/// As many namespaces of a type as a class may need on one machine.
const FEW: u64 = 10_000;

/// Why there can be no more of what a call asked for: ENOSPC has two reasons in clone(2).
pub(super) fn cause(call: &Call) -> Cause {
    let scarcest = scarcest(call);
    // As many as there can be in each other are fewer than this: a limit so low is met first.
    if !scarcest.nests() || limit(scarcest).is_none_or(|limit| limit <= DEEPEST) {
        return Cause::Limit;
    }
    // The effect decides: from here one more can be made, so it was the depth that was refused, and not the number. Where
    // none can be made here either, it may be both, and the depth decides that is known.
    let deep = u64::try_from(known_depth()).unwrap_or_default() > DEEPEST;
    if deep || can_be_made(scarcest) { Cause::Nesting } else { Cause::Limit }
}

/// Of what was asked for, the type with the lowest limit. Of as low ones, one that lies in others of its type.
fn scarcest(call: &Call) -> NamespaceType {
    let asked = call.asks_for().types().filter(|of| *of != NamespaceType::Time);
    asked.min_by_key(|of| (limit(*of).unwrap_or(u64::MAX), !of.nests())).unwrap_or(NamespaceType::User)
}

fn limit(of: NamespaceType) -> Option<u64> {
    number(&format!("/proc/sys/user/{}", of.limit()))
}

/// Whether this process can make a namespace of a type. It is gone at once.
fn can_be_made(of: NamespaceType) -> bool {
    match sys::clone3((CLONE_NEWUSER | of.into()).bits()) {
        Ok(Forked::Child) => sys::exit(0),
        Ok(Forked::Parent(pid)) => {
            let _ = kill(pid, Signal::SIGKILL);
            let _ = waitpid(pid, None);
            true
        }
        Err(_) => false,
    }
}

pub(super) fn words(cause: Cause, call: &Call) -> Words {
    let scarcest = scarcest(call);
    let name = scarcest.limit();
    if cause == Cause::Nesting {
        return Words::new(
            format!(
                "Namespaces lie in each other at most {DEEPEST} deep, and you are in many already; no disk is full"
            ),
            "run nslearn on the machine itself, or in fewer containers within each other",
            "none",
        );
    }
    let why = match limit(scarcest) {
        Some(limit @ ..=DEEPEST) => format!("The limit user.{name} is {limit} here; no disk is full"),
        // One that has ended counts until the kernel has taken it down, a moment later.
        _ => format!(
            "The limit user.{name} is used up, perhaps by namespaces that ended just now; try once more. No disk is full"
        ),
    };
    // The kernel takes no larger one.
    let most = u64::from(i32::MAX.unsigned_abs());
    let more = limit(scarcest).map_or(FEW, |limit| FEW.max(limit.saturating_mul(2)).min(most));
    Words::new(
        why,
        format!("sudo sysctl user.{name}={more}"),
        "whoever set it low wanted few namespaces, or none; with more, a user can make the kernel hold more memory",
    )
}

/// What there is to say of limits that are not about namespaces.
pub(super) fn words_on_resources(cause: Cause) -> Words {
    let now = |resource: Resource| match getrlimit(resource) {
        Ok((soft, _)) if soft != libc::RLIM_INFINITY => soft.to_string(),
        _ => "unlimited".to_owned(),
    };
    match cause {
        Cause::Processes => Words::new(
            format!(
                "You have as many processes as you may: the limit of your own (ulimit -u) is {}; a session may have \
                 another",
                now(Resource::RLIMIT_NPROC)
            ),
            "ulimit -S -u \"$(ulimit -H -u)\" in bash; or end programs of yours; or, where it is the session's limit: sudo \
             systemctl set-property --runtime user-$(id -u).slice TasksMax=infinity",
            "a program that runs wild can then take more of the machine from everybody",
        ),
        Cause::Descriptors => Words::new(
            format!("A process may have no more files open: the limit (ulimit -n) is {}", now(Resource::RLIMIT_NOFILE)),
            "ulimit -S -n \"$(ulimit -H -n)\"",
            "none",
        ),
        _ => Words::new(
            format!(
                "There is no more memory for it: the machine is full, or a limit is reached (ulimit -v is {})",
                now(Resource::RLIMIT_AS)
                    .parse()
                    .map_or("unlimited".to_owned(), |bytes: u64| (bytes / 1024).to_string())
            ),
            "end programs of yours, or: ulimit -v unlimited",
            "a program that runs wild can then take more memory from everybody",
        ),
    }
}
