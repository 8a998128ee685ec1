use nix::errno::Errno;
use syscalls::Sysno;

use super::*;

const MUTATIONS: &[Mutation] = &[
    Mutation {
        facts: &["chroot-sees-pids"],
        how: "no proc can be seen in the jail",
        watched: &[Sysno::mount],
        judge: || judge(|call| makes(call, "init", Sysno::mount) && is_about(call, 1, "/tmp/jail"), PRETEND),
    },
    Mutation {
        facts: &["chroot-kills-host"],
        how: "who is in a chroot may signal nobody",
        watched: &[Sysno::kill],
        judge: || judge(|call| makes(call, "prisoner", Sysno::kill), refuse(Errno::EPERM)),
    },
    Mutation {
        facts: &["chroot-renames-host"],
        how: "who is in a chroot names itself",
        watched: &[Sysno::sethostname],
        judge: || judge(|call| by(call) == "prisoner", PRETEND),
    },
    Mutation {
        facts: &["chroot-same-namespaces"],
        how: "chroot(2) makes a namespace",
        watched: &[Sysno::readlinkat],
        judge: || {
            Box::new(|call| {
                let prisoners = prisoners_links(call);
                if prisoners && is_about(call, 1, "mnt") { answers_another_namespace(call) } else { None }
            })
        },
    },
    Mutation {
        facts: &["chroot-no-userns"],
        how: "the kernel makes one",
        watched: &[Sysno::unshare],
        judge: || judge(|call| makes(call, "prisoner", Sysno::unshare), PRETEND),
    },
    Mutation {
        facts: &["chroot-no-userns"],
        how: "the kernel makes no user namespace for anybody",
        watched: &[Sysno::unshare, Sysno::clone3],
        judge: || {
            judge(|call| call.sysno == Sysno::unshare && asks_for(call, 0, libc::CLONE_NEWUSER), refuse(Errno::EPERM))
        },
    },
    Mutation {
        facts: &["chroot-escape"],
        how: "the second chroot(2) does nothing",
        watched: &[Sysno::chroot],
        judge: || judge(|call| makes(call, "prisoner", Sysno::chroot) && is_about(call, 0, "/x"), PRETEND),
    },
    Mutation {
        facts: &["chroot-escape"],
        how: "the link in /proc does not lead to another root",
        watched: &[Sysno::chroot],
        judge: || judge(|call| makes(call, "cellmate", Sysno::chroot), PRETEND),
    },
    Mutation {
        facts: &["chroot-unshare-fixes"],
        how: "the inmate's proc is the host's",
        watched: &[Sysno::mount],
        judge: || judge(|call| makes(call, "inmate", Sysno::mount) && is_about(call, 1, "/tmp/jail/proc"), PRETEND),
    },
    Mutation {
        facts: &["chroot-unshare-fixes"],
        how: "who is in a UTS namespace of its own names the host",
        watched: &[Sysno::sethostname],
        judge: || judge(|call| makes(call, "inmate", Sysno::sethostname), PRETEND),
    },
    Mutation {
        facts: &["chroot-unshare-fixes"],
        how: "the inmate finds the host's processes",
        watched: &[Sysno::kill],
        judge: || judge(|call| makes(call, "inmate", Sysno::kill), PRETEND),
    },
    Mutation {
        facts: &["chroot-unshare-fixes"],
        how: "nobody finds a process by the prisoner's number, in whichever namespace",
        watched: &[Sysno::kill],
        judge: || judge(|call| call.sysno == Sysno::kill && call.args[0] == PRISONER, refuse(Errno::ESRCH)),
    },
    Mutation {
        facts: &["chroot-unshare-fixes"],
        how: "the network is shared all the same",
        watched: &[Sysno::readlinkat],
        judge: || Box::new(|call| if is_about(call, 1, "net") { answers_another_namespace(call) } else { None }),
    },
    Mutation {
        facts: &["chroot-unshare-fixes"],
        how: "in a mount namespace of its own nobody leaves a chroot by a second one",
        watched: &[Sysno::chroot],
        judge: || judge(|call| makes(call, "climber", Sysno::chroot), PRETEND),
    },
    Mutation {
        facts: &["chroot-pivot-root-holds"],
        how: "pivot_root(2) does nothing",
        watched: &[Sysno::pivot_root, Sysno::umount2],
        judge: || judge(|call| by(call) == "settler", PRETEND),
    },
    Mutation {
        facts: &["chroot-pivot-root-holds"],
        how: "the old root stays mounted, on top of the new one",
        watched: &[Sysno::umount2],
        judge: || judge(|call| makes(call, "settler", Sysno::umount2), PRETEND),
    },
];

fn is_about(call: &Call<'_>, place: usize, word: &str) -> bool {
    call.read_string(call.args[place]).is_some_and(|text| text.starts_with(word))
}

/// The prisoner, in the stage's numbers: who is made first.
const PRISONER: u64 = 1001;

fn prisoners_links(call: &Call<'_>) -> bool {
    call.fd_target(call.args[0]).is_some_and(|target| target.ends_with(format!("{PRISONER}/ns").as_str()))
}

#[test]
fn every_fact_can_be_seen_to_fail() {
    every_fact_of_it_can_be_seen_to_fail("chroot", MUTATIONS);
}
