//! The stage's root file system: the machine's own, read-only, with a new /proc and with a /tmp and a /run that live in
//! memory. Nothing that happens on the stage is ever written to a disk.

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use crate::args;
use crate::error::{About, CallResult, Result};
use crate::sys;
use crate::transcript::{FileSystem, Object};

/// A place that every Linux machine has, on which the new root is put together. It is covered only in the stage's own
/// mount namespace.
pub(crate) const WORKBENCH: &str = "/tmp";

/// What the stage's own file systems call themselves in /proc/self/mountinfo.
pub(crate) const MOUNT_SOURCE: &str = "nslearn-stage";

const NONE: Option<&str> = None;

/// Gives the stage its root. The caller is the first process in new user, PID and mount namespaces.
pub(crate) fn build() -> Result<()> {
    // First of all: where `/` is shared, as systemd makes it, every mount below would appear on the machine as well.
    make_private()?;
    bind_read_only()?;
    // While the machine's proc is still in sight: in a user namespace the kernel mounts a new one only where there is
    // one already that hides nothing.
    mount_proc("proc")?;
    mount_tmpfs("tmp", "mode=1777")?;
    if std::path::Path::new("run").is_dir() {
        mount_tmpfs("run", "mode=755")?;
    }
    make_root()
}

/// Keeps what is mounted from now on to this mount namespace: mount_namespaces(7).
pub(crate) fn make_private() -> Result<()> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).or_refused("mount", args!["/", "MS_REC | MS_PRIVATE"])
}

/// Shows the whole tree once more on the workbench, read-only, and goes there.
pub(crate) fn bind_read_only() -> Result<()> {
    // MS_REC is not a choice: without it the bind would uncover what is below the machine's mounts, which is EINVAL.
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some("/"), WORKBENCH, NONE, bind, NONE).or_refused("mount", args!["/", "MS_BIND | MS_REC"])?;
    chdir(WORKBENCH).or_refused("chdir", args![WORKBENCH])?;
    sys::mount_setattr_rdonly().or_refused("mount_setattr", args!["/", "AT_RECURSIVE", "MOUNT_ATTR_RDONLY"])
}

/// Mounts a proc of the caller's PID namespace.
pub(crate) fn mount_proc(target: &str) -> Result<()> {
    let harmless = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), target, Some("proc"), harmless, NONE)
        .or_refused("mount", args!["proc"])
        .about(Object::FileSystem(FileSystem::Proc))
}

/// Mounts a file system in memory.
pub(crate) fn mount_tmpfs(target: &str, mode: &str) -> Result<()> {
    let own = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some(MOUNT_SOURCE), target, Some("tmpfs"), own, Some(mode))
        .or_refused("mount", args!["tmpfs"])
        .about(Object::FileSystem(FileSystem::Tmpfs))
}

/// Makes the mount at the working directory the root, and takes the old one off.
pub(crate) fn make_root() -> Result<()> {
    // With both names the same, the old root ends up on top of the new one, and leaves when it is taken off there.
    pivot_root(".", ".").or_refused("pivot_root", args![".", "."])?;
    umount2(".", MntFlags::MNT_DETACH).or_refused("umount2", args![".", "MNT_DETACH"])?;
    chdir("/").or_refused("chdir", args!["/"])
}
