//! The verbs: what actors can do, each named as its system call. A verb runs in the actor's own process, makes the
//! call, tells of it, and returns what the kernel returned; [`crate::error::Refusal`] is for refusals that are the point.
//!
//! One that only looks, or changes nothing but the caller itself, goes by [`crate::actors::Actor::run`]; all others by
//! `change`, which lets nobody through who is still in the machine's own namespace of that type. What a lesson needs and
//! does not speak of is told of as set-up, and counted. Looks are told of as what was seen, without the calls that they are
//! made of, for those change nothing.

mod echo;
mod exec;
mod files;
mod firewall;
mod namespaces;
mod net;
mod process;
mod sockets;
mod time;
mod uts;

pub(crate) use echo::ping;
pub(crate) use net::{address, bridge, up, veth, wait_for_link};
