//! Being there at a moment of a lesson, counted in events and not by a clock.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, poll, ppoll};
use nix::sys::time::TimeSpec;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::support::{Run, everybody, read_text, stage};

/// A lesson that is being told, as far as the events have been read. The pipe between holds one write at a time, so the
/// program is never more than an event ahead of its reader, and cannot end before all has been read.
pub struct Telling {
    pub child: Child,
    pub events: BufReader<File>,
}

impl Telling {
    /// Starts the program.
    pub fn begin(run: &Run) -> Telling {
        Telling::begin_as(run.command())
    }

    /// Starts a command that was made of it.
    pub fn begin_as(mut command: Command) -> Telling {
        // A pipe of packets, as large as one page: a packet takes a page, however short it is.
        let (ours, programs) = nix::unistd::pipe2(OFlag::O_DIRECT | OFlag::O_CLOEXEC).unwrap();
        fcntl(&programs, FcntlArg::F_SETPIPE_SZ(4096)).unwrap();
        let child = command.stdout(Stdio::from(programs)).spawn().unwrap();
        Telling { child, events: BufReader::new(File::from(ours)) }
    }

    /// Reads some events, or what there is.
    pub fn read(&mut self, events: usize) -> Vec<String> {
        let lines = self.events.by_ref().split(b'\n').take(events);
        lines.map(|line| String::from_utf8(line.unwrap()).unwrap()).collect()
    }
}

/// The processes that run a program (a path that no other test run has), those on a stage included.
pub fn processes_of(program: &Path) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let runs_it = |pid: &i32| fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program);
    let mut pids: Vec<i32> = pids.filter(runs_it).collect();
    pids.sort_unstable();
    pids
}

/// Processes that a test started in a shell, by how long they are to sleep: a time that no other test run has.
pub fn sleepers(time: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let line = format!("sleep\0{time}\0");
    let sleeps = |pid: &i32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|read| read == line.as_bytes());
    pids.filter(sleeps).collect()
}

/// The number of a process's parent: the fourth field of `/proc/PID/stat`, and the second one after the name, which may
/// hold anything.
pub fn parent_of(pid: i32) -> Option<i32> {
    let stat = crate::support::read_text(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Waits until no process runs the program any more: the kernel ends a stage a moment after the program.
pub fn wait_until_none_runs(program: &Path) {
    while let Some(pid) = processes_of(program).first() {
        wait_for_the_end_of(*pid);
    }
}

/// Waits until a process has ended, and gives up where it does not.
pub fn wait_for_the_end_of(pid: i32) {
    const PATIENCE_MS: u16 = 2000;
    // Where there is no such process, it is gone already.
    let Ok(pidfd) = pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()) else { return };
    let mut gone = [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)];
    assert_ne!(poll(&mut gone, PATIENCE_MS), Ok(0), "process {pid} of nslearn lives on");
}

/// Whether a process ends in time. One that is not there has ended already.
pub fn ends_before(pid: i32, deadline: Instant) -> bool {
    let Some(Ok(pidfd)) = Pid::from_raw(pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
        return true;
    };
    let left = TimeSpec::from(deadline.saturating_duration_since(Instant::now()));
    ppoll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], Some(left), None).unwrap() > 0
}

pub fn is_gone(pid: i32) -> bool {
    ends_before(pid, Instant::now())
}

/// The child that a process has had for the longest time.
pub fn first_child(pid: u32) -> i32 {
    let children = read_text(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn the_processes_on_a_stage_are_seen_as_long_as_they_live() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let mut telling = Telling::begin(&lab.run(["lesson", "chroot", "--format", "json"]).by(who));
        telling.read(1);
        assert!(processes_of(&lab.program()).len() > 1, "the program, and at least one process on its stage");
        telling.read(usize::MAX);
        telling.child.wait().unwrap();
        wait_until_none_runs(&lab.program());
    }
}
