//! What a process has when it begins comes from the one that started it. Whatever that is, a lesson is the same.
#![allow(unsafe_code)]

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::Command;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use serde_json::{Value, json};
use syscalls::Sysno;

use crate::moments::{Telling, first_child, wait_for_the_end_of, wait_until_none_runs};
use crate::supervisor::{Verdict, can_play};
use crate::support::{End, Lab, Run, Who, everybody, has_tool, lab, read_text, stage};

/// Has the program begin with something that it did not ask for.
pub fn inheriting(run: &Run, mut given: impl FnMut() -> nix::Result<()> + Send + Sync + 'static) -> Command {
    let mut command = run.command();
    // SAFETY: between fork and exec the closures here make system calls; they allocate nothing and take no lock.
    unsafe { command.pre_exec(move || given().map_err(io::Error::from)) };
    command
}

/// What is said to be left behind, at the end of a lesson that was told as JSON.
#[track_caller]
fn left_behind(end: &End) -> Value {
    end.events().last().unwrap_or_else(|| panic!("nothing was told: {end:?}"))["left_behind"].clone()
}

#[track_caller]
fn leaves_nothing(end: End) {
    let end = end.must_be(0);
    assert_eq!(left_behind(&end), json!([]), "{end:?}");
}

#[test]
fn children_that_were_there_before_are_not_the_stages() {
    let Some(lab) = stage().filter(|_| has_tool("bash")) else { return };
    // One that lives as long as the program does, one that has ended or is about to, and one that leaves an orphan.
    for child in ["cat", "exit", "cat & exit", "(read -t 0.01; exit) & exit"] {
        for &who in everybody() {
            let script = format!("exec 9> >({child} > /dev/null); exec \"$0\" lesson uts --format json");
            leaves_nothing(
                lab.shell("").by(who).instead("bash", &["-c", &script, lab.program().to_str().unwrap()]).end(),
            );
        }
    }
}

#[test]
fn children_that_come_meanwhile_are_not_the_stages() {
    let Some(lab) = stage().filter(|_| has_tool("mkfifo")) else { return };
    let directory = lab.directory(Who::Me);
    // The child that was there before goes, and leaves one of its own, when something is written to the fifo.
    let script = format!(
        "cd {} && mkfifo go && mkfifo stay && {{ read word < go; cat stay > /dev/null & exit; }} & \
         cd {0} && until [ -p stay ]; do :; done; exec \"$0\" lesson uts --format json",
        directory.display()
    );
    for is_reaper in [false, true] {
        let run = lab.shell(&script);
        let mut telling = Telling::begin_as(inheriting(&run, move || prctl::set_child_subreaper(is_reaper)));
        telling.read(3);
        let child = first_child(telling.child.id());
        File::options().write(true).open(directory.join("go")).unwrap().write_all(b"now\n").unwrap();
        wait_for_the_end_of(child);
        // Its orphan waits for somebody to write, as long as this is open.
        let stay = File::options().write(true).open(directory.join("stay")).unwrap();
        let told = telling.read(usize::MAX);
        let status = telling.child.wait().unwrap();
        drop(stay);
        let last: Value = serde_json::from_str(told.last().unwrap()).unwrap();
        assert_eq!((&last["left_behind"], status.code()), (&json!([]), Some(0)), "subreaper: {is_reaper}");
        ["go", "stay"].iter().for_each(|fifo| fs::remove_file(directory.join(fifo)).unwrap());
    }
}

/// A script run in a mount namespace of its own, in which it may mount. `"$0"` is the program.
pub fn with_own_mounts(lab: &Lab, who: Who, script: &str) -> Run {
    let own: &[&str] = match who {
        Who::Me => &["unshare", "--mount"],
        _ => &["unshare", "--map-root-user", "--mount"],
    };
    lab.shell(script).under(own).by(who)
}

#[test]
fn mounts_that_were_there_before_are_not_the_stages() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    for mounted in [
        "mount -t tmpfs nslearn-stage /mnt",
        "mount -t tmpfs none /mnt && mkdir /mnt/nslearn-stage && mount -t tmpfs none /mnt/nslearn-stage",
        "mount -t tmpfs none /mnt && cd /mnt && d=$(printf 'h\\377 - x') && mkdir \"$d\" && mount -t tmpfs \"$d\" \"$d\" && cd /",
    ] {
        for &who in everybody() {
            leaves_nothing(
                with_own_mounts(&lab, who, &format!("{mounted} && exec \"$0\" lesson uts --format json")).end(),
            );
        }
    }
}

#[test]
fn a_lesson_runs_on_a_stage_as_it_does_on_the_machine() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    for &who in everybody() {
        let usual = lab.run(["lesson", "uts", "--scrub", "--format", "json"]).by(who).end().must_be(0);
        // In a place that the stage does not cover.
        let script = "mount -t tmpfs -o mode=755 own /mnt && cp \"$0\" /mnt/nslearn && \
            exec /mnt/nslearn shell -c '/mnt/nslearn lesson uts --scrub --format json'";
        let end = with_own_mounts(&lab, who, script).end().must_be(0);
        assert_eq!(end.events(), usual.events(), "{who:?}");
    }
}

#[test]
fn a_mount_that_is_really_left_is_told() {
    let Some(lab) = stage().filter(|_| has_tool("unshare") && has_tool("mkfifo")) else { return };
    for &who in everybody() {
        let go = lab.directory(who).join("go");
        let script = format!(
            "mkfifo {0} && {{ read word < {0}; mount -t tmpfs nslearn-stage /mnt; exit; }} & \
             until [ -p {0} ]; do :; done; exec \"$0\" lesson uts --format json",
            go.display()
        );
        let mut telling = Telling::begin(&with_own_mounts(&lab, who, &script));
        telling.read(3);
        let mounter = first_child(telling.child.id());
        File::options().write(true).open(go).unwrap().write_all(b"now\n").unwrap();
        wait_for_the_end_of(mounter);
        let told = telling.read(usize::MAX);
        assert_eq!(telling.child.wait().unwrap().code(), Some(1));
        let last: Value = serde_json::from_str(told.last().unwrap()).unwrap();
        assert_eq!(last["left_behind"], json!(["a mount of the stage"]), "{who:?}");
    }
}

#[test]
fn a_process_that_is_really_left_is_told() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    let mut program = None;
    // The program is told that its stage has ended, and is gone; in truth nobody has waited for it.
    let end = lab.run(["lesson", "uts", "--format", "json"]).judged(&[Sysno::wait4], |call| {
        if *program.get_or_insert(call.pid) == call.pid {
            Verdict::Return(first_child(call.pid.unsigned_abs()).into())
        } else {
            Verdict::Continue
        }
    });
    assert_eq!(left_behind(&end.must_be(1)), json!(["a process of the stage"]));
    wait_until_none_runs(&lab.program());
}

type Gift = fn() -> nix::Result<()>;

/// What may come from a parent and is no signal.
const GIVEN: [(&str, Gift); 9] = [
    ("a umask that takes all", || umask_of(0o777)),
    ("a umask that takes nothing", || umask_of(0)),
    ("no core dumps", || setrlimit(Resource::RLIMIT_CORE, 0, 0)),
    ("a signal when the parent ends", || prctl::set_pdeathsig(Signal::SIGUSR1)),
    ("the orphans of others", || prctl::set_child_subreaper(true)),
    ("no new privileges", prctl::set_no_new_privs),
    ("timers that are a second late", || prctl::set_timerslack(1_000_000_000)),
    // SAFETY: nice(2) touches no memory.
    ("the last place in the queue", || Errno::result(unsafe { libc::nice(19) }).map(drop)),
    ("a session without a terminal", || nix::unistd::setsid().map(drop)),
];

fn umask_of(mode: u32) -> nix::Result<()> {
    umask(Mode::from_bits_truncate(mode));
    Ok(())
}

#[test]
fn limits_masks_and_wishes_of_the_parents_do_not_change_a_lesson() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let run = lab.run(["lesson", "--all", "--scrub", "--format", "json"]).by(who);
        let usual = run.end().must_be(0);
        for (what, given) in GIVEN {
            let end = run.end_of(inheriting(&run, given)).must_be(0);
            assert_eq!(end.stdout, usual.stdout, "{who:?}: {what}");
        }
    }
}

/// A program that may be executed and not read is what the kernel keeps others from looking into: prctl(2),
/// PR_SET_DUMPABLE. It must be able to look at itself all the same.
#[test]
fn a_program_that_may_not_be_read_does_all_that_it_does() {
    let Some(lab) = stage() else { return };
    let directory = lab.directory(Who::PlainUser);
    let unreadable = directory.join("nslearn");
    fs::copy(lab.program(), &unreadable).unwrap();
    fs::set_permissions(&unreadable, fs::Permissions::from_mode(0o111)).unwrap();
    let film = directory.join("film.cast");
    let film = film.to_str().unwrap();
    for args in [
        &["lesson", "--all", "--scrub", "--format", "json"][..],
        &["lesson", "uts", "--scrub", "--record", film],
        &["doctor"],
        &["shell", "-c", "id -u; uname -n; ls /proc/self/fd"],
        &["shell", "uts", "-c", "id -u; uname -n"],
        &["completions", "bash"],
        &["list"],
        &["man"],
        &["--help"],
    ] {
        let run = || lab.run(args).by(Who::PlainUser);
        let usual = run().end().must_be(0);
        let end = run().of(&unreadable).end().must_be(0);
        assert_eq!((end.stdout, end.stderr), (usual.stdout, usual.stderr), "{args:?}");
    }
}

#[test]
fn a_deadline_that_the_parent_has_set_ends_the_lesson_and_leaves_nothing() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let run = lab.run(["lesson", "uts", "--format", "json"]).by(who);
        // As `perl -e 'alarm 1; exec "nslearn"'` does: what alarm(2) has set survives execve(2).
        let command = inheriting(&run, || {
            // SAFETY: alarm(2) touches no memory.
            unsafe { libc::alarm(1) };
            Ok(())
        });
        let mut telling = Telling::begin_as(command);
        telling.read(3);
        let end = telling.child.wait().unwrap();
        assert_eq!(end.signal(), Some(libc::SIGALRM));
        wait_until_none_runs(&lab.program());
    }
}

#[test]
fn what_is_written_is_added_to_a_file_that_is_opened_so() {
    let lab = lab();
    let file = lab.directory(Who::Me).join("log");
    let list = lab.run(["list"]).end().must_be(0).stdout;
    lab.shell(&format!("echo before > {0}; exec \"$0\" list >> {0}", file.display())).end().must_be(0);
    assert_eq!(read_text(&file).unwrap(), format!("before\n{list}"));
}

#[test]
fn a_standard_output_that_was_opened_for_reading_is_told() {
    let lab = lab();
    let end = lab.shell("exec \"$0\" list 1< /dev/null").end().must_be(1);
    assert!(end.stderr.contains("standard output") && end.stderr.contains("EBADF"), "{}", end.stderr);
}
