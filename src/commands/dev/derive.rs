//! What other files say of a lesson, derived from what the lesson declares.

use crate::lesson::Lesson;
use crate::step::{Fact, Step};

/// What stands where an author's words are to come.
pub(super) const PLACEHOLDER: &str = "TODO";

/// Where a lesson's source lies.
pub(super) fn folder(id: &str) -> String {
    format!("lessons/{}", module(id))
}

/// What a lesson is called in Rust.
pub(super) fn module(id: &str) -> String {
    id.replace('-', "_")
}

/// Where a lesson's page lies.
pub(super) fn page_file(id: &str) -> String {
    format!("book/src/{}", page_name(id))
}

/// A lesson's page, as the book knows it.
pub(super) fn page_name(id: &str) -> String {
    format!("lessons/{id}.md")
}

/// A lesson's row in the README.
pub(super) fn readme_row(lesson: &Lesson) -> String {
    let Lesson { id, title, subtitle, .. } = lesson;
    format!("| `{id}` | {title} · {subtitle} | {} |", lesson.minutes())
}

/// A lesson's line in the book's table of contents.
pub(super) fn summary_entry(lesson: &Lesson) -> String {
    format!("- [{}: {}]({})", lesson.title, lesson.subtitle, page_name(lesson.id))
}

/// The first line of a lesson's page.
pub(super) fn page_title(lesson: &Lesson) -> String {
    format!("# {}: {}", lesson.title, lesson.subtitle)
}

/// The lesson's question, below that.
pub(super) fn page_question(lesson: &Lesson) -> String {
    format!("> {}", lesson.question)
}

/// What the page says about how long it takes.
pub(super) fn page_minutes(lesson: &Lesson) -> String {
    format!("It takes about {} minutes", lesson.minutes())
}

/// A lesson's steps with their numbers.
pub(super) fn steps(lesson: &Lesson) -> impl Iterator<Item = (usize, &'static Step)> {
    lesson.steps.iter().enumerate().map(|(index, step)| (index + 1, *step))
}

/// The heading of a step on the page.
pub(super) fn step_heading(number: usize, step: &Step) -> String {
    format!("## Step {number}: {}", step.title)
}

/// What a page includes of a snapshot.
pub(super) fn include(id: &str, kind: &str, number: usize) -> String {
    format!("{{{{#include ../../../tests/snapshots/{id}.{kind}.snap:step-{number}}}}}")
}

/// A step's transcript on the page.
pub(super) fn transcript(id: &str, number: usize) -> String {
    format!("```text,transcript\n{}\n```", include(id, "plain", number))
}

/// What a step's commands by hand print, on the page.
pub(super) fn by_hand(id: &str, number: usize) -> String {
    format!("```text,by-hand\n{}\n```", include(id, "by-hand", number))
}

/// What stands behind the first `**By hand**` of a page: where to read how the commands differ.
pub(super) const BY_HAND_LINK: &str = " ([differences between distributions](../by-hand.md))";

/// A step's picture on the page.
pub(super) fn picture(id: &str, number: usize) -> String {
    format!("<div class=\"pictures\">\n{}\n</div>\n\n", include(id, "svg", number))
}

/// The first two columns of a fact's row on the page.
pub(super) fn fact_cells(fact: &Fact, number: usize) -> String {
    format!("| `{}` | step {number} |", fact.id)
}

/// A fact's row on the page, before an author says it better.
pub(super) fn fact_row(fact: &Fact, number: usize) -> String {
    format!("{} {} |", fact_cells(fact, number), fact.claim.trim_end_matches('.').replace('|', "\\|"))
}

/// A fact, and the number of the step that shows it.
pub(super) fn facts(lesson: &'static Lesson) -> impl Iterator<Item = (&'static Fact, usize)> {
    steps(lesson).flat_map(|(number, step)| step.facts.iter().map(move |fact| (*fact, number)))
}

/// A step's section, with all parts that a page must have, for an author to fill in.
pub(super) fn step_section(lesson: &Lesson, number: usize, step: &Step, drawn: bool) -> String {
    let (id, heading) = (lesson.id, step_heading(number, step));
    let (transcript, by_hand) = (transcript(id, number), by_hand(id, number));
    let picture = if drawn { picture(id, number) } else { String::new() };
    let link = if number == 1 { BY_HAND_LINK } else { "" };
    format!(
        "{heading}\n\n\
         **Why.** {PLACEHOLDER}: why this step is worth a look.\n\n\
         **In the kernel.** {PLACEHOLDER}: what the kernel does.\n\n\
         {transcript}\n\n\
         **System calls:** {PLACEHOLDER}: `call(2)`.\n\n\
         **What to look at.** {PLACEHOLDER}: in the transcript above.\n\n\
         {picture}**By hand**{link}, and what it prints:\n\n\
         {by_hand}\n\n"
    )
}

/// A lesson's page, with all that it must have, for an author to fill in.
pub(super) fn page(lesson: &'static Lesson, draws: impl Fn(usize) -> bool) -> String {
    let steps: String = steps(lesson).map(|(number, step)| step_section(lesson, number, step, draws(number))).collect();
    let facts: String = facts(lesson).map(|(fact, number)| format!("{}\n", fact_row(fact, number))).collect();
    let text = include_str!("template/page.md");
    [
        ("{title}", page_title(lesson)),
        ("{question}", page_question(lesson)),
        ("{id}", lesson.id.to_owned()),
        ("{minutes}", page_minutes(lesson)),
        ("{steps}", steps),
        ("{facts}", facts),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (name, value)| text.replace(name, &value))
}
