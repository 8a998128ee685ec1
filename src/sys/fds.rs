//! File descriptors.

use std::os::fd::{AsFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

use super::checked;

/// Makes sure that standard input and standard error are open, on /dev/null if nobody else has opened them: else the
/// first file or socket that is opened would take their place.
///
/// # Errors
/// `EBADF` where standard output is closed: there is nowhere to show anything.
pub fn open_standard_streams() -> nix::Result<()> {
    for fd in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: fcntl(2) with F_GETFD touches no memory.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        if checked(flags.into()) == Err(Errno::EBADF) {
            if fd == libc::STDOUT_FILENO {
                return Err(Errno::EBADF);
            }
            // SAFETY: the path is a C string. The lowest free descriptor is `fd`, as those below it are open; it stays
            // open as long as the process does, and belongs to nobody else.
            checked(unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) }.into())?;
        }
    }
    Ok(())
}

/// Writes all of it, however long that takes. A stream that others share may have been made non-blocking by any of them
/// (fcntl(2), `O_NONBLOCK`): where it is full, this waits until its reader has gone on. It allocates nothing.
///
/// # Errors
/// Those of write(2), but for `EAGAIN` and `EINTR`.
pub fn write_all(stream: impl AsFd, mut bytes: &[u8]) -> nix::Result<()> {
    while !bytes.is_empty() {
        match write(&stream, bytes) {
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let mut room = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
                match poll(&mut room, PollTimeout::NONE) {
                    Ok(_) | Err(Errno::EINTR) => {}
                    Err(errno) => return Err(errno),
                }
            }
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// Closes every file descriptor of this process but those in `keep`: close_range(2).
///
/// For a process that was just forked and goes on as somebody else: the descriptors that it closes belong to values in
/// the frames of the process that it was forked from, to which it never returns.
pub fn close_all_but(keep: &mut [RawFd]) {
    keep.sort_unstable();
    let mut from: libc::c_uint = 0;
    for kept in keep.iter().filter_map(|fd| libc::c_uint::try_from(*fd).ok()) {
        if kept > from {
            close_range(from, kept - 1);
        }
        from = kept + 1;
    }
    close_range(from, libc::c_uint::MAX);
}

fn close_range(first: libc::c_uint, last: libc::c_uint) {
    // SAFETY: close_range(2) touches no memory. No value of this process uses the descriptors afterwards: see above.
    // It can fail only where the kernel does not have it (before Linux 5.9); then they stay open, which harms nothing.
    unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
}
