//! Files, roots and mounts: chroot(2), pivot_root(2), mount(2).

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::stat::{Mode, major, minor};
use nix::unistd;

use crate::actors::{Actor, Process};
use crate::args;
use crate::error::{About, CallResult, Result, retried};
use crate::observe::kernel_file;
use crate::stage::Stage;
use crate::sys;
use crate::transcript::{CLONE_NEWNS, CLONE_NEWUSER, FileSystem, Look, Object, Value};

impl Actor {
    /// Makes a directory: mkdir(2).
    ///
    /// # Errors
    /// Those of mkdir(2); `EROFS` outside of the stage's /tmp and /run.
    pub(crate) fn mkdir(&self, path: &str) -> Result<()> {
        self.change(CLONE_NEWNS, "mkdir", path.to_owned(), |me, path| {
            let made = unistd::mkdir(path.as_str(), Mode::from_bits_truncate(0o755));
            me.called("mkdir", vec![Value::Name(path)], made)
        })
    }

    /// Adds a line of text to a file, and makes the file and its directories where there are none, as set-up.
    ///
    /// # Errors
    /// Those of mkdir(2), open(2) and write(2).
    pub(crate) fn put(&self, path: &str, text: &str) -> Result<()> {
        self.change(CLONE_NEWNS, "open", (path.to_owned(), format!("{text}\n")), |me, (path, text)| {
            let directories: Vec<&Path> =
                Path::new(&path).ancestors().skip(1).take_while(|above| !above.exists()).collect();
            for missing in directories.into_iter().rev() {
                let made = unistd::mkdir(missing, Mode::from_bits_truncate(0o755));
                me.set_up("mkdir", vec![Value::Name(missing.display().to_string())], made)?;
            }
            let opened = File::options().create(true).append(true).open(&path).map(OwnedFd::from).answer_to("open")?;
            let mut file = File::from(me.set_up("open", args![&path, "O_CREAT | O_APPEND"], opened)?);
            let written = file.write(text.as_bytes()).map(Value::from).answer_to("write")?;
            me.set_up("write", vec![Value::Text(path), Value::Name(text)], written).map(drop)
        })
    }

    /// Changes the actor's root directory: chroot(2).
    ///
    /// # Errors
    /// `EPERM` without CAP_SYS_CHROOT; `ENOENT` and the like.
    pub(crate) fn chroot(&self, path: &str) -> Result<()> {
        self.change(CLONE_NEWUSER, "chroot", path.to_owned(), |me, path| {
            let changed = unistd::chroot(path.as_str());
            me.called("chroot", vec![Value::Name(path)], changed)
        })
    }

    /// Changes the actor's working directory: chdir(2).
    ///
    /// # Errors
    /// Those of chdir(2).
    pub(crate) fn chdir(&self, path: &str) -> Result<()> {
        self.run(path.to_owned(), |me, path| {
            let changed = unistd::chdir(path.as_str());
            me.called("chdir", vec![Value::Name(path)], changed)
        })
    }

    /// Makes the current directory the root of the actor's mount namespace, with the old root on top of it:
    /// `pivot_root(".", ".")`, pivot_root(2).
    ///
    /// # Errors
    /// `EINVAL` where the directory is no mount point, or a mount there is shared.
    pub(crate) fn pivot_root(&self) -> Result<()> {
        self.change(CLONE_NEWNS, "pivot_root", (), |me, ()| {
            let pivoted = unistd::pivot_root(".", ".");
            me.called("pivot_root", vec![Value::Name(".".to_owned()), Value::Name(".".to_owned())], pivoted)
        })
    }

    /// Takes what is mounted on top of the current directory off, even while it is in use: umount2(2), `MNT_DETACH`.
    ///
    /// # Errors
    /// `EINVAL` for a mount that came from a more privileged namespace.
    pub(crate) fn umount_detached(&self) -> Result<()> {
        self.change(CLONE_NEWNS, "umount2", (), |me, ()| {
            let done = nix::mount::umount2(".", MntFlags::MNT_DETACH);
            me.called("umount2", vec![Value::Name(".".to_owned()), Value::from("MNT_DETACH")], done)
        })
    }

    /// Keeps later mounts of this mount namespace to itself, and those of others out: mount(2), `MS_PRIVATE`.
    ///
    /// # Errors
    /// Those of mount(2).
    pub(crate) fn mount_private(&self) -> Result<()> {
        self.mount(None, "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE)
    }

    /// Mounts a proc of the actor's PID namespace: mount(2), proc(5).
    ///
    /// # Errors
    /// `EPERM` where the proc that is there already hides something.
    pub(crate) fn mount_proc(&self, target: &str) -> Result<()> {
        self.mount(Some("proc"), target, Some("proc"), MsFlags::empty()).about(Object::FileSystem(FileSystem::Proc))
    }

    /// Shows a directory at another place as well: mount(2), `MS_BIND`.
    ///
    /// # Errors
    /// Those of mount(2).
    pub(crate) fn mount_bind(&self, source: &str, target: &str) -> Result<()> {
        self.mount(Some(source), target, None, MsFlags::MS_BIND)
    }

    fn mount(&self, source: Option<&str>, target: &str, fstype: Option<&str>, flags: MsFlags) -> Result<()> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let args = (owned(source), target.to_owned(), owned(fstype), flags.bits());
        self.change(CLONE_NEWNS, "mount", args, |me, (source, target, fstype, flags)| {
            let flags = MsFlags::from_bits_retain(flags);
            let source_path = source.as_deref();
            let mounted = nix::mount::mount(source_path, target.as_str(), fstype.as_deref(), flags, None::<&str>);
            let name = |name: Option<String>| name.map_or_else(|| Value::from("NULL"), Value::Name);
            let names: Vec<&str> = flags.iter_names().map(|(name, _)| name).collect();
            let flags = if names.is_empty() { "0".to_owned() } else { names.join(" | ") };
            me.called("mount", vec![name(source), Value::Name(target), name(fstype), Value::Text(flags)], mounted)
        })
    }

    /// The entries of a directory.
    ///
    /// # Errors
    /// Those of open(2).
    pub(crate) fn entries(&self, path: &str) -> Result<Vec<String>> {
        self.run(path.to_owned(), |_, path| {
            let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            let names = fs::read_dir(&path).and_then(|entries| entries.map(|entry| entry.map(name)).collect());
            let mut names: Vec<String> = names.or_refused("getdents64", args![&path])?;
            names.sort();
            Ok(names)
        })
    }

    /// Which directory a path leads to: its inode. stat(2).
    ///
    /// # Errors
    /// Those of stat(2).
    pub(crate) fn inode(&self, path: &str) -> Result<Value> {
        self.run(path.to_owned(), |me, path| {
            let number = |part: u64| u32::try_from(part).unwrap_or_default();
            let inode = fs::metadata(&path).map(|seen| Value::Inode {
                device: (number(major(seen.dev())), number(minor(seen.dev()))),
                inode: seen.ino(),
            });
            me.called("stat", vec![Value::Name(path)], inode.answer_to("stat")?)
        })
    }

    /// Begins to follow a file, as `tail -f` does; see [`Stage::printed_line`].
    ///
    /// # Errors
    /// Where the actor is gone.
    pub(crate) fn begin_tail(&self, path: &str) -> Result<()> {
        self.begin(path.to_owned(), |me, path| follow(me, &path))?;
        self.hear()
    }
}

impl Stage {
    /// Waits for the next line that an actor's program prints, and shows it. The director does: the actor would be as fast
    /// as whoever writes the line, and either of them could be told of first.
    ///
    /// # Errors
    /// Where the actor is gone.
    pub(crate) fn printed_line(&self, actor: &Actor) -> Result<()> {
        let look = actor.hear()?;
        self.show(actor, look);
        Ok(())
    }

    /// Shows the entries of a directory as an actor sees them, and returns them.
    ///
    /// # Errors
    /// As [`Actor::entries`].
    pub(crate) fn ls(&self, actor: &Actor, path: &str) -> Result<Vec<String>> {
        let entries = actor.entries(path)?;
        let look = Look::list("directory", format!("ls {path}"), &entries).about("path", path.into());
        let line = if entries.is_empty() { Vec::new() } else { vec![args![entries.join("  ")]] };
        self.show(actor, look.printed(line));
        Ok(entries)
    }
}

/// Writes to a file of the kernel's, which takes a text as a whole: how many bytes it took, write(2).
pub(super) fn write_once(path: &str, text: &str) -> std::io::Result<Value> {
    File::options().write(true).open(path)?.write(text.as_bytes()).map(Value::from)
}

/// Prints what is in a file, and then what is added to it, line by line, for good.
fn follow(me: &mut Process, path: &str) -> Result<()> {
    let notify = || args![path, "F_NOTIFY"];
    let mut file = File::open(path).or_refused("open", args![path])?;
    let directory = Path::new(path).parent().unwrap_or(Path::new("/"));
    let directory = File::open(directory).or_refused("open", args![path])?;
    // SIGIO waits in line until it is asked for. inotify(7) would do as well, but the kernel takes ten milliseconds to
    // let go of it when the process ends, which F_NOTIFY does not.
    let written = SigSet::from(Signal::SIGIO);
    written.thread_block().or_refused("fcntl", notify())?;
    let written = SignalFd::with_flags(&written, SfdFlags::SFD_CLOEXEC).or_refused("fcntl", notify())?;
    sys::notify_of_writes(directory.as_fd()).or_refused("fcntl", notify())?;
    // Only now does a line that is added not go by unseen.
    me.report(&());
    loop {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).or_refused("read", args![path])?;
        for line in kernel_file::lines(&bytes).map(kernel_file::shown) {
            me.report(&Look::output(format!("tail -f {path}"), [line.as_ref()]));
        }
        retried(|| written.read_signal()).or_refused("fcntl", notify())?;
    }
}
