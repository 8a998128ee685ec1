//! The sections of steps on a lesson's page: each under its heading, in the lesson's order, none missing.

use crate::commands::dev::derive;
use crate::lesson::Lesson;

const OPENS: &str = "## Step ";

/// A section of the page.
struct Section {
    number: usize,
    text: String,
}

/// The page with a section for each step of the lesson. One that is there goes with its title, wherever the step is now;
/// where no more than titles have changed, it goes with its number. What is in it stays, but for what it includes.
pub(super) fn rewritten(text: &str, lesson: &'static Lesson, draws: impl Fn(usize) -> bool) -> String {
    let (before, told, after) = parts(text);
    let told: Vec<&str> = split(told).collect();
    let titles: Vec<&str> = told.iter().filter_map(|text| heading(text)).map(|(_, title)| title).collect();
    let only_renamed = told.len() == lesson.steps.len();
    let section = |text: &&str| {
        let (old, title) = heading(text).unwrap_or_default();
        let by_title = lesson.steps.iter().position(|step| step.title == title).map(|index| index + 1);
        let by_number = || lesson.step(old).filter(|step| only_renamed && !titles.contains(&step.title)).map(|_| old);
        match by_title.or_else(by_number) {
            Some(number) => Section { number, text: moved(text, lesson, old, number) },
            // A step that the lesson has no more. What to do with it, its author must say.
            None => Section { number: old, text: (*text).to_owned() },
        }
    };
    let mut sections: Vec<Section> = told.iter().map(section).collect();
    for (number, step) in derive::steps(lesson) {
        let heading = derive::step_heading(number, step);
        if !sections.iter().any(|section| section.text.starts_with(&format!("{heading}\n"))) {
            sections.push(Section { number, text: derive::step_section(lesson, number, step, draws(number)) });
        }
    }
    sections.sort_by_key(|section| section.number);
    let told: String = sections.into_iter().map(|section| section.text).collect();
    format!("{before}{told}{after}")
}

/// What stands before the sections of steps, those, and what stands after them.
fn parts(text: &str) -> (&str, &str, &str) {
    let headings = || text.match_indices("\n## ").map(|(at, _)| at + 1);
    let first = headings().find(|at| text[*at..].starts_with(OPENS));
    // Without any, they belong behind the page's first section.
    let from = first.or_else(|| headings().nth(1)).unwrap_or(text.len());
    let to = headings().find(|at| *at >= from && !text[*at..].starts_with(OPENS)).unwrap_or(text.len());
    (&text[..from], &text[from..to], &text[to..])
}

/// The sections, each from its heading on.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let starts: Vec<usize> = (0..text.len())
        .filter(|at| text.is_char_boundary(*at) && text[*at..].starts_with(OPENS))
        .filter(|at| *at == 0 || text[..*at].ends_with('\n'))
        .collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([text.len()]).collect();
    starts.into_iter().zip(ends).map(|(from, to)| &text[from..to])
}

/// The number and the title in a section's heading.
fn heading(text: &str) -> Option<(usize, &str)> {
    let (number, title) = text.lines().next()?.strip_prefix(OPENS)?.split_once(": ")?;
    Some((number.parse().ok()?, title))
}

/// A section under the heading that it must have, with what belongs to that step.
fn moved(text: &str, lesson: &Lesson, old: usize, number: usize) -> String {
    let (_, body) = text.split_once('\n').unwrap_or((text, ""));
    let body = ["plain", "svg", "by-hand"].into_iter().fold(body.to_owned(), |body, kind| {
        body.replace(&derive::include(lesson.id, kind, old), &derive::include(lesson.id, kind, number))
    });
    let heading = lesson.step(number).map(|step| derive::step_heading(number, step)).unwrap_or_default();
    format!("{heading}\n{body}")
}
