//! The ledger: each call that is told of, with its result, when it has been made.

use super::errno_hints::hint;
use super::process::ReturnValue;
use super::protocol::Log;
use crate::error::{Error, Result};
use crate::transcript::{Answer, Call, Called, Event};

/// The kernel's reply to a message that it refuses.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// What the kernel itself said of it.
    pub(crate) said: Option<String>,
    /// How long the message was, where it was sent at all.
    pub(crate) sent: Option<usize>,
}

/// An entry of the ledger: what there is to say of a call besides its name, its arguments and its result.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    /// Where events go.
    pub(super) log: &'a Log,
    /// Who called.
    pub(super) actor: &'a str,
    /// How many times in a row.
    pub(super) times: usize,
    /// Whether it only sets something up: a reader hears how many of those there were.
    pub(super) set_up: bool,
    /// What to notice about it.
    pub(super) remark: Option<String>,
    /// What came with a refusal.
    pub(super) reply: Reply,
}

impl<'a> Entry<'a> {
    /// One call.
    pub(super) fn new(log: &'a Log, actor: &'a str) -> Self {
        Entry { log, actor, times: 1, set_up: false, remark: None, reply: Reply::default() }
    }

    /// One that only sets something up.
    pub(super) fn of_set_up(log: &'a Log, actor: &'a str) -> Self {
        Entry { set_up: true, ..Entry::new(log, actor) }
    }

    /// Tells of the call, and passes its result on.
    pub(super) fn tell<T: ReturnValue>(self, call: Call, result: nix::Result<T>) -> Result<T> {
        let Entry { log, actor, times, set_up, remark, reply: Reply { said: kernel_said, sent } } = self;
        let answer = match &result {
            Ok(value) => Answer::Returned(value.value()),
            Err(errno) => {
                let meaning = hint(&call, *errno);
                Answer::Failed { errno: *errno, meaning, kernel_said: kernel_said.clone(), sent }
            }
        };
        let actor = actor.to_owned();
        log.event(Event::Called(Called { actor, call: call.clone(), answer, times, set_up, remark }));
        result.map_err(|errno| Error::Refused { call, errno, kernel_said, recorded: !set_up })
    }
}
