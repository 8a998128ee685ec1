//! `nslearn list`.

use std::io;

use serde_json::json;

use super::warn;
use crate::cli::Output;
use crate::lesson::Lesson;
use crate::lessons;
use crate::progress::{Done, Progress};
use crate::render::{Format, Line, Printer, Style, fold};

pub(super) fn run(output: &Output) -> io::Result<u8> {
    let (progress, complaint) = Progress::load();
    if let Some(complaint) = complaint {
        warn(&complaint);
    }
    let mut printer = Printer::new(output.options());
    let lines = match output.format {
        Format::Json => lessons::ALL.iter().map(|lesson| Line::plain(card(lesson, &progress))).collect(),
        _ => table(printer.width, &progress),
    };
    printer.lines(&lines)?;
    Ok(0)
}

/// The lessons with a line each, and a mark at those that are finished.
pub(super) fn table(width: usize, progress: &Progress) -> Vec<Line> {
    let name = lessons::ALL.iter().map(|lesson| lesson.id.len()).max().unwrap_or_default();
    let row = |lesson: &&Lesson| {
        let done = progress.of(lesson.id);
        let mark = if done.is_some() { Line::new().with(Style::Held, "✔") } else { Line::new() };
        let line = mark
            .padded_to(2)
            .with(Style::Command, lesson.id)
            .padded_to(name + 4)
            .with(Style::Plain, format!("{} · {}", lesson.title, lesson.subtitle))
            .with(Style::Quiet, format!(" ({} min)", lesson.minutes()));
        with_answers(fold(line, width, name + 4), done, width, name + 4)
    };
    lessons::ALL.iter().flat_map(row).collect()
}

/// A row and how the lesson's questions were answered, if there were any: at its end where there is room, else below.
fn with_answers(mut row: Vec<Line>, done: Option<Done>, width: usize, indent: usize) -> Vec<Line> {
    let Some(Done { right, of }) = done.filter(|done| done.of > 0) else { return row };
    let answers = format!("{right} of {of} question{} right", if of == 1 { "" } else { "s" });
    let joined = format!(" · {answers}");
    match row.last_mut() {
        Some(last) if last.width() + joined.chars().count() <= width => last.push(Style::Quiet, joined),
        _ => row.extend(fold(Line::plain(" ".repeat(indent)).with(Style::Quiet, answers), width, indent)),
    }
    row
}

fn card(lesson: &Lesson, progress: &Progress) -> String {
    let facts: Vec<&str> = lesson.facts().map(|fact| fact.id).collect();
    json!({
        "id": lesson.id, "title": lesson.title, "subtitle": lesson.subtitle, "question": lesson.question,
        "number": lessons::number(lesson), "of": lessons::ALL.len(), "minutes": lesson.minutes(),
        "steps": lesson.steps.len(), "facts": facts, "man": lesson.man, "finished": progress.of(lesson.id),
    })
    .to_string()
}
