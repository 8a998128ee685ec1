//! The stage's root file system: the machine's own, read-only, with a new /proc and with a /tmp and a /run that live in
//! memory. Nothing that happens on the stage is ever written to a disk.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::NixPath;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, pivot_root};

use super::kept::Kept;
use crate::args;
use crate::error::{About, CallResult, Result};
use crate::sys;
use crate::transcript::{FileSystem, Object};

/// What the stage's own file systems call themselves in /proc/self/mountinfo.
pub(crate) const MOUNT_SOURCE: &str = "nslearn-stage";

/// Where every stage can write.
const TMP: &str = "/tmp";
/// What lives there is the machine's own: sockets, and the names of namespaces.
const RUN: &str = "/run";

const NONE: Option<&str> = None;

/// Gives the stage its root. The caller is the first process in new user, PID and mount namespaces.
pub(crate) fn build() -> Result<()> {
    // First of all: where `/` is shared, as systemd makes it, every mount below would appear on the machine as well.
    make_private()?;
    let has_tmp = place(TMP).is_some();
    if has_tmp {
        bind_read_only()?
    } else {
        copy_read_only()?
    }
    // While the machine's proc is still in sight: in a user namespace the kernel mounts a new one only where there is
    // one already that hides nothing.
    mount_proc("proc")?;
    make_root()?;
    cover()
}

/// Covers what can be written on the machine, and what lives in memory there. Below the new root: before, an absolute link
/// would lead to the old one.
fn cover() -> Result<()> {
    let kept = Kept::below(RUN);
    let mut places = vec![(place(TMP).unwrap_or_else(|| TMP.into()), "mode=1777")];
    places.extend(place(RUN).map(|run| (run, "mode=755")));
    // Where one lies in the other, that one comes first. Where they are the same, everybody may write there.
    places.sort();
    places.dedup_by(|run, tmp| run.0 == tmp.0);
    for (place, mode) in &places {
        if !place.is_dir() {
            fs::create_dir_all(place).or_refused("mkdir", args![place.display().to_string()])?;
        }
        mount_tmpfs(place.as_path(), mode)?;
    }
    kept.show();
    Ok(())
}

/// The directory that a path leads to, through links; `None`: to none, to none that the caller may reach, or to the root.
fn place(path: &str) -> Option<PathBuf> {
    fs::canonicalize(path).ok().filter(|place| place.parent().is_some() && place.is_dir())
}

/// Keeps what is mounted from now on to this mount namespace: mount_namespaces(7).
pub(crate) fn make_private() -> Result<()> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).or_refused("mount", args!["/", "MS_REC | MS_PRIVATE"])
}

/// Shows the whole tree once more on top of itself, read-only, and goes there.
pub(crate) fn bind_read_only() -> Result<()> {
    // MS_REC is not a choice: without it the bind would uncover what is below the machine's mounts, which is EINVAL.
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    mount(Some("/"), "/", NONE, bind, NONE).or_refused("mount", args!["/", "MS_BIND | MS_REC"])?;
    go_on_top()?;
    seal()
}

/// Shows the same, but for /tmp, in a new root that has one: the machine's own has none, and is not to be changed.
fn copy_read_only() -> Result<()> {
    let listed: std::io::Result<Vec<_>> = fs::read_dir("/").and_then(|entries| {
        entries.map(|entry| entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?)))).collect()
    });
    let listed = listed.or_refused("open", args!["/"])?;
    mount_tmpfs("/", "mode=755")?;
    go_on_top()?;
    fs::create_dir("tmp").or_refused("mkdir", args!["tmp"])?;
    for (name, kind) in listed.iter().filter(|(name, _)| name != "tmp") {
        let (from, to) = (Path::new("/").join(name), Path::new(name));
        let shown = || args![from.display().to_string()];
        if kind.is_symlink() {
            let copied = fs::read_link(&from).and_then(|target| symlink(target, to));
            copied.or_refused("symlink", shown())?;
            continue;
        }
        let made = if kind.is_dir() { fs::create_dir(to) } else { File::create(to).map(drop) };
        made.or_refused("open", shown())?;
        let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount(Some(&from), to, NONE, bind, NONE).or_refused("mount", shown())?;
    }
    seal()
}

/// Goes to what is mounted on the root directory: `..` there leads up to it, `/` does not.
fn go_on_top() -> Result<()> {
    chdir("/..").or_refused("chdir", args!["/.."])
}

/// Makes all that is mounted here, and below, read-only.
fn seal() -> Result<()> {
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
pub(crate) fn mount_tmpfs<P: NixPath + ?Sized>(target: &P, mode: &str) -> Result<()> {
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
