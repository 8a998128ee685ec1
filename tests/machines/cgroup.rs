//! A cgroup with room for a few processes: the controller `pids`, cgroups(7). It goes when it is no longer needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use crate::support::{NOBODY, available, read_text};

/// How long the kernel may take until it has noticed that a cgroup's processes are gone.
const AFTERMATH: Duration = Duration::from_secs(5);

/// Whether a cgroup can be made here that limits processes; if not, says so loudly.
pub fn can_limit_processes() -> bool {
    available(hierarchy().is_some(), "there is no hierarchy of cgroups with the controller pids to write to")
}

/// Where the controller is: a hierarchy of its own (version 1), or the one of version 2 where its root hands it on.
fn hierarchy() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    FOUND.get_or_init(look_for_hierarchy).as_deref()
}

fn look_for_hierarchy() -> Option<PathBuf> {
    let mounts = read_text("/proc/self/mounts").unwrap_or_default();
    let hands_on_pids = |directory: &str| {
        let handed_on = read_text(format!("{directory}/cgroup.subtree_control")).unwrap_or_default();
        handed_on.split_whitespace().any(|controller| controller == "pids")
    };
    let found = mounts.lines().filter_map(|mount| match mount.split(' ').collect::<Vec<_>>()[..] {
        [_, directory, "cgroup", options, ..] if options.split(',').any(|option| option == "pids") => Some(directory),
        [_, directory, "cgroup2", ..] if hands_on_pids(directory) => Some(directory),
        _ => None,
    });
    let writable = |directory: &&str| nix::unistd::access(*directory, nix::unistd::AccessFlags::W_OK).is_ok();
    found.filter(writable).map(PathBuf::from).next()
}

/// Such a cgroup. The processes in it must have ended when it goes.
pub struct Room(PathBuf);

impl Room {
    pub fn new(processes: u32) -> Room {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let hierarchy = hierarchy().expect("whoever makes one has asked whether that is possible");
        // The test on what lessons change takes what is named after the program for its doing.
        let room = Room(hierarchy.join(format!("small-room-{}-{number}", std::process::id())));
        fs::create_dir(&room.0).unwrap();
        fs::write(room.0.join("pids.max"), processes.to_string()).unwrap();
        room
    }

    /// A script that root runs: goes in, and starts `"$0"` as a plain user.
    pub fn script(&self) -> String {
        let plain_user = format!("setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups");
        format!("echo $$ > {}/cgroup.procs && exec {plain_user} \"$0\"", self.0.display())
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let end = Instant::now() + AFTERMATH;
        // A cgroup is busy for a moment more when its last process has been waited for.
        while let Err(why) = fs::remove_dir(&self.0) {
            if why.raw_os_error() != Some(Errno::EBUSY as i32) || Instant::now() > end {
                eprintln!("{} stays behind: {why}", self.0.display());
                return;
            }
            std::thread::yield_now();
        }
    }
}
