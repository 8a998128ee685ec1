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
        Error::Refused { syscall: syscall.to_owned(), call: call.into(), errno: errno as i32, kernel_said: None }
    }

    /// Something that is not as it must be.
    pub fn unexpected(what: impl Into<String>, why: impl ToString) -> Self {
        Error::Unexpected { what: what.into(), why: why.to_string() }
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
    /// The errno with which the kernel refused; `None` if it did not.
    ///
    /// # Errors
    /// Whatever else went wrong: the call was not made at all.
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
            Err(error) => error.errno().map(Some).ok_or(error),
        }
    }

    fn refusal_but(self, lack: Errno) -> Result<Option<Errno>> {
        match self {
            Err(error) if error.errno() == Some(lack) => Err(error),
            result => result.refusal(),
        }
    }
}
