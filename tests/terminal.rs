//! A terminal with the program on it, as a person sees it: keys go in, a screen comes out.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::support::{Lab, Run, has_tool};

/// How long a person would wait for something to appear.
const PATIENCE: Duration = Duration::from_secs(20);

/// A terminal, and what runs on it.
pub struct Terminal {
    child: Child,
    person: Option<File>,
    /// The side of the program: kept, so that the terminal's settings can be seen after its end.
    line: OwnedFd,
    before: Termios,
    screen: vt100::Parser,
    /// What has arrived of a letter that is not whole yet.
    bytes: Vec<u8>,
    /// All that was written, without what moves the cursor or gives a colour.
    pub said: String,
    /// What was said before the words that were last waited for.
    pub last: String,
}

impl Terminal {
    /// Starts a program on a new terminal of so many columns and rows.
    pub fn start(run: &Run, size: (u16, u16)) -> Terminal {
        Terminal::start_of(run.command(), size)
    }

    /// The same of a command that was made of one.
    pub fn start_of(mut command: Command, (columns, rows): (u16, u16)) -> Terminal {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let line = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        tcsetwinsize(&line, size(columns, rows)).unwrap();
        let before = tcgetattr(&line).unwrap();
        let end = || Stdio::from(line.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let screen = vt100::Parser::new(above_zero(rows), above_zero(columns), 10_000);
        Terminal {
            child,
            person: Some(person.into()),
            line: line.into(),
            before,
            screen,
            bytes: Vec::new(),
            said: String::new(),
            last: String::new(),
        }
    }

    /// What stands on the screen.
    pub fn screen(&self) -> String {
        self.screen.screen().contents()
    }

    /// The last line on the screen that has anything on it.
    pub fn foot(&self) -> String {
        self.screen().lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().to_owned()
    }

    /// Types.
    pub fn press(&mut self, keys: &str) {
        self.person.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the words are among what was said since the last wait; what was said up to there is forgotten.
    #[track_caller]
    pub fn wait_for(&mut self, words: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.said.find(words) {
                self.last = self.said[..at].to_owned();
                self.said.drain(..at + words.len());
                return;
            }
            assert!(
                self.hear(until),
                "'{words}' never came; said since the last wait:\n{}\nscreen:\n{}",
                self.said,
                self.screen()
            );
        }
    }

    /// Waits until the program waits for a key, at the end of this step.
    #[track_caller]
    pub fn wait_for_step(&mut self, step: usize, of: usize) {
        self.wait_for(&format!("step {step} of {of} · "));
    }

    /// Hears what comes next; whether anything came before the time was over.
    fn hear(&mut self, until: Instant) -> bool {
        let Some(person) = &mut self.person else { return false };
        let left: PollTimeout = until.saturating_duration_since(Instant::now()).try_into().unwrap();
        let mut fds = [PollFd::new(person.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, left).unwrap() == 0 {
            return false;
        }
        let mut bytes = [0; 4096];
        let length = person.read(&mut bytes).unwrap_or_default();
        self.screen.process(&bytes[..length]);
        self.bytes.extend(&bytes[..length]);
        // As far as whole letters have arrived.
        let whole = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8(self.bytes.drain(..whole).collect()).unwrap();
        self.said += &anstream::adapter::strip_str(&text).to_string().replace("\r\n", "\n");
        length > 0
    }

    /// Hears whatever is said for some time.
    pub fn listen_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while self.hear(until) {}
    }

    /// Another size, as when a window is pulled larger.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        tcsetwinsize(self.person.as_ref().unwrap(), size(columns, rows)).unwrap();
        self.screen.screen_mut().set_size(above_zero(rows), above_zero(columns));
    }

    /// Closes the window.
    pub fn close(&mut self) {
        self.person = None;
    }

    /// Waits until the program has ended, and makes sure that the terminal is as it was.
    #[track_caller]
    pub fn end(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        // Somebody has to read what it still has to say.
        while self.child.try_wait().unwrap().is_none()
            && self.hear(Instant::now() + Duration::from_millis(20)) | (Instant::now() < until)
        {}
        // What it said last may have come between the two looks, and takes its way through the kernel.
        while self.hear(Instant::now() + Duration::from_millis(50)) {}
        let status = self.child.try_wait().unwrap();
        let status = status.unwrap_or_else(|| panic!("the program does not end; screen:\n{}", self.screen()));
        if self.person.is_some() {
            self.must_be_sane();
        }
        status
    }

    /// The terminal's settings are those that it had before.
    #[track_caller]
    pub fn must_be_sane(&self) {
        let now = tcgetattr(&self.line).unwrap();
        let modes = |settings: &Termios| (settings.local_modes, settings.input_modes, settings.output_modes);
        assert_eq!(modes(&now), modes(&self.before), "the terminal is not as it was");
        assert!(!self.screen.screen().hide_cursor(), "the cursor is hidden");
        assert!(!self.screen.screen().alternate_screen(), "the screen was taken over");
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn above_zero(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

/// The program on a terminal that is its own, as in a window that was opened for it. `None`, loudly, where there is no
/// `setsid` that can do that.
pub fn on_a_terminal(lab: &Lab, args: &[&str]) -> Option<Run> {
    let run = lab.run(args).under(&["setsid", "--ctty", "--wait"]);
    has_tool("setsid").then(|| run.env("TERM", "xterm-256color").env("SHELL", "/bin/sh"))
}
