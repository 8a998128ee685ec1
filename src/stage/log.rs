//! The way of the events from the stage to the program: one channel, which every actor inherits. What arrives there is
//! in order because the director lets one actor act at a time.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::effects::Effect;
use super::visit::{Left, Order};
use crate::error::Error;
use crate::sys;
use crate::transcript::Event;

/// A line on the way from the stage to the program.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Line {
    /// The stage stands.
    Ready,
    /// Something happened.
    Event(Event),
    /// What this machine cannot show: the facts, and the call that was refused.
    Cannot(Vec<String>, Error),
    /// What came of trying an effect.
    Tried(Effect, Result<(), Error>),
    /// The program that the stage was opened for has ended, with this exit status.
    Left(i32),
    /// The story waits for an order.
    Waiting,
    /// A visit has ended.
    Visited(Left),
    /// A visit could not be made.
    NoVisit(Error),
    /// The lesson cannot go on.
    Failed(Error),
    /// The lesson has been told to its end.
    Done,
}

/// The stage's end of the channel.
#[derive(Debug, Clone)]
pub(super) struct Log(Arc<Channel>);

impl Log {
    pub(super) fn new(channel: Channel) -> Self {
        Log(Arc::new(channel))
    }

    /// Tells of an event.
    pub(super) fn event(&self, event: Event) {
        self.line(&Line::Event(event));
    }

    /// Waits for what the program orders, with the file descriptor that comes along; `None`: the program is gone.
    pub(super) fn order(&self) -> Option<(Order, Option<OwnedFd>)> {
        let message = self.0.receive().ok().flatten()?;
        Some((serde_json::from_slice(&message.bytes).ok()?, message.fd))
    }

    /// Sends a line. Where nobody listens any more there is no reason to go on living.
    pub(super) fn line(&self, line: &Line) {
        let sent = serde_json::to_vec(line).is_ok_and(|bytes| self.0.send(&bytes, None).is_ok());
        if !sent {
            sys::exit(1);
        }
    }
}

impl AsFd for Log {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
