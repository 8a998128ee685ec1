//! Signals that are ignored or blocked when the program begins: execve(2) keeps both.
#![allow(unsafe_code)]

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::inherited::inheriting;
use crate::moments::{Telling, wait_until_none_runs};
use crate::support::{Lab, Run, everybody, stage};

/// What a parent does with signals.
#[derive(Debug, Clone, Copy)]
enum Left {
    Ignored,
    Blocked,
}

/// The program with signals that its parent ignores or blocks.
fn with(run: &Run, left: Left, signals: impl Iterator<Item = i32> + Clone + Send + Sync + 'static) -> Command {
    inheriting(run, move || signals.clone().try_for_each(|signal| leave(left, signal)))
}

/// Past the C library, which lets nobody at the signals of its own.
fn leave(left: Left, signal: i32) -> nix::Result<()> {
    let result = match left {
        Left::Ignored => {
            // As the kernel has a `struct sigaction`: SIG_IGN, without flags and with an empty mask.
            let ignore = [libc::SIG_IGN as u64, 0, 0, 0];
            // SAFETY: the kernel reads a struct that outlives the call, and no handler is put up.
            unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, ignore.as_ptr(), 0, size_of::<u64>()) }
        }
        Left::Blocked => {
            let mask = 1_u64 << (signal - 1);
            // SAFETY: the kernel reads a mask that outlives the call.
            unsafe { libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_BLOCK, &raw const mask, 0, size_of::<u64>()) }
        }
    };
    // SIGKILL and SIGSTOP.
    if result == -1 && Errno::last() != Errno::EINVAL { Err(Errno::last()) } else { Ok(()) }
}

fn all() -> std::ops::RangeInclusive<i32> {
    1..=64
}

#[test]
fn signals_that_the_parent_ignores_or_blocks_do_not_change_a_lesson() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let run = lab.run(["lesson", "--all", "--scrub", "--format", "json"]).by(who);
        let usual = run.end().must_be(0);
        for left in [Left::Ignored, Left::Blocked] {
            let end = run.end_of(with(&run, left, all())).must_be(0);
            assert_eq!((end.stdout, end.stderr), (usual.stdout.clone(), String::new()), "{who:?}: all {left:?}");
        }
    }
}

#[test]
fn each_signal_that_the_parent_ignores_or_blocks_lets_a_lesson_be() {
    let Some(lab) = stage() else { return };
    let run = lab.run(["lesson", "chroot", "--scrub", "--format", "json"]);
    let usual = run.end().must_be(0);
    for left in [Left::Ignored, Left::Blocked] {
        for signal in Signal::iterator().map(|signal| signal as i32) {
            let end = run.end_of(with(&run, left, signal..=signal)).must_be(0);
            assert_eq!(end.stdout, usual.stdout, "signal {signal}: {left:?}");
        }
    }
}

/// How a lesson ends that gets a signal in its middle.
fn sent(lab: &Lab, left: Left, signal: Signal) -> Result<i32, i32> {
    let run = lab.run(["lesson", "uts", "--format", "json"]);
    let mut telling = Telling::begin_as(with(&run, left, (signal as i32)..=(signal as i32)));
    telling.read(3);
    kill(Pid::from_raw(telling.child.id().cast_signed()), signal).unwrap();
    telling.read(usize::MAX);
    let status = telling.child.wait().unwrap();
    wait_until_none_runs(&lab.program());
    status.code().ok_or_else(|| status.signal().unwrap())
}

#[test]
fn what_is_to_outlive_its_terminal_does_so() {
    let Some(lab) = stage() else { return };
    // As nohup(1) starts it, and as a shell does a job in the background: what is typed is not for that one.
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        assert_eq!(sent(&lab, Left::Ignored, signal), Ok(0), "{signal}");
        assert_eq!(sent(&lab, Left::Blocked, signal), Err(signal as i32), "{signal}");
    }
}

#[test]
fn who_is_asked_to_end_does_so_whatever_the_parent_ignores() {
    let Some(lab) = stage() else { return };
    for left in [Left::Ignored, Left::Blocked] {
        assert_eq!(sent(&lab, left, Signal::SIGTERM), Err(libc::SIGTERM), "{left:?}");
    }
}

#[test]
fn a_shell_on_a_stage_has_the_signals_that_it_would_have_had_without() {
    const LOOK: &str = "exec grep -E '^Sig(Blk|Ign)' /proc/self/status";
    let Some(lab) = stage() else { return };
    for left in [Left::Ignored, Left::Blocked] {
        // SIGKILL can be neither: there it is as ever.
        for signals in [9..=9, all(), 1..=1, 13..=15, 17..=17, 25..=34] {
            let without = lab.run([""]).instead("sh", &["-c", LOOK]);
            let without = without.end_of(with(&without, left, signals.clone())).must_be(0);
            for args in [&["shell", "-c", LOOK][..], &["shell", "uts", "-c", LOOK]] {
                let run = lab.run(args);
                let end = run.end_of(with(&run, left, signals.clone())).must_be(0);
                assert_eq!(end.stdout, without.stdout, "{signals:?} {left:?}: {args:?}");
            }
        }
    }
}
