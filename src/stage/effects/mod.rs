//! What a machine can do, found out by doing it: each [`Effect`] that lessons build on is tried in a process of its own,
//! and counts only if what it is for has come about. That a call returned 0 says little on some machines.

mod attempts;

use std::cmp::Ordering;

use nix::sys::prctl;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::log::Line;
use super::{House, Manner, Stage};
use crate::error::{Error, Result};

/// Something that lessons need of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// A user namespace: user_namespaces(7).
    User,
    /// Giving up groups in it, before a plain user may write its map of groups.
    Setgroups,
    /// Its maps of ids, and so being root in it.
    Maps,
    /// A mount namespace.
    Mnt,
    /// A PID namespace.
    Pid,
    /// A UTS namespace.
    Uts,
    /// An IPC namespace.
    Ipc,
    /// A network namespace.
    Net,
    /// A cgroup namespace.
    Cgroup,
    /// A time namespace.
    Time,
    /// All mounts made read-only in one call: mount_setattr(2).
    MountSetattr,
    /// A new proc in a new PID namespace.
    Proc,
    /// A file system in memory.
    Tmpfs,
    /// A sysfs that shows a new network namespace.
    Sysfs,
    /// A file system of message queues.
    Mqueue,
    /// Another root for a mount namespace: pivot_root(2).
    PivotRoot,
    /// Another root for a process: chroot(2).
    Chroot,
    /// Word of what is written into a directory: F_NOTIFY in fcntl(2).
    Notify,
    /// A hostname: sethostname(2).
    Sethostname,
    /// Joining the namespaces of a process: setns(2) with a pidfd.
    Setns,
    /// Clocks that are set forward: time_namespaces(7).
    TimeOffsets,
    /// A loopback interface, set up.
    Loopback,
    /// An echo on a raw socket: icmp(7).
    Ping,
    /// A list of the sockets that listen: sock_diag(7).
    SockDiag,
    /// A cable: veth(4).
    Veth,
    /// A bridge.
    Bridge,
    /// A firewall table: nft(8).
    Nftables,
    /// A user namespace in a user namespace.
    NestedUser,
    /// PID namespaces in each other, as deep as the kernel goes.
    NestedPid,
    /// As many processes and namespaces at once as a lesson has.
    Several,
}

impl Effect {
    /// All of them, those on which others stand first.
    pub const ALL: [Effect; 30] = [
        Effect::User,
        Effect::Setgroups,
        Effect::Maps,
        Effect::Mnt,
        Effect::Pid,
        Effect::Uts,
        Effect::Ipc,
        Effect::Net,
        Effect::Cgroup,
        Effect::Time,
        Effect::MountSetattr,
        Effect::Proc,
        Effect::Tmpfs,
        Effect::Sysfs,
        Effect::Mqueue,
        Effect::PivotRoot,
        Effect::Chroot,
        Effect::Notify,
        Effect::Sethostname,
        Effect::Setns,
        Effect::TimeOffsets,
        Effect::Loopback,
        Effect::Ping,
        Effect::SockDiag,
        Effect::Veth,
        Effect::Bridge,
        Effect::Nftables,
        Effect::NestedUser,
        Effect::NestedPid,
        Effect::Several,
    ];

    /// Those that make a user namespace in which all others can be tried.
    pub const OF_A_USER_NAMESPACE: [Effect; 3] = [Effect::User, Effect::Setgroups, Effect::Maps];

    /// Its name for programs, and what it is.
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Effect::User => ("user", "user namespaces"),
            Effect::Setgroups => ("setgroups", "giving up groups (setgroups)"),
            Effect::Maps => ("uid_map", "maps of ids (uid_map, gid_map)"),
            Effect::Mnt => ("mnt", "mount namespaces"),
            Effect::Pid => ("pid", "PID namespaces"),
            Effect::Uts => ("uts", "UTS namespaces"),
            Effect::Ipc => ("ipc", "IPC namespaces"),
            Effect::Net => ("net", "network namespaces"),
            Effect::Cgroup => ("cgroup", "cgroup namespaces"),
            Effect::Time => ("time", "time namespaces"),
            Effect::MountSetattr => ("mount_setattr", "mounts that are made read-only (mount_setattr)"),
            Effect::Proc => ("proc", "mounting proc"),
            Effect::Tmpfs => ("tmpfs", "mounting tmpfs"),
            Effect::Sysfs => ("sysfs", "mounting sysfs"),
            Effect::Mqueue => ("mqueue", "mounting mqueue"),
            Effect::PivotRoot => ("pivot_root", "a new root (pivot_root)"),
            Effect::Chroot => ("chroot", "a root for a process (chroot)"),
            Effect::Notify => ("notify", "word of changes in a directory (F_NOTIFY)"),
            Effect::Sethostname => ("sethostname", "hostnames (sethostname)"),
            Effect::Setns => ("setns", "joining by pidfd (setns)"),
            Effect::TimeOffsets => ("timens_offsets", "clocks set forward (timens_offsets)"),
            Effect::Loopback => ("lo", "the loopback interface"),
            Effect::Ping => ("ping", "echo requests (ping)"),
            Effect::SockDiag => ("sock_diag", "lists of sockets (sock_diag)"),
            Effect::Veth => ("veth", "veth pairs"),
            Effect::Bridge => ("bridge", "bridges"),
            Effect::Nftables => ("nftables", "firewall tables (nftables)"),
            Effect::NestedUser => ("nested-user", "user namespaces in each other"),
            Effect::NestedPid => ("nested-pid", "PID namespaces 32 deep in each other"),
            Effect::Several => ("several", "several processes and namespaces at once"),
        }
    }

    /// Its name for programs, after its file in /proc/PID/ns, its system call or its module.
    pub const fn name(self) -> &'static str {
        self.words().0
    }

    /// What it is, for a reader.
    pub const fn title(self) -> &'static str {
        self.words().1
    }

    /// Whether a stage cannot be without it.
    pub const fn carries_the_stage(self) -> bool {
        use Effect::{Cgroup, Ipc, Maps, Mnt, MountSetattr, Net, Pid, PivotRoot, Proc, Setgroups, Tmpfs, User, Uts};
        matches!(
            self,
            User | Setgroups | Maps | Mnt | Pid | Uts | Ipc | Net | Cgroup | MountSetattr | Proc | Tmpfs | PivotRoot
        )
    }
}

/// What came of trying an effect; `None` where it could not be tried, as what it stands on is not there.
pub type Trial = (Effect, Option<Result<()>>);

/// What a machine can do.
#[derive(Debug)]
pub struct Findings {
    /// Whether there is a stage; if not, why.
    pub stage: Result<()>,
    /// Every effect, in the order of [`Effect::ALL`].
    pub trials: Vec<Trial>,
}

/// Tries every effect: on a stage, as lessons do; where there is none, in a bare user namespace.
pub fn examine() -> Findings {
    let (stage, trials) = match try_all(Manner::Straight, &Effect::ALL) {
        Ok(trials) => (Ok(()), trials),
        Err(why) => (Err(why), try_bare(&Effect::ALL)),
    };
    Findings { stage, trials: without_repetition(trials) }
}

/// An effect that the very call stops on which another one has stopped before was not come to: it stands on that one.
fn without_repetition(trials: Vec<Trial>) -> Vec<Trial> {
    let mut stopped: Vec<Error> = Vec::new();
    let judged = trials.into_iter().map(|(effect, result)| match result {
        Some(Err(error)) if stopped.contains(&error) => (effect, None),
        Some(Err(error)) => {
            stopped.push(error.clone());
            (effect, Some(Err(error)))
        }
        result => (effect, result),
    });
    judged.collect()
}

/// Why there is no stage: the first refusal of what it stands on, if that says more than the stage's own error does. One
/// call asks for namespaces of all types, and its errno does not say which was refused.
pub(super) fn in_the_way_of_a_stage(error: Error) -> Error {
    if !matches!(&error, Error::Refused { syscall, .. } if syscall == "clone3") {
        return error;
    }
    let carrying: Vec<Effect> = Effect::ALL.into_iter().filter(|effect| effect.carries_the_stage()).collect();
    try_bare(&carrying).into_iter().find_map(|(_, result)| result?.err()).unwrap_or(error)
}

fn try_bare(effects: &[Effect]) -> Vec<Trial> {
    match try_all(Manner::Bare, effects) {
        Ok(trials) => trials,
        Err(why) => {
            // What a user namespace itself is made of is tried by making this one; nothing comes of it after a refusal.
            let stopped = stopped_at(&why);
            let place = |effect: Effect| Effect::ALL.iter().position(|other| *other == effect);
            let result = |effect: &Effect| match stopped.map(|stopped| place(*effect).cmp(&place(stopped))) {
                Some(Ordering::Less) => Some(Ok(())),
                Some(Ordering::Equal) => Some(Err(why.clone())),
                Some(Ordering::Greater) | None => None,
            };
            effects.iter().map(|effect| (*effect, result(effect))).collect()
        }
    }
}

/// Which of the effects that make a user namespace was refused; `None` where it did not come to one.
fn stopped_at(why: &Error) -> Option<Effect> {
    let call = why.to_string();
    match call.as_str() {
        call if call.starts_with("clone3") => Some(Effect::User),
        call if call.contains("setgroups") => Some(Effect::Setgroups),
        call if call.contains("uid_map") || call.contains("gid_map") || call.starts_with("setres") => {
            Some(Effect::Maps)
        }
        _ => None,
    }
}

fn try_all(manner: Manner, effects: &[Effect]) -> Result<Vec<Trial>> {
    let mut house = House::open(manner, |stage| {
        effects.iter().for_each(|effect| stage.tried(*effect, in_a_process_of_its_own(*effect)));
        Ok(())
    })?;
    let mut trials: Vec<Trial> = Vec::new();
    while let Line::Tried(effect, result) = house.next_trial()? {
        trials.push((effect, Some(result)));
    }
    Ok(trials)
}

/// Tries an effect in a child: whatever comes of it ends with that.
fn in_a_process_of_its_own(effect: Effect) -> Result<()> {
    attempts::in_a_child(|| {
        // Where the one who tries is gone, nobody wants to know any more.
        let _ = prctl::set_pdeathsig(Signal::SIGKILL);
        attempts::attempt(effect)
    })
}

impl Stage {
    fn tried(&self, effect: Effect, result: Result<()>) {
        self.log.line(&Line::Tried(effect, result));
    }
}
