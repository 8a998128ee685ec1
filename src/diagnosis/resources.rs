//! Limits that are not about namespaces: what a process, a session or a user may have. getrlimit(2), cgroups(7).

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit};

use super::machine::{number, text};
use super::mounts::{self, has_option};
use super::{Cause, Diagnosis, NO_RISK};
use crate::transcript::{Call, FileSystem, Object};

/// The reason, where there is not enough of something.
pub(super) fn diagnose(call: &Call, errno: Errno) -> Option<Diagnosis> {
    let makes_a_process = matches!(call.syscall.as_str(), "clone3" | "clone");
    match errno {
        Errno::EAGAIN if makes_a_process => Some(processes()),
        Errno::EMFILE if call.object == Some(Object::FileSystem(FileSystem::Mqueue)) => Some(message_queues()),
        Errno::EMFILE | Errno::ENFILE => Some(descriptors(errno)),
        Errno::ENOMEM => Some(memory()),
        Errno::EFBIG => Some(file_size()),
        Errno::ENOSPC if call.syscall == "mount" => Some(mounts()),
        _ => None,
    }
}

/// A limit of this process's, as the shell's ulimit tells it, in units of so many bytes.
fn ulimit(resource: Resource, unit: u64) -> String {
    match getrlimit(resource) {
        Ok((soft, _)) if soft != libc::RLIM_INFINITY => (soft / unit).to_string(),
        _ => "unlimited".to_owned(),
    }
}

fn processes() -> Diagnosis {
    const RISK: &str = "a program that runs wild can then take more of the machine from everybody";
    if let Some(Room { directory, most, now }) = smallest_room() {
        return Diagnosis::new(
            Cause::Processes,
            format!(
                "You have as many processes as you are allowed: your cgroup allows {most} ({}/pids.max), and {now} are in it now",
                directory.display()
            ),
            format!(
                "end programs of yours; or, as root: echo max > {}/pids.max   (the limit of a session: sudo systemctl \
                 set-property --runtime user-$(id -u).slice TasksMax=infinity)",
                directory.display()
            ),
            RISK,
        );
    }
    Diagnosis::new(
        Cause::Processes,
        format!(
            "You have as many processes as you are allowed: your own limit (ulimit -u) is {}; your session may have one, too",
            ulimit(Resource::RLIMIT_NPROC, 1)
        ),
        "ulimit -S -u \"$(ulimit -H -u)\" in bash; or end programs of yours; or, where it is the session's limit: sudo \
         systemctl set-property --runtime user-$(id -u).slice TasksMax=infinity",
        RISK,
    )
}

/// A cgroup that limits processes, this process's or one around it.
struct Room {
    directory: PathBuf,
    most: u64,
    now: u64,
}

/// The one with the least room left, where that is little.
fn smallest_room() -> Option<Room> {
    /// As much as a lesson and the programs around it may take.
    const LITTLE: u64 = 64;
    let left = |room: &Room| room.most.saturating_sub(room.now);
    let (top, own) = directories(&text("/proc/self/cgroup"), &mounts::own())?;
    let rooms = own.ancestors().take_while(|directory| directory.starts_with(&top)).filter_map(|directory| {
        let (most, now) = (number(directory.join("pids.max"))?, number(directory.join("pids.current"))?);
        Some(Room { directory: directory.to_owned(), most, now })
    });
    rooms.filter(|room| left(room) < LITTLE).min_by_key(left)
}

/// Where the hierarchy with the controller pids is mounted, and this process's directory in it.
fn directories(cgroup: &str, mounts: &[mounts::Mount]) -> Option<(PathBuf, PathBuf)> {
    let path_of = |wanted: fn(&str) -> bool| {
        cgroup.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            fields.next().filter(|controllers| wanted(controllers)).and(fields.next())
        })
    };
    let below = |mount: &mounts::Mount, path: &str| {
        let path = Path::new(path).strip_prefix(&mount.root).ok()?.to_owned();
        let top = PathBuf::from(&mount.place);
        Some((top.clone(), top.join(path)))
    };
    let one = mounts.iter().find(|mount| mount.kind == "cgroup" && has_option(&mount.kinds_options, "pids"));
    let two = mounts.iter().find(|mount| mount.kind == "cgroup2");
    let one = one.and_then(|mount| below(mount, path_of(|controllers| has_option(controllers, "pids"))?));
    one.or_else(|| two.and_then(|mount| below(mount, path_of(str::is_empty)?)))
}

fn descriptors(errno: Errno) -> Diagnosis {
    if errno == Errno::ENFILE {
        let most = number("/proc/sys/fs/file-max").map_or_else(|| "its limit".to_owned(), |most| most.to_string());
        return Diagnosis::new(
            Cause::Descriptors,
            format!("All programs of the machine together have as many files open as they may: fs.file-max is {most}"),
            "end programs that have many files open",
            NO_RISK,
        );
    }
    Diagnosis::new(
        Cause::Descriptors,
        format!("This process may open no more files: the limit (ulimit -n) is {}", ulimit(Resource::RLIMIT_NOFILE, 1)),
        "ulimit -S -n \"$(ulimit -H -n)\"",
        NO_RISK,
    )
}

fn message_queues() -> Diagnosis {
    Diagnosis::new(
        Cause::MessageQueues,
        format!(
            "Your message queues may take no more memory: the limit (ulimit -q) is {} bytes. Open files have nothing to do \
             with it",
            ulimit(Resource::RLIMIT_MSGQUEUE, 1)
        ),
        "ulimit -S -q \"$(ulimit -H -q)\" in bash; where that is too little as well, the administrator raises msgqueue in \
         limits.conf(5)",
        "message queues use memory of the kernel that cannot be swapped out",
    )
}

fn file_size() -> Diagnosis {
    Diagnosis::new(
        Cause::FileSize,
        format!("A file may not grow so large: the limit (ulimit -f) is {} KiB", ulimit(Resource::RLIMIT_FSIZE, 1024)),
        "ulimit -S -f \"$(ulimit -H -f)\"; where that is too little as well, start a new session, or have the administrator \
         raise fsize in limits.conf(5)",
        "a program that runs wild can then fill a disk",
    )
}

fn memory() -> Diagnosis {
    Diagnosis::new(
        Cause::Memory,
        format!(
            "There is no more memory for it: the machine is full, or a limit is reached (ulimit -v is {})",
            ulimit(Resource::RLIMIT_AS, 1024)
        ),
        "end programs of yours, or: ulimit -v unlimited",
        "a program that runs wild can then take more memory from everybody",
    )
}

/// A mount namespace holds so many mounts at most, and a stage shows all of them once more.
fn mounts() -> Diagnosis {
    let (here, most) = (mounts::own().len(), number("/proc/sys/fs/mount-max").unwrap_or_default());
    let enough = u64::try_from(here).unwrap_or_default().saturating_mul(3).max(most);
    Diagnosis::new(
        Cause::Mounts,
        format!(
            "There are {here} mounts here, and a stage needs each of them a second time; {most} are allowed in all \
             (fs.mount-max). No disk is full"
        ),
        format!("unmount what nobody needs, with umount(8); or: sudo sysctl fs.mount-max={enough}"),
        "each mount takes memory of the kernel, and a user can then make it use more",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_its_directory_in_the_hierarchy_that_counts_processes() {
        let two = mounts::parse("30 21 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw,nsdelegate\n");
        let own = directories("0::/user.slice/user-1000.slice\n", &two).unwrap().1;
        assert_eq!(own, Path::new("/sys/fs/cgroup/user.slice/user-1000.slice"));
        let one = mounts::parse("31 30 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n");
        assert_eq!(directories("8:pids:/small\n0::/\n", &one).unwrap().1, Path::new("/sys/fs/cgroup/pids/small"));
        assert_eq!(directories("7:cpu:/x\n", &one), None);
    }
}
