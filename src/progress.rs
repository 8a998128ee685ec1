//! What a learner has finished, kept from one day to the next in one small file of the learner's own: `progress.json` in
//! `$XDG_STATE_HOME/nslearn/`, else in `~/.local/state/nslearn/` (XDG Base Directory Specification 0.8; a variable that
//! names no absolute path counts as not set).
//!
//! - What stands under that name and is not wholly understood is neither used nor replaced: a file that is broken, of a
//!   later version or larger than 64 KiB, somebody else's, or no file at all. There is then no progress, and one line of
//!   complaint. Only [`Progress::forget`] removes what is broken, as long as it is a file of the user's own.
//! - Nothing is written into, or removed from, a directory of another user's, which matters to root above all.
//! - Fields and lessons that this version does not know stay in the file. A later version that adds some writes the same
//!   `version`; it takes a new one only where this one would read the file wrongly.

mod place;

use std::env;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::place::shown;
use self::place::{Place, refusal};

/// The largest file that is read or written, in bytes.
const LIMIT: u64 = 64 * 1024;
/// The version of the file's form.
const VERSION: u64 = 1;

/// A lesson's best result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Done {
    /// How many questions were answered right.
    pub right: usize,
    /// How many were asked; 0 where there were none.
    pub of: usize,
}

impl Done {
    /// More right answers are better. Of as many, those to fewer questions are; and none right tells more than none asked.
    fn beats(self, other: Done) -> bool {
        self.right > other.right || (self.right == other.right && self.of > 0 && (other.of == 0 || self.of < other.of))
    }
}

/// Which lessons are finished, and how well.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Where it is kept; `None` where the environment names no place.
    file: Option<PathBuf>,
    kept: Kept,
    /// What is not yet in the file.
    new: Vec<(String, Done)>,
}

impl Progress {
    /// What is kept, and where it cannot be used, one line that says why; the progress is empty then, and
    /// [`Progress::save`] refuses for the same reason. That nothing was ever kept is no reason to complain.
    pub(crate) fn load() -> (Self, Option<String>) {
        Progress::load_from(Progress::file())
    }

    /// The file; `None` where neither XDG_STATE_HOME nor HOME is an absolute path.
    pub(crate) fn file() -> Option<PathBuf> {
        let path = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = path("XDG_STATE_HOME").or_else(|| path("HOME").map(|home| home.join(".local/state")));
        state.map(|state| state.join("nslearn/progress.json"))
    }

    fn load_from(file: Option<PathBuf>) -> (Self, Option<String>) {
        match file.as_deref().map_or(Ok(None), read) {
            Ok(kept) => (Progress { file, kept: kept.unwrap_or_default(), new: Vec::new() }, None),
            Err(why) => (Progress { file, ..Progress::default() }, Some(why)),
        }
    }

    /// A lesson's best result; `None` if it was not finished yet.
    pub(crate) fn of(&self, lesson: &str) -> Option<Done> {
        self.kept.lessons.get(lesson).map(Entry::done)
    }

    /// A lesson was finished, with so many questions answered right `of` so many; of two results the better one stays.
    pub(crate) fn finished(&mut self, lesson: &str, right: usize, of: usize) {
        let done = Done { right: right.min(of), of };
        self.kept.note(lesson, done);
        self.new.push((lesson.to_owned(), done));
    }

    /// Adds what was finished since it was loaded to what the file has now: another walk may have ended meanwhile, or may
    /// end at this moment. The file is replaced as a whole, so that a reader finds the old one or the new one. Where
    /// nothing was finished, nothing is written.
    ///
    /// # Errors
    /// One line that says why nothing is kept, and the file is then as it was; or that it is kept, and what is in doubt.
    pub(crate) fn save(&self) -> Result<(), String> {
        if self.new.is_empty() {
            return Ok(());
        }
        let Some(file) = &self.file else {
            return Err("progress is not kept: neither XDG_STATE_HOME nor HOME names a directory".to_owned());
        };
        let not_kept = |why: String| format!("progress is not kept: {why}");
        // What is there is understood, or left alone before anything is made.
        read(file)?;
        let place = Place::enter(file.parent().unwrap_or(file)).map_err(not_kept)?;
        let mut kept = read(file)?.unwrap_or_default();
        for (lesson, done) in &self.new {
            kept.note(lesson, *done);
        }
        let replaced = text_of(file, &kept).and_then(|text| place.replace(file, &text)).map_err(not_kept)?;
        replaced.map_err(|doubt| format!("progress is kept, but a power cut could still undo that: {doubt}"))
    }

    /// Removes the file, also one that is broken; says whether there was one.
    ///
    /// # Errors
    /// Where it could not be removed, or is not the user's to remove. The error says why, in one line.
    pub(crate) fn forget() -> io::Result<bool> {
        Progress::file().map_or(Ok(false), |file| forget(&file))
    }
}

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    version: u64,
    #[serde(default)]
    lessons: IndexMap<String, Entry>,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

/// What it says of a lesson.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    right: usize,
    of: usize,
    #[serde(flatten)]
    unknown: Map<String, Value>,
}

impl Entry {
    fn done(&self) -> Done {
        Done { right: self.right, of: self.of }
    }
}

impl Default for Kept {
    fn default() -> Self {
        Kept { version: VERSION, lessons: IndexMap::new(), unknown: Map::new() }
    }
}

impl Kept {
    fn note(&mut self, lesson: &str, done: Done) {
        match self.lessons.get_mut(lesson) {
            Some(entry) if !done.beats(entry.done()) => {}
            Some(entry) => (entry.right, entry.of) = (done.right, done.of),
            None => {
                let entry = Entry { right: done.right, of: done.of, unknown: Map::new() };
                self.lessons.insert(lesson.to_owned(), entry);
            }
        }
    }

    /// What a file says, or what is wrong with it. Nothing of the file's own text is in the answer: whoever made it could
    /// have put an escape sequence there.
    fn parse(text: &[u8]) -> Result<Kept, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u64,
        }
        let broken = |at: serde_json::Error| {
            format!("is not a progress file of nslearn (line {}, column {})", at.line(), at.column())
        };
        let Version { version } = serde_json::from_slice(text).map_err(broken)?;
        if version != VERSION {
            return Err(format!("is of version {version}, but this nslearn knows only version {VERSION}"));
        }
        let kept: Kept = serde_json::from_slice(text).map_err(broken)?;
        if kept.lessons.values().any(|entry| entry.right > entry.of) {
            return Err("is not a progress file of nslearn: it has more right answers than questions".to_owned());
        }
        Ok(kept)
    }
}

/// The content of the file; `None` if there is no file.
fn read(file: &Path) -> Result<Option<Kept>, String> {
    let failed =
        |call: &str, error: &io::Error| format!("{}; no progress is shown or kept", refusal(call, file, error));
    match fs::symlink_metadata(file) {
        Ok(seen) => is_ours(file, &seen)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("stat", &error)),
    }
    // Neither a link nor a pipe that was put there since then is followed or waited for.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let opened =
        OpenOptions::new().read(true).custom_flags(flags).open(file).map_err(|error| failed("open", &error))?;
    is_ours(file, &opened.metadata().map_err(|error| failed("fstat", &error))?)?;
    let mut text = Vec::new();
    opened.take(LIMIT + 1).read_to_end(&mut text).map_err(|error| failed("read", &error))?;
    let parsed = if text.len() as u64 > LIMIT {
        Err(format!("is larger than {} KiB", LIMIT / 1024))
    } else {
        Kept::parse(&text)
    };
    let advice = "no progress is shown or kept until you repair it, or remove it with `nslearn reset`";
    parsed.map(Some).map_err(|why| format!("{} {why}; {advice}", shown(file)))
}

/// Refuses what is not a regular file of the effective user.
fn is_ours(file: &Path, seen: &Metadata) -> Result<(), String> {
    let kind = seen.file_type();
    let why = if kind.is_symlink() {
        "is a symbolic link".to_owned()
    } else if !kind.is_file() {
        format!("is {}, not a regular file", if kind.is_dir() { "a directory" } else { "a special file" })
    } else if seen.uid() != geteuid().as_raw() {
        format!("belongs to another user (uid {})", seen.uid())
    } else {
        return Ok(());
    };
    Err(format!("{} {why}; nslearn leaves it alone, and no progress is shown or kept", shown(file)))
}

/// The file's text.
fn text_of(file: &Path, kept: &Kept) -> Result<Vec<u8>, String> {
    let mut text = serde_json::to_vec_pretty(kept).map_err(|error| error.to_string())?;
    text.push(b'\n');
    if text.len() as u64 > LIMIT {
        return Err(format!("{} would be larger than {} KiB", shown(file), LIMIT / 1024));
    }
    Ok(text)
}

fn forget(file: &Path) -> io::Result<bool> {
    let failed = |call: &str, error: &io::Error| io::Error::new(error.kind(), refusal(call, file, error));
    match fs::symlink_metadata(file) {
        Ok(seen) => is_ours(file, &seen).map_err(io::Error::other)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(failed("stat", &error)),
    }
    let _place = Place::enter(file.parent().unwrap_or(file)).map_err(io::Error::other)?;
    fs::remove_file(file).map_err(|error| failed("unlink", &error))?;
    Ok(true)
}

#[cfg(test)]
mod tests;
