//! Waiting for a key, and for all else that may come meanwhile: a signal, a terminal that changes its size or closes,
//! the time. The terminal is in raw mode only while this waits, and is as it was on every way out.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use crossterm::terminal::{disable_raw_mode, enable_raw_mode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};

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

/// Waits until a key is pressed, or something else comes.
///
/// Signals that end the program end it from here, as if nothing had been in their way, but with the terminal as it was.
///
/// # Errors
/// Where the terminal is gone.
pub(super) fn wait(until: Option<Instant>, caller: Option<BorrowedFd<'_>>) -> io::Result<Input> {
    let raw = Raw::enter()?;
    loop {
        // Keys that were typed together with one that was read before are no longer in the terminal.
        if let Some(key) = next_key()? {
            return match key {
                Key::Signal(signal) => answer(signal, raw),
                Key::Input(input) => Ok(input),
            };
        }
        let timeout = until.map_or(Ok(PollTimeout::NONE), |until| {
            // Rounded up, or the last millisecond would be spent in circles.
            let left = until.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
            left.try_into()
        });
        let stdin = io::stdin();
        let mut fds =
            vec![PollFd::new(stdin.as_fd(), PollFlags::POLLIN), PollFd::new(raw.signals.as_fd(), PollFlags::POLLIN)];
        fds.extend(caller.map(|caller| PollFd::new(caller, PollFlags::POLLIN)));
        match poll(&mut fds, timeout.unwrap_or(PollTimeout::MAX)) {
            Err(Errno::EINTR) => continue,
            Err(errno) => return Err(errno.into()),
            Ok(0) => return Ok(Input::TimeOver),
            Ok(_) => {}
        }
        let ready = |fd: &PollFd<'_>| fd.any().unwrap_or(true);
        let (signal, called) = (ready(&fds[1]), fds.get(2).is_some_and(ready));
        let hung_up = fds[0].revents().is_some_and(|seen| seen.intersects(PollFlags::POLLHUP | PollFlags::POLLERR));
        if signal && let Some(signal) = raw.signals.read_signal()? {
            let signal = i32::try_from(signal.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
            return answer(signal.unwrap_or(Signal::SIGTERM), raw);
        }
        if hung_up {
            return answer(Signal::SIGHUP, raw);
        }
        if called {
            return Ok(Input::Caller);
        }
    }
}

/// A key: something to tell, or a signal that the terminal would have sent if it were not in raw mode.
enum Key {
    Input(Input),
    Signal(Signal),
}

/// The next key that means something, if there is one.
fn next_key() -> io::Result<Option<Key>> {
    while event::poll(Duration::ZERO)? {
        let Event::Key(key) = event::read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let key = match key.code {
            KeyCode::Char('c') if control => Key::Signal(Signal::SIGINT),
            KeyCode::Char('z') if control => Key::Signal(Signal::SIGTSTP),
            KeyCode::Char('\\' | '4') if control => Key::Signal(Signal::SIGQUIT),
            KeyCode::Char('d') if control => Key::Input(Input::Letter('q')),
            KeyCode::Char('j' | 'm') if control => Key::Input(Input::Enter),
            KeyCode::Char(_) if control => continue,
            KeyCode::Char(' ') | KeyCode::Enter => Key::Input(Input::Enter),
            KeyCode::Char(letter) => Key::Input(Input::Letter(letter)),
            KeyCode::Esc => Key::Input(Input::Escape),
            KeyCode::Backspace => Key::Input(Input::Backspace),
            _ => continue,
        };
        return Ok(Some(key));
    }
    Ok(None)
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

/// The terminal in raw mode, and signals as something to read: until this is dropped.
struct Raw {
    signals: SignalFd,
    before: SigSet,
}

impl Raw {
    fn enter() -> io::Result<Raw> {
        let signals = SigSet::from_iter(SIGNALS);
        let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let fd = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK);
        // From here on dropping it puts everything back.
        let raw = Raw { signals: fd?, before };
        enable_raw_mode()?;
        Ok(raw)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        // First the terminal, then the signals: one that waits acts as soon as it may.
        let _ = disable_raw_mode();
        let _ = self.before.thread_set_mask();
    }
}

/// Makes sure that a panic, which runs no destructors here, leaves the terminal as it was.
pub(super) fn restore_on_panic() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let _ = disable_raw_mode();
        tell(panic);
    }));
}
