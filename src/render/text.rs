//! A transcript for reading along: calm, in columns, one idea after the other.

use super::columns::{DEEDS, INDENT, actor_column, with_value};
use super::layout::{fold, hanging, paragraphs};
use super::printable::printable;
use super::style::{Line, Style};
use super::{beside, command_lines, looks};
use crate::transcript::{Answer, Called, Closing, Event, Evidence, Look, Opening, Question, Value, errno_name};

/// Where the results of calls stand, if there is room.
const RESULTS: usize = 44;

/// What was shown last: a blank line stands between different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Block {
    Nothing,
    Head,
    Step,
    Words,
    Call,
    Look,
    Claim,
    Question,
    Command,
    Foot,
}

/// The text form of a transcript.
#[derive(Debug)]
pub(super) struct Text {
    width: usize,
    last: Block,
    /// Why the last fact that was skipped was skipped.
    reason: String,
    /// Looks at one thing by different actors that are still to be shown: the next event tells whether there are more.
    held: Vec<(String, Look)>,
}

impl Text {
    pub(super) fn new(width: usize) -> Self {
        Text { width, last: Block::Nothing, reason: String::new(), held: Vec::new() }
    }

    /// From here on it is as wide.
    pub(super) fn set_width(&mut self, width: usize) {
        self.width = width;
    }

    /// The lines that show one event, and before them those of the looks that it ends the wait of. A look shows nothing
    /// yet where one of somebody else at the same thing may follow and stand beside it.
    pub(super) fn event(&mut self, event: &Event) -> Vec<Line> {
        if matches!(event, Event::Called(called) if called.set_up) {
            return Vec::new();
        }
        let mut lines = if self.goes_on(event) { Vec::new() } else { self.rest() };
        match event {
            // Who is where all the time is for pictures; a story says it where it matters. But a step ends here, and a
            // reader may pause: so nothing is held back any longer.
            Event::Stood { .. } => {}
            Event::Saw { actor, look } if self.may_stand_beside() => self.held.push((actor.clone(), look.clone())),
            event => {
                let (kind, body) = self.body(event);
                lines.extend(self.framed(kind, body));
            }
        }
        if let Event::Skipped { reason, .. } = event {
            self.reason.clone_from(reason);
        }
        lines
    }

    /// What is held back.
    pub(super) fn rest(&mut self) -> Vec<Line> {
        let held = std::mem::take(&mut self.held);
        let several = if held.len() > 1 { beside::side_by_side(&held, self.width) } else { None };
        if let Some(lines) = several {
            return self.framed(Block::Look, lines.into_iter().map(|line| (line, DEEDS)).collect());
        }
        held.iter().flat_map(|(actor, look)| self.framed(Block::Look, self.look(actor, look))).collect()
    }

    /// Whether looks wait for others here.
    fn may_stand_beside(&self) -> bool {
        self.width >= beside::FROM
    }

    /// Whether an event is one more look at the same thing. The same actor's second look is another moment: that one
    /// stands below.
    fn goes_on(&self, event: &Event) -> bool {
        let Event::Saw { actor, look } = event else { return false };
        self.held.iter().all(|(other, seen)| other != actor && seen.what == look.what)
    }

    /// Lines of a kind, folded, with a blank line before them where one belongs.
    fn framed(&mut self, kind: Block, lines: Vec<(Line, usize)>) -> Vec<Line> {
        let close = match (self.last, kind) {
            (Block::Nothing, _) | (Block::Step, Block::Words | Block::Question) | (Block::Look, Block::Claim) => true,
            (last, kind) => last == kind && !matches!(kind, Block::Words | Block::Look | Block::Question),
        };
        self.last = kind;
        let blank = if close { None } else { Some(Line::new()) };
        // A line of a look that is too wide is folded like any other; commands are broken as the shell allows.
        let folded = lines.into_iter().flat_map(|(line, indent)| fold(line, self.width, indent));
        blank.into_iter().chain(folded).collect()
    }

    fn body(&self, event: &Event) -> (Block, Vec<(Line, usize)>) {
        let flat = |lines: Vec<Line>| lines.into_iter().map(|line| (line, INDENT)).collect();
        match event {
            Event::Lesson(opening) => (Block::Head, flat(self.head(opening))),
            Event::Step { number, of, title } => (Block::Step, flat(vec![rule(*number, *of, title, self.width)])),
            Event::Said { text } => (Block::Words, flat(paragraphs(text, self.width, ""))),
            Event::Called(called) => (Block::Call, self.call(called)),
            Event::Saw { actor, look } => (Block::Look, self.look(actor, look)),
            Event::WhoIsWhere { members, .. } => {
                let table = looks::who_is_where(members, self.width);
                (Block::Look, table.into_iter().map(|line| (line, DEEDS + 4)).collect())
            }
            Event::Stood { .. } => (self.last, Vec::new()),
            Event::Compared { title, before, after } => {
                (Block::Look, flat(looks::compared(title, before, after, self.width)))
            }
            Event::Verified { id, claim, held, evidence } => {
                (Block::Claim, flat(self.claim(id, claim, *held, evidence)))
            }
            Event::Skipped { id, reason, remedy } => (Block::Claim, flat(self.skipped(id, reason, remedy))),
            Event::Asked(question) => (Block::Question, flat(self.asked(question))),
            Event::Answered { answer, choice, why, .. } => (Block::Question, flat(self.answered(*answer, choice, why))),
            Event::ByHand { command, docker, .. } => (Block::Command, flat(self.by_hand(command, *docker))),
            Event::Ended(closing) => (Block::Foot, flat(self.foot(closing))),
        }
    }

    fn look(&self, actor: &str, look: &Look) -> Vec<(Line, usize)> {
        let seen = looks::seen(actor, look);
        seen.into_iter().map(|line| (line, DEEDS + 4)).collect()
    }

    fn head(&self, opening: &Opening) -> Vec<Line> {
        let title = Line::new()
            .with(Style::Title, &opening.title)
            .with(Style::Plain, " · ")
            .with(Style::Plain, &opening.subtitle);
        let place = format!("{} min", opening.minutes);
        let mut lines = at_the_right(title, Style::Quiet, &place, self.width);
        lines.extend(paragraphs(&opening.question, self.width, ""));
        lines.push(Line::new());
        let stage = "All of this happens on a stage: a small machine, made of new namespaces. A process called host \
                     stands for it. What is done there is real; your own machine does not notice.";
        lines.extend(
            paragraphs(stage, self.width, "").into_iter().map(|line| Line::new().with(Style::Quiet, line.text())),
        );
        lines
    }

    fn call(&self, called: &Called) -> Vec<(Line, usize)> {
        let mut line = actor_column(&called.actor);
        line.push(Style::Plain, called.call.to_string());
        if self.width >= super::USUAL {
            line = line.padded_to(RESULTS);
        }
        let mut meaning = called.remark.clone();
        match &called.answer {
            Answer::Returned(value) => {
                line.push(Style::Quiet, "\u{a0}=\u{a0}");
                line = with_value(line, value, true);
            }
            Answer::Failed { errno, meaning: known, kernel_said, sent } => {
                line.push(Style::Quiet, "\u{a0}=\u{a0}");
                let said = kernel_said.as_ref().map(|said| format!("the kernel says: {said}"));
                meaning = meaning.or(said).or_else(|| known.clone());
                let name = if meaning.is_some() { format!("{errno:?}") } else { errno_name(*errno) };
                // A message that was sent has an answer of its own: the call did not fail.
                let failed = sent.map_or_else(|| "-1".to_owned(), |sent| format!("{sent}, refused:"));
                line.push(Style::Notice, format!("{failed}\u{a0}{name}"));
            }
        }
        if called.times > 1 {
            line.push(Style::Plain, format!(", {} times", called.times));
        }
        let mut lines = Vec::new();
        match meaning {
            Some(note) if line.clone().with(Style::Quiet, format!("   {note}")).width() <= self.width => {
                line.push(Style::Quiet, format!("   {note}"));
                lines.push((line, DEEDS + 4));
            }
            Some(note) => {
                lines.push((line, DEEDS + 4));
                lines.push((Line::plain(" ".repeat(DEEDS)).with(Style::Quiet, format!("↳ {note}")), DEEDS + 2));
            }
            None => lines.push((line, DEEDS + 4)),
        }
        lines
    }

    fn claim(&self, id: &str, claim: &str, held: bool, evidence: &Evidence) -> Vec<Line> {
        let (mark, style) = if held { ("✔", Style::Held) } else { ("✘ does not hold here:", Style::Failed) };
        let claim = Line::plain("  ").with(style, mark).with(Style::Plain, format!(" {claim}"));
        let mut lines = fold(claim, self.width, 4);
        if let Some(last) = lines.pop() {
            lines.extend(at_the_right(last, Style::Quiet, id, self.width));
        }
        if !evidence.is_empty() {
            let mut shown = Line::plain("    ");
            for (index, value) in evidence.iter().enumerate() {
                shown.push(Style::Quiet, if index == 0 { "" } else { " " });
                shown = with_value_quiet(shown, value);
            }
            lines.extend(fold(shown, self.width, 4));
        }
        lines
    }

    fn skipped(&self, id: &str, reason: &str, remedy: &str) -> Vec<Line> {
        let skipped = Line::plain("  ").with(Style::Notice, "○ skipped");
        let mut lines = at_the_right(skipped, Style::Quiet, id, self.width);
        if reason == self.reason {
            lines.push(Line::plain("    for the same reason"));
            return lines;
        }
        lines.extend(paragraphs(reason, self.width, "    "));
        lines.extend(paragraphs(&format!("what to do: {remedy}"), self.width, "    "));
        lines
    }

    /// What will happen? The choices have letters, by which a reader can name them.
    fn asked(&self, question: &Question) -> Vec<Line> {
        let text =
            Line::plain("  ").with(Style::Notice, "?").with(Style::Plain, " ").with(Style::Title, &question.text);
        let mut lines = fold(text, self.width, 4);
        for (letter, choice) in ('a'..).zip(&question.choices) {
            lines.extend(hanging(&format!("      {letter}) "), choice, Style::Plain, self.width));
        }
        lines
    }

    /// The choice that came true, and below it why.
    fn answered(&self, answer: Option<usize>, choice: &str, why: &str) -> Vec<Line> {
        let letter = answer.and_then(|place| ('a'..='z').nth(place)).map(|letter| format!("{letter}) "));
        let label = letter.unwrap_or_default();
        let answer = Line::plain("  ").with(Style::Notice, "!").with(Style::Plain, " ");
        let answer = answer.with(Style::Title, format!("{label}{choice}"));
        let mut lines = fold(answer, self.width, 4 + label.len());
        lines.extend(paragraphs(why, self.width, "    "));
        lines
    }

    fn by_hand(&self, command: &str, docker: bool) -> Vec<Line> {
        let label = if docker { "  docker:   " } else { "  by hand:  " };
        let broken = command_lines::lines(&printable(command), self.width.saturating_sub(label.len()));
        let lines = broken.into_iter().enumerate().map(|(index, part)| {
            let label = if index == 0 { label } else { "            " };
            Line::new().with(Style::Quiet, label).with(Style::Command, part)
        });
        lines.collect()
    }

    fn foot(&self, closing: &Closing) -> Vec<Line> {
        let facts = if closing.held == 1 { "fact" } else { "facts" };
        let kernel = closing.kernel.as_ref().map(|kernel| format!(" on Linux {kernel}")).unwrap_or_default();
        let mut line =
            Line::new().with(Style::Held, format!("{} {facts} held", closing.held)).with(Style::Plain, kernel);
        if closing.failed > 0 {
            line.push(Style::Failed, format!(" · {} did not hold", closing.failed));
        }
        if closing.skipped > 0 {
            line.push(Style::Notice, format!(" · {} skipped", closing.skipped));
        }
        if closing.left_behind.is_empty() {
            line.push(Style::Plain, " · nothing left behind");
        } else {
            line.push(Style::Failed, format!(" · left behind: {}", closing.left_behind.join(", ")));
        }
        let mut lines = vec![line];
        if let Some(not_shown) = not_shown(closing) {
            lines.extend(paragraphs(&not_shown, self.width, ""));
        }
        lines.extend(paragraphs(&format!("read on: {}", manuals(&closing.man)), self.width, ""));
        lines.push(Line::new());
        lines
    }
}

/// How many calls were made that are not shown; `None`: all are.
pub(super) fn not_shown(closing: &Closing) -> Option<String> {
    let calls = match closing.set_up {
        0 => return None,
        1 => "1 call".to_owned(),
        several => format!("{several} calls"),
    };
    Some(format!("{calls} of set-up not shown (--format json lists them)"))
}

/// A command to type, broken where it is too long.
pub(crate) fn command(command: &str, width: usize) -> Vec<Line> {
    let broken = command_lines::lines(&printable(command), width.saturating_sub(INDENT));
    broken.into_iter().map(|part| Line::plain(" ".repeat(INDENT)).with(Style::Command, part)).collect()
}

/// The line above a step: its number and its title, and a rule up to `width`.
pub(crate) fn rule(number: usize, of: usize, title: &str, width: usize) -> Line {
    let mut rule =
        Line::new().with(Style::Quiet, format!("{number}/{of} ── ")).with(Style::Title, title).with(Style::Plain, " ");
    let rest = width.saturating_sub(rule.width());
    rule.push(Style::Quiet, "─".repeat(rest));
    rule
}

/// Manual pages as one calls them up: `man 7 uts_namespaces`.
pub(super) fn manuals(pages: &[String]) -> String {
    let as_typed = |page: &String| match page.strip_suffix(')').and_then(|page| page.split_once('(')) {
        Some((name, section)) => format!("man {section} {name}").replace(' ', "\u{a0}"),
        None => page.clone(),
    };
    pages.iter().map(as_typed).collect::<Vec<_>>().join(" · ")
}

fn with_value_quiet(mut line: Line, value: &Value) -> Line {
    match value {
        Value::Namespace(_) => with_value(line, value, false),
        value => {
            line.push(Style::Quiet, value.to_string());
            line
        }
    }
}

/// A line with something at its right end; on a line of its own where there is no room.
fn at_the_right(line: Line, style: Style, text: &str, width: usize) -> Vec<Line> {
    let length = Line::plain(text).width();
    if line.width() + 2 + length <= width {
        return vec![line.padded_to(width - length).with(style, text)];
    }
    let below = Line::new().padded_to(width.saturating_sub(length)).with(style, text);
    vec![line, below]
}
