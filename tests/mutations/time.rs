use nix::errno::Errno;
use syscalls::Sysno;

use super::*;

const MUTATIONS: &[Mutation] = &[
    Mutation {
        facts: &["time-children-only", "time-two-clocks", "time-boot-date", "time-bounds", "time-exec-enters"],
        how: "there is one time namespace, and unshare(2) says 0 all the same",
        watched: &[Sysno::unshare],
        judge: || judge(|call| asks_for(call, 0, libc::CLONE_NEWTIME), PRETEND),
    },
    Mutation {
        facts: &["time-children-only"],
        how: "whoever unshares is in at once",
        watched: &[Sysno::readlink],
        judge: || {
            Box::new(|call| {
                let own = call.read_string(call.args[0]).is_some_and(|path| path == "/proc/self/ns/time");
                if own && by(call) == "traveller" { answers_link(call, "time") } else { None }
            })
        },
    },
    Mutation {
        facts: &["time-children-only"],
        how: "a child starts in another namespace than the one for children",
        watched: &[Sysno::readlink],
        judge: || {
            Box::new(|call| {
                let own = call.read_string(call.args[0]).is_some_and(|path| path == "/proc/self/ns/time");
                if own && by(call) == "child" { answers_link(call, "time") } else { None }
            })
        },
    },
    Mutation {
        facts: &["time-two-clocks"],
        how: "the monotonic clock does not move",
        watched: &[Sysno::write],
        judge: || {
            Box::new(|call| {
                let monotonic = call.read(call.args[1], 9).is_some_and(|text| text == b"monotonic");
                if monotonic && writes_offsets(call) { Some(all_of_it(call)) } else { None }
            })
        },
    },
    Mutation {
        facts: &["time-two-clocks", "time-boot-date"],
        how: "the offsets are taken and forgotten",
        watched: &[Sysno::write],
        judge: || Box::new(|call| if writes_offsets(call) { Some(all_of_it(call)) } else { None }),
    },
    Mutation {
        facts: &["time-two-clocks", "time-boot-date"],
        how: "the boot-time clock does not move",
        watched: &[Sysno::write],
        judge: || {
            Box::new(|call| {
                let boot = call.read(call.args[1], 8).is_some_and(|text| text == b"boottime");
                if boot && writes_offsets(call) { Some(all_of_it(call)) } else { None }
            })
        },
    },
    Mutation {
        facts: &["time-bounds"],
        how: "a clock may be negative",
        watched: &[Sysno::write],
        judge: || {
            Box::new(|call| {
                let text = call.read(call.args[1], 12).unwrap_or_default();
                if text.starts_with(b"boottime -10") && writes_offsets(call) { Some(all_of_it(call)) } else { None }
            })
        },
    },
    Mutation {
        facts: &["time-bounds"],
        how: "offsets can be changed while somebody lives by them",
        watched: &[Sysno::write],
        judge: || {
            Box::new(|call| {
                let text = call.read(call.args[1], 14).unwrap_or_default();
                if text == b"boottime 86400" && writes_offsets(call) { Some(all_of_it(call)) } else { None }
            })
        },
    },
    Mutation {
        facts: &["time-bounds"],
        how: "one day is never accepted, whether somebody is in or not",
        watched: &[Sysno::write],
        judge: || {
            Box::new(|call| {
                let text = call.read(call.args[1], 14).unwrap_or_default();
                if text == b"boottime 86400" && writes_offsets(call) { Some(refuse(Errno::EACCES)) } else { None }
            })
        },
    },
    Mutation {
        facts: &["time-bounds"],
        how: "every offset is out of range",
        watched: &[Sysno::write],
        judge: || {
            Box::new(|call| {
                let text = call.read(call.args[1], 10).unwrap_or_default();
                if text == b"boottime -" && writes_offsets(call) { Some(refuse(Errno::ERANGE)) } else { None }
            })
        },
    },
    Mutation {
        facts: &["time-exec-enters"],
        how: "execve(2) leaves its caller where it is",
        watched: &[Sysno::readlink],
        judge: || {
            Box::new(|call| {
                let path = call.read_string(call.args[0]).unwrap_or_default();
                let others = path.ends_with("/ns/time") && path != "/proc/self/ns/time" && by(call) == "init";
                if others { answers_link(call, "time") } else { None }
            })
        },
    },
];

fn writes_offsets(call: &Call<'_>) -> bool {
    call.fd_target(call.args[0]).is_some_and(|target| target.ends_with("timens_offsets"))
}

fn all_of_it(call: &Call<'_>) -> Verdict {
    Verdict::Return(i64::try_from(call.args[2]).unwrap())
}

#[test]
fn every_fact_can_be_seen_to_fail() {
    every_fact_of_it_can_be_seen_to_fail("time", MUTATIONS);
}
