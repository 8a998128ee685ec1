//! Something that only a child can do, or that must end with one.

use std::fs::File;
use std::io::{Read, Write};

use nix::fcntl::OFlag;
use nix::sys::wait::waitpid;
use nix::unistd::pipe2;

use crate::args;
use crate::error::{CallResult, Error, Result, retried};
use crate::sys::{self, Forked};

/// Runs something in a child, and waits for what comes of it.
///
/// # Errors
/// Its error; or that there is no child, or that it ended early.
pub(crate) fn in_a_child(run: impl FnOnce() -> Result<()>) -> Result<()> {
    let (answer, mine) = pipe2(OFlag::O_CLOEXEC).or_refused("pipe2", args![])?;
    match sys::clone3(0).or_refused("clone3", args!["flags=0"])? {
        Forked::Child => {
            let result = serde_json::to_vec(&run()).unwrap_or_default();
            let _ = File::from(mine).write_all(&result);
            sys::exit(0)
        }
        Forked::Parent(pid) => {
            drop(mine);
            let mut result = Vec::new();
            let read = File::from(answer).read_to_end(&mut result);
            let _ = retried(|| waitpid(pid, None));
            let lost = |why: String| Error::unexpected("a process in which something was tried", why);
            read.map_err(|why| lost(why.to_string()))?;
            serde_json::from_slice::<Result<()>>(&result).map_err(|why| lost(why.to_string()))?
        }
    }
}
