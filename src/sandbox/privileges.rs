//! What the program itself gives up before a lesson begins: it has a terminal and files to write, and nothing else to do on
//! the machine. capabilities(7).
//!
//! The stage keeps all capabilities: they hold for its own user namespace alone, and whoever makes another user namespace
//! in it has them all again, bounding set or not.

use nix::sys::prctl;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set, set_capabilities,
};

/// What root needs on: to give ids to the next stage, for a walk that goes back opens another one (the third of them, where
/// the only id that there is to give is root's own in a user namespace); and to write a recording where root may write and
/// the directory's mode lets nobody but another user.
const KEPT: CapabilitySet =
    CapabilitySet::SETUID.union(CapabilitySet::SETGID).union(CapabilitySet::SETFCAP).union(CapabilitySet::DAC_OVERRIDE);

/// Gives up, for good, what this process and all that come from it do not need. Where something of it is refused, there
/// was nothing to give up: a plain user has no capabilities.
///
/// After the stage was made, and not before: on some machines a security module makes no user namespace for a process
/// that can win no privileges.
pub(super) fn give_up() {
    let _ = prctl::set_no_new_privs();
    for capability in CapabilitySet::all().difference(KEPT).iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
    if let Ok(CapabilitySets { effective, permitted, .. }) = capabilities(None) {
        let (effective, permitted) = (effective.intersection(KEPT), permitted.intersection(KEPT));
        let _ = set_capabilities(None, CapabilitySets { effective, permitted, inheritable: CapabilitySet::empty() });
    }
}
