//! What can go wrong, as data: what was tried, and what the kernel said. [`crate::diagnosis`] says what it means on this
//! machine, and what to do.

use std::io;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use crate::transcript::{Call, NamespaceType, Object, Value, errno_as_number, errno_name};

/// The result of everything on the stage.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Something that stopped a lesson, or one fact of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub(crate) enum Error {
    /// The kernel refused a call.
    #[error("{call}: {}{}", errno_name(*.errno), .kernel_said.as_ref().map(|said| format!(" ({said})")).unwrap_or_default())]
    Refused {
        /// The call.
        call: Call,
        /// The kernel's answer.
        #[serde(with = "errno_as_number")]
        errno: Errno,
        /// The kernel's own sentence about it, from netlink.
        kernel_said: Option<String>,
        /// Whether it stands in the ledger: it is the call that a verb is about then, and not one on the way there.
        recorded: bool,
    },
    /// A message between nslearn's own processes was lost. That says nothing of what this machine can show.
    #[error("{call}: {}", errno_name(*.errno))]
    Transport {
        /// The call that was to carry it.
        call: Call,
        /// The kernel's answer.
        #[serde(with = "errno_as_number")]
        errno: Errno,
    },
    /// Root has no ids to give to a stage but its own.
    #[error("root of this user namespace has no id except the machine's own root, and a stage must not run as that")]
    NoIdsForRoot,
    /// Root's stage has ids that may not even search the root directory.
    #[error("only the owner of / may search it, and a stage that root opens has ids that own nothing on this machine")]
    ClosedRoot,
    /// None of the programs that were to be started on the stage can be.
    #[error("no program on the stage can be started: {0}")]
    NoProgram(String),
    /// An actor was gone when it was needed.
    #[error("{0} is gone: its process has ended")]
    Gone(String),
    /// The stage refused to let an actor change the machine itself.
    #[error("{syscall} was not made: {actor} is in the machine's own {of} namespace")]
    OnTheMachine {
        /// Who would have called.
        actor: String,
        /// The call.
        syscall: String,
        /// The namespace that it would have changed.
        of: NamespaceType,
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
    pub(crate) fn refused(syscall: &str, args: Vec<Value>, errno: Errno) -> Self {
        Error::Refused { call: Call::new(syscall, args), errno, kernel_said: None, recorded: false }
    }

    /// Something that is not as it must be.
    pub(crate) fn unexpected(what: impl Into<String>, why: impl ToString) -> Self {
        Error::Unexpected { what: what.into(), why: why.to_string() }
    }

    /// Whether something that was there is lost: that says nothing of what this machine allows.
    pub(crate) fn is_loss(&self) -> bool {
        matches!(self, Error::Gone(_) | Error::StageLost(_))
    }

    /// The errno, where the kernel refused a call.
    pub(crate) fn errno(&self) -> Option<Errno> {
        match self {
            Error::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// What a system call came to, by whichever library it was made. Only the kernel's own answer is ever told as one: what
/// failed without an errno (bytes that are no text, an address that is too long for the library) gets none made up.
pub(crate) trait CallResult<T>: Sized {
    /// The kernel's answer.
    ///
    /// # Errors
    /// Why there is none.
    fn kernels_answer(self) -> Result<nix::Result<T>, io::Error>;

    /// The kernel's answer to this call, for a ledger.
    ///
    /// # Errors
    /// [`Error::Unexpected`] where there is none.
    fn answer_to(self, syscall: &str) -> Result<nix::Result<T>> {
        self.kernels_answer().map_err(|why| Error::unexpected(syscall, why))
    }

    /// The result, with an error that says which call it was.
    ///
    /// # Errors
    /// [`Error::Refused`]; [`Error::Unexpected`] where it was not the kernel that refused.
    fn or_refused(self, syscall: &str, args: Vec<Value>) -> Result<T> {
        self.or_failed(Call::new(syscall, args), |call, errno| Error::Refused {
            call,
            errno,
            kernel_said: None,
            recorded: false,
        })
    }

    /// The same of a call that carries a message between nslearn's own processes.
    ///
    /// # Errors
    /// [`Error::Transport`]; [`Error::Unexpected`] as above.
    fn or_lost(self, syscall: &str, args: Vec<Value>) -> Result<T> {
        self.or_failed(Call::new(syscall, args), |call, errno| Error::Transport { call, errno })
    }

    /// The result, with such an error.
    ///
    /// # Errors
    /// As [`CallResult::or_refused`].
    fn or_failed(self, call: Call, failed: impl FnOnce(Call, Errno) -> Error) -> Result<T> {
        match self.kernels_answer() {
            Ok(answer) => answer.map_err(|errno| failed(call, errno)),
            Err(why) => Err(Error::unexpected(call.to_string(), why)),
        }
    }
}

impl<T> CallResult<T> for nix::Result<T> {
    fn kernels_answer(self) -> Result<nix::Result<T>, io::Error> {
        Ok(self)
    }
}

impl<T> CallResult<T> for rustix::io::Result<T> {
    fn kernels_answer(self) -> Result<nix::Result<T>, io::Error> {
        Ok(self.map_err(errno_of))
    }
}

impl<T> CallResult<T> for io::Result<T> {
    fn kernels_answer(self) -> Result<nix::Result<T>, io::Error> {
        match self {
            Ok(result) => Ok(Ok(result)),
            Err(why) => why.raw_os_error().map(|errno| Err(Errno::from_raw(errno))).ok_or(why),
        }
    }
}

/// The errno of one library as that of the other.
pub(crate) fn errno_of(why: rustix::io::Errno) -> Errno {
    Errno::from_raw(why.raw_os_error())
}

/// Says of a refused call what it was about.
pub(crate) trait About {
    /// The same, with that.
    fn about(self, object: Object) -> Self;
}

impl About for Error {
    fn about(mut self, object: Object) -> Self {
        if let Error::Refused { call, .. } = &mut self {
            call.object = Some(object);
        }
        self
    }
}

impl<T> About for Result<T> {
    fn about(self, object: Object) -> Self {
        self.map_err(|error| error.about(object))
    }
}

/// Makes a call once more for as long as a signal came in between: that says nothing about the call.
///
/// # Errors
/// Those of the call, but for `EINTR`.
pub(crate) fn retried<T, E: Interruption>(mut call: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    loop {
        match call() {
            Err(why) if why.is_interruption() => {}
            result => return result,
        }
    }
}

/// An error that may be no more than a signal which came in between: `EINTR`.
pub(crate) trait Interruption {
    /// Whether it is.
    fn is_interruption(&self) -> bool;
}

impl Interruption for Errno {
    fn is_interruption(&self) -> bool {
        *self == Errno::EINTR
    }
}

impl Interruption for rustix::io::Errno {
    fn is_interruption(&self) -> bool {
        *self == rustix::io::Errno::INTR
    }
}

impl Interruption for io::Error {
    fn is_interruption(&self) -> bool {
        self.kind() == io::ErrorKind::Interrupted
    }
}

/// For calls whose refusal is what a lesson wants to show.
pub(crate) trait Refusal<T> {
    /// The errno with which the kernel refused the call that stands in the ledger; `None` if it did not.
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
            Err(Error::Refused { errno, recorded: true, .. }) if !is_shortage(errno) => Ok(Some(errno)),
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
pub(crate) fn is_shortage(errno: Errno) -> bool {
    matches!(errno, Errno::EMFILE | Errno::ENFILE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_no_answer_of_the_kernels_gets_no_errno() {
        let no_text = || Err::<(), io::Error>(io::ErrorKind::InvalidData.into());
        for told in [no_text().or_refused("read", Vec::new()), no_text().or_lost("read", Vec::new())] {
            assert!(matches!(told, Err(Error::Unexpected { what, .. }) if what == "read()"));
        }
        assert!(matches!(no_text().answer_to("read"), Err(Error::Unexpected { what, .. }) if what == "read"));
    }

    #[test]
    fn what_the_kernel_answered_keeps_its_errno() {
        let refused = || Err::<(), io::Error>(Errno::EROFS.into());
        assert_eq!(refused().answer_to("open"), Ok(Err(Errno::EROFS)));
        assert_eq!(refused().or_refused("open", Vec::new()).unwrap_err().errno(), Some(Errno::EROFS));
        assert_eq!(Err::<(), _>(rustix::io::Errno::ROFS).answer_to("open"), Ok(Err(Errno::EROFS)));
    }
}
