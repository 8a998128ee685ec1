//! A recording: a file with the film of what was shown, written when all of it has been shown. It gets its name when it is
//! whole, so that nothing is left on the disk, however the program ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::signal::{SigSet, SigmaskHow};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{AccessFlags, faccessat, linkat};

use super::asciicast::Asciicast;
use super::options::{Color, Options};
use crate::error::retried;
use crate::sys::{self, Forked};
use crate::transcript::Event;

/// As open(2) makes a file: the umask decides what is left of it.
const MODE: u32 = 0o666;

/// Why there is no recording: the file, what the system said of it, and what to do.
#[derive(Debug, thiserror::Error)]
#[error("nslearn: cannot record in '{file}'\n  {reason}\n  what to do: {remedy}")]
pub(crate) struct NotRecorded {
    file: String,
    reason: String,
    remedy: &'static str,
}

impl NotRecorded {
    fn new(file: &Path, reason: impl ToString, remedy: &'static str) -> Self {
        let file = file.to_string_lossy().escape_debug().collect();
        NotRecorded { file, reason: reason.to_string(), remedy }
    }

    fn refused(file: &Path, why: &io::Error) -> Self {
        let remedy = match why.kind() {
            io::ErrorKind::NotFound => "make the directory, or name one that exists",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space, or name a directory elsewhere"
            }
            io::ErrorKind::FileTooLarge => "raise the limit on the size of files (ulimit -f unlimited)",
            _ => "name a file in a directory that you may write to",
        };
        NotRecorded::new(file, why, remedy)
    }
}

/// A film that is being made, and the file that it will be.
#[derive(Debug)]
pub(crate) struct Recording {
    file: PathBuf,
    /// The file, as long as it has no name; `None` where the file system has no such files.
    nameless: Option<File>,
    film: Asciicast,
    written: String,
}

impl Recording {
    /// A recording with a title, which is going to be this file. It has colours, wherever the lesson itself is shown:
    /// only `--color never` leaves them out.
    ///
    /// # Errors
    /// Where that file could not be written, as far as can be told beforehand.
    pub(crate) fn new(file: &Path, title: &str, options: Options) -> Result<Self, NotRecorded> {
        let place = place(file)?;
        let nameless = nameless(directory(&place)).map_err(|why| NotRecorded::refused(file, &why))?;
        Ok(Recording {
            file: place,
            nameless,
            film: Asciicast::new(title, options.color != Color::Never),
            written: String::new(),
        })
    }

    /// Films one event.
    pub(super) fn event(&mut self, event: &Event) {
        self.written.push_str(&self.film.event(event));
    }

    /// Writes the file, all of it or nothing; one that was there is replaced.
    ///
    /// # Errors
    /// Where it cannot be written. What was there is there still.
    pub(crate) fn keep(self) -> Result<(), NotRecorded> {
        self.write().map_err(|why| NotRecorded::refused(&self.file, &why))
    }

    fn write(&self) -> io::Result<()> {
        if let Some(mut file) = self.nameless.as_ref() {
            file.write_all(self.written.as_bytes())?;
            let name = |path: &Path| {
                let own = format!("/proc/self/fd/{}", file.as_raw_fd());
                linkat(AT_FDCWD, own.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW).map_err(io::Error::from)
            };
            match name(&self.file) {
                Ok(()) => return Ok(()),
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists => return self.replace(name),
                // There is another way, and if that is closed as well, it says why.
                Err(_) => {}
            }
        }
        self.replace(|path| {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
            file.write_all(self.written.as_bytes())
        })
    }

    /// Puts what `make` makes, under a name that nobody has, into the place of the file.
    fn replace(&self, make: impl Fn(&Path) -> io::Result<()>) -> io::Result<()> {
        let replaced = tempfile::Builder::new().prefix(".nslearn-").make_in(directory(&self.file), |path| {
            let done = undisturbed(|| make(path).and_then(|()| fs::rename(path, &self.file)));
            done.inspect_err(|why| {
                if why.kind() != io::ErrorKind::AlreadyExists {
                    let _ = fs::remove_file(path);
                }
            })
        });
        // Nothing has that name any more.
        replaced.map(|named| drop(named.into_temp_path()))
    }

    /// Writes nothing, because not all was shown that belongs in it: what to say of that.
    pub(crate) fn give_up(self) -> NotRecorded {
        NotRecorded::new(
            &self.file,
            "Not all was shown, so nothing was written",
            "fix what stopped it, and run it again",
        )
    }
}

/// Where the file really is: a link stays a link to it. Anything but a plain file is left alone; root could put a
/// recording in the place of /dev/null.
fn place(file: &Path) -> Result<PathBuf, NotRecorded> {
    const ANOTHER: &str = "name another file";
    if file.as_os_str().as_bytes().ends_with(b"/") {
        return Err(NotRecorded::new(file, "It is the name of a directory", "name a file in it"));
    }
    match fs::symlink_metadata(file) {
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(file.to_owned()),
        Err(why) => return Err(NotRecorded::refused(file, &why)),
        Ok(_) => {}
    }
    let place = fs::canonicalize(file).map_err(|why| NotRecorded::new(file, why, ANOTHER))?;
    match fs::metadata(&place) {
        Ok(there) if there.is_file() => Ok(place),
        Ok(there) if there.is_dir() => Err(NotRecorded::new(file, "It is a directory", "name a file in it")),
        Ok(_) => Err(NotRecorded::new(file, "It exists, and is not a regular file", ANOTHER)),
        Err(why) => Err(NotRecorded::refused(file, &why)),
    }
}

/// A file without a name in this directory, open(2) with `O_TMPFILE`; `None` where the file system has none, and there can
/// be one with a name.
fn nameless(directory: &Path) -> io::Result<Option<File>> {
    match OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).mode(MODE).open(directory) {
        Ok(file) => Ok(Some(file)),
        Err(why) if matches!(why.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
            faccessat(AT_FDCWD, directory, AccessFlags::W_OK | AccessFlags::X_OK, AtFlags::AT_EACCESS)?;
            Ok(None)
        }
        Err(why) => Err(why),
    }
}

/// Does to its end what would leave something behind halfway: in a child, which no signal but SIGKILL reaches. One that is
/// for this process finds the child still at work, and one that is for the child is told of here.
fn undisturbed(act: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let done = match sys::clone3(0) {
        // An errno is small enough for an exit status.
        Ok(Forked::Child) => sys::exit(act().map_or_else(|why| why.raw_os_error().unwrap_or(libc::EIO), |()| 0)),
        Ok(Forked::Parent(child)) => match retried(|| waitpid(child, None)) {
            Ok(WaitStatus::Exited(_, 0)) => Ok(()),
            Ok(WaitStatus::Exited(_, errno)) => Err(Errno::from_raw(errno)),
            Ok(_) => Err(Errno::EINTR),
            Err(errno) => Err(errno),
        },
        Err(errno) => Err(errno),
    };
    before.thread_set_mask()?;
    Ok(done?)
}

fn directory(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
