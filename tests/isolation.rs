//! Before the first test: nothing that this process has inherited, and nobody else on the machine, is to fail a test.
//!
//! The test binary starts itself once more, in a mount namespace of its own with a /tmp of its own, with every signal as
//! a new process has it, and with a copy of the program that everybody may run. The process outside waits for it, and
//! ends whatever a test has left running. A PID namespace of its own is not to be had: the lesson `pid` shows that they
//! nest 32 levels deep, and would find one level less.
//!
//! A plain user needs a user namespace for that. Their id is the same in it, and lessons have theirs one level deeper,
//! which none of them counts.
#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{env, process};

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::stat::{Mode, umask};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, execve, fork, getegid, geteuid, getppid};

use crate::paths;

/// The number of the process that is inside. A process that has it from somewhere else has another number.
const INSIDE: &str = "NSLEARN_TEST_INSIDE";

/// The directory of this test run's own begins so.
pub const DIRECTORY_PREFIX: &str = "nslearn-test-";

/// The C library calls what stands there before `main`, and so before there is a second thread: unshare(2) wants it so.
#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = start_inside;

/// The directory of this test run's own, with a copy of the program in it: the one in `target` may be out of a plain
/// user's reach.
pub fn directory() -> PathBuf {
    directory_of(process::id())
}

fn directory_of(inside: u32) -> PathBuf {
    Path::new("/tmp").join(format!("{DIRECTORY_PREFIX}{inside}"))
}

extern "C" fn start_inside() {
    let is_inside = env::var(INSIDE).is_ok_and(|number| number == process::id().to_string());
    if is_inside || env::args_os().any(|arg| arg == "--list") {
        return;
    }
    let _ = prctl::set_child_subreaper(true);
    // Where it is ignored, nobody can be waited for.
    be_default(libc::SIGCHLD);
    let outside = nix::unistd::getpid();
    // SAFETY: there is one thread, so the child may do whatever this process may.
    match unsafe { fork() }.expect("fork of the test process") {
        ForkResult::Child => go_inside(outside),
        ForkResult::Parent { child } => {
            let status = end_of(child);
            end_what_is_left();
            // Where /tmp is not its own.
            let _ = fs::remove_dir_all(directory_of(child.as_raw().unsigned_abs()));
            // SAFETY: it does not return, and nothing here has anything to do at its end.
            unsafe { libc::_exit(status) }
        }
    }
}

/// Past the C library, which lets nobody at the signals of its own; they may be ignored all the same.
fn be_default(signal: i32) {
    /// As the kernel has a `struct sigaction`: all zeroes are SIG_DFL, without flags and with an empty mask.
    const DEFAULT: [u64; 4] = [0; 4];
    // SAFETY: the kernel reads a struct that outlives the call, and no handler is put up. SIGKILL and SIGSTOP are refused.
    unsafe {
        libc::syscall(libc::SYS_rt_sigaction, signal, DEFAULT.as_ptr(), std::ptr::null::<u64>(), size_of::<u64>())
    };
}

/// The child: takes what is its own, and starts the test binary once more.
fn go_inside(outside: Pid) -> ! {
    (1..=libc::SIGRTMAX()).for_each(be_default);
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    umask(Mode::from_bits_truncate(0o022));
    let here = env::current_dir();
    if let Err(why) = have_own_mounts() {
        eprintln!("NOT ALONE: the tests have no /tmp of their own: {why}");
    }
    if let Ok(here) = here {
        // Not what was there before.
        let _ = env::set_current_dir(here);
    }
    put_program_there().expect("a copy of the program in /tmp");
    // Here and not before: it is reset with a change of credentials.
    prctl::set_pdeathsig(Signal::SIGKILL).expect("prctl(PR_SET_PDEATHSIG)");
    assert_eq!(getppid(), outside, "the process outside is gone");
    let own = env::current_exe().expect("the test binary's path");
    let args: Vec<CString> = env::args_os().map(|arg| c_string(&arg)).collect();
    let changed = [INSIDE, "TMPDIR", "INSTA_WORKSPACE_ROOT"];
    let kept = env::vars_os().filter(|(name, _)| !changed.iter().any(|other| name == other));
    let new = [(INSIDE, process::id().to_string().into()), ("INSTA_WORKSPACE_ROOT", paths::tree().into_os_string())];
    let new = new.map(|(name, value)| (OsString::from(name), value));
    let env: Vec<CString> = kept.chain(new).map(|(name, value)| variable(&name, &value)).collect();
    match execve(&c_string(own.as_os_str()), &args, &env) {
        Err(why) => panic!("{own:?} cannot be started once more: {why}"),
        Ok(never) => match never {},
    }
}

fn c_string(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).expect("no argument and no variable holds a zero")
}

fn variable(name: &OsStr, value: &OsStr) -> CString {
    c_string(&[name, value].join(OsStr::new("=")))
}

fn have_own_mounts() -> nix::Result<()> {
    const NONE: Option<&str> = None;
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        unshare(CloneFlags::CLONE_NEWNS)?;
    } else {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
        let write = |file: &str, text: String| {
            fs::write(format!("/proc/self/{file}"), text).expect("a map of the tests' own user namespace");
        };
        write("setgroups", "deny".to_owned());
        write("uid_map", format!("{user} {user} 1"));
        write("gid_map", format!("{group} {group} 1"));
    }
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    let shown: Vec<(PathBuf, OwnedFd)> = what_must_be_shown()
        .into_iter()
        .map(|path| Ok((path.clone(), open(&path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?)))
        .collect::<nix::Result<_>>()?;
    let own = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tests"), "/tmp", Some("tmpfs"), own, Some("mode=1777"))?;
    for (path, fd) in shown {
        fs::create_dir_all(&path).expect("a directory in the tests' own /tmp");
        let source = format!("/proc/self/fd/{}", fd.as_raw_fd());
        mount(Some(source.as_str()), &path, NONE, MsFlags::MS_BIND | MsFlags::MS_REC, NONE)?;
    }
    Ok(())
}

/// The directories below /tmp that the tests need: the tree, the build and the toolchain, if they are there.
fn what_must_be_shown() -> Vec<PathBuf> {
    let parent = |path: PathBuf| path.parent().map(Path::to_owned);
    let home = |name: &str| env::var_os("HOME").map(|home| Path::new(&home).join(name));
    let named = |name: &str| env::var_os(name).map(PathBuf::from);
    let mut wanted = vec![Some(paths::tree()), parent(paths::program()), Some(paths::scratch())];
    wanted.push(parent(paths::scratch()));
    wanted.extend([env::current_dir().ok(), env::current_exe().ok().and_then(parent)]);
    wanted.extend([named("CARGO_HOME"), named("RUSTUP_HOME"), home(".cargo"), home(".rustup")]);
    wanted.push(named("CARGO").and_then(parent).and_then(parent));
    let tmp = Path::new("/tmp");
    let mut below: Vec<PathBuf> = wanted.into_iter().flatten().filter_map(|path| path.canonicalize().ok()).collect();
    below.retain(|path| path.starts_with(tmp) && path != tmp);
    below.sort();
    // What is within another one is shown with it.
    below.dedup_by(|inner, outer| inner.starts_with(outer));
    below
}

fn put_program_there() -> std::io::Result<()> {
    let (directory, everybody) = (directory(), Permissions::from_mode(0o755));
    fs::create_dir(&directory)?;
    fs::set_permissions(&directory, everybody.clone())?;
    let program = directory.join("nslearn");
    fs::copy(paths::program(), &program)?;
    fs::set_permissions(&program, everybody)
}

/// Waits for the process inside, and for whatever comes to this one meanwhile: its exit status, as a shell tells it.
fn end_of(inside: Pid) -> i32 {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, status)) if pid == inside => return status,
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == inside => return 128 + signal as i32,
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(why) => panic!("waitpid of the tests: {why}"),
        }
    }
}

/// Ends the processes that have come here because their parents are gone, and those that come with their end.
fn end_what_is_left() {
    let mut left = BTreeMap::new();
    loop {
        let own = process::id();
        let children = crate::support::read_text(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        for pid in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            // Of those that have ended nobody has to hear.
            if fs::read_link(format!("/proc/{pid}/exe")).is_ok() {
                let name = crate::support::read_text(format!("/proc/{pid}/comm")).unwrap_or_default();
                left.insert(pid, name.trim_end().to_owned());
            }
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        if waitpid(None, None) == Err(nix::errno::Errno::ECHILD) {
            break;
        }
    }
    if !left.is_empty() {
        eprintln!("left running by tests, and ended now: {left:?}");
    }
}

#[test]
fn the_tests_have_a_tmp_of_their_own() {
    let mounts = crate::support::read_text("/proc/self/mountinfo").unwrap();
    let is_own = mounts.lines().any(|line| line.contains(" /tmp ") && line.contains(" - tmpfs tests "));
    crate::support::available(is_own, "no mount namespace can be had here");
}

#[test]
fn no_signal_is_ignored_or_blocked_but_what_rust_ignores() {
    let status = crate::support::read_text("/proc/thread-self/status").unwrap();
    let signals = |field: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    };
    assert_eq!(signals("SigBlk:"), 0);
    assert_eq!(signals("SigIgn:"), 1 << (libc::SIGPIPE - 1));
}
