//! Rewrites what is purely derived from the lessons' declarations and snapshots. What an author wrote stays.

mod steps;

use std::io;

use super::check::book::SUMMARY;
use super::check::markdown::section;
use super::check::{page, readme};
use super::derive;
use super::finding::Findings;
use super::snapshot::Snapshots;
use super::tree::{Edit, Tree};
use crate::lesson::Lesson;
use crate::lessons;
use crate::step::Fact;

/// Rewrites all of it, or for one lesson: the files that were touched.
///
/// # Errors
/// The file that could not be written, and why; then none was.
pub(super) fn fix(tree: &Tree, only: Option<&'static Lesson>) -> Result<Vec<String>, (String, io::Error)> {
    let mut edits = Vec::new();
    for lesson in lessons::ALL.iter().copied().filter(|lesson| only.is_none_or(|only| only.id == lesson.id)) {
        edits.extend(page_edit(tree, lesson));
    }
    let files = [(readme::FILE, readme_text as fn(&Tree, &str) -> String), (SUMMARY, |_, text| summary_text(text))];
    for (path, rewrite) in files {
        if let Ok(before) = tree.read(path) {
            let after = rewrite(tree, &before);
            edits.push(Edit { path: path.to_owned(), before: Some(before), after });
        }
    }
    edits.retain(|edit| edit.before.as_ref() != Some(&edit.after));
    tree.apply(&edits)?;
    Ok(edits.into_iter().map(|edit| edit.path).collect())
}

fn readme_text(tree: &Tree, text: &str) -> String {
    let (begin, end) = readme::TABLE;
    let mut text = text.to_owned();
    if let Some(shown) = readme::between(&text, readme::TABLE) {
        let table = format!("\n{}", readme::table(lessons::ALL));
        text = text.replace(&format!("{begin}{shown}{end}"), &format!("{begin}{table}{end}"));
    }
    readme::transcript(tree, &text).ok().flatten().unwrap_or(text)
}

/// The table of contents, with an entry for each lesson in teaching order, where the first one stands now.
fn summary_text(text: &str) -> String {
    let of_a_lesson = |line: &str| {
        let is_of = |lesson: &&Lesson| line.ends_with(&format!("]({})", derive::page_name(lesson.id)));
        lessons::ALL.iter().any(is_of)
    };
    let entries = || lessons::ALL.iter().map(|lesson| derive::summary_entry(lesson));
    let mut lines: Vec<String> = Vec::new();
    let mut placed = false;
    for line in text.lines() {
        if !of_a_lesson(line) {
            lines.push(line.to_owned());
        } else if !std::mem::replace(&mut placed, true) {
            lines.extend(entries());
        }
    }
    if placed { lines.iter().map(|line| format!("{line}\n")).collect() } else { text.to_owned() }
}

fn page_edit(tree: &Tree, lesson: &'static Lesson) -> Option<Edit> {
    // What is missing of them is reported by the check that follows.
    let snapshots = Snapshots::read(tree, lesson, &mut Findings::default());
    let path = derive::page_file(lesson.id);
    match tree.read(&path) {
        Ok(before) => Some(Edit { path, after: page_text(&before, lesson, &snapshots), before: Some(before) }),
        Err(why) if why.kind() == io::ErrorKind::NotFound => {
            let after = derive::page(lesson, |number| snapshots.draws(number) == Some(true));
            Some(Edit { path, before: None, after })
        }
        Err(_) => None,
    }
}

fn page_text(text: &str, lesson: &'static Lesson, snapshots: &Snapshots) -> String {
    let draws = |number| snapshots.draws(number);
    let mut text = steps::rewritten(&head(text, lesson), lesson, |number| draws(number) == Some(true));
    for (number, step) in derive::steps(lesson) {
        if let Some(drawn) = draws(number) {
            text = with_picture(text, &derive::step_heading(number, step), lesson.id, number, drawn);
        }
    }
    facts(with_by_hand_link(text, lesson), lesson)
}

/// The text with a link behind its first `**By hand**`.
fn with_by_hand_link(text: String, lesson: &Lesson) -> String {
    const WORDS: &str = "**By hand**";
    let linked = format!("{WORDS}{}", derive::BY_HAND_LINK);
    let Some(step) = lesson.step(1).filter(|_| !text.contains(&linked)) else { return text };
    let at = text.find(&derive::step_heading(1, step)).unwrap_or(text.len());
    let (before, after) = text.split_at(at);
    format!("{before}{}", after.replacen(WORDS, &linked, 1))
}

/// The title and the question, and how long it takes.
fn head(text: &str, lesson: &Lesson) -> String {
    let (mut titled, mut asked) = (false, false);
    let mut lines: Vec<String> = Vec::new();
    let (opening, rest) = text.split_at(text.find("\n## ").unwrap_or(text.len()));
    for line in opening.lines() {
        if line.starts_with("# ") && !std::mem::replace(&mut titled, true) {
            lines.push(derive::page_title(lesson));
        } else if line.starts_with("> ") && !std::mem::replace(&mut asked, true) {
            lines.push(derive::page_question(lesson));
        } else if let Some((before, after)) = around_minutes(line) {
            lines.push(format!("{before}{}{after}", derive::page_minutes(lesson)));
        } else {
            lines.push(line.to_owned());
        }
    }
    let end = if opening.ends_with('\n') { "\n" } else { "" };
    format!("{}{end}{rest}", lines.join("\n"))
}

/// What stands before and after the sentence on how long it takes, if that is on this line.
fn around_minutes(line: &str) -> Option<(&str, &str)> {
    let (before, rest) = line.split_once("It takes about ")?;
    let (number, after) = rest.split_once(" minutes")?;
    number.parse::<u32>().ok().map(|_| (before, after))
}

/// The text with the step's picture, or without it.
fn with_picture(text: String, heading: &str, id: &str, number: usize, drawn: bool) -> String {
    let picture = derive::picture(id, number);
    let Some(told) = section(&text, heading) else { return text };
    let there = told.contains(&derive::include(id, "svg", number));
    let new = match (drawn, there) {
        (true, false) => told.replacen("**By hand**", &format!("{picture}**By hand**"), 1),
        (false, true) => told.replacen(&picture, "", 1),
        _ => return text,
    };
    let whole = format!("\n{heading}\n{told}");
    text.replacen(&whole, &format!("\n{heading}\n{new}"), 1)
}

/// The table of facts: a row for each, in the order of the steps, with what an author has said of it.
fn facts(text: String, lesson: &'static Lesson) -> String {
    let Some(told) = section(&text, page::FACTS) else { return text };
    let is_row = |line: &&str| line.starts_with("| `");
    let known: Vec<&str> = told.lines().filter(is_row).collect();
    let said = |id: &str| {
        let row = known.iter().find(|row| row.starts_with(&format!("| `{id}` |")))?;
        row.splitn(4, '|').nth(3).map(str::trim_start)
    };
    let row = |(fact, number): (&Fact, usize)| match said(fact.id) {
        Some(said) => format!("{} {said}", derive::fact_cells(fact, number)),
        None => derive::fact_row(fact, number),
    };
    let rows: Vec<String> = derive::facts(lesson).map(row).collect();
    let lines: Vec<&str> = told.lines().collect();
    let rule = lines.iter().position(|line| line.starts_with("|--"));
    let Some(place) = rule.map(|rule| rule + 1) else { return text };
    let rest = lines[place..].iter().filter(|line| !is_row(line)).map(|line| (*line).to_owned());
    let new = lines[..place].iter().map(|line| (*line).to_owned()).chain(rows).chain(rest);
    let new: String = new.map(|line| line + "\n").collect();
    text.replacen(&format!("\n{}\n{told}", page::FACTS), &format!("\n{}\n{}", page::FACTS, like(&new, told)), 1)
}

/// The text with the same line end, or none, at its end as another has.
fn like(text: &str, other: &str) -> String {
    if other.ends_with('\n') { text.to_owned() } else { text.trim_end_matches('\n').to_owned() }
}
