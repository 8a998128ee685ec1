//! The teacher's notes on a step, and the clock beside them.

use super::follower::Whereabouts;
use crate::lesson::Lesson;
use crate::render::{Line, Style, fold, rule};
use crate::step::{Note, Step};

/// Where what belongs to a step stands, and where it goes on in further lines.
const INDENT: (usize, usize) = (2, 4);

/// The note on a step, for reading, as wide as `width`; nothing where the lesson has no such step.
pub(crate) fn note_on(lesson: &Lesson, number: usize, width: usize) -> Vec<Line> {
    let Some(Step { title, minutes, note, .. }) = lesson.step(number) else { return Vec::new() };
    // What a teacher compares with the clock: how much of the lesson is over before this step, and after it.
    let before = planned_before(lesson, number);
    let minutes = format!("{minutes}, from {before} to {} of {}", before + minutes, lesson.minutes());
    let Note { point, ask, misunderstanding } = note;
    let parts = [
        ("minutes: ", minutes.as_str()),
        ("point: ", point),
        ("ask: ", ask),
        ("usual misunderstanding: ", misunderstanding),
    ];
    let mut lines = fold(rule(number, lesson.steps.len(), title, width), width, INDENT.0);
    for (label, words) in parts {
        let line = Line::plain(" ".repeat(INDENT.0)).with(Style::Quiet, label).with(Style::Plain, words);
        lines.extend(fold(line, width, INDENT.1));
    }
    lines
}

/// The time that a walk has taken, beside the plan.
pub(crate) fn clock(lesson: &Lesson, here: &Whereabouts, width: usize) -> Vec<Line> {
    let (minutes, seconds) = (here.seconds / 60, here.seconds % 60);
    let planned = planned_before(lesson, here.step);
    let (words, style) = match minutes.cmp(&u64::from(planned)) {
        std::cmp::Ordering::Greater => (format!("{} min behind plan", minutes - u64::from(planned)), Style::Notice),
        _ => ("on time".to_owned(), Style::Held),
    };
    let line = Line::plain(" ".repeat(INDENT.0))
        .with(Style::Quiet, "time: ")
        .with(Style::Plain, format!("{minutes}:{seconds:02} used, {planned} min planned up to here: "))
        .with(style, words);
    fold(line, width, INDENT.1)
}

/// How many minutes are planned for everything before a step.
fn planned_before(lesson: &Lesson, number: usize) -> u32 {
    lesson.steps.iter().take(number.saturating_sub(1)).map(|step| step.minutes).sum()
}
