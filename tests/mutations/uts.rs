use nix::errno::Errno;
use syscalls::Sysno;

use super::*;

const MUTATIONS: &[Mutation] = &[
    Mutation {
        facts: &["uts-independent", "uts-proc-sys", "uts-domainname", "uts-copied", "uts-not-kernel", "uts-setns-back"],
        how: "there is one UTS namespace, and unshare(2) says 0 all the same",
        watched: &[Sysno::unshare],
        judge: || judge(|call| asks_for(call, 0, libc::CLONE_NEWUTS), PRETEND),
    },
    Mutation {
        facts: &["uts-copied"],
        how: "a new UTS namespace has no hostname",
        watched: &[Sysno::unshare, Sysno::sethostname, Sysno::uname],
        judge: || new_names(1, ""),
    },
    Mutation {
        facts: &["uts-copied"],
        how: "a new UTS namespace has the domain name that every kernel starts with",
        watched: &[Sysno::unshare, Sysno::sethostname, Sysno::uname],
        judge: || new_names(5, "(none)"),
    },
    Mutation {
        facts: &["uts-not-kernel"],
        how: "the release is the UTS namespace's own",
        watched: &[Sysno::unshare, Sysno::sethostname, Sysno::uname],
        judge: || new_names(2, "2.6.60"),
    },
    Mutation {
        facts: &["uts-64-bytes"],
        how: "a name may have 65 bytes",
        watched: &[Sysno::sethostname],
        judge: || judge(|call| call.args[1] == 65, PRETEND),
    },
    Mutation {
        facts: &["uts-64-bytes"],
        how: "a name may have 63 bytes",
        watched: &[Sysno::sethostname],
        judge: || judge(|call| call.args[1] == 64, refuse(Errno::EINVAL)),
    },
    Mutation {
        facts: &["uts-setns-back"],
        how: "setns(2) says 0 and joins nothing",
        watched: &[Sysno::setns],
        judge: || judge(|call| makes(call, "tenant", Sysno::setns), PRETEND),
    },
    Mutation {
        facts: &["uts-cap-over-owner"],
        how: "root of any user namespace may name it",
        watched: &[Sysno::sethostname],
        judge: || judge(|call| call.read(call.args[0], 4).is_some_and(|name| name == b"mine"), PRETEND),
    },
    Mutation {
        facts: &["uts-cap-over-owner"],
        how: "the tenant may name nothing at all",
        watched: &[Sysno::sethostname],
        judge: || judge(|call| call.read(call.args[0], 4).is_some_and(|name| name == b"mine"), refuse(Errno::EPERM)),
    },
];

/// Once the tenant has unshared, one field of uname(2) is another. Its hostname is what it sets, as ever.
fn new_names(field: usize, word: &'static str) -> Judge {
    let (mut unshared, mut name) = (false, "workshop".to_owned());
    Box::new(move |call| {
        unshared |= makes(call, "tenant", Sysno::unshare);
        if makes(call, "tenant", Sysno::sethostname) {
            name = call.read(call.args[0], call.args[1] as usize).and_then(|name| String::from_utf8(name).ok())?;
        }
        if unshared && makes(call, "tenant", Sysno::uname) {
            return answers_uname(call, &[(1, &name), (field, word)]);
        }
        None
    })
}

#[test]
fn every_fact_can_be_seen_to_fail() {
    every_fact_of_it_can_be_seen_to_fail("uts", MUTATIONS);
}
