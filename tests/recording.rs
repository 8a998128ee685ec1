//! `--record FILE` and `--format asciicast`: a lesson as a film, at a reader's pace.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anstream::adapter::strip_str;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use syscalls::Sysno;

use crate::errors::{NO_UTS, as_root_of_nothing};
use crate::inherited::with_own_mounts;
use crate::moments::{Telling, wait_until_none_runs};
use crate::supervisor::{Verdict, can_play};
use crate::support::{Lab, Run, Who, everybody, has_tool, lab, read_text, stage};

/// A film, read: its header, and what appears when (in seconds).
struct Film {
    header: Value,
    frames: Vec<(f64, String)>,
}

impl Film {
    fn read(film: &str) -> Film {
        assert!(film.ends_with('\n'), "the last line is not whole");
        let mut lines =
            film.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}")));
        let header = lines.next().expect("a header");
        let frame = |line: Value| {
            assert_eq!((line.as_array().unwrap().len(), &line[1]), (3, &json!("o")), "{line}");
            (line[0].as_f64().unwrap(), line[2].as_str().unwrap().to_owned())
        };
        Film { header, frames: lines.map(frame).collect() }
    }

    /// All that appears, as it goes to the player's terminal.
    fn shown(&self) -> String {
        self.frames.iter().map(|(_, shown)| shown.as_str()).collect()
    }

    /// The words alone.
    fn words(&self) -> String {
        strip_str(&self.shown()).to_string().replace('\r', "")
    }

    fn has_colour(&self) -> bool {
        self.shown().contains("\u{1b}[32m")
    }
}

fn told(lab: &Lab, args: &[&str]) -> String {
    lab.run(["lesson", "--scrub"].iter().chain(args)).end().must_be(0).stdout
}

/// A lesson that is recorded in a file.
fn recorded(lab: &Lab, args: &[&str], file: &Path) -> Run {
    lab.run(["lesson", "--scrub", "--record", file.to_str().unwrap()].iter().chain(args))
}

fn names_in(directory: &Path) -> Vec<PathBuf> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
}

pub fn is_recorded_with_the_words_of_the_plain_form(id: &str) {
    let Some(lab) = stage() else { return };
    let film = Film::read(&told(&lab, &[id, "--format", "asciicast"]));
    assert_eq!(film.words(), told(&lab, &[id, "--format", "plain"]), "{id}");
    let shown = film.shown();
    assert_eq!(shown.matches('\n').count(), shown.matches("\r\n").count(), "{id}: lines must end in CR LF");
}

pub fn is_recorded_at_the_pace_of_a_reader_and_never_backwards(id: &str) {
    let Some(lab) = stage() else { return };
    let lesson = lab.lesson(id);
    let minutes = lesson["minutes"].as_f64().unwrap();
    let film = Film::read(&told(&lab, &[id, "--format", "asciicast"]));
    assert_eq!(film.frames[0].0, 0.0, "{id}: it begins at once");
    assert!(film.frames.iter().all(|(time, _)| time.is_finite()), "{id}");
    assert!(film.frames.is_sorted_by(|(one, _), (next, _)| one <= next), "{id}");
    let plays = film.frames.last().unwrap().0 / 60.0;
    assert!((minutes / 4.0..minutes * 2.0 / 3.0).contains(&plays), "{id}, {minutes} minutes, plays for {plays}");
}

#[test]
fn there_is_a_pause_before_a_step_and_after_a_claim() {
    let Some(lab) = stage() else { return };
    let film = Film::read(&told(&lab, &["uts", "--format", "asciicast"]));
    let mut pauses = film.frames.windows(2).map(|pair| (pair[1].0 - pair[0].0, pair[1].1.as_str()));
    let steps: Vec<_> = pauses.clone().filter(|(_, next)| next.contains("/6") && next.contains("──")).collect();
    assert_eq!(steps.len(), 6);
    assert!(steps.iter().all(|(pause, _)| *pause > 2.0), "{steps:?}");
    pauses.find(|(_, next)| next.contains("uts-independent")).expect("a claim");
    // What shows it stands below; a blank line parts it from what comes next.
    let (pause, next) = pauses.find(|(_, next)| next.starts_with("\r\n")).expect("more after the claim");
    assert!(pause > 2.0, "{pause} s before {next}");
}

#[test]
fn its_header_says_what_it_is_and_nothing_of_the_machine() {
    let Some(lab) = stage() else { return };
    let env = json!({"TERM": "xterm-256color", "SHELL": "/bin/sh"});
    let one = Film::read(&told(&lab, &["uts", "--format", "asciicast"])).header;
    let title = "UTS namespaces · one machine, two names";
    assert_eq!(one, json!({"version": 2, "width": 80, "height": 24, "title": title, "env": env}));
    let two = Film::read(&told(&lab, &["uts", "pid", "--format", "asciicast"])).header;
    assert_eq!(two["title"], "UTS namespaces · PID namespaces");
}

pub fn is_the_same_recording_wherever_it_is_shown(id: &str) {
    let Some(lab) = stage() else { return };
    let film = told(&lab, &[id, "--format", "asciicast"]);
    for &who in everybody() {
        let file = lab.directory(who).join("film.cast");
        for format in ["terminal", "json", "svg", "asciicast"] {
            let run = recorded(&lab, &[id, "--format", format], &file).by(who);
            // Neither the terminal's size nor the locale, nor what is said of colours, is the player's.
            let run = run.env("NO_COLOR", "1").env("COLUMNS", "60").env("LC_ALL", "C").env("SHELL", "/bin/fish");
            run.end().must_be(0);
            assert!(crate::support::read_text(&file).unwrap() == film, "{id} as {format}, by {who:?}");
        }
    }
}

#[test]
fn the_lesson_is_shown_as_ever_while_it_is_recorded() {
    let Some(lab) = stage() else { return };
    let file = lab.directory(Who::Me).join("film.cast");
    for format in ["terminal", "plain", "json", "markdown", "svg", "asciicast"] {
        let args = ["net", "--format", format];
        let end = recorded(&lab, &args, &file).end().must_be(0);
        assert!(end.stdout == told(&lab, &args) && end.stderr.is_empty(), "{format}: {}", end.stderr);
    }
}

#[test]
fn a_recording_has_colours_unless_they_are_refused() {
    let Some(lab) = stage() else { return };
    let file = lab.directory(Who::Me).join("film.cast");
    for (color, expected) in [("auto", true), ("always", true), ("never", false)] {
        let args = ["uts", "--format", "asciicast", "--color", color];
        let end = recorded(&lab, &args, &file).env("NO_COLOR", "1").env("TERM", "dumb").end().must_be(0);
        for film in [end.stdout, crate::support::read_text(&file).unwrap()] {
            assert_eq!(Film::read(&film).has_colour(), expected, "--color {color}");
        }
    }
}

#[test]
fn several_lessons_are_one_recording() {
    let Some(lab) = stage() else { return };
    let file = lab.directory(Who::Me).join("all.cast");
    let plain = recorded(&lab, &["--all", "--format", "plain"], &file).end().must_be(0).stdout;
    let film = Film::read(&crate::support::read_text(&file).unwrap());
    assert_eq!(film.words(), plain);
    assert!(film.frames.is_sorted_by(|(one, _), (next, _)| one <= next));
}

#[test]
fn one_step_alone_can_be_recorded() {
    let Some(lab) = stage() else { return };
    let file = lab.directory(Who::Me).join("step.cast");
    let plain = recorded(&lab, &["uts", "--step", "3", "--format", "plain"], &file).end().must_be(0).stdout;
    assert_eq!(Film::read(&crate::support::read_text(&file).unwrap()).words(), plain);
}

#[test]
fn a_file_that_is_there_is_replaced_and_a_link_to_it_stays_one() {
    let Some(lab) = stage() else { return };
    let directory = lab.directory(Who::Me);
    let (file, link) = (directory.join("film.cast"), directory.join("link.cast"));
    fs::write(&file, "an older one, and a much longer one: ".repeat(10_000)).unwrap();
    symlink("film.cast", &link).unwrap();
    recorded(&lab, &["uts"], &link).end().must_be(0);
    Film::read(&crate::support::read_text(&file).unwrap());
    assert!(link.is_symlink());
    assert_eq!(names_in(&directory).len(), 2, "nothing else is there");
}

#[test]
fn the_umask_decides_who_may_read_a_recording() {
    let Some(lab) = stage() else { return };
    for (umask, mode) in [("022", 0o644), ("077", 0o600)] {
        let file = lab.directory(Who::Me).join("film.cast");
        let script = format!("umask {umask} && exec \"$0\" lesson uts --record {}", file.display());
        lab.shell(&script).end().must_be(0);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, mode, "umask {umask}");
    }
}

#[test]
fn a_file_that_cannot_be_written_is_told_before_the_lesson_begins() {
    let lab = lab();
    let directory = lab.directory(Who::PlainUser);
    let closed = lab.directory(Who::PlainUser);
    fs::set_permissions(&closed, Permissions::from_mode(0o555)).unwrap();
    let file = directory.join("file");
    fs::write(&file, "").unwrap();
    symlink("nowhere", directory.join("dangling")).unwrap();
    let cases = [
        (directory.join("nowhere/film.cast"), "No such file or directory"),
        (closed.join("film.cast"), "Permission denied"),
        (file.join("film.cast"), "Not a directory"),
        (directory.join("dangling"), "No such file or directory"),
        (directory.join("film/"), "a directory"),
        (directory.clone(), "a directory"),
        ("/dev/null".into(), "not a regular file"),
    ];
    for (path, why) in cases {
        let end = recorded(&lab, &["uts"], &path).by(Who::PlainUser).end().must_be(1);
        assert_eq!(end.stdout, "", "{path:?}: the lesson has begun");
        for word in [why, "cannot record in", "what to do:"] {
            assert!(end.stderr.contains(word), "{path:?}: no '{word}' in {}", end.stderr);
        }
    }
    assert!(names_in(&closed).is_empty());
    assert_eq!(names_in(&directory).len(), 2);
}

#[test]
fn a_dash_is_not_standard_output() {
    let lab = lab();
    let end = recorded(&lab, &["uts"], Path::new("-")).end().must_be(2);
    assert_eq!(end.stdout, "");
    assert!(end.stderr.contains("--format asciicast"), "{}", end.stderr);
}

#[test]
fn nothing_is_left_where_there_is_no_stage() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let directory = lab.directory(Who::PlainUser);
    let file = directory.join("film.cast");
    let arguments = format!("lesson uts --record {}", file.display());
    let end = as_root_of_nothing(&lab, &format!("{NO_UTS} {arguments}")).end().must_be(3);
    assert!(end.stderr.contains("film.cast'") && end.stderr.contains("nothing was written"), "{}", end.stderr);
    assert!(names_in(&directory).is_empty());
    let end = as_root_of_nothing(&lab, &format!("{NO_UTS} lesson uts --format asciicast")).end().must_be(3);
    assert_eq!(end.stdout, "", "not even a header");
}

#[test]
fn nothing_is_left_where_the_lesson_is_not_shown_to_its_end() {
    let Some(lab) = stage() else { return };
    let directory = lab.directory(Who::Me);
    let file = directory.join("film.cast");
    fs::write(&file, "an older one").unwrap();
    let run = recorded(&lab, &["uts", "--format", "json"], &file);
    // A reader that leaves. Not head(1): a pipe of the usual size holds the whole lesson, if that one is slow to leave.
    let Telling { mut child, events } = Telling::begin(&run);
    drop(events);
    child.wait().unwrap();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    recorded(&lab, &["uts"], &file).stdout(full).end().must_be(1);
    let mut telling = Telling::begin(&recorded(&lab, &["uts", "--format", "json"], &file));
    telling.read(20);
    telling.child.kill().unwrap();
    telling.child.wait().unwrap();
    wait_until_none_runs(&lab.program());
    assert_eq!(names_in(&directory), std::slice::from_ref(&file));
    assert_eq!(crate::support::read_text(file).unwrap(), "an older one");
}

/// Who is killed, by what, when a call is made that has to do with the recording's directory.
#[derive(Debug, Clone, Copy)]
enum Shot {
    Program(Signal),
    Caller(Signal),
}

/// Records a lesson, and shoots at the call with this number; whether there were so many.
fn is_shot_at(call_number: usize, shot: Shot, has_nameless_files: bool, lab: &Lab, file: &Path) -> bool {
    const CALLS: [Sysno; 9] = [
        Sysno::open,
        Sysno::openat,
        Sysno::write,
        Sysno::linkat,
        Sysno::rename,
        Sysno::renameat,
        Sysno::renameat2,
        Sysno::unlink,
        Sysno::unlinkat,
    ];
    let directory = file.parent().unwrap();
    let (mut program, mut calls) = (None, 0);
    recorded(lab, &["uts"], file).judged(&CALLS, |call| {
        let program = *program.get_or_insert(call.pid);
        let path = |place: usize| {
            call.read_string(call.args[place]).is_some_and(|path| Path::new(&path).starts_with(directory))
        };
        let concerns_it = match call.sysno {
            Sysno::open | Sysno::rename | Sysno::unlink => path(0),
            Sysno::openat | Sysno::renameat | Sysno::renameat2 | Sysno::unlinkat => path(1),
            Sysno::linkat => path(3),
            _ => call.fd_target(call.args[0]).is_some_and(|target| target.starts_with(directory)),
        };
        if !concerns_it {
            return Verdict::Continue;
        }
        if calls == call_number {
            let (Shot::Program(signal) | Shot::Caller(signal)) = shot;
            let victim = if matches!(shot, Shot::Caller(_)) { call.pid } else { program };
            kill(Pid::from_raw(victim), signal).unwrap();
        }
        calls += 1;
        let is_nameless =
            call.sysno == Sysno::openat && call.args[2] & libc::O_TMPFILE as u64 == libc::O_TMPFILE as u64;
        if is_nameless && !has_nameless_files { Verdict::Refuse(Errno::EOPNOTSUPP) } else { Verdict::Continue }
    });
    wait_until_none_runs(&lab.program());
    calls > call_number
}

#[test]
fn whenever_the_program_is_ended_there_is_a_whole_recording_or_none() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    let film = told(&lab, &["uts", "--format", "asciicast"]);
    for shot in [Shot::Program(Signal::SIGKILL), Shot::Program(Signal::SIGTERM), Shot::Caller(Signal::SIGKILL)] {
        for (has_nameless_files, older) in [(true, None), (true, Some("older")), (false, None), (false, Some("older"))]
        {
            let mut number = 0;
            loop {
                let directory = lab.directory(Who::Me);
                let file = directory.join("film.cast");
                if let Some(older) = older {
                    fs::write(&file, older).unwrap();
                }
                let is_shot = is_shot_at(number, shot, has_nameless_files, &lab, &file);
                let now = read_text(&file).ok();
                let what = format!("{shot:?} at call {number}, nameless files: {has_nameless_files}, {older:?}");
                assert!(now.as_deref() == older || now.as_ref() == Some(&film), "{what}: {now:?}");
                assert_eq!(
                    names_in(&directory).len(),
                    usize::from(now.is_some()),
                    "{what}: {:?}",
                    names_in(&directory)
                );
                if !is_shot {
                    assert_eq!(now, Some(film.clone()), "{what}");
                    break;
                }
                number += 1;
            }
            assert!(number > 1, "there was hardly anything to shoot at");
        }
    }
}

#[test]
fn nothing_is_left_where_there_is_no_room_for_a_recording() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let recorded = "\"$0\" lesson uts --record /mnt/film.cast > /dev/null; echo $?; ls -A /mnt";
    for (room, word) in
        [("-o size=16k none /mnt", "No space left"), ("none /mnt && ulimit -f 16", "ulimit -f unlimited")]
    {
        for &who in everybody() {
            for older in [false, true] {
                let older = if older { "touch /mnt/film.cast && " } else { "" };
                let script = format!("mount -t tmpfs {room} && {older}{{ {recorded}; }}");
                let end = with_own_mounts(&lab, who, &script).end().must_be(0);
                let expected = if older.is_empty() { "1\n" } else { "1\nfilm.cast\n" };
                assert_eq!(end.stdout, expected, "{who:?}: {end:?}");
                assert!(end.stderr.contains(word) && end.stderr.contains("what to do:"), "{who:?}: {}", end.stderr);
            }
        }
    }
}

/// A player, with a home of its own: it writes its settings there.
fn player(lab: &Lab, program: &str, args: &[&str]) -> Run {
    let home = lab.directory(Who::Me);
    lab.run([""]).instead(program, args).env("HOME", home.to_str().unwrap())
}

pub fn is_played_through_by_asciinema(id: &str) {
    let Some(lab) = stage().filter(|_| has_tool("asciinema") && has_tool("script")) else { return };
    let file = lab.directory(Who::Me).join("film.cast");
    recorded(&lab, &[id], &file).end().must_be(0);
    let path = file.to_str().unwrap();
    let shown = Film::read(&crate::support::read_text(&file).unwrap()).shown();
    let played = player(&lab, "asciinema", &["play", "--speed", "1000000", path]).end().must_be(0);
    assert_eq!(played.stdout.replace("\r\n", "\n"), shown.replace("\r\n", "\n"), "{id}, played");
    // `cat` makes the terminal a raw one, and so needs one.
    let typed = format!("asciinema cat {path}");
    let printed = player(&lab, "script", &["-qec", &typed, "/dev/null"]).end().must_be(0);
    assert_eq!(printed.stdout, shown, "{id}, printed");
}
