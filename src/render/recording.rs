//! A recording: a file with the film of what was shown, written when all of it has been shown. Until then nothing is
//! on the disk, so that nothing is left there, however the program ends.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::asciicast::Asciicast;
use super::options::{Color, Options};
use crate::transcript::Event;

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
            io::ErrorKind::NotFound => "make the directory, or name one that is there",
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room, or name a directory elsewhere",
            _ => "name a file in a directory that you may write to",
        };
        NotRecorded::new(file, why, remedy)
    }
}

/// A film that is being made, and the file that it will be.
#[derive(Debug)]
pub(crate) struct Recording {
    file: PathBuf,
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
        // The proof: a file without a name, which is gone at once.
        tempfile::tempfile_in(directory(&place)).map_err(|why| NotRecorded::refused(file, &why))?;
        Ok(Recording {
            file: place,
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
        // As open(2) makes a file: the umask decides.
        let mut temporary = tempfile::Builder::new()
            .prefix(".nslearn-")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(directory(&self.file))?;
        temporary.write_all(self.written.as_bytes())?;
        temporary.persist(&self.file)?;
        Ok(())
    }

    /// Writes nothing, because not all was shown that belongs in it: what to say of that.
    pub(crate) fn give_up(self) -> NotRecorded {
        NotRecorded::new(
            &self.file,
            "Not all was shown, so nothing was written",
            "mend what stopped it, and run it again",
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
        Ok(_) => Err(NotRecorded::new(file, "It is there, and is no plain file", ANOTHER)),
        Err(why) => Err(NotRecorded::refused(file, &why)),
    }
}

fn directory(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
