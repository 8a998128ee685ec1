//! The processes that /proc shows: proc(5).

use procfs::process::{Process, all_processes};

use crate::transcript::ProcessRow;

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

/// The numbers of one process, from the outermost PID namespace that this /proc knows to the process's own: `NSpid:` in
/// `/proc/PID/status`.
///
/// # Errors
/// Where there is no such process, or the kernel does not say (before Linux 4.1).
pub fn pids(pid: i32) -> procfs::ProcResult<Vec<i32>> {
    let status = Process::new(pid)?.status()?;
    status.nspid.ok_or_else(|| procfs::ProcError::Other("no NSpid in /proc/PID/status".to_owned()))
}
