//! What a parent has decided about signals: execve(2) keeps which of them are ignored, and which are blocked.
//!
//! | signal | in the program | on the stage | in a shell that is opened there |
//! |---|---|---|---|
//! | SIGHUP | ignored if it was so (nohup), else default | default | as it was |
//! | SIGINT, SIGQUIT | the same (a job in a script's background), else default | default | as it was |
//! | SIGPIPE | ignored: write(2) says EPIPE | default | as it was |
//! | SIGXFSZ | ignored: write(2) says EFBIG | ignored | as it was |
//! | SIGCHLD | default: ignored, it takes what waitpid(2) waits for | default | as it was |
//! | all others | default | default | as it was |
//! | blocked | none | none | as it was |
//!
//! What a lesson shows must not depend on its parent, so the stage begins as a new process does. A shell there is the
//! learner's own, and is started as it would have been without this program in between.

use std::mem::zeroed;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr::null;
use std::sync::OnceLock;

use super::checked;

/// Who ignores these wants the program to outlive what happens to others: its terminal goes, or somebody types there.
const MAY_STAY_IGNORED: [libc::c_int; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT];

/// These say of a write(2) what its errno says as well, and would end the program before that is told.
const TOLD_BY_ERRNO: [libc::c_int; 2] = [libc::SIGPIPE, libc::SIGXFSZ];

/// What there was when the program began.
static INHERITED: OnceLock<Inherited> = OnceLock::new();

struct Inherited {
    /// Those that were ignored. As in the kernel's masks, a signal is bit `signal - 1`.
    ignored: u64,
    /// Those that were blocked.
    blocked: u64,
}

/// Puts the signals of this process in order, and keeps in mind what its parent had made of them. To be called once, when
/// the program begins.
pub fn put_signals_in_order() {
    let mut ignored = 0;
    for signal in 1..=libc::SIGRTMAX().min(64) {
        if is_ignored(signal) {
            ignored |= 1 << (signal - 1);
            if !MAY_STAY_IGNORED.contains(&signal) {
                dispose(signal, libc::SIG_DFL);
            }
        }
    }
    if !cfg!(target_env = "gnu") {
        // The standard library's start-up has been here before: what the parent made of it is not to be known.
        ignored &= !(1 << (libc::SIGPIPE - 1));
    }
    for signal in TOLD_BY_ERRNO {
        dispose(signal, libc::SIG_IGN);
    }
    let blocked = swap_mask(0);
    let _ = INHERITED.set(Inherited { ignored, blocked });
}

/// Makes the signals of a process that was just forked those of a new one.
pub fn default_signals() {
    for signal in MAY_STAY_IGNORED.into_iter().chain([libc::SIGPIPE]) {
        dispose(signal, libc::SIG_DFL);
    }
    swap_mask(0);
}

/// Has a command begin with the signals as they were when this program began.
pub fn with_signals_as_they_were(command: &mut Command) -> &mut Command {
    // SAFETY: between fork and exec the closure makes system calls; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| {
            if let Some(inherited) = INHERITED.get() {
                restore(inherited);
            }
            Ok(())
        })
    }
}

fn restore(inherited: &Inherited) {
    for signal in 1..=64 {
        let was_ignored = inherited.ignored & (1 << (signal - 1)) != 0;
        if was_ignored {
            dispose(signal, libc::SIG_IGN);
        } else if MAY_STAY_IGNORED.contains(&signal) || TOLD_BY_ERRNO.contains(&signal) {
            dispose(signal, libc::SIG_DFL);
        }
    }
    swap_mask(inherited.blocked);
}

fn is_ignored(signal: libc::c_int) -> bool {
    // SAFETY: it is made of numbers and an address that nobody follows.
    let mut action: libc::sigaction = unsafe { zeroed() };
    // SAFETY: the C library writes a sigaction there, and the place outlives the call. It refuses signals of its own.
    let result = unsafe { libc::sigaction(signal, null(), &raw mut action) };
    checked(result.into()).is_ok() && action.sa_sigaction == libc::SIG_IGN
}

fn dispose(signal: libc::c_int, disposition: libc::sighandler_t) {
    // SAFETY: SIG_DFL and SIG_IGN are no handlers: no code runs for them. SIGKILL and SIGSTOP are refused.
    unsafe { libc::signal(signal, disposition) };
}

/// Blocks these signals and no others: which were blocked before. Past the C library, which keeps two of them to itself.
fn swap_mask(mask: u64) -> u64 {
    let mut before = 0_u64;
    let (how, size) = (libc::SIG_SETMASK, size_of::<u64>());
    // SAFETY: both masks outlive the call, which reads the one and writes the other. It cannot fail.
    unsafe { libc::syscall(libc::SYS_rt_sigprocmask, how, &raw const mask, &raw mut before, size) };
    before
}
