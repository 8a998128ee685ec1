//! Limits on namespaces: how many there may be, and how deep they may lie in each other.

use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::wait::waitpid;
use nix::unistd::{pipe2, read};

use super::controls::in_a_child;
use super::machine::{is_the_outermost_user_namespace, known_depth, number};
use super::{Cause, Diagnosis, NO_RISK};
use crate::error::retried;
use crate::sys::{self, Forked};
use crate::transcript::{CLONE_NEWUSER, Call, Flags, NamespaceType};

/// How deep user and PID namespaces may lie in each other, below the machine's own.
const DEEPEST: usize = 32;

/// As many namespaces of a type as a class may need on one machine.
const FEW: u64 = 10_000;

/// The highest limit that the kernel takes, which is that of each user namespace but the machine's own at first.
const HIGHEST: u64 = i32::MAX.unsigned_abs() as u64;

/// Why there can be no namespace more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// The limit here is so low.
    Low(u64),
    /// The limit here is used up.
    UsedUp,
    /// The limit here is not reached: one of the user namespaces around this one is.
    Outside,
    /// They lie in each other too deep.
    Depth,
    /// One of the last two.
    DepthOrOutside,
}

/// Why there can be no more of what a call asked for: ENOSPC has two reasons in clone(2).
pub(super) fn diagnose(call: &Call) -> Diagnosis {
    let of = scarce(call);
    told(reason(of), of)
}

/// Of the types that were asked for, the one that cannot be had alone.
fn scarce(call: &Call) -> NamespaceType {
    let asked: Vec<NamespaceType> = call.asks_for().types().collect();
    if let [only] = asked[..] {
        return only;
    }
    let alone = |of: &NamespaceType| in_a_child((CLONE_NEWUSER | (*of).into()).bits(), || Ok(())).is_none();
    let lowest = || asked.iter().copied().min_by_key(|of| limit(*of).unwrap_or(u64::MAX));
    asked.iter().copied().find(alone).or_else(lowest).unwrap_or(NamespaceType::User)
}

fn limit(of: NamespaceType) -> Option<u64> {
    number(format!("/proc/sys/user/{}", of.limit()))
}

fn reason(of: NamespaceType) -> Reason {
    let here = limit(of);
    // As many as there can be in each other are more than this: a limit so low is met first.
    if let Some(low) = here.filter(|limit| *limit <= DEEPEST as u64) {
        return Reason::Low(low);
    }
    let outside = here.is_none_or(|limit| limit >= HIGHEST) && !is_the_outermost_user_namespace();
    if !of.nests() {
        return if outside { Reason::Outside } else { Reason::UsedUp };
    }
    let is_deep = of == NamespaceType::Pid && known_depth() > DEEPEST;
    match side_by_side(of) {
        _ if is_deep => Reason::Depth,
        // As many as could lie in each other can be made beside each other: so it is the depth that is refused.
        Some(made) if made > DEEPEST => Reason::Depth,
        Some(0) | None if outside => Reason::DepthOrOutside,
        _ if outside => Reason::Outside,
        _ => Reason::UsedUp,
    }
}

/// How many namespaces of a type can be made beside each other, of one more than may lie in each other. They are gone when
/// this returns. `None` where that cannot be told.
fn side_by_side(of: NamespaceType) -> Option<usize> {
    let make = || {
        let made = hold(of.into(), DEEPEST + 1)?;
        // A number up to 33 passes for an errno on the way out of the child.
        if made == 0 { Ok(()) } else { Err(Errno::from_raw(i32::try_from(made).unwrap_or_default())) }
    };
    // A PID namespace takes a capability, which root of a user namespace has; to make a user namespace takes none.
    let types = if of == NamespaceType::User { Flags::default() } else { CLONE_NEWUSER };
    let made = in_a_child(types.bits(), make)?;
    Some(made.err().map_or(0, |number| usize::try_from(number as i32).unwrap_or_default()))
}

/// Makes so many processes at most, each in a namespace of its own: how many were made, until the limit was met.
fn hold(of: Flags, most: usize) -> nix::Result<usize> {
    let (end, held) = pipe2(OFlag::O_CLOEXEC)?;
    let mut children = Vec::new();
    while children.len() < most {
        match sys::clone3(of.bits()) {
            Ok(Forked::Child) => {
                sys::close_all_but(&mut [end.as_raw_fd()]);
                // Until the parent lets go of the other end, or is gone.
                let _ = retried(|| read(&end, &mut [0]));
                sys::exit(0)
            }
            Ok(Forked::Parent(pid)) => children.push(pid),
            Err(_) => break,
        }
    }
    drop(held);
    for child in &children {
        let _ = retried(|| waitpid(*child, None));
    }
    Ok(children.len())
}

fn told(reason: Reason, of: NamespaceType) -> Diagnosis {
    let name = of.limit();
    let deep = format!("The kernel nests namespaces at most {DEEPEST} levels deep");
    let why = match reason {
        Reason::Low(limit) => format!("The limit user.{name} is {limit} here. No disk is full"),
        // One that has ended counts until the kernel has taken it down, a moment later.
        Reason::UsedUp => format!(
            "The limit user.{name} is used up. Namespaces that ended just now may still count, so try again. No disk is full"
        ),
        Reason::Outside => format!(
            "The limit user.{name} is reached: not the one here, but that of the machine or of a container that you are in. No \
             disk is full"
        ),
        Reason::Depth => format!("{deep}, and you are many levels deep already. No disk is full"),
        Reason::DepthOrOutside => format!(
            "{deep}, and you are that deep already; or the limit user.{name} of the machine, or of a container that you are in, \
             is reached. From here the two look alike. No disk is full"
        ),
    };
    if matches!(reason, Reason::Depth | Reason::DepthOrOutside) {
        let remedy = "run nslearn on the machine itself, or inside fewer containers";
        return Diagnosis::new(Cause::Nesting, why, remedy, NO_RISK);
    }
    let command = format!("sudo sysctl user.{name}={}", enough(of, reason));
    let remedy = if reason == Reason::Outside {
        format!("on the machine itself, outside of all containers: {command}")
    } else {
        command
    };
    let risk =
        "whoever set it low wanted few namespaces or none. With more, a user can make the kernel use more memory";
    Diagnosis::new(Cause::Limit, why, remedy, risk)
}

/// A limit that is enough for a class. What it is further out cannot be seen.
fn enough(of: NamespaceType, reason: Reason) -> u64 {
    let here = limit(of).filter(|_| reason != Reason::Outside).unwrap_or_default();
    FEW.max(here.saturating_mul(2)).min(HIGHEST)
}
