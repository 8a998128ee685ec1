//! Whatever is wrong with the command line or with what is around the program: a clear message or a right result.
//! That nothing panics, `Run::end` looks at each time.

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;

use crate::moments::Telling;
use crate::support::{Who, everybody, lab, stage};

/// The program without a stage, and with one.
const COMMANDS: [&str; 3] = ["list", "lesson uts", "lesson uts --format json"];

#[test]
fn an_unknown_lesson_is_answered_with_the_nearest() {
    let lab = lab();
    for (typed, nearest) in [("nte", "net"), ("shared", "shared-net"), ("PID", "pid"), ("chrot", "chroot")] {
        let end = lab.run(["lesson", typed]).end().must_be(2);
        assert_eq!(end.stdout, "");
        let mut words = end.stderr.lines().skip(1).flat_map(|line| line.split([' ', ',', ';', '\'', '?']));
        let named = words.find(|word| lab.ids().iter().any(|id| id == word));
        assert_eq!(named, Some(nearest), "{typed}: {}", end.stderr);
    }
}

#[test]
fn an_unknown_lesson_among_known_ones_stops_all_of_them() {
    let end = lab().run(["lesson", "uts", "nowhere"]).end().must_be(2);
    assert_eq!(end.stdout, "");
    assert!(end.stderr.contains("nowhere"), "{}", end.stderr);
}

#[test]
fn a_name_with_escape_sequences_does_not_reach_the_terminal_as_it_is() {
    let end = lab().run(["lesson", "\u{1b}[31mred"]).end().must_be(2);
    assert!(!end.stderr.contains('\u{1b}'), "{:?}", end.stderr);
}

#[test]
fn no_argument_tells_what_this_is_and_what_to_type_next() {
    let lab = lab();
    let end = lab.run([""; 0]).end().must_be(0);
    assert!(lab.ids().iter().all(|id| end.stdout.contains(id.as_str())), "{}", end.stdout);
    assert!(end.stdout.contains("nslearn lesson "), "{}", end.stdout);
}

#[test]
fn wrong_usage_is_exit_status_2() {
    let lab = lab();
    for args in [&["lesson"][..], &["lesson", "--all", "pid"], &["--format", "xml", "list"], &["nonsense"]] {
        let end = lab.run(args).end().must_be(2);
        assert!(end.stdout.is_empty() && !end.stderr.is_empty(), "{args:?}: {end:?}");
    }
}

#[test]
fn a_closed_standard_output_is_told_on_standard_error() {
    let lab = lab();
    for command in COMMANDS {
        let end = lab.shell(&format!("exec \"$0\" {command} >&-")).end().must_be(1);
        assert!(end.stderr.contains("standard output"), "{command}: {}", end.stderr);
    }
}

#[test]
fn a_full_disk_is_told_on_standard_error() {
    let Some(lab) = stage() else { return };
    for command in COMMANDS {
        let full = || File::options().write(true).open("/dev/full").unwrap().into();
        let end = lab.run(command.split(' ')).stdout(full).end().must_be(1);
        assert!(end.stderr.contains("standard output") && end.stderr.contains("No space"), "{command}: {}", end.stderr);
    }
}

#[test]
fn closed_input_and_error_streams_do_not_matter() {
    let Some(lab) = stage() else { return };
    for command in COMMANDS {
        let usual = lab.shell(&format!("exec \"$0\" {command} --scrub")).end().must_be(0);
        for closed in ["<&-", "2>&-", "<&- 2>&-"] {
            let end = lab.shell(&format!("exec \"$0\" {command} --scrub {closed}")).end().must_be(0);
            assert_eq!(end.stdout, usual.stdout, "{command} {closed}");
        }
    }
}

pub fn is_ascii_without_a_utf_8_locale_and_loses_no_letter(id: &str) {
    let Some(lab) = stage() else { return };
    let lesson = lab.run(["lesson", id, "--format", "plain"]);
    let asked = lesson.end().must_be(0).stdout.matches('?').count();
    let lesson = || lab.run(["lesson", id, "--format", "plain"]);
    let poor = [lesson().without_env(), lesson().env("LC_ALL", "C"), lesson().env("LC_ALL", "POSIX")];
    for end in poor.map(|run| run.end().must_be(0)) {
        let foreign = end.stdout.lines().find(|line| !line.is_ascii());
        assert_eq!(foreign, None, "lesson {id}");
        // Question marks stand for letters that nobody has thought of: there must be those of the text alone.
        assert_eq!(end.stdout.matches('?').count(), asked, "lesson {id}:\n{}", end.stdout);
    }
}

#[test]
fn the_other_commands_are_ascii_without_a_utf_8_locale_too() {
    let lab = lab();
    for args in [&[][..], &["list"], &["doctor"], &["notes", "pid"], &["lesson", "nowhere"]] {
        let end = lab.run(args).without_env().end();
        assert!(end.stdout.is_ascii() && end.stderr.is_ascii(), "{args:?}: {end:?}");
    }
}

#[test]
fn a_directory_that_is_gone_or_out_of_reach_does_not_matter() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        for make in ["rmdir \"$PWD\"", "chmod 0 ."] {
            let directory = lab.directory(who);
            for command in ["list", "doctor", "lesson uts"] {
                let script =
                    format!("mkdir -p {0}/d && cd {0}/d && {make} && exec \"$0\" {command}", directory.display());
                lab.shell(&script).by(who).end().must_be(0);
                let _ = std::fs::set_permissions(directory.join("d"), PermissionsExt::from_mode(0o755));
            }
        }
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_lesson_quietly() {
    let Some(lab) = stage() else { return };
    for format in ["terminal", "plain", "json", "markdown"] {
        let mut telling = Telling::begin(&lab.run(["lesson", "net", "--format", format]).by(Who::PlainUser));
        telling.read(3);
        drop(telling.events);
        let end = telling.child.wait_with_output().unwrap();
        let by_sigpipe = end.status.code() == Some(141) || end.status.signal() == Some(13);
        assert!(by_sigpipe, "{format}: {:?}", end.status);
        assert_eq!(String::from_utf8_lossy(&end.stderr), "", "{format}");
    }
}
