//! Waiting for a key, and for all else that may come meanwhile: a signal, a terminal that changes its size or closes,
//! the time. The terminal is in raw mode only while this waits, and is as it was on every way out.

use std::collections::VecDeque;
use std::io::{self, Stdin};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use nix::unistd::read;

/// What came while we waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Input {
    /// A letter, or a digit.
    Letter(char),
    /// Enter, or the space bar.
    Enter,
    /// Escape.
    Escape,
    /// The key that takes back what was typed.
    Backspace,
    /// The terminal has another size now, or is ours again after a pause: what stands at the foot must be shown anew.
    Changed,
    /// The time is over.
    TimeOver,
    /// Somebody else asks for attention: the file descriptor that was given is readable.
    Caller,
}

/// The signals that come at any time and must find the terminal as it was: those that end the program, those that stop
/// it, and the news that the terminal has another size.
const SIGNALS: [Signal; 6] =
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGTSTP, Signal::SIGWINCH];

/// A keyboard, with the keys that were typed ahead.
#[derive(Debug, Default)]
pub(super) struct Keyboard(VecDeque<Input>);

impl Keyboard {
    /// Waits until a key is pressed, or something else comes; `ready` is called when it does.
    ///
    /// Signals that end the program end it from here, as if nothing had been in their way, but with the terminal as it
    /// was. Control-C and its like are signals, as always: only the echo is off, and the waiting for the end of a line.
    ///
    /// # Errors
    /// Where the terminal is gone.
    pub(super) fn wait(
        &mut self,
        until: Option<Instant>,
        caller: Option<BorrowedFd<'_>>,
        ready: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<Input> {
        if let Some(input) = self.0.pop_front() {
            ready()?;
            return Ok(input);
        }
        let raw = Raw::enter()?;
        // Not before: who sees it may answer at once, by a signal as well.
        ready()?;
        loop {
            let mut fds = vec![
                PollFd::new(raw.stdin.as_fd(), PollFlags::POLLIN),
                PollFd::new(raw.signals.as_fd(), PollFlags::POLLIN),
            ];
            fds.extend(caller.map(|caller| PollFd::new(caller, PollFlags::POLLIN)));
            match poll(&mut fds, remaining(until)) {
                Err(Errno::EINTR) => continue,
                Err(errno) => return Err(errno.into()),
                Ok(0) => return Ok(Input::TimeOver),
                Ok(_) => {}
            }
            let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
            let (key, signal, called) = (ready(&fds[0]), ready(&fds[1]), fds.get(2).is_some_and(ready));
            if signal && let Some(signal) = raw.signals.read_signal()? {
                let signal = i32::try_from(signal.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
                return answer(signal.unwrap_or(Signal::SIGTERM), raw);
            }
            if key {
                let mut bytes = [0; 64];
                match read(&raw.stdin, &mut bytes) {
                    // The terminal is closed.
                    Ok(0) | Err(Errno::EIO) => return answer(Signal::SIGHUP, raw),
                    Ok(length) => self.0.extend(keys(&bytes[..length])),
                    Err(Errno::EINTR | Errno::EAGAIN) => {}
                    Err(errno) => return Err(errno.into()),
                }
                if let Some(input) = self.0.pop_front() {
                    return Ok(input);
                }
            }
            if called {
                return Ok(Input::Caller);
            }
        }
    }
}

/// How long there is to wait. Rounded up, or the last millisecond would be spent in circles.
fn remaining(until: Option<Instant>) -> PollTimeout {
    let Some(until) = until else { return PollTimeout::NONE };
    let remaining = until.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    remaining.try_into().unwrap_or(PollTimeout::MAX)
}

/// The keys behind what a terminal sends. Those that send a sequence (ESC, `[` or `O`, and so on up to a letter), such as
/// the arrows, mean nothing here.
fn keys(bytes: &[u8]) -> Vec<Input> {
    const ESCAPE: char = '\u{1b}';
    let text = String::from_utf8_lossy(bytes);
    let mut letters = text.chars().peekable();
    let mut keys = Vec::new();
    while let Some(letter) = letters.next() {
        match letter {
            ESCAPE => match letters.next_if(|next| matches!(next, '[' | 'O')) {
                Some(_) => while letters.next().is_some_and(|part| !part.is_ascii_alphabetic() && part != '~') {},
                None => keys.push(Input::Escape),
            },
            '\r' | '\n' | ' ' => keys.push(Input::Enter),
            '\u{7f}' | '\u{8}' => keys.push(Input::Backspace),
            // Control-D: nothing more is to come.
            '\u{4}' => keys.push(Input::Letter('q')),
            letter if !letter.is_control() => keys.push(Input::Letter(letter)),
            _ => {}
        }
    }
    keys
}

/// Does what a signal asks for, with the terminal as it was before.
fn answer(signal: Signal, raw: Raw) -> io::Result<Input> {
    drop(raw);
    if signal != Signal::SIGWINCH {
        // Its default action: the end of the program, or a stop, after which we go on from here.
        raise(signal)?;
    }
    Ok(Input::Changed)
}

/// The terminal without echo and line by line, and signals as something to read: until this is dropped.
struct Raw {
    stdin: Stdin,
    settings: Termios,
    signals: SignalFd,
    before: SigSet,
}

impl Raw {
    fn enter() -> io::Result<Raw> {
        let stdin = io::stdin();
        let settings = tcgetattr(&stdin)?;
        let signals = SigSet::from_iter(SIGNALS);
        let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        // From here on, dropping it puts everything back.
        let fd = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        let raw = Raw { stdin, settings, signals: fd?, before };
        let mut quiet = raw.settings.clone();
        quiet.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        tcsetattr(&raw.stdin, SetArg::TCSADRAIN, &quiet)?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // First the terminal, then the signals: one that waits acts as soon as it may.
        let _ = tcsetattr(&self.stdin, SetArg::TCSADRAIN, &self.settings);
        let _ = self.before.thread_set_mask();
    }
}

/// Makes sure that a panic, which runs no destructors here, leaves the terminal as it is now.
pub(super) fn restore_on_panic() {
    let Ok(settings) = tcgetattr(io::stdin()).map(libc::termios::from) else { return };
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &settings.into());
        tell(panic);
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrow_means_nothing_and_escape_alone_means_escape() {
        assert_eq!(keys(b"\x1b[A\x1bOP\x1b[15~g3"), [Input::Letter('g'), Input::Letter('3')]);
        assert_eq!(keys(b"\x1b"), [Input::Escape]);
    }

    #[test]
    fn enter_and_the_space_bar_are_the_same() {
        assert_eq!(keys(b"\r \n\x7f"), [Input::Enter, Input::Enter, Input::Enter, Input::Backspace]);
    }

    proptest::proptest! {
        #[test]
        fn no_more_keys_are_heard_than_bytes_were_sent(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let keys = keys(&bytes);
            proptest::prop_assert!(keys.len() <= bytes.len());
            let meaningless = |key: &Input| matches!(key, Input::Letter(letter) if letter.is_control());
            proptest::prop_assert!(!keys.iter().any(meaningless));
        }
    }
}
