//! Which namespaces a process is in: `/proc/PID/ns` in namespaces(7).

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;
use nix::fcntl::readlinkat;

use super::kernel_file::{not_understood, number};
use crate::transcript::{NamespaceId, NamespaceType};

/// The namespace of one type that a process is in. `link` is a file of `/proc/PID/ns`, such as `self/ns/uts` or
/// `1001/ns/pid_for_children`.
///
/// # Errors
/// `ENOENT` where there is no such process or no such link; `EACCES` where the process is not the reader's to look at.
pub(crate) fn read(link: &str, kind: NamespaceType) -> io::Result<NamespaceId> {
    let path = format!("/proc/{link}");
    parse(kind, fs::read_link(&path)?.as_os_str().as_bytes()).ok_or_else(|| not_understood(&path))
}

/// All namespaces of a process (`self` or a number), one for each type that this kernel has.
///
/// # Errors
/// As [`read`]; a type that this kernel does not have is left out.
pub(crate) fn of(process: &str) -> io::Result<Vec<NamespaceId>> {
    // One walk to the directory for all of them.
    let directory = File::open(format!("/proc/{process}/ns"))?;
    let mut found = Vec::with_capacity(NamespaceType::ALL.len());
    for kind in NamespaceType::ALL {
        match readlinkat(&directory, kind.name()) {
            Ok(target) => {
                let id = parse(kind, target.as_bytes());
                found.push(id.ok_or_else(|| not_understood(&format!("/proc/{process}/ns/{kind}")))?);
            }
            Err(Errno::ENOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(found)
}

/// What stat(2) says of the file behind such a link: its device and its inode, which together stand for the namespace
/// alone.
///
/// # Errors
/// As [`read`].
pub(crate) fn stat(link: &str) -> io::Result<(u64, u64)> {
    let file = fs::metadata(format!("/proc/{link}"))?;
    Ok((file.dev(), file.ino()))
}

/// What such a link says: `uts:[4026531838]`.
fn parse(kind: NamespaceType, target: &[u8]) -> Option<NamespaceId> {
    let inode = target.strip_prefix(kind.name().as_bytes())?.strip_prefix(b":[")?.strip_suffix(b"]")?;
    Some(NamespaceId { kind, inode: number(inode)?, letter: None })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_link_is_read_as_it_is_shown(inode in any::<u64>(), kind in prop::sample::select(&NamespaceType::ALL[..])) {
            let id = NamespaceId { kind, inode, letter: None };
            prop_assert_eq!(parse(kind, id.to_string().as_bytes()), Some(id));
        }

        #[test]
        fn what_is_no_link_is_an_error(target in prop::collection::vec(any::<u8>(), 0..40), cut in 0_usize..6) {
            let _ = parse(NamespaceType::Uts, &target);
            let short = "uts:[1]".get(..cut).unwrap_or_default();
            prop_assert!(parse(NamespaceType::Uts, short.as_bytes()).is_none());
        }
    }
}
