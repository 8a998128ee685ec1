use nix::errno::Errno;
use syscalls::Sysno;

use super::*;

const MUTATIONS: &[Mutation] = &[
    Mutation {
        facts: &["shared-net-refused"],
        how: "the client's own localhost cannot be reached",
        watched: &[Sysno::connect],
        judge: || judge(|call| makes(call, "client", Sysno::connect), refuse(Errno::ENETUNREACH)),
    },
    Mutation {
        facts: &["shared-net-refused"],
        how: "the client reaches whoever listens on port 80, wherever that is",
        watched: &[Sysno::connect],
        judge: || judge(|call| makes(call, "client", Sysno::connect), PRETEND),
    },
    Mutation {
        facts: &["shared-net-refused", "shared-net-only-net"],
        how: "the client's container has no namespaces of its own",
        watched: &[Sysno::unshare],
        judge: || judge(|call| makes(call, "runtime2", Sysno::unshare), PRETEND),
    },
    Mutation {
        facts: &["shared-net-joined", "shared-net-only-net", "shared-net-port-taken"],
        how: "setns(2) says 0 and joins nothing",
        watched: &[Sysno::setns],
        judge: || judge(|call| makes(call, "client", Sysno::setns), PRETEND),
    },
    Mutation {
        facts: &["shared-net-only-net"],
        how: "whoever joins a network joins the message queues as well",
        watched: &[Sysno::statx],
        judge: || {
            Box::new(|call| {
                let ipc = call.read_string(call.args[1]).is_some_and(|path| path.ends_with("/ns/ipc"));
                if ipc { answers_one_inode(call) } else { None }
            })
        },
    },
    Mutation {
        facts: &["shared-net-port-taken"],
        how: "a port may have two listeners",
        watched: &[Sysno::bind, Sysno::listen],
        judge: || judge(|call| by(call) == "client", PRETEND),
    },
    Mutation {
        facts: &["shared-net-port-taken"],
        how: "the client can bind no port at all",
        watched: &[Sysno::bind],
        judge: || judge(|call| makes(call, "client", Sysno::bind), refuse(Errno::EADDRINUSE)),
    },
    Mutation {
        facts: &["pid-container-shared", "shared-pid-ps"],
        how: "setns(2) says 0 and the joiner's children stay on the host",
        watched: &[Sysno::setns],
        judge: || judge(|call| makes(call, "joiner", Sysno::setns), PRETEND),
    },
    Mutation {
        facts: &["pid-container-shared", "shared-pid-ps"],
        how: "a new proc shows what the old one shows",
        watched: &[Sysno::mount],
        judge: || judge(|call| makes(call, "helper", Sysno::mount), PRETEND),
    },
];

/// Answers statx(2) with the same device and inode each time.
fn answers_one_inode(call: &Call<'_>) -> Option<Verdict> {
    const INODE: usize = 32;
    let mut answer = [0; 256];
    answer[..4].copy_from_slice(&libc::STATX_BASIC_STATS.to_ne_bytes());
    answer[INODE..][..8].copy_from_slice(&4_026_530_000_u64.to_ne_bytes());
    call.write(call.args[4], &answer).then_some(PRETEND)
}

#[test]
fn every_fact_can_be_seen_to_fail() {
    every_fact_of_it_can_be_seen_to_fail("shared-net", MUTATIONS);
}
