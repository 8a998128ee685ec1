//! The learner's programs where their directories would be covered: NixOS and Guix have them below /run, by way of a link.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;

/// Directories of programs, looked up before they are covered.
#[derive(Debug)]
pub(super) struct Kept(Vec<(PathBuf, Place)>);

/// Where the programs of a directory really are.
#[derive(Debug)]
enum Place {
    /// Where it is not covered: a link leads there.
    Elsewhere(PathBuf),
    /// In what will be covered: it is opened while it is in sight.
    Below(OwnedFd),
}

impl Kept {
    /// Those of PATH and SHELL that are below a directory. Nothing else of it: what else there is, is the machine's.
    pub(super) fn below(directory: &str) -> Kept {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let shell = std::env::var_os("SHELL").and_then(|shell| Path::new(&shell).parent().map(Path::to_owned));
        // In the order of their names: what lies in another one of them is shown with that.
        let wanted: BTreeSet<PathBuf> = std::env::split_paths(&path).chain(shell).collect();
        let below = |path: &Path| path.strip_prefix(directory).is_ok_and(|rest| !rest.as_os_str().is_empty());
        let place = |path: PathBuf| {
            let real =
                fs::canonicalize(&path).ok().filter(|real| real.is_dir() && !Path::new(directory).starts_with(real))?;
            if !below(&real) {
                return Some((path, Place::Elsewhere(real)));
            }
            let fd = open(&real, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).ok()?;
            Some((path, Place::Below(fd)))
        };
        Kept(wanted.into_iter().filter(|path| below(path)).filter_map(place).collect())
    }

    /// Shows them at their places again, as read-only as they are. Where that fails, the shell says what it does not find.
    pub(super) fn show(self) {
        for (path, place) in self.0.iter().filter(|(path, _)| !path.exists()) {
            match place {
                Place::Elsewhere(real) => {
                    let parent = path.parent().map_or(Ok(()), fs::create_dir_all);
                    let _ = parent.and_then(|()| symlink(real, path));
                }
                Place::Below(fd) => {
                    let source = format!("/proc/self/fd/{}", fd.as_raw_fd());
                    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
                    if fs::create_dir_all(path).is_ok() {
                        let _ = mount(Some(source.as_str()), path, None::<&str>, bind, None::<&str>);
                    }
                }
            }
        }
    }
}
