//! Which namespaces a process is in: `/proc/PID/ns` in namespaces(7).

use std::fs;
use std::io;

use crate::transcript::{Kind, NamespaceId};

/// The namespace of one type that a process is in. `link` is a file of `/proc/PID/ns`, such as `self/ns/uts` or
/// `1001/ns/pid_for_children`.
///
/// # Errors
/// `ENOENT` where there is no such process or no such link; `EACCES` where the process is not the reader's to look at.
pub fn read(link: &str, kind: Kind) -> io::Result<NamespaceId> {
    let target = fs::read_link(format!("/proc/{link}"))?;
    let inode = target.to_str().and_then(|text| text.split_once(":[")?.1.strip_suffix(']')?.parse().ok());
    let inode = inode.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a namespace link"))?;
    Ok(NamespaceId { kind, inode, letter: None })
}

/// All namespaces of a process (`self` or a number), one for each type that this kernel has.
///
/// # Errors
/// As [`read`]; a type that this kernel does not have is left out.
pub fn of(process: &str) -> io::Result<Vec<NamespaceId>> {
    let mut found = Vec::with_capacity(Kind::ALL.len());
    for kind in Kind::ALL {
        match read(&format!("{process}/ns/{kind}"), kind) {
            Ok(id) => found.push(id),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if found.is_empty() {
        return Err(io::Error::from(io::ErrorKind::NotFound));
    }
    Ok(found)
}
