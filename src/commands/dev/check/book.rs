//! The book's pages together: what each includes, its table of contents, and the pages that speak of all lessons.

use std::path::{Component, Path};

use super::assigned::Assigned;
use super::markdown::{Block, between_backticks, blocks, includes, section};
use crate::commands::dev::derive;
use crate::commands::dev::finding::Findings;
use crate::commands::dev::snapshot::between;
use crate::commands::dev::tree::Tree;
use crate::lesson::Lesson;

/// The book's table of contents.
pub(crate) const SUMMARY: &str = "book/src/SUMMARY.md";
const TEACHERS: &str = "book/src/teachers.md";
const OLDER: &str = "book/src/older-texts.md";

/// Blocks whose content comes from the program, and never from an author.
const OUTPUT: [&str; 3] = ["text,transcript", "text,by-hand", "text,program"];

/// The names of all pages, as the book knows them.
pub(super) fn pages(tree: &Tree) -> Vec<String> {
    let of = |folder: &str, prefix: &str| {
        let names = tree.names(folder).into_iter().filter(|name| name.ends_with(".md"));
        names.map(|name| format!("{prefix}{name}")).collect::<Vec<_>>()
    };
    [of("book/src", ""), of("book/src/lessons", "lessons/")].concat()
}

/// Checks what a page includes, and that no output on it was written by hand. A lesson's own snapshots may be missing:
/// that is reported once, and not for each of its steps.
pub(super) fn check_page(tree: &Tree, name: &str, own: Option<&Lesson>, findings: &mut Findings) {
    let file = format!("book/src/{name}");
    let Ok(text) = tree.read(&file) else { return };
    let folder = Path::new(&file).parent().unwrap_or(Path::new(""));
    for (path, part) in includes(&text) {
        let Some(part) = part else {
            findings.add(&file, format!("it includes all of {path}: name an anchor or lines behind a colon"));
            continue;
        };
        let included = plain_path(&folder.join(path));
        let reported = own.is_some_and(|own| included.starts_with(&format!("tests/snapshots/{}.", own.id)));
        match tree.read(&included) {
            Err(_) if reported && !tree.has(&included) => {}
            Err(why) => findings.add(&file, format!("it includes {included}, which cannot be read: {why}")),
            Ok(shown) => findings.expect(shows(&shown, part), &file, || {
                format!("it includes {included}:{part}, where there is nothing")
            }),
        }
    }
    for Block { info, lines, line, closed } in blocks(&text) {
        findings.expect(closed, &file, || format!("line {line}: the block of code is not closed"));
        let included = lines.first().is_some_and(|first| first.starts_with("{{#include "));
        if OUTPUT.contains(&info) && !(included && lines.len() == 1) {
            findings.add(
                &file,
                format!("line {line}: a block of `{info}` includes a snapshot, and has no words of its own"),
            );
        } else if included && !OUTPUT.contains(&info) && info != "rust,ignore" {
            findings.add(&file, format!("line {line}: mark the block that includes output: {}", OUTPUT.join(", ")));
        }
    }
}

/// Whether the anchor or the lines are in the text, with something in them.
fn shows(text: &str, part: &str) -> bool {
    let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
    let lines = part.split_once(':').and_then(|(first, last)| Some((number(first)?, number(last)?)));
    match lines {
        Some((first, last)) => {
            let count = text.lines().count();
            first <= last
                && last <= count
                && text.lines().skip(first - 1).take(last - first + 1).any(|line| !line.trim().is_empty())
        }
        None if text.contains(&format!("<!-- ANCHOR: {part} -->\n")) => {
            between(text, part).is_some_and(|shown| !shown.trim().is_empty())
        }
        // In a source file the anchor is in a comment of another kind.
        None => {
            let inside = text.split_once(&format!("ANCHOR: {part}\n"));
            inside.and_then(|(_, rest)| rest.split_once(&format!("ANCHOR_END: {part}"))).is_some()
        }
    }
}

/// The path without `..` in it.
fn plain_path(path: &Path) -> String {
    let mut names: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(names.pop()),
            Component::CurDir => {}
            other => names.push(other.as_os_str().to_string_lossy().into_owned()),
        }
    }
    names.join("/")
}

/// Checks that all pages are in the table of contents, and the lessons in teaching order.
pub(super) fn check_summary(tree: &Tree, lessons: &[&Lesson], findings: &mut Findings) {
    let text = tree.read(SUMMARY).unwrap_or_default();
    // That of a lesson is reported with the lesson.
    let of_a_lesson = |name: &String| lessons.iter().any(|lesson| derive::page_name(lesson.id) == *name);
    for name in pages(tree).iter().filter(|name| *name != "SUMMARY.md" && !of_a_lesson(name)) {
        findings.expect(text.contains(&format!("]({name})")), SUMMARY, || format!("add the page {name}"));
    }
    let entries: Vec<String> = lessons.iter().map(|lesson| derive::summary_entry(lesson)).collect();
    let listed = text.lines().filter(|line| entries.iter().any(|entry| entry == line));
    let expected = entries.iter().filter(|entry| text.lines().any(|line| line == *entry));
    findings.expect(listed.eq(expected), SUMMARY, || "the lessons are not in teaching order".to_owned());
}

/// Checks what the table of contents and the teachers' page say of one lesson.
pub(super) fn check_lesson(tree: &Tree, lesson: &Lesson, findings: &mut Findings) {
    let entry = derive::summary_entry(lesson);
    let summary = tree.read(SUMMARY).unwrap_or_default();
    findings.expect(summary.lines().any(|line| line == entry), SUMMARY, || format!("add the line `{entry}`"));
    check_teachers(&tree.read(TEACHERS).unwrap_or_default(), lesson, findings);
}

fn check_teachers(text: &str, lesson: &Lesson, findings: &mut Findings) {
    let id = lesson.id;
    let named = format!("Lesson `{id}`");
    let plans: Vec<&str> = text.lines().filter(|line| line.starts_with('|') && line.contains(&named)).collect();
    findings.expect(!plans.is_empty(), TEACHERS, || {
        format!("put the lesson into a plan: `| {} | {named} | … |`", lesson.minutes())
    });
    for row in plans {
        let minutes = row.trim_matches('|').split('|').next().map(str::trim).unwrap_or_default();
        findings.expect(minutes == lesson.minutes().to_string(), TEACHERS, || {
            format!("a plan has {minutes} minutes for {id}, which takes {}", lesson.minutes())
        });
    }
    let heading = format!("### Before the steps of {id}");
    let Some(told) = section(text, &heading) else {
        findings.add(TEACHERS, format!("add the heading `{heading}`, and the questions before its steps"));
        return;
    };
    // The last section may be followed by one of a higher rank.
    let told = told.split("\n## ").next().unwrap_or_default();
    findings.expect(!told.trim().is_empty(), TEACHERS, || format!("nothing stands under `{heading}`"));
    for (number, step) in derive::steps(lesson) {
        let asks = told.contains(&format!("**Before step {number}, the lesson asks"));
        match (asks, step.asks.is_empty()) {
            (false, false) => {
                findings.add(TEACHERS, format!("`{heading}`: add `**Before step {number}, the lesson asks …**`"))
            }
            (true, true) => {
                findings.add(TEACHERS, format!("`{heading}`: the lesson asks nothing before step {number}"))
            }
            _ => {}
        }
    }
}

/// Checks that the page about older texts tells of each fact that corrects one.
pub(super) fn check_older_texts(tree: &Tree, assigned: &Assigned, findings: &mut Findings) {
    let text = tree.read(OLDER).unwrap_or_default();
    let told = between_backticks(&text);
    for fact in assigned.corrected.iter().filter(|fact| !told.contains(fact.as_str())) {
        findings.add(OLDER, format!("tell of `{fact}`, which corrects what older texts say"));
    }
}
