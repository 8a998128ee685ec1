//! The terminal while a program on a stage has it.

use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::{Pid, tcgetpgrp, tcsetpgrp};

/// The terminal, lent to a program on a stage. Dropping it takes the terminal back.
#[derive(Debug)]
pub(crate) struct Foreground {
    group: Option<Pid>,
    before: Option<SigSet>,
    settings: Option<Termios>,
}

impl Foreground {
    /// Lends the terminal that is this program's standard input, if it is one.
    ///
    /// What is typed to end the program on the stage must not end this one, which is in the same process group. And a
    /// shell leaves the terminal to a process group that is no more: to take it back from there asks for SIGTTOU.
    pub(crate) fn lend() -> Foreground {
        let typed = SigSet::from_iter([Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTTOU]);
        let before = typed.thread_swap_mask(SigmaskHow::SIG_BLOCK).ok();
        Foreground { group: tcgetpgrp(io::stdin()).ok(), before, settings: tcgetattr(io::stdin()).ok() }
    }
}

impl Drop for Foreground {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            let _ = tcsetpgrp(io::stdin(), group);
        }
        // A program that was killed may have left it in any state.
        if let Some(settings) = &self.settings {
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, settings);
        }
        // What was typed was meant for the program on the stage, and is forgotten.
        let forgotten = SigSet::from_iter([Signal::SIGINT, Signal::SIGQUIT]);
        let nothing = SignalFd::with_flags(&forgotten, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC);
        while nothing.as_ref().is_ok_and(|fd| fd.read_signal().is_ok_and(|signal| signal.is_some())) {}
        if let Some(before) = &self.before {
            let _ = before.thread_set_mask();
        }
    }
}
