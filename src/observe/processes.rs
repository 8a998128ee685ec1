//! The processes that /proc shows: proc(5).

use std::fs;
use std::io;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::kernel_file::{self, fields, labelled, not_understood, number, shown};
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
            Ok(stat) => rows.push(ProcessRow { pid, ppid: stat.ppid, command: shown(&stat.comm).into_owned() }),
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
        let alive = status.state != b'Z';
        let namespaces = unless_short(namespaces::of(&pid.to_string()))?.filter(|_| alive);
        let pids = status.nspid.unwrap_or_else(|| vec![pid]);
        let actor = shown(&status.name).into_owned();
        Ok(namespaces.map(|namespaces| Membership { actor, pids, namespaces }))
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

/// What `/proc/PID/status` says of a process: proc_pid_status(5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    /// Its name, which may be any bytes; a line's end in it stands there as `\n`, a backslash as two.
    name: Vec<u8>,
    /// Its state: `R`, `S`, `Z`, …
    state: u8,
    /// Its numbers, from the outermost PID namespace that this /proc knows to its own; `None` before Linux 4.1.
    nspid: Option<Vec<i32>>,
    /// Its seccomp mode; `None` where the kernel has no seccomp.
    pub seccomp: Option<u32>,
}

impl Status {
    fn parse(text: &[u8]) -> Option<Status> {
        let nspid = labelled(text, "NSpid:").map(|numbers| fields(numbers).map(number).collect::<Option<Vec<i32>>>());
        let seccomp = labelled(text, "Seccomp:").map(number);
        Some(Status {
            name: labelled(text, "Name:\t")?.to_owned(),
            state: *labelled(text, "State:\t")?.first()?,
            nspid: if let Some(numbers) = nspid { Some(numbers?) } else { None },
            seccomp: if let Some(mode) = seccomp { Some(mode?) } else { None },
        })
    }
}

/// The same of a process, or of `self`.
///
/// # Errors
/// Where there is no such process, or it cannot be read.
pub(crate) fn status(process: &str) -> io::Result<Status> {
    let path = format!("/proc/{process}/status");
    let text = kernel_file::read(path.as_str())?;
    Status::parse(&text).ok_or_else(|| not_understood(&path))
}

/// What `/proc/PID/stat` says of a process: proc_pid_stat(5).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stat {
    /// Its name, which may be any bytes, parentheses and line ends among them.
    comm: Vec<u8>,
    ppid: i32,
    /// `PF_EXITING`, …
    flags: u32,
}

impl Stat {
    /// `PID (COMM) STATE PPID PGRP SESSION TTY TPGID FLAGS …`, where nothing behind COMM has a parenthesis.
    fn parse(text: &[u8]) -> Option<Stat> {
        let opened = text.iter().position(|byte| *byte == b'(')?;
        let closed = text.iter().rposition(|byte| *byte == b')').filter(|closed| *closed > opened)?;
        let mut behind = fields(&text[closed + 1..]).skip(1);
        let ppid = number(behind.next()?)?;
        let flags = number(behind.nth(4)?)?;
        Some(Stat { comm: text[opened + 1..closed].to_owned(), ppid, flags })
    }
}

fn stat(pid: i32) -> io::Result<Stat> {
    let path = format!("/proc/{pid}/stat");
    let text = kernel_file::read(path.as_str())?;
    Stat::parse(&text).ok_or_else(|| not_understood(&path))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_process_of_any_name_is_read() {
        for name in [&b"sh"[..], b"a) R 1 (b", b"(", b")", b"\xff\xfe", b"two\nlines", b"a:b", b" ", b""] {
            let text = [&b"42 ("[..], name, b") S 7 42 42 0 -1 4194304 98 0 0"].concat();
            assert_eq!(Stat::parse(&text), Some(Stat { comm: name.to_owned(), ppid: 7, flags: 4_194_304 }));
        }
        for name in [&b"sh"[..], b"\xff\xfe", b"a:b", b" ", b"", b"NSpid:\t1", b"two\\nlines"] {
            let text = [b"Name:\t", name, b"\nState:\tS (sleeping)\nNSpid:\t42\t1\nSeccomp:\t2\n"].concat();
            let expected = Status { name: name.to_owned(), state: b'S', nspid: Some(vec![42, 1]), seccomp: Some(2) };
            assert_eq!(Status::parse(&text), Some(expected));
        }
    }

    #[test]
    fn what_a_kernel_does_not_tell_is_not_made_up() {
        let old = Status::parse(b"Name:\tsh\nState:\tS (sleeping)\n").unwrap();
        assert_eq!((old.nspid, old.seccomp), (None, None));
        assert_eq!(Status::parse(b"Name:\tsh\nState:\tS\nNSpid:\t4\tx\n"), None);
        assert_eq!(Stat::parse(b"42 )sh( S 7 42 42 0 -1 4194304"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), text in "[0-9() \n]{0,40}") {
            let _ = (Status::parse(&bytes), Stat::parse(&bytes), Stat::parse(text.as_bytes()));
        }
    }
}
