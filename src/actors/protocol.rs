//! What nslearn's processes say to each other: one type of message for each conversation.
//!
//! Between the director and an actor: [`Request`], and for each the answer, a [`Result`].
//!
//! From the stage to the program comes, whatever the conversation is about, a [`Result`] of its type of message: its
//! error is what the stage cannot go on after. The first message is `()`: the stage stands. Then, if a story is told,
//! [`StoryMessage`]s, to which the program answers with [`Order`]s; if features are tried, [`Tried`]; if a program runs on
//! the stage, its exit status.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use crate::error::{Error, Result};
use crate::feature::Feature;
use crate::sys;
use crate::transcript::{Event, Flags};

/// What the director asks an actor to do; the function that does it comes before, see [`sys::RemoteFn`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request<A> {
    /// Its arguments.
    pub(crate) args: A,
    /// What it changes, if anything: the actor must be off the machine there.
    pub(crate) changes: Option<Change>,
    /// What to notice about the next call.
    pub(crate) remark: Option<String>,
}

/// What a call is about to change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Change {
    /// The namespaces whose content it is.
    pub(crate) of: Flags,
    /// The call.
    pub(crate) syscall: String,
}

/// What a story tells the program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum StoryMessage {
    /// Something happened.
    Event(Event),
    /// What this machine cannot show: the facts, and the call that was refused.
    CannotShow(Vec<String>, Error),
    /// The actor that sends this wants to be looked at from outside, by the program's own /proc.
    LookAtMe {
        /// How many numbers it has on the stage: what comes before them are the machine's.
        on_the_stage: usize,
    },
    /// The story waits for an order.
    Paused,
    /// A visit is over, or could not be made.
    Visited(Result<VisitOutcome>),
    /// The story has been told to its end.
    Ended,
}

/// What the program orders a story to do that waits.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Go on.
    GoOn,
    /// Here is a standard stream for a visit: input, output and error, in this order.
    Stream,
    /// Let a program visit an actor.
    Visit(Visit),
    /// To an actor that wanted to be looked at: its numbers, from the outermost PID namespace that the program's /proc
    /// knows to its own.
    YouAre(Result<Vec<i32>>),
}

/// A program that is to run in an actor's namespaces.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Visit {
    /// The actor.
    pub(crate) actor: String,
    /// The programs, of which the first is to run that can.
    pub(crate) programs: Vec<Program>,
}

/// A program to be started on a stage.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Program {
    /// Its path. A path travels as bytes, for serde takes a `PathBuf` only where it is text.
    pub(crate) path: OsString,
    /// Its arguments.
    pub(crate) args: Vec<OsString>,
    /// What is in its environment besides what nslearn has.
    pub(crate) env: Vec<(String, String)>,
    /// Files that it wants to find on the stage, below /tmp: their paths and what is in them.
    pub(crate) files: Vec<(PathBuf, String)>,
}

/// How a visit ended.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct VisitOutcome {
    /// The exit status, as a shell tells it.
    pub(crate) status: i32,
}

/// What came of trying a feature.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tried {
    pub(crate) feature: Feature,
    pub(crate) result: Result<()>,
}

/// The stage's end of the conversation with the program. Every actor inherits it; what arrives at the other end is in order
/// because the director lets one actor act at a time.
#[derive(Debug, Clone)]
pub(crate) struct Log(Arc<Channel>);

impl Log {
    pub(crate) fn new(channel: Channel) -> Self {
        Log(Arc::new(channel))
    }

    /// Tells of an event.
    pub(crate) fn event(&self, event: Event) {
        self.tell(StoryMessage::Event(event));
    }

    /// Tells the program something. Where nobody listens any more there is no reason to go on living.
    pub(crate) fn tell(&self, message: impl Serialize) {
        self.say(&Ok(message));
    }

    /// Tells the program what the stage cannot go on after.
    pub(crate) fn fail(&self, error: Error) {
        self.say::<()>(&Err(error));
    }

    fn say<M: Serialize>(&self, message: &Result<M>) {
        let sent = serde_json::to_vec(message).is_ok_and(|bytes| self.0.send(&bytes, None).is_ok());
        if !sent {
            sys::exit(1);
        }
    }

    /// Has the program look at the process that calls this, and show what it sees: the numbers of the process.
    pub(crate) fn look_at_me(&self, on_the_stage: usize) -> Result<Vec<i32>> {
        self.tell(StoryMessage::LookAtMe { on_the_stage });
        match self.order() {
            Some((Order::YouAre(numbers), _)) => numbers,
            _ => Err(Error::Gone("nslearn".to_owned())),
        }
    }

    /// Waits for what the program orders, with the file descriptor that comes along; `None`: the program is gone.
    pub(crate) fn order(&self) -> Option<(Order, Option<OwnedFd>)> {
        let packet = self.0.receive().ok().flatten()?;
        Some((serde_json::from_slice(&packet.bytes).ok()?, packet.fd))
    }
}

impl AsFd for Log {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
