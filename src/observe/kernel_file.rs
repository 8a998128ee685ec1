//! Files of /proc and /sys, as the kernel writes them: bytes. A name in them (of a mount, a socket, a process, a host) may
//! be any bytes, so they are taken apart as bytes; what of them is shown becomes text only there.

use std::borrow::Cow;
use std::io;
use std::str::FromStr;

use nix::NixPath;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd;

use crate::error::retried;

/// All that such a file says.
///
/// # Errors
/// Those of open(2) and read(2), and no others: what is in the file is never one.
pub(crate) fn read<P: NixPath + ?Sized>(path: &P) -> nix::Result<Vec<u8>> {
    let file = retried(|| open(path, OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY, Mode::empty()))?;
    let (mut bytes, mut part) = (Vec::new(), [0; 4096]);
    loop {
        match retried(|| unistd::read(&file, &mut part))? {
            0 => return Ok(bytes),
            length => bytes.extend_from_slice(&part[..length]),
        }
    }
}

/// Its lines, without their ends.
pub(crate) fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// What stands between the blanks of a line.
pub(crate) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty())
}

/// What stands behind a label, such as `NSpid:`, on the first line that begins with it.
pub(crate) fn labelled<'a>(bytes: &'a [u8], label: &str) -> Option<&'a [u8]> {
    lines(bytes).find_map(|line| line.strip_prefix(label.as_bytes()))
}

/// A number, with blanks around it or none; `None` where it is not one.
pub(crate) fn number<T: FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field.trim_ascii()).ok()?.parse().ok()
}

/// A name of the kernel's, to be shown: what is not UTF-8 in it becomes U+FFFD.
pub(crate) fn shown(name: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(name)
}

/// A file that does not say what its manual page tells: no refusal of the kernel's, and so without an errno.
pub(crate) fn not_understood(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not what proc(5) says of {file}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_is_taken_apart_whatever_bytes_are_in_it() {
        let bytes = b"Name:\th\xff :\nNSpid:\t7\t1\n\nlast";
        assert!(lines(bytes).eq([&b"Name:\th\xff :"[..], b"NSpid:\t7\t1", b"", b"last"]));
        assert_eq!(labelled(bytes, "Name:\t"), Some(&b"h\xff :"[..]));
        assert!(fields(b" a\t\xff  b ").eq([&b"a"[..], b"\xff", b"b"]));
        assert_eq!((number::<u8>(b" 7\n"), number::<u8>(b"256"), number::<u8>(b"\xff")), (Some(7), None, None));
    }

    #[test]
    fn an_error_is_the_kernels() {
        assert_eq!(read("/proc/self/no such file"), Err(nix::errno::Errno::ENOENT));
        assert_eq!(read("/proc"), Err(nix::errno::Errno::EISDIR));
        assert!(read("/proc/self/stat").is_ok_and(|bytes| bytes.ends_with(b"\n")));
    }

    proptest! {
        #[test]
        fn the_lines_of_a_file_are_all_of_it(lines_there in prop::collection::vec("[^\n]{0,9}", 0..9)) {
            let text = lines_there.iter().map(|line| format!("{line}\n")).collect::<String>();
            prop_assert!(lines(text.as_bytes()).eq(lines_there.iter().map(String::as_bytes)));
        }
    }
}
