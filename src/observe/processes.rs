//! The processes that /proc shows: proc(5).

use procfs::process::{Process, all_processes};

use super::namespaces;
use crate::transcript::{Membership, ProcessRow};

/// All processes that the reader's /proc lists, by number. One that ends meanwhile is left out.
///
/// # Errors
/// Where there is no /proc, or it cannot be read.
pub fn list() -> procfs::ProcResult<Vec<ProcessRow>> {
    let mut rows: Vec<ProcessRow> = all_processes()?
        .filter_map(|process| process.and_then(|process| process.stat()).ok())
        .map(|stat| ProcessRow { pid: stat.pid, ppid: stat.ppid, command: stat.comm })
        .collect();
    rows.sort_by_key(|row| row.pid);
    Ok(rows)
}

/// All processes that live and whose namespaces the reader may see, by number: their names, their numbers from the
/// outermost PID namespace that this /proc knows to their own, and the namespaces that they are in.
pub fn standing() -> Vec<Membership> {
    let member = |process: Process| {
        let status = process.status().ok()?;
        // A zombie has left its namespaces already.
        let alive = !status.state.starts_with('Z');
        let namespaces = namespaces::of(&process.pid.to_string()).ok().filter(|_| alive)?;
        Some(Membership { actor: status.name, pids: status.nspid.unwrap_or_else(|| vec![process.pid]), namespaces })
    };
    let mut members: Vec<_> = all_processes().into_iter().flatten().flatten().filter_map(member).collect();
    members.sort_by(|one, other| one.pids.cmp(&other.pids));
    members
}

/// The numbers of one process, from the outermost PID namespace that this /proc knows to the process's own: `NSpid:` in
/// `/proc/PID/status`.
///
/// # Errors
/// Where there is no such process, or the kernel does not say (before Linux 4.1).
pub fn pids(pid: i32) -> procfs::ProcResult<Vec<i32>> {
    let status = Process::new(pid)?.status()?;
    status.nspid.ok_or_else(|| procfs::ProcError::Other("no NSpid in /proc/PID/status".to_owned()))
}
