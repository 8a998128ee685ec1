//! What can go wrong, so that it can be told: what was tried, what the kernel said. What it means on this machine, and
//! what to do, is [`crate::diagnosis`]'s to say.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::transcript::{Kind, errno_name};

/// The result of everything on the stage.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Something that stopped a lesson, or one fact of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Error {
    /// The kernel refused a call.
    #[error("{call}: {}{}", errno_name(*.errno), .kernel_said.as_ref().map(|said| format!(" ({said})")).unwrap_or_default())]
    Refused {
        /// The call's name, as its manual page has it.
        syscall: String,
        /// The call with its arguments.
        call: String,
        /// The kernel's answer.
        errno: i32,
        /// The kernel's own sentence about it, from netlink.
        kernel_said: Option<String>,
        /// Whether it was told of as an event: it is the call that a verb is about then, and not one on the way there.
        told: bool,
    },
    /// Root has no ids to give to a stage but its own.
    #[error("root of this user namespace has no id but the machine's own root, and a stage must not be that")]
    NoIdsForRoot,
    /// An actor was gone when it was needed.
    #[error("{0} is gone: its process has ended")]
    Gone(String),
    /// The stage refused to let an actor change the machine itself.
    #[error("{call} was not made: {actor} is in the machine's own {kind} namespace")]
    OnTheMachine {
        /// Who would have called.
        actor: String,
        /// The call.
        call: String,
        /// The namespace that it would have changed.
        kind: Kind,
    },
    /// Something on the stage is not as it must be.
    #[error("{what}: {why}")]
    Unexpected {
        /// What was tried.
        what: String,
        /// What came of it.
        why: String,
    },
    /// The stage's own processes ended before the lesson did.
    #[error("the stage ended early: {0}")]
    StageLost(String),
}

impl Error {
    /// A call that the kernel refused.
    pub fn refused(syscall: &str, call: impl Into<String>, errno: Errno) -> Self {
        let (syscall, call, errno) = (syscall.to_owned(), call.into(), errno as i32);
        Error::Refused { syscall, call, errno, kernel_said: None, told: false }
    }

    /// The same of a call that the standard library made; where it was not the kernel that said no, what it was.
    pub fn io(syscall: &str, call: impl Into<String>, why: &std::io::Error) -> Self {
        match why.raw_os_error() {
            Some(errno) => Error::refused(syscall, call, Errno::from_raw(errno)),
            None => Error::unexpected(call, why),
        }
    }

    /// Something that is not as it must be.
    pub fn unexpected(what: impl Into<String>, why: impl ToString) -> Self {
        Error::Unexpected { what: what.into(), why: why.to_string() }
    }

    /// Whether something that was there is lost: that says nothing of what this machine allows.
    pub fn is_loss(&self) -> bool {
        matches!(self, Error::Gone(_) | Error::StageLost(_))
    }

    /// The errno, where the kernel refused a call.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Error::Refused { errno, .. } => Some(Errno::from_raw(*errno)),
            _ => None,
        }
    }
}

/// For calls whose refusal is what a lesson wants to show.
pub trait Refusal<T> {
    /// The errno with which the kernel refused the call that was told of; `None` if it did not.
    ///
    /// # Errors
    /// Whatever else went wrong: the call was not made at all. Also where one on the way to it was refused, whose errno
    /// must not pass for an answer to this one; and where the process has no file descriptor more, which is no answer.
    fn refusal(self) -> Result<Option<Errno>>;

    /// The same, where one errno would mean that this machine lacks something, and not what the lesson wants to show.
    ///
    /// # Errors
    /// The refusal with that errno; and as [`Refusal::refusal`].
    fn refusal_but(self, lack: Errno) -> Result<Option<Errno>>;
}

impl<T> Refusal<T> for Result<T> {
    fn refusal(self) -> Result<Option<Errno>> {
        match self {
            Ok(_) => Ok(None),
            Err(Error::Refused { errno, told: true, .. }) if !is_shortage(errno) => Ok(Some(Errno::from_raw(errno))),
            Err(error) => Err(error),
        }
    }

    fn refusal_but(self, lack: Errno) -> Result<Option<Errno>> {
        match self {
            Err(error) if error.errno() == Some(lack) => Err(error),
            result => result.refusal(),
        }
    }
}

/// Whether the caller has as many files open as it may: then nobody has looked at what it asked for.
fn is_shortage(errno: i32) -> bool {
    matches!(Errno::from_raw(errno), Errno::EMFILE | Errno::ENFILE)
}
