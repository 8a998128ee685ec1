//! The stage's root file system: the machine's own, read-only, with a new /proc and with a /tmp and a /run that live in
//! memory. Nothing that happens on the stage is ever written to a disk.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use crate::error::{Error, Result};
use crate::sys;

/// A place that every Linux machine has, on which the new root is put together. It is covered only in the stage's own
/// mount namespace.
const WORKBENCH: &str = "/tmp";

/// What the stage's own file systems call themselves in /proc/self/mountinfo.
pub(super) const MOUNT_SOURCE: &str = "nslearn-stage";

/// Gives the stage its root. The caller is the first process in new user, PID and mount namespaces.
pub(super) fn build() -> Result<()> {
    let none = None::<&str>;
    // First of all: where `/` is shared, as systemd makes it, every mount below would appear on the machine as well.
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    tried("mount(/, MS_REC | MS_PRIVATE)", mount(none, "/", none, private, none))?;

    // MS_REC is not a choice: without it the bind would uncover what is below the machine's mounts, which is EINVAL.
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    tried("mount(/, MS_BIND | MS_REC)", mount(Some("/"), WORKBENCH, none, bind, none))?;
    tried("chdir", chdir(WORKBENCH))?;
    tried("mount_setattr(/, AT_RECURSIVE, MOUNT_ATTR_RDONLY)", sys::mount_setattr_rdonly())?;

    // While the machine's proc is still in sight: in a user namespace the kernel mounts a new one only where there is
    // one already that hides nothing.
    let harmless = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    tried("mount(proc)", mount(Some("proc"), "proc", Some("proc"), harmless, none))?;
    let own = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    tried("mount(tmpfs)", mount(Some(MOUNT_SOURCE), "tmp", Some("tmpfs"), own, Some("mode=1777")))?;
    if std::path::Path::new("run").is_dir() {
        tried("mount(tmpfs)", mount(Some(MOUNT_SOURCE), "run", Some("tmpfs"), own, Some("mode=755")))?;
    }

    // With both names the same, the old root ends up on top of the new one, and leaves when it is taken off there.
    tried("pivot_root(., .)", pivot_root(".", "."))?;
    tried("umount2(., MNT_DETACH)", umount2(".", MntFlags::MNT_DETACH))?;
    tried("chdir", chdir("/"))
}

fn tried<T>(call: &str, result: nix::Result<T>) -> Result<T> {
    let name = call.split('(').next().unwrap_or(call);
    result.map_err(|errno| Error::refused(name, call, errno))
}
