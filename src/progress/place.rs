//! The directory that the file is in: whose it is, one writer at a time, and a replacement that is whole or none.

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use crate::transcript::errno_name;

/// The owner that stat(2) tells in a user namespace that has no number for the real one: user_namespaces(7).
const UNMAPPED: u32 = 65534;
/// How the names begin of files that are to replace another one.
const NEW: &str = ".progress.";

/// The directory, while something in it is changed.
pub(super) struct Place {
    path: PathBuf,
    /// As long as it lives, nobody else who asks for the lock changes anything there. `None` where there is none to be had.
    lock: Option<Flock<File>>,
}

impl Place {
    /// Makes the directory where it is not there yet, and waits until nobody else changes anything in it. Where it cannot
    /// be locked, as on some network file systems, nobody is waited for.
    ///
    /// # Errors
    /// Where it is another user's, or cannot be made.
    pub(super) fn enter(path: &Path) -> Result<Place, String> {
        may_write_in(path)?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|error| refusal("mkdir", path, &error))?;
        let place = Place { path: path.to_owned(), lock: lock(path) };
        if place.lock.is_some() {
            place.tidy();
        }
        Ok(place)
    }

    /// Removes what a writer has left that was killed: nobody else writes now.
    fn tidy(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            if entry.file_name().as_encoded_bytes().starts_with(NEW.as_bytes()) {
                // What cannot be removed harms nothing.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Replaces a file in the directory: it is written beside it, and renamed when it is on the disk. Also says what is
    /// in doubt once that is done: whether the new name outlasts a power cut.
    ///
    /// # Errors
    /// Where it is not replaced. It is then as it was.
    pub(super) fn replace(&self, file: &Path, text: &[u8]) -> Result<Result<(), String>, String> {
        let refused = |call: &'static str, path: &Path| {
            let path = path.to_owned();
            move |error: io::Error| refusal(call, &path, &error)
        };
        // With mode 0600, and gone again where one of the next calls fails.
        let new = tempfile::Builder::new().prefix(NEW).tempfile_in(&self.path);
        let mut new = new.map_err(refused("open", &self.path))?;
        let path = new.path().to_owned();
        new.as_file_mut().write_all(text).map_err(refused("write", &path))?;
        sync(new.as_file()).map_err(refused("fsync", &path))?;
        new.persist(file).map_err(|failed| refusal("rename", &path, &failed.error))?;
        // Who may not read the directory cannot ask for that.
        Ok(File::open(&self.path).map_or(Ok(()), |directory| sync(&directory)).map_err(refused("fsync", &self.path)))
    }
}

/// Waits for the lock on a directory: flock(2). A directory that others may open they may lock as well, and nobody else is
/// to hold the end of a walk up: so that one is not locked.
fn lock(path: &Path) -> Option<Flock<File>> {
    const OTHERS: u32 = 0o077;
    let mut directory = File::open(path).ok()?;
    if directory.metadata().ok()?.mode() & OTHERS != 0 {
        return None;
    }
    loop {
        match Flock::lock(directory, FlockArg::LockExclusive) {
            Ok(lock) => return Some(lock),
            Err((same, Errno::EINTR)) => directory = same,
            Err(_) => return None,
        }
    }
}

/// Waits until it is on the disk: fsync(2). Not every file system can say when that is.
fn sync(file: &File) -> io::Result<()> {
    file.sync_all().or_else(|error| match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP) => Ok(()),
        _ => Err(error),
    })
}

/// Refuses a directory of another user's: if it is not there yet, the nearest above it that is. Root, who may write
/// everywhere, has to own those above that one as well, as sudo can leave another user's HOME in the environment, and that
/// user can put links to root's directories there.
fn may_write_in(directory: &Path) -> Result<(), String> {
    let me = geteuid();
    let mut nearest = true;
    for at in directory.ancestors() {
        let owner = match fs::metadata(at) {
            Ok(seen) => seen.uid(),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(refusal("stat", at, &error)),
        };
        if owner != me.as_raw() && (nearest || owner != UNMAPPED) {
            return Err(format!("{} belongs to another user (uid {owner})", shown(at)));
        }
        if !me.is_root() {
            return Ok(());
        }
        nearest = false;
    }
    Ok(())
}

/// A call that the kernel refused.
pub(super) fn refusal(call: &str, path: &Path, error: &io::Error) -> String {
    let answer = error.raw_os_error().map_or_else(|| error.to_string(), |errno| errno_name(Errno::from_raw(errno)));
    format!("{call}({}): {answer}", shown(path))
}

/// A path that can be shown on a terminal whatever is in it.
pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string().escape_debug().collect()
}
