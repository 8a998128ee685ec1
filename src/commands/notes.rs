//! `nslearn notes LESSON`: what a teacher wants to know beside a lesson.

use std::io::{self, IsTerminal};

use serde_json::json;

use super::{complain, lesson, status};
use crate::cli::{Notes, Output};
use crate::lesson::Lesson;
use crate::render::{Format, Line, Printer, Style};
use crate::step::{Note, Step};
use crate::walk::{Following, clock, note_on};

pub(super) fn run(wanted: &Notes, output: &Output) -> io::Result<u8> {
    let lesson = match lesson::find(&wanted.lesson, wanted.step) {
        Ok(lesson) => lesson,
        Err(message) => {
            complain(&message);
            return Ok(status::USAGE);
        }
    };
    let mut printer = Printer::new(output.options());
    let width = printer.width;
    let numbers = (1..=lesson.steps.len()).filter(|number| wanted.step.is_none_or(|step| step == *number));
    let shown: Vec<Vec<Line>> = match output.format {
        Format::Json => vec![numbers.filter_map(|number| card(lesson, number)).collect()],
        _ => {
            // Somebody at a terminal can end it; whoever reads a file or a pipe waits for its end.
            if wanted.step.is_none()
                && io::stdout().is_terminal()
                && let Some(walk) = Following::find(lesson.id)
            {
                return follow(lesson, walk, &mut printer);
            }
            numbers.map(|number| note_on(lesson, number, width)).collect()
        }
    };
    printer.lines(&shown.join(&Line::new()))?;
    Ok(0)
}

/// Shows the notes on the step that a walk is at, each time that it has gone on, until it is over.
fn follow(lesson: &Lesson, walk: Following, printer: &mut Printer) -> io::Result<u8> {
    let mut shown = None;
    for here in walk {
        // Somebody else who comes to follow has the whereabouts told to all once more.
        if here.step > 0 && shown != Some(here.step) {
            shown = Some(here.step);
            let mut lines = note_on(lesson, here.step, printer.width);
            lines.extend(clock(lesson, &here, printer.width));
            lines.push(Line::new());
            printer.lines(&lines)?;
        }
    }
    printer.lines(&[Line::new().with(Style::Quiet, "the lesson is over")])?;
    Ok(0)
}

fn card(lesson: &Lesson, number: usize) -> Option<Line> {
    let Step { title, minutes, note: Note { point, ask, misunderstanding }, .. } = lesson.step(number)?;
    let card = json!({
        "lesson": lesson.id, "number": number, "of": lesson.steps.len(), "title": title, "minutes": minutes,
        "point": point, "ask": ask, "misunderstanding": misunderstanding,
    });
    Some(Line::plain(card.to_string()))
}
