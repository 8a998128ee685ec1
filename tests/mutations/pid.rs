use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use syscalls::Sysno;

use super::*;
use crate::moments::parent_of;

const MUTATIONS: &[Mutation] = &[
    Mutation {
        facts: &[
            "pid-one-inside",
            "pid-nspid",
            "pid-for-children",
            "pid-parent-sees-child",
            "ns-same-inode",
            "pid-stale-proc",
            "pid-signal-down-only",
            "pid-creds-translated",
            "pid-orphans-to-init",
            "pid-one-way",
        ],
        how: "there is one PID namespace, and unshare(2) says 0 all the same",
        watched: &[Sysno::unshare],
        judge: || judge(|call| asks_for(call, 0, libc::CLONE_NEWPID), PRETEND),
    },
    Mutation {
        facts: &["pid-parent-sees-child"],
        how: "the neighbour is in the host's PID namespace",
        watched: &[Sysno::unshare],
        judge: || judge(|call| makes(call, "launcher2", Sysno::unshare), PRETEND),
    },
    Mutation {
        facts: &["ns-same-inode"],
        how: "the links say nothing of who shares what",
        watched: &[Sysno::readlinkat, Sysno::readlink],
        judge: || {
            Box::new(|call| {
                let kind = call.read_string(call.args[usize::from(call.sysno == Sysno::readlinkat)]);
                let uts = kind.is_some_and(|kind| kind == "uts" || kind.ends_with("ns/uts"));
                if uts && call.sysno == Sysno::readlinkat { answers_another_namespace(call) } else { None }
            })
        },
    },
    Mutation {
        facts: &["pid-stale-proc"],
        how: "a proc of one's own shows what the old one shows",
        watched: &[Sysno::mount],
        judge: || judge(|call| makes(call, "container", Sysno::mount) && call.args[0] != 0, PRETEND),
    },
    Mutation {
        facts: &["pid-signal-down-only"],
        how: "a number from outside can be signalled",
        watched: &[Sysno::kill],
        judge: || judge(|call| makes(call, "container", Sysno::kill), PRETEND),
    },
    Mutation {
        facts: &["pid-init-shield"],
        how: "PID 1 dies of a SIGKILL from inside",
        watched: &[Sysno::kill],
        judge: || {
            Box::new(|call| {
                let shot =
                    makes(call, "worker", Sysno::kill) && call.args[1] == u64::from(libc::SIGKILL.unsigned_abs());
                let victim = parent_of(call.pid).filter(|_| shot);
                victim.map(|victim| {
                    let _ = kill(Pid::from_raw(victim), Signal::SIGKILL);
                    PRETEND
                })
            })
        },
    },
    Mutation {
        facts: &["pid-init-shield"],
        how: "nobody sends a signal from inside",
        watched: &[Sysno::kill],
        judge: || judge(|call| makes(call, "worker", Sysno::kill), PRETEND),
    },
    Mutation {
        facts: &["pid-init-dies-all-die"],
        how: "processes are born without a PID 1",
        watched: &[Sysno::clone3],
        judge: || refuses_the_last_fork(Errno::EAGAIN),
    },
    Mutation {
        facts: &["pid-init-dies-all-die"],
        how: "PID 1 goes alone",
        watched: &[Sysno::kill, Sysno::wait4],
        judge: || {
            let mut shot = false;
            Box::new(move |call| {
                let kills = makes(call, "init", Sysno::kill) && call.args[1] == u64::from(libc::SIGKILL.unsigned_abs());
                shot |= kills;
                let waits = shot && makes(call, "launcher", Sysno::wait4);
                let killed = waits && call.write(call.args[1], &libc::SIGKILL.to_ne_bytes());
                let waited = killed.then_some(Verdict::Return(call.args[0].cast_signed()));
                waited.or(kills.then_some(PRETEND))
            })
        },
    },
    Mutation {
        facts: &["pid-orphans-to-init"],
        how: "an orphan keeps its parent's number",
        watched: &[Sysno::getppid],
        judge: || judge(|call| makes(call, "orphan", Sysno::getppid), Verdict::Return(2)),
    },
    Mutation {
        facts: &["pid-one-way"],
        how: "a way leads up",
        watched: &[Sysno::setns],
        judge: || judge(|call| makes(call, "container", Sysno::setns), PRETEND),
    },
    Mutation {
        facts: &["pid-one-way"],
        how: "nobody may join anything",
        watched: &[Sysno::setns],
        judge: || judge(|_| true, refuse(Errno::EINVAL)),
    },
    Mutation {
        facts: &["pid-nesting-32"],
        how: "the kernel makes ten of them",
        watched: &[Sysno::clone],
        judge: || {
            let mut made = 0;
            Box::new(move |call| {
                made += usize::from(asks_for(call, 0, libc::CLONE_NEWPID));
                if made > 10 { Some(refuse(Errno::ENOSPC)) } else { None }
            })
        },
    },
    Mutation {
        facts: &["pid-nesting-32"],
        how: "the bound is told by another errno",
        watched: &[Sysno::clone],
        judge: || {
            let mut made = 0;
            Box::new(move |call| {
                made += usize::from(asks_for(call, 0, libc::CLONE_NEWPID));
                if made > 31 { Some(refuse(Errno::EINVAL)) } else { None }
            })
        },
    },
    Mutation {
        facts: &["pid-getpid-not-cached"],
        how: "the C library tells a child the number that it has remembered from the parent",
        watched: &[Sysno::getpid],
        judge: || {
            let mut first = true;
            Box::new(move |call| {
                let container = makes(call, "container", Sysno::getpid) && std::mem::take(&mut first);
                if container { Some(Verdict::Return(1001)) } else { None }
            })
        },
    },
    Mutation {
        facts: &["pid-host-shared"],
        how: "whoever shares nothing else shares no PID namespace",
        watched: &[Sysno::readlink],
        judge: || {
            Box::new(|call| {
                let path = call.read_string(call.args[0]).unwrap_or_default();
                let others = path.ends_with("/ns/pid") && !path.starts_with("/proc/1/") && by(call) == "init";
                if others { answers_link(call, "pid") } else { None }
            })
        },
    },
];

/// The launcher's second child is its last.
fn refuses_the_last_fork(errno: Errno) -> Judge {
    let mut forks = 0;
    Box::new(move |call| {
        forks += usize::from(makes(call, "launcher", Sysno::clone3));
        if forks == 2 && by(call) == "launcher" { Some(refuse(errno)) } else { None }
    })
}

#[test]
fn every_fact_can_be_seen_to_fail() {
    every_fact_of_it_can_be_seen_to_fail("pid", MUTATIONS);
}
