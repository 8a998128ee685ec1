//! Visits to actors: a shell in an actor's place, on a walk and at once.

use std::path::Path;
use std::process::Command;

use nix::unistd::geteuid;

use crate::moments::{processes_of, sleepers, wait_until_none_runs};
use crate::support::{has_tool, read_text, stage};
use crate::terminal::{Terminal, on_a_terminal};
use crate::walk::begin;

/// Types a command into a shell, and waits for the line that it prints.
fn ask(terminal: &mut Terminal, command: &str) -> String {
    // What is typed is echoed: the answer's mark must not stand in it.
    terminal.press(&format!("echo \"an\"swer:$({command} 2>&1 | tr '\\n' ' '):end\r"));
    terminal.wait_for("answer:");
    terminal.wait_for(":end");
    terminal.last.trim().to_owned()
}

#[test]
fn a_shell_in_an_actors_place_is_in_the_actors_namespaces() {
    let Some(lab) = stage() else { return };
    let Some(mut terminal) = begin(&lab, "uts", &[], (80, 24)) else { return };
    terminal.wait_for_step(1, 6);
    terminal.press("g3");
    terminal.wait_for("3/6 ");
    terminal.wait_for_step(3, 6);
    // The table that `m` shows has the host's and the tenant's numbers.
    terminal.press("m");
    terminal.wait_for("tenant");
    terminal.wait_for_step(3, 6);
    let table = terminal.last.clone();
    terminal.press("s");
    terminal.wait_for("2 tenant");
    terminal.press("2");
    terminal.wait_for("[uts step 3: tenant] ");
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"] {
        let row = table.lines().find(|row| row.trim_start().starts_with(kind)).unwrap_or_else(|| panic!("{table}"));
        let number = row.split_whitespace().nth(4).unwrap();
        assert_eq!(ask(&mut terminal, &format!("readlink /proc/self/ns/{kind}")), format!("{kind}:[{number}]"));
    }
    assert_eq!(ask(&mut terminal, "hostname"), "tenant");
    assert!(ask(&mut terminal, "touch /etc/nslearn").contains("Read-only file system"));
    assert!(!Path::new("/etc/nslearn").exists());
    // Whatever is done there is gone afterwards, and what was started.
    assert_eq!(ask(&mut terminal, "hostname spoilt; hostname"), "spoilt");
    let time = format!("98{}", std::process::id());
    terminal.press(&format!("sleep {time} & sleep {time} &\r"));
    terminal.press("exit\r");
    terminal.wait_for("back in the lesson");
    terminal.wait_for_step(3, 6);
    assert_eq!(sleepers(&time), Vec::<i32>::new());
    terminal.press("\r");
    terminal.wait_for("4/6 ");
    terminal.wait_for_step(4, 6);
    terminal.press("q");
    assert!(terminal.end().success());
    wait_until_none_runs(&lab.program());
}

/// Puts programs into the prisoner's root directory from outside: as root of the machine, for the story has none to put
/// there.
const FURNISH: &str = "cd /tmp/jail && mkdir usr && mount --rbind /usr usr && ln -s usr/bin usr/lib usr/lib64 . && test -e /tmp/jail/bin/sh";

#[test]
fn a_shell_in_an_actors_place_is_in_the_actors_root_directory() {
    let Some(lab) = stage().filter(|_| has_tool("nsenter") && geteuid().is_root()) else { return };
    let Some(run) = on_a_terminal(&lab, &["lesson", "chroot", "--no-questions"]) else { return };
    let mut terminal = Terminal::start(&run.env("SHELL", "/bin/sh"), (80, 24));
    terminal.wait_for_step(1, 8);
    let host = processes_of(&lab.program())
        .into_iter()
        .find(|pid| read_text(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "prisoner"));
    let host = host.unwrap().to_string();
    let furnished =
        Command::new("nsenter").args(["--target", &host, "--user", "--mount", "sh", "-ec", FURNISH]).output();
    let furnished = furnished.unwrap();
    assert!(furnished.status.success(), "{furnished:?}");
    terminal.press("s");
    terminal.wait_for("2 prisoner");
    terminal.press("2");
    terminal.wait_for("[chroot step 1: prisoner] ");
    assert_eq!(ask(&mut terminal, "ls /"), "bin etc lib lib64 proc usr");
    assert_eq!(ask(&mut terminal, "cat /etc/motd; pwd"), "welcome to the jail /");
    assert!(ask(&mut terminal, "unshare --user true").contains("Operation not permitted"));
    terminal.press("exit\r");
    terminal.wait_for("back in the lesson");
    terminal.wait_for_step(1, 8);
    terminal.press("q");
    assert!(terminal.end().success());
    wait_until_none_runs(&lab.program());
}

/// A program that says when it has the terminal, and keeps it.
const FOREGROUND: &str = "sh -c 'echo run\"n\"ing; exec sleep 500'\r";

#[test]
fn a_shell_has_job_control_and_the_size_of_the_terminal() {
    let Some(lab) = stage() else { return };
    let Some(run) = on_a_terminal(&lab, &["lesson", "pid", "--no-questions"]) else { return };
    let mut terminal = Terminal::start(&run.env("SHELL", "/bin/bash"), (80, 24));
    terminal.wait_for_step(1, 8);
    terminal.press("g3");
    terminal.wait_for_step(3, 8);
    terminal.press("s");
    terminal.wait_for("3 container");
    terminal.press("3");
    terminal.wait_for("[pid step 3: container] ");
    terminal.press(FOREGROUND);
    terminal.wait_for("running");
    terminal.press("\u{3}");
    terminal.wait_for("[pid step 3: container] ");
    assert!(ask(&mut terminal, "ps -e -o comm=").contains("container"));
    terminal.press(FOREGROUND);
    terminal.wait_for("running");
    terminal.press("\u{1a}");
    terminal.wait_for("Stopped");
    terminal.wait_for("[pid step 3: container] ");
    terminal.resize(100, 30);
    assert_eq!(ask(&mut terminal, "jobs >/dev/null; stty size"), "30 100");
    terminal.wait_for("[pid step 3: container] ");
    terminal.press("\u{4}");
    terminal.wait_for("There are stopped jobs");
    terminal.wait_for("[pid step 3: container] ");
    terminal.press("\u{4}");
    terminal.wait_for("back in the lesson");
    terminal.wait_for_step(3, 8);
    terminal.press("b");
    terminal.wait_for("2/8 ");
    terminal.wait_for_step(2, 8);
    terminal.press("q");
    assert!(terminal.end().success());
    wait_until_none_runs(&lab.program());
}

#[test]
fn a_shell_on_a_lessons_stage_can_be_had_at_once() {
    let Some(lab) = stage() else { return };
    let said = |args: &[&str]| lab.run(["shell"].iter().chain(args)).end().must_be(0).stdout;
    assert_eq!(said(&["uts", "--step", "3", "--as", "tenant", "-c", "hostname"]), "tenant\n");
    assert_eq!(said(&["uts", "--step", "2", "--as", "tenant", "-c", "hostname"]), "workshop\n");
    assert_eq!(said(&["uts", "--step", "3", "-c", "hostname"]), "workshop\n");
    assert!(said(&["pid", "--step", "3", "--as", "container", "-c", "ps -e -o comm="]).starts_with("container\n"));
    assert!(said(&["shared-net", "--as", "client", "-c", "ss -Htln"]).contains(":80"));
    assert!(said(&["chroot", "--step", "7", "--as", "inmate", "-c", "ps -e -o comm="]).starts_with("inmate\n"));
    assert_eq!(lab.run(["shell", "uts", "-c", "exit 9"]).end().code(), 9);
    for args in [&["utz"][..], &["uts", "--step", "7"], &["uts", "--as", "nobody"], &["--step", "1"], &["--as", "host"]]
    {
        let end = lab.run(["shell"].iter().chain(args)).end().must_be(2);
        assert!(!end.stderr.is_empty(), "{args:?}");
    }
    wait_until_none_runs(&lab.program());
}
