//! Whether all that belongs to a lesson is there, and agrees with what the lesson declares.

mod assigned;
pub(super) mod book;
mod declared;
pub(super) mod markdown;
pub(super) mod page;
pub(super) mod readme;
mod told;

use self::assigned::Assigned;
use super::derive;
use super::finding::{Finding, Findings};
use super::snapshot::{KINDS, Snapshots};
use super::tree::Tree;
use crate::lesson::Lesson;
use crate::lessons;

/// Everything that is missing or wrong in the tree; of one lesson alone, if one is named.
pub(super) fn check(tree: &Tree, only: Option<&'static Lesson>) -> Vec<Finding> {
    let mut findings = Findings::default();
    let mut of_the_list = Findings::default();
    let assigned = Assigned::read(tree, &mut of_the_list);
    if let Some(lesson) = only {
        check_lesson(tree, lesson, &assigned, &mut findings);
        return findings.into_vec();
    }
    for lesson in lessons::ALL {
        check_lesson(tree, lesson, &assigned, &mut findings);
    }
    declared::check_all(lessons::ALL, &mut findings);
    let mut all = findings.into_vec();
    assigned.check_lessons(lessons::ALL, &mut of_the_list);
    check_folders(tree, &mut of_the_list);
    check_book(tree, &assigned, &mut of_the_list);
    readme::check(tree, lessons::ALL, &mut of_the_list);
    all.extend(of_the_list.into_vec());
    all
}

fn check_lesson(tree: &Tree, lesson: &'static Lesson, assigned: &Assigned, findings: &mut Findings) {
    let folder = derive::folder(lesson.id);
    declared::check(lesson, findings);
    for file in ["mod.rs", "steps.rs"].map(|name| format!("{folder}/{name}")) {
        match tree.read(&file) {
            Ok(text) => check_placeholders(&file, &text, findings),
            Err(why) => findings.add(file, format!("cannot be read, and the program has the lesson: {why}")),
        }
    }
    assigned.check(lesson, findings);
    let snapshots = Snapshots::read(tree, lesson, findings);
    told::check(lesson, &snapshots, findings);
    let page = derive::page_file(lesson.id);
    match tree.read(&page) {
        Ok(text) => {
            page::check(lesson, &text, &snapshots, assigned, findings);
            book::check_page(tree, &derive::page_name(lesson.id), Some(lesson), findings);
        }
        Err(why) => findings.add(page, format!("add it, `nslearn dev check --fix` makes the skeleton: {why}")),
    }
    book::check_lesson(tree, lesson, findings);
    readme::check_row(tree, lesson, findings);
}

/// Reports each place where an author's words are still to come.
fn check_placeholders(file: &str, text: &str, findings: &mut Findings) {
    for (index, line) in text.lines().enumerate().filter(|(_, line)| line.contains(derive::PLACEHOLDER)) {
        findings.add(file, format!("line {} is still to be written: {}", index + 1, line.trim()));
    }
}

/// Checks that what lies in the lessons' folders belongs to lessons.
fn check_folders(tree: &Tree, findings: &mut Findings) {
    for name in tree.names("lessons").iter().filter(|name| *name != "mod.rs") {
        let known = lessons::ALL.iter().any(|lesson| derive::module(lesson.id) == *name);
        findings.expect(known, &format!("lessons/{name}"), || {
            "this program has no such lesson: put it into `for_each_lesson!` in lessons/mod.rs and build again, or remove it"
                .to_owned()
        });
    }
    for name in tree.names("tests/snapshots") {
        let mut parts = name.split('.');
        let (Some(id), Some(kind)) = (parts.next(), parts.next()) else { continue };
        let known = !KINDS.contains(&kind) || lessons::ALL.iter().any(|lesson| lesson.id == id);
        findings.expect(known, &format!("tests/snapshots/{name}"), || format!("remove it: there is no lesson {id}"));
    }
}

fn check_book(tree: &Tree, assigned: &Assigned, findings: &mut Findings) {
    for name in book::pages(tree) {
        let of_a_lesson = lessons::ALL.iter().any(|lesson| derive::page_name(lesson.id) == name);
        if !of_a_lesson {
            let is_left = name.starts_with("lessons/");
            findings.expect(!is_left, &format!("book/src/{name}"), || "there is no lesson of this name".to_owned());
            book::check_page(tree, &name, None, findings);
        }
    }
    book::check_summary(tree, lessons::ALL, findings);
    book::check_older_texts(tree, assigned, findings);
}

pub(super) fn is_kebab(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    name.split('-').all(is_word)
}
