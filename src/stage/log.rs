//! The way of the events from the stage to the program: one channel, which every actor inherits. What arrives there is
//! in order because the director lets one actor act at a time.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::channel::Channel;
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
    /// The program that the stage was opened for has ended, with this exit status.
    Left(i32),
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
