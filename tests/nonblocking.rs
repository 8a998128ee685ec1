//! A standard stream that somebody else has made non-blocking, for all who share it: fcntl(2), O_NONBLOCK. Where it is full,
//! the program waits.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::moments::{ends_before, processes_of};
use crate::support::{Run, has_tool, lab, read_text, stage};
use crate::terminal::{Terminal, on_a_terminal};

/// Makes the terminal that is its standard input a non-blocking one, and becomes another program.
const MAKE_IT_SO: [&str; 3] =
    ["perl", "-e", "use Fcntl; fcntl(STDIN, F_SETFL, O_RDWR | O_NONBLOCK) or die; exec @ARGV"];

/// A pipe that is non-blocking where it is written to, holds one page, and is full.
fn full_pipe() -> (File, File, usize) {
    let (ours, programs) = nix::unistd::pipe2(OFlag::O_CLOEXEC).unwrap();
    fcntl(&programs, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
    fcntl(&programs, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    let mut programs = File::from(programs);
    let mut stuffing = 0;
    loop {
        match programs.write(&[b'.'; 512]) {
            Ok(written) => stuffing += written,
            Err(why) if why.kind() == ErrorKind::WouldBlock => return (File::from(ours), programs, stuffing),
            Err(why) => panic!("a pipe is filled: {why}"),
        }
    }
}

/// Runs the program with a full, non-blocking pipe for a standard stream, and reads slowly once it waits: what it writes,
/// and its exit status.
fn read_slowly(run: &Run, is_error: bool) -> (String, Option<i32>) {
    let (mut ours, programs, stuffing) = full_pipe();
    let mut command = run.command();
    if is_error {
        command.stderr(programs).stdout(Stdio::null())
    } else {
        command.stdout(programs).stderr(Stdio::null())
    };
    let mut child = command.spawn().unwrap();
    drop(command);
    let stat = format!("/proc/{}/stat", child.id());
    // Until it sleeps, or has ended.
    let runs = || read_text(&stat).is_ok_and(|stat| stat.rsplit_once(')').unwrap().1.starts_with(" R"));
    while runs() {}
    let (mut written, mut part) = (Vec::new(), [0; 700]);
    loop {
        match ours.read(&mut part).unwrap() {
            0 => break,
            length => written.extend(&part[..length]),
        }
    }
    let written = String::from_utf8(written.split_off(stuffing)).unwrap();
    (written, child.wait().unwrap().code())
}

#[test]
fn all_is_written_to_a_reader_that_is_slow() {
    let Some(lab) = stage() else { return };
    for args in [
        &["lesson", "--all", "--scrub", "--format", "json"][..],
        &["lesson", "uts", "--scrub"],
        &["list"],
        &["list", "--format", "json"],
        &["notes", "pid"],
        &["doctor"],
        &["man"],
        &["completions", "zsh"],
        &["--help"],
        &["lesson", "--help"],
        &["--version"],
        &[],
    ] {
        let run = lab.run(args);
        let usual = run.end().must_be(0);
        let (written, status) = read_slowly(&run, false);
        assert_eq!((written.as_str(), status), (usual.stdout.as_str(), Some(0)), "{args:?}");
    }
}

#[test]
fn complaints_are_written_to_a_reader_that_is_slow() {
    let lab = lab();
    for args in [&["lesson", "nowhere"][..], &["lesson", "--nonsense"], &["lesson", "\u{1b}", "--nonsense"]] {
        let run = lab.run(args);
        let usual = run.end().must_be(2);
        let (written, status) = read_slowly(&run, true);
        assert_eq!((written.as_str(), status), (usual.stderr.as_str(), Some(2)), "{args:?}");
    }
}

#[test]
fn all_is_written_to_a_terminal_that_does_not_block() {
    let Some(lab) = stage().filter(|_| has_tool("perl")) else { return };
    let Some(run) = on_a_terminal(&lab, &["lesson", "--all", "--no-pause"]) else { return };
    let mut terminal = Terminal::start(&run.under(&MAKE_IT_SO), (80, 24));
    terminal.wait_for("1/");
    let program = processes_of(&lab.program())[0];
    // Nobody reads, and a terminal does not hold as much as there is to say.
    assert!(!ends_before(program, Instant::now() + Duration::from_secs(2)), "{}", terminal.screen());
    lab.ids().iter().for_each(|_| terminal.wait_for("nothing left behind"));
    assert!(terminal.end().success());
}

#[test]
fn a_walk_waits_for_keys_on_a_terminal_that_does_not_block() {
    let Some(lab) = stage().filter(|_| has_tool("perl")) else { return };
    let Some(run) = on_a_terminal(&lab, &["lesson", "uts", "--no-questions"]) else { return };
    let mut terminal = Terminal::start(&run.under(&MAKE_IT_SO), (80, 24));
    for step in 1..=6 {
        terminal.wait_for_step(step, 6);
        terminal.press("\r");
    }
    terminal.wait_for("nothing left behind");
    assert!(terminal.end().success());
}
