//! Actors: processes on the stage that do what the director tells them, each by its own system calls.

mod actor;
mod channel;
mod circumstances;
mod errno_hints;
mod ledger;
mod process;
mod protocol;
mod roster;

pub(crate) use actor::{Actor, Purpose};
pub(crate) use channel::{Channel, Packet};
pub(crate) use ledger::Reply;
pub(crate) use process::Fd;
pub(crate) use process::{Process, ReturnValue, Zero};
pub(crate) use protocol::{Log, Order, Program, StoryMessage, Tried, Visit, VisitOutcome};
