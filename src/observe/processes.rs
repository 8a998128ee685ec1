//! The processes that /proc shows: proc(5).

use std::fs;
use std::io;

use nix::errno::Errno;
use procfs::process::{Stat, Status};
use procfs::{FromBufRead, FromRead};

use super::namespaces;
use crate::transcript::{Membership, ProcessRow};

/// All processes that the reader's /proc lists, by number. One that ends meanwhile is left out.
///
/// # Errors
/// Where there is no /proc, or it cannot be read.
pub fn list() -> io::Result<Vec<ProcessRow>> {
    let mut rows = Vec::new();
    for pid in numbers()? {
        match stat(pid) {
            Ok(stat) => rows.push(ProcessRow { pid: stat.pid, ppid: stat.ppid, command: stat.comm }),
            Err(why) if has_ended(&why) => {}
            Err(why) => return Err(why),
        }
    }
    rows.sort_by_key(|row| row.pid);
    Ok(rows)
}

/// All processes that live and whose namespaces the reader may see, by number: their names, their numbers from the
/// outermost PID namespace that this /proc knows to their own, and the namespaces that they are in.
pub fn standing() -> Vec<Membership> {
    let member = |pid: i32| {
        let status = status(&pid.to_string()).ok()?;
        // A zombie has left its namespaces already.
        let alive = !status.state.starts_with('Z');
        let namespaces = namespaces::of(&pid.to_string()).ok().filter(|_| alive)?;
        Some(Membership { actor: status.name, pids: status.nspid.unwrap_or_else(|| vec![pid]), namespaces })
    };
    let mut members: Vec<_> = numbers().into_iter().flatten().filter_map(member).collect();
    members.sort_by(|one, other| one.pids.cmp(&other.pids));
    members
}

/// The numbers of one process, from the outermost PID namespace that this /proc knows to the process's own: `NSpid:` in
/// `/proc/PID/status`.
///
/// # Errors
/// Where there is no such process, or the kernel does not say (before Linux 4.1).
pub fn pids(pid: i32) -> io::Result<Vec<i32>> {
    numbers_of(&pid.to_string())
}

/// The same of the reader itself, by whichever number this /proc knows it.
///
/// # Errors
/// As [`pids`]; `ENOENT` also where this /proc does not list the reader.
pub fn own_pids() -> io::Result<Vec<i32>> {
    numbers_of("self")
}

fn numbers_of(process: &str) -> io::Result<Vec<i32>> {
    status(process)?.nspid.ok_or_else(|| io::Error::other("no NSpid in /proc/PID/status"))
}

fn status(process: &str) -> io::Result<Status> {
    let text = fs::read(format!("/proc/{process}/status"))?;
    Status::from_buf_read(text.as_slice()).map_err(io::Error::other)
}

fn stat(pid: i32) -> io::Result<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat"))?;
    Stat::from_read(text.as_slice()).map_err(io::Error::other)
}

/// The numbers in the reader's /proc.
fn numbers() -> io::Result<Vec<i32>> {
    let entries: io::Result<Vec<fs::DirEntry>> = fs::read_dir("/proc")?.collect();
    Ok(entries?.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

/// Whether a file of /proc could not be read for the reason that its process is no more.
fn has_ended(why: &io::Error) -> bool {
    matches!(why.raw_os_error().map(Errno::from_raw), Some(Errno::ENOENT | Errno::ESRCH))
}

/// Whether a process is at its end: dead, or past the point of no return (`PF_EXITING` among the flags in
/// `/proc/PID/stat`), from which on it gives up what it has, one thing after the other.
pub fn is_ending(pid: i32) -> bool {
    const PF_EXITING: u32 = 0x4;
    stat(pid).map_or_else(|why| has_ended(&why), |stat| stat.flags & PF_EXITING != 0)
}
