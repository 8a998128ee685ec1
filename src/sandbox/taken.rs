//! Which ids somebody on the machine has: users and groups, and whoever was given a range of ids.
//!
//! The files that only root writes are read here, as bytes: a name may be any. Whom other sources know (LDAP, SSSD,
//! winbind), the C library knows. It is asked by way of getent(1): its own functions would load those sources' libraries
//! into this program, and a program that is linked statically has no such functions. That takes 4 ms and more, so it
//! is done only where /etc/nsswitch.conf names a source that is not read here. A source need not list whom it knows, and
//! mostly does not; therefore [`super::idmap`] looks for ids where no such source gives any, and this is the second lock.

use std::fs;
use std::io::{self, Read};
use std::ops::Range;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::args;
use crate::error::{CallResult, Result, retried};

/// `NAME:FIRST:COUNT` a line: subuid(5), subgid(5).
const RANGES: [&str; 2] = ["/etc/subuid", "/etc/subgid"];
/// `NAME:PASSWORD:ID` a line: passwd(5), which has a group's id behind it, and group(5).
const ACCOUNTS: [&str; 2] = ["/etc/passwd", "/etc/group"];
/// Of each record there is a link here that is named after the id: nss-systemd(8).
const RECORDS: [&str; 4] = ["/etc/userdb", "/run/userdb", "/run/host/userdb", "/usr/lib/userdb"];
/// Which sources the C library asks: nsswitch.conf(5).
const SOURCES: &str = "/etc/nsswitch.conf";
/// Those whose ids are read here, or are none of those that a stage takes: the ids that systemd gives by itself end below.
const KNOWN_SOURCES: [&[u8]; 2] = [b"files", b"systemd"];
/// The databases that getent(1) is asked for.
const DATABASES: [&str; 2] = ["passwd", "group"];
/// How long a source may take. A server that does not answer must not keep a lesson from beginning.
const PATIENCE: Duration = Duration::from_secs(2);

/// All ids that somebody has, as far as this machine tells.
///
/// # Errors
/// Where a file that tells of them is there and cannot be read.
pub(super) fn taken() -> Result<Vec<Range<u64>>> {
    let mut taken = Vec::new();
    for file in RANGES {
        taken.extend(ranges(&contents(file)?));
    }
    for file in ACCOUNTS {
        taken.extend(accounts(&contents(file)?));
    }
    for directory in RECORDS {
        taken.extend(fs::read_dir(directory).into_iter().flatten().flatten().filter_map(record));
    }
    if has_other_sources(&contents(SOURCES)?) {
        taken.extend(asked().iter().flat_map(|answer| accounts(answer)));
    }
    Ok(taken)
}

/// What a file says: nothing, where it is not there, or not for root of this user namespace.
fn contents(file: &str) -> Result<Vec<u8>> {
    match fs::read(file) {
        Err(why) if matches!(why.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => Ok(Vec::new()),
        read => read.or_refused("read", args![file]),
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The ranges of ids that users were given.
pub(super) fn ranges(text: &[u8]) -> impl Iterator<Item = Range<u64>> {
    lines(text).filter_map(|line| {
        let mut fields = line.rsplit(|byte| *byte == b':').map(number);
        let (count, first) = (fields.next()??, fields.next()??);
        Some(first..first.saturating_add(count))
    })
}

/// The ids of users and groups.
pub(super) fn accounts(text: &[u8]) -> impl Iterator<Item = Range<u64>> {
    let ids = lines(text).flat_map(|line| line.split(|byte| *byte == b':').skip(2).take(2).filter_map(number));
    ids.map(|id| id..id.saturating_add(1))
}

/// The id that a record of systemd's is named after: `1000.user`, `1000.group`.
fn record(entry: fs::DirEntry) -> Option<Range<u64>> {
    let name = entry.file_name();
    let id: u64 = name.to_str()?.split_once('.')?.0.parse().ok()?;
    Some(id..id.saturating_add(1))
}

/// Whether users or groups come from a source whose ids are not read here: `passwd: files sss [NOTFOUND=return] ldap`.
fn has_other_sources(nsswitch: &[u8]) -> bool {
    lines(nsswitch).any(|line| {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let Some(sources) =
            DATABASES.iter().find_map(|name| line.strip_prefix(name.as_bytes())?.trim_ascii_start().strip_prefix(b":"))
        else {
            return false;
        };
        let mut words = sources.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.any(|word| !KNOWN_SOURCES.contains(&word) && !word.starts_with(b"["))
    })
}

/// What getent(1) lists of users and of groups, as far as it has come when the time is over.
fn asked() -> Vec<Vec<u8>> {
    let ask = |database: &&str| {
        Command::new("getent").arg(database).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
    };
    // Both at once.
    let asked: Vec<Child> = DATABASES.iter().filter_map(|database| ask(database).ok()).collect();
    let until = Instant::now() + PATIENCE;
    asked.into_iter().map(|child| answer(child, until)).collect()
}

fn answer(mut child: Child, until: Instant) -> Vec<u8> {
    let mut answer = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        let mut block = [0; 65_536];
        loop {
            let left = PollTimeout::try_from(until.saturating_duration_since(Instant::now()));
            let mut ready = [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)];
            if retried(|| poll(&mut ready, left.unwrap_or(PollTimeout::ZERO))).is_ok_and(|ready| ready == 0) {
                break;
            }
            match stdout.read(&mut block) {
                Ok(0) | Err(_) => break,
                Ok(length) => answer.extend_from_slice(block.get(..length).unwrap_or_default()),
            }
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_whatever_the_names_are() {
        let text = b"a:100000:65536\n# a remark\nb:x:y\n\xff\xfe:265000:10 \nd:1";
        assert_eq!(ranges(text).collect::<Vec<_>>(), [100_000..165_536, 265_000..265_010]);
    }

    #[test]
    fn users_and_groups_have_their_ids() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nM\xfcller:x:70000:70001::/:\n+::::::\n";
        assert_eq!(accounts(passwd).map(|id| id.start).collect::<Vec<_>>(), [0, 0, 70_000, 70_001]);
        assert_eq!(accounts(b"wheel:x:10:a,b\nempty:x:11:\n").map(|id| id.start).collect::<Vec<_>>(), [10, 11]);
    }

    #[test]
    fn a_source_that_is_not_read_here_is_noticed() {
        for known in ["", "passwd: files systemd\ngroup: files [SUCCESS=merge] systemd\nhosts: dns", "# passwd: sss"] {
            assert!(!has_other_sources(known.as_bytes()), "{known}");
        }
        for other in
            ["passwd: sss files systemd", "group:\tfiles cache_oslogin", " passwd : files [NOTFOUND=return] nis # x"]
        {
            assert!(has_other_sources(other.as_bytes()), "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_is_too_strange_to_be_read(text in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = (ranges(&text).count(), accounts(&text).count(), has_other_sources(&text));
        }
    }
}
