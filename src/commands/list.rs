//! `nslearn list`.

use std::io;

use serde_json::json;

use crate::cli::{Format, Output};
use crate::lessons;
use crate::render::{Line, Printer, Style, fold};

pub(super) fn run(output: &Output) -> io::Result<u8> {
    let mut printer = Printer::new(output);
    let lines = match output.format {
        Format::Json => lessons::ALL.iter().map(|lesson| Line::plain(card(lesson))).collect(),
        _ => table(printer.width),
    };
    printer.lines(&lines)?;
    Ok(0)
}

/// The lessons with a line each.
pub(super) fn table(width: usize) -> Vec<Line> {
    let name = lessons::ALL.iter().map(|lesson| lesson.id.len()).max().unwrap_or_default();
    let row = |lesson: &&crate::lesson::Lesson| {
        Line::plain("  ")
            .with(Style::Command, lesson.id)
            .to_column(name + 4)
            .with(Style::Plain, format!("{} · {}", lesson.title, lesson.subtitle))
            .with(Style::Quiet, format!(" ({} min)", lesson.minutes))
    };
    lessons::ALL.iter().map(row).flat_map(|line| fold(line, width, name + 4)).collect()
}

fn card(lesson: &crate::lesson::Lesson) -> String {
    let place = lessons::place(lesson);
    json!({
        "id": lesson.id, "title": lesson.title, "subtitle": lesson.subtitle, "question": lesson.question,
        "number": place.number, "of": place.of, "minutes": lesson.minutes, "steps": lesson.steps,
        "facts": lesson.facts, "man": lesson.man,
    })
    .to_string()
}
