//! What the learner asks for: the keys, the line at the foot of the screen, and the keys that stay in the step.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use super::keyboard::Input;
use super::notes::note_on;
use super::visitor::visit;
use super::{Stopped, Walk};
use crate::diagnosis::advise;
use crate::render::{Line, Style, who_is_where};
use crate::transcript::Question;

/// What the learner wants to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    /// To the next step, or to the end.
    On,
    /// To a step.
    To(usize),
    /// A shell as an actor.
    Visit(String),
    /// Out of the lesson.
    Leave,
}

/// The keys, as they are explained.
const KEYS: [(&str, &str); 9] = [
    ("Enter, space", "next step"),
    ("b", "back one step, on a new stage"),
    ("r", "repeat this step, on a new stage"),
    ("g N", "go to step N"),
    ("s", "open a shell as one of the processes"),
    ("m", "show which process is in which namespace now"),
    ("n", "show the teacher's notes on this step"),
    ("?", "show these keys"),
    ("q", "leave the lesson"),
];

impl Walk<'_> {
    /// Waits at the end of a step for a key that says where to go.
    pub(super) fn wish(&mut self) -> Result<Wish, Stopped> {
        let (step, steps) = (self.session.story().step, self.lesson.steps.len());
        let until = self.options.auto.map(|pause| Instant::now() + pause);
        loop {
            let foot = match self.options.auto {
                Some(_) => format!("step {step} of {steps} · continues by itself · Enter: next · ?: keys · q: leave"),
                None => format!("step {step} of {steps} · Enter: next · b: back · s: shell · ?: keys · q: leave"),
            };
            match self.key(&foot, until)? {
                Input::Enter | Input::TimeOver => return Ok(Wish::On),
                Input::Letter('b') if step > 1 => return Ok(Wish::To(step - 1)),
                Input::Letter('b') => self.say("this is the first step")?,
                Input::Letter('r') => return Ok(Wish::To(step)),
                Input::Letter('q') | Input::Escape => return Ok(Wish::Leave),
                Input::Letter('g') => {
                    if let Some(step) = self.number(&format!("go to step (1 to {steps}): "), steps)? {
                        return Ok(Wish::To(step));
                    }
                }
                Input::Letter('s') => {
                    if let Some(actor) = self.actor()? {
                        return Ok(Wish::Visit(actor));
                    }
                }
                Input::Letter('m') => self.map()?,
                Input::Letter('n') => self.notes()?,
                Input::Letter('?' | 'h') => self.help()?,
                _ => {}
            }
        }
    }

    /// Waits for a guess, before the kernel answers.
    pub(super) fn ask(&mut self) -> Result<(), Stopped> {
        let Some(question) = self.session.story().question.clone() else { return Ok(()) };
        let until = self.options.auto.map(|pause| Instant::now() + pause);
        let letters: Vec<char> = ('a'..).take(question.choices.len()).collect();
        let list = letters.iter().map(char::to_string).collect::<Vec<_>>().join(", ");
        let foot = format!("your guess: {list} · Enter: show the answer");
        loop {
            match self.key(&foot, until)? {
                Input::Enter | Input::TimeOver | Input::Escape => return Ok(()),
                Input::Letter(letter) => {
                    let place = match letter.to_digit(10) {
                        Some(digit) => (digit as usize).checked_sub(1),
                        None => letters.iter().position(|known| *known == letter.to_ascii_lowercase()),
                    };
                    if let Some(place) = place.filter(|place| *place < letters.len()) {
                        return self.guess(&question, place);
                    }
                }
                _ => {}
            }
        }
    }

    fn guess(&mut self, question: &Question, place: usize) -> Result<(), Stopped> {
        self.presenter.summary.guess(question, place);
        let letter = ('a'..='z').nth(place).unwrap_or('?');
        let said = Line::plain("    ").with(Style::Quiet, "your guess: ").with(Style::Plain, format!("{letter})"));
        Ok(self.presenter.renderer.lines(&[said])?)
    }

    /// Waits for a key, with words at the foot that go when it comes.
    fn key(&mut self, foot: &str, until: Option<Instant>) -> io::Result<Input> {
        loop {
            self.presenter.renderer.follow_the_terminal();
            let renderer = &mut self.presenter.renderer;
            let input = self.keyboard.wait(until, self.followers.door(), || renderer.foot(foot));
            self.presenter.renderer.wipe_foot()?;
            match input? {
                Input::Changed => {}
                Input::Caller => self.followers.let_in(),
                input => return Ok(input),
            }
        }
    }

    /// A number that is typed, up to `most`; as soon as it can be no other. `None`: the learner thinks better of it.
    fn number(&mut self, label: &str, most: usize) -> io::Result<Option<usize>> {
        let mut typed = 0;
        loop {
            let shown = if typed > 0 { format!("{label}{typed}") } else { label.to_owned() };
            match self.key(&shown, None)? {
                Input::Letter(letter) if letter.is_ascii_digit() => {
                    let digit = letter.to_digit(10).unwrap_or_default() as usize;
                    typed = Some(typed * 10 + digit).filter(|typed| *typed <= most).unwrap_or(typed);
                    if typed > 0 && typed * 10 > most {
                        return Ok(Some(typed));
                    }
                }
                Input::Backspace => typed /= 10,
                Input::Enter => return Ok(Some(typed).filter(|typed| *typed > 0)),
                Input::Letter('q') | Input::Escape => return Ok(None),
                _ => {}
            }
        }
    }

    /// As which actor the learner wants a shell.
    fn actor(&mut self) -> Result<Option<String>, Stopped> {
        let names: Vec<String> = self.session.story().now().iter().map(|member| member.actor.clone()).collect();
        let mut line = Line::plain("open a shell as which process?");
        for (index, name) in names.iter().enumerate() {
            line = line.with(Style::Quiet, format!("  {} ", index + 1)).with(Style::Actor, name);
        }
        self.presenter.say(line)?;
        let number = self.number("number: ", names.len())?;
        Ok(number.and_then(|number| names.into_iter().nth(number - 1)))
    }

    /// Opens a shell as an actor.
    pub(super) fn visit(&mut self, actor: &str) -> Result<(), Stopped> {
        let words = format!("a shell as {actor}, at step {}. To come back: exit, or Ctrl-D", self.session.story().step);
        self.say(&words)?;
        let place = format!("{} step {}: {actor}", self.lesson.id, self.session.story().step);
        let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
        let terminal = crate::sandbox::Foreground::lend();
        let outcome = self.session.visit(visit(actor, &place, None), [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]);
        drop(terminal);
        match outcome {
            Ok(_) => self.say("back in the lesson, on a new stage. What you did in the shell is gone"),
            Err(error) => self.say(&format!("no shell can be opened as {actor}: {}", advise(&error).reason)),
        }
    }

    fn map(&mut self) -> Result<(), Stopped> {
        let members = self.session.story().now().to_vec();
        let mut lines = vec![Line::new()];
        lines.extend(who_is_where(&members, self.presenter.renderer.width()));
        Ok(self.presenter.renderer.lines(&lines)?)
    }

    fn notes(&mut self) -> Result<(), Stopped> {
        let mut lines = vec![Line::new()];
        lines.extend(note_on(self.lesson, self.session.story().step, self.presenter.renderer.width()));
        Ok(self.presenter.renderer.lines(&lines)?)
    }

    fn help(&mut self) -> Result<(), Stopped> {
        let mut lines = vec![Line::new()];
        for (key, what) in KEYS {
            lines.push(Line::plain("  ").with(Style::Command, key).padded_to(16).with(Style::Plain, what));
        }
        Ok(self.presenter.renderer.lines(&lines)?)
    }

    fn say(&mut self, words: &str) -> Result<(), Stopped> {
        Ok(self.presenter.say(Line::new().with(Style::Quiet, words))?)
    }
}
