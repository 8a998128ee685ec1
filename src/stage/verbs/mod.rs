//! The verbs: what actors can do, each named as its system call. A verb runs in the actor's own process, makes the
//! call, tells of it, and returns what the kernel returned; [`crate::error::Refusal`] is for refusals that are the point.

mod files;
mod namespaces;
mod net;
mod process;
mod sockets;
mod uts;

pub use namespaces::{
    CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, Flags,
};
pub(in crate::stage) use net::{bridge, up, veth};
pub use process::End;
pub(in crate::stage) use sockets::echo;
