//! `nslearn shell`: a stage of one's own.

use std::fs;

use crate::moments::{processes_of, wait_until_none_runs};
use crate::support::{End, Lab, Who, everybody, has_tool, lab, stage};

fn said(lab: &Lab, command: &str) -> String {
    lab.run(["shell", "-c", command]).end().must_be(0).stdout
}

#[test]
fn a_shell_on_a_stage_is_on_another_machine() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let run = |command: &str| lab.run(["shell", "-c", command]).by(who).end().must_be(0).stdout;
        assert_eq!(run("uname -n; id -u; echo $$"), "workshop\n0\n1001\n");
        for kind in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
            let here = fs::read_link(format!("/proc/self/ns/{kind}")).unwrap();
            let there = run(&format!("readlink /proc/self/ns/{kind}"));
            assert!(there.starts_with(kind), "{there}");
            assert_ne!(there.trim(), here.to_str().unwrap());
        }
    }
}

#[test]
fn nothing_on_the_machine_can_be_written_from_there() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let command =
            "for d in / /etc /usr /var /home /dev/shm; do touch $d/nslearn-was-here 2>/dev/null && echo $d; done; true";
        assert_eq!(lab.run(["shell", "-c", command]).by(who).end().must_be(0).stdout, "");
    }
    assert_eq!(said(&lab, "echo mine > /tmp/file && cat /tmp/file"), "mine\n");
    assert!(!std::path::Path::new("/tmp/file").exists());
}

#[test]
fn the_commands_exit_status_is_the_shells() {
    let Some(lab) = stage() else { return };
    for (command, status) in [("true", 0), ("exit 7", 7), ("kill -TERM $$", 128 + 15), ("no-such-command", 127)] {
        let end = lab.run(["shell", "-c", command]).end();
        assert_eq!(end.code(), status, "{command}: {end:?}");
    }
}

#[test]
fn what_a_shell_started_ends_with_it() {
    let Some(lab) = stage() else { return };
    // The background process holds the pipe: the test would wait for it.
    assert_eq!(said(&lab, "sleep 1000 & setsid sleep 1000 & echo done"), "done\n");
    wait_until_none_runs(&lab.program());
    assert!(processes_of(&lab.program()).is_empty());
}

/// Runs a command as an actor of the lesson on chroot, at the end of a step.
fn as_actor(lab: &Lab, who: Who, step: &str, actor: &str, command: &str) -> End {
    lab.run(["shell", "chroot", "--step", step, "--as", actor, "-c", command]).by(who).end().must_be(0)
}

#[test]
fn a_shell_that_is_not_in_the_actors_root_directory_says_so_before_it_opens() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        // The prisoner's root directory holds one file and a proc. What is outside of it can be seen then.
        let prisoner = as_actor(&lab, who, "1", "prisoner", "echo opened >&2; ls /");
        assert!(prisoner.stdout.contains("usr\n"), "{prisoner:?}");
        let [said, opened] = prisoner.stderr.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {prisoner:?}") };
        assert!(said.starts_with("nslearn: prisoner's root directory holds no /bin/sh: "), "{said}");
        assert!(said.ends_with("but not in that directory"), "{said}");
        assert_eq!(opened, "opened");
        // After pivot_root(2) and umount(2) there is nothing else in the settler's mount namespace either.
        let settler = as_actor(&lab, who, "8", "settler", "ls /");
        assert!(settler.stdout.contains("usr\n"), "{settler:?}");
        assert!(settler.stderr.contains("has the host's files, and is in settler's other namespaces"), "{settler:?}");
    }
}

#[test]
fn a_shell_as_the_prisoner_is_where_the_prisoner_has_come_to() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let host = as_actor(&lab, who, "8", "host", "ls /");
        // The prisoner has left its jail by then.
        let prisoner =
            lab.run(["shell", "chroot", "--step", "6", "--as", "prisoner", "-c", "ls /"]).by(who).end().must_be(0);
        assert_eq!((prisoner.stdout, prisoner.stderr), (host.stdout, String::new()));
    }
}

#[test]
fn a_shell_reads_what_is_typed() {
    if !has_tool("script") {
        return;
    }
    let Some(lab) = stage() else { return };
    // On a terminal of its own, with the user's shell: it is interactive there, and ends as it is told.
    let typed = format!(
        "echo 'uname -n; tty; exit 5' | script -qec 'SHELL=/bin/bash {} shell' /dev/null",
        lab.program().display()
    );
    let end = lab.shell(&typed).end();
    assert_eq!(end.code(), 5, "{end:?}");
    assert!(end.stdout.contains("workshop"), "{end:?}");
    assert!(end.stdout.contains("/dev/pts/"), "it has a terminal: {end:?}");
    assert!(!end.stdout.contains("no job control"), "{end:?}");
}

#[test]
fn a_machine_that_allows_no_stage_says_so_to_a_shell_too() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let end = crate::errors::as_root_of_nothing(&lab, &format!("{} shell -c true", crate::errors::NO_UTS)).end();
    let end = end.must_be(3);
    assert!(end.stderr.contains("what to do:"), "{}", end.stderr);
}

#[test]
fn an_option_that_the_shell_does_not_have_is_wrong_usage() {
    lab().run(["shell", "--nonsense"]).end().must_be(2);
}
