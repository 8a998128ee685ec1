//! `nslearn notes LESSON`: what a teacher wants to know beside a lesson.

use std::io;

use serde_json::json;

use super::{complain, lesson, status};
use crate::cli::{Format, Notes, Output};
use crate::lesson::{Lesson, Note};
use crate::render::{Line, Printer, Style, fold, rule};

/// Where what belongs to a step stands, and where it goes on in further lines.
const INDENT: (usize, usize) = (2, 4);

pub(super) fn run(wanted: &Notes, output: &Output) -> io::Result<u8> {
    let lesson = match lesson::find(&wanted.lesson, wanted.step) {
        Ok(lesson) => lesson,
        Err(message) => {
            complain(&message);
            return Ok(status::USAGE);
        }
    };
    let mut printer = Printer::new(output);
    let width = printer.width;
    let notes = (1..).zip(lesson.notes).filter(|(number, _)| wanted.step.is_none_or(|step| step == *number));
    let shown: Vec<Vec<Line>> = match output.format {
        Format::Json => vec![notes.map(|(number, note)| Line::plain(card(lesson, number, note))).collect()],
        _ => notes.map(|(number, note)| page(lesson, number, note, width)).collect(),
    };
    printer.lines(&shown.join(&Line::new()))?;
    Ok(0)
}

/// The note on one step, for reading.
fn page(lesson: &Lesson, number: usize, note: &Note, width: usize) -> Vec<Line> {
    // What a teacher compares with the clock: how much of the lesson is over before this step, and after it.
    let before: u32 = lesson.notes.iter().take(number - 1).map(|note| note.minutes).sum();
    let minutes = format!("{}, from {before} to {} of {}", note.minutes, before + note.minutes, lesson.minutes);
    let parts = [
        ("minutes: ", minutes.as_str()),
        ("point: ", note.point),
        ("ask: ", note.ask),
        ("usual misunderstanding: ", note.misunderstanding),
    ];
    let mut lines = fold(rule(number, lesson.steps, note.title, width), width, INDENT.0);
    for (label, words) in parts {
        let line = Line::plain(" ".repeat(INDENT.0)).with(Style::Quiet, label).with(Style::Plain, words);
        lines.extend(fold(line, width, INDENT.1));
    }
    lines
}

fn card(lesson: &Lesson, number: usize, note: &Note) -> String {
    json!({
        "lesson": lesson.id, "number": number, "of": lesson.steps, "title": note.title, "minutes": note.minutes,
        "point": note.point, "ask": note.ask, "misunderstanding": note.misunderstanding,
    })
    .to_string()
}
