//! A transcript for a page or a ticket: headings and paragraphs, and what happened in blocks of code.

use super::USUAL;
use super::printable::printable;
use super::text::{Text, manuals, not_shown};
use crate::transcript::{Event, Evidence, Value};

/// The Markdown form of a transcript.
#[derive(Debug, Default)]
pub(super) struct Markdown {
    /// The lines of the block of code that is open.
    block: Option<Text>,
}

impl Markdown {
    /// What one event adds to the page.
    pub(super) fn event(&mut self, event: &Event) -> String {
        match event {
            Event::Called(called) if called.set_up => String::new(),
            Event::Called(_) | Event::Saw { .. } | Event::WhoIsWhere { .. } | Event::Compared { .. } => {
                self.code(event)
            }
            Event::Stood { .. } => String::new(),
            other => format!("{}{}", self.end_block(), printable(&words(other))),
        }
    }

    /// A line of a block of code, which is opened where none is.
    fn code(&mut self, event: &Event) -> String {
        let fence = if self.block.is_none() { "\n```text\n" } else { "" };
        let lines = self.block.get_or_insert_with(|| Text::new(USUAL)).event(event);
        let lines: Vec<String> = lines.iter().map(|line| line.text() + "\n").collect();
        format!("{fence}{}", lines.concat())
    }

    fn end_block(&mut self) -> &'static str {
        if self.block.take().is_some() { "```\n" } else { "" }
    }
}

fn words(event: &Event) -> String {
    match event {
        Event::Lesson(opening) => {
            format!("# {}: {}\n\n{}\n", escaped(&opening.title), escaped(&opening.subtitle), escaped(&opening.question))
        }
        Event::Step { number, of, title } => format!("\n## {number}/{of} {}\n", escaped(title)),
        Event::Said { text } => format!("\n{}\n", escaped(text)),
        Event::Verified { id, claim, held, evidence } => {
            let mark = if *held { "✔" } else { "✘ does not hold here:" };
            format!("\n- {mark} {} (`{id}`){}\n", escaped(claim), because(evidence))
        }
        Event::Skipped { id, reason, remedy } => {
            format!("\n- ○ skipped (`{id}`): {}. What to do: {}\n", escaped(reason), escaped(remedy))
        }
        Event::Asked(question) => {
            let choices =
                ('a'..).zip(&question.choices).map(|(letter, choice)| format!("- {letter}) {}\n", escaped(choice)));
            format!("\n**{}**\n\n{}", escaped(&question.text), choices.collect::<String>())
        }
        Event::Answered { answer, choice, why, .. } => {
            let letter = answer.and_then(|place| ('a'..='z').nth(place)).map(|letter| format!("{letter}) "));
            format!("\nThe answer: **{}{}**. {}\n", letter.unwrap_or_default(), escaped(choice), escaped(why))
        }
        Event::ByHand { command, docker, .. } => {
            let label = if *docker { "With docker" } else { "By hand" };
            format!("\n{label}:\n\n```sh\n{command}\n```\n")
        }
        Event::Ended(closing) => {
            let left = if closing.left_behind.is_empty() {
                "nothing left behind".to_owned()
            } else {
                format!("left behind: {}", escaped(&closing.left_behind.join(", ")))
            };
            let skipped = if closing.skipped > 0 { format!(", {} skipped", closing.skipped) } else { String::new() };
            let failed = if closing.failed > 0 { format!(", {} did not hold", closing.failed) } else { String::new() };
            let held = closing.held;
            let not_shown = not_shown(closing).map(|calls| format!("{}.\n\n", escaped(&calls))).unwrap_or_default();
            format!(
                "\n---\n\n{held} facts held{failed}{skipped}, {left}.\n\n{not_shown}Read on: {}.\n\n",
                manuals(&closing.man)
            )
        }
        Event::Called(_)
        | Event::Stood { .. }
        | Event::Saw { .. }
        | Event::WhoIsWhere { .. }
        | Event::Compared { .. } => String::new(),
    }
}

fn because(evidence: &Evidence) -> String {
    if evidence.is_empty() {
        return String::new();
    }
    format!("  \n  {}", escaped(&evidence.iter().map(Value::to_string).collect::<Vec<_>>().join(" ")))
}

/// Words in which Markdown finds nothing to format.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        if matches!(letter, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|') {
            escaped.push('\\');
        }
        escaped.push(letter);
    }
    escaped
}
