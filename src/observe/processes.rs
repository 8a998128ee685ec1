//! The processes that /proc shows: proc(5).

use std::fs;
use std::io;

use nix::errno::Errno;
use procfs::process::{Stat, Status};
use procfs::{FromBufRead, FromRead};
use serde::{Deserialize, Serialize};

use super::namespaces;
use crate::error::is_shortage;
use crate::transcript::Membership;

/// A process, as one PID namespace knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessRow {
    /// Its number.
    pub pid: i32,
    /// Its parent's number; 0: the parent is outside of this PID namespace.
    pub ppid: i32,
    /// Its name (`comm`).
    pub command: String,
}

/// All processes that the reader's /proc lists, by number. One that ends meanwhile is left out.
///
/// # Errors
/// Where there is no /proc, or it cannot be read.
pub(crate) fn list() -> io::Result<Vec<ProcessRow>> {
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
///
/// # Errors
/// Where the reader has as many files open as it may: then it is not known who is there.
pub(crate) fn standing() -> nix::Result<Vec<Membership>> {
    let member = |pid: i32| {
        let Some(status) = unless_short(status(&pid.to_string()))? else { return Ok(None) };
        // A zombie has left its namespaces already.
        let alive = !status.state.starts_with('Z');
        let namespaces = unless_short(namespaces::of(&pid.to_string()))?.filter(|_| alive);
        let pids = status.nspid.unwrap_or_else(|| vec![pid]);
        Ok(namespaces.map(|namespaces| Membership { actor: status.name, pids, namespaces }))
    };
    let numbers = unless_short(numbers())?.unwrap_or_default();
    let members: nix::Result<Vec<_>> = numbers.into_iter().filter_map(|pid| member(pid).transpose()).collect();
    let mut members = members?;
    members.sort_by(|one, other| one.pids.cmp(&other.pids));
    Ok(members)
}

/// What was read, or nothing where it cannot be; but an error where that is for want of a file descriptor, which says
/// nothing of what there is.
fn unless_short<T>(read: io::Result<T>) -> nix::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(why) => match why.raw_os_error().map(Errno::from_raw) {
            Some(errno) if is_shortage(errno) => Err(errno),
            _ => Ok(None),
        },
    }
}

/// The numbers of one process, from the outermost PID namespace that this /proc knows to the process's own: `NSpid:` in
/// `/proc/PID/status`.
///
/// # Errors
/// Where there is no such process, or the kernel does not say (before Linux 4.1).
pub(crate) fn pids(pid: i32) -> io::Result<Vec<i32>> {
    numbers_of(&pid.to_string())
}

/// The same of the reader itself, by whichever number this /proc knows it.
///
/// # Errors
/// As [`pids`]; `ENOENT` also where this /proc does not list the reader.
pub(crate) fn own_pids() -> io::Result<Vec<i32>> {
    numbers_of("self")
}

fn numbers_of(process: &str) -> io::Result<Vec<i32>> {
    status(process)?.nspid.ok_or_else(|| io::Error::other("no NSpid in /proc/PID/status"))
}

/// All of /proc/PID/status, of a process or of `self`.
///
/// # Errors
/// Where there is no such process, or it cannot be read.
pub(crate) fn status(process: &str) -> io::Result<Status> {
    let text = fs::read(format!("/proc/{process}/status"))?;
    // A process may call itself by any bytes.
    Status::from_buf_read(String::from_utf8_lossy(&text).as_bytes()).map_err(io::Error::other)
}

fn stat(pid: i32) -> io::Result<Stat> {
    let text = fs::read(format!("/proc/{pid}/stat"))?;
    Stat::from_read(String::from_utf8_lossy(&text).as_bytes()).map_err(io::Error::other)
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
pub(crate) fn is_ending(pid: i32) -> bool {
    const PF_EXITING: u32 = 0x4;
    stat(pid).map_or_else(|why| has_ended(&why), |stat| stat.flags & PF_EXITING != 0)
}
