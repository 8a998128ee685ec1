//! The book: it can be made without a warning, all that it includes is there, and no step and no fact of a lesson is
//! missing on its page.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use mdbook_driver::MDBook;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::anchored::between;
use crate::consistency::{snapshot, snapshot_events, strings};
use crate::isolation;
use crate::pages::{Page, book, pages};
use crate::paths;
use crate::support::{lab, of_kind};

/// The book's HTML, in a folder that goes with the test run.
pub struct Built {
    pub folder: PathBuf,
    /// What mdBook had to complain of.
    complaints: Vec<String>,
}

/// What mdBook says while it works, where it is a warning or worse.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::WARN {
            let mut words = Words(String::new());
            event.record(&mut words);
            self.0.lock().unwrap().push(words.0);
        }
    }
}

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{value:?} ");
    }
}

/// The book, made once for all tests as `mdbook build book` does it.
pub fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(|| {
        let folder = isolation::directory().join("book");
        let warnings = Warnings::default();
        let subscriber = tracing_subscriber::registry().with(warnings.clone());
        tracing::subscriber::with_default(subscriber, || {
            let mut book = MDBook::load(book()).expect("book/book.toml and book/src/SUMMARY.md");
            book.config.build.build_dir = folder.clone();
            book.build().expect("mdBook makes the book");
        });
        let complaints = warnings.0.lock().unwrap().clone();
        Built { folder, complaints }
    })
}

/// The HTML of all pages, by their names below the book's folder.
pub fn html_pages(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder_at_hand) = folders.pop() {
        for entry in fs::read_dir(&folder_at_hand).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "html") {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.push((name, fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// An include: the page, the file that it names, and the anchor or the lines in it.
struct Include {
    page: String,
    file: PathBuf,
    part: String,
}

fn includes() -> Vec<Include> {
    let mut found = Vec::new();
    for page in pages() {
        let folder = book().join("src").join(&page.name);
        let folder = folder.parent().unwrap();
        for (at, opening) in page.text.match_indices("{{#include ") {
            if page.text[..at].ends_with('\\') {
                continue; // Written about, not meant.
            }
            let (path, _) = page.text[at + opening.len()..].split_once("}}").expect("an include ends with }}");
            let (file, part) = path.split_once(':').unwrap_or_else(|| panic!("{}: {path} has no anchor", page.name));
            found.push(Include { page: page.name.clone(), file: folder.join(file), part: part.to_owned() });
        }
    }
    found
}

/// The pages of the lessons, each with its card from `nslearn list`.
fn lesson_pages() -> Vec<(Value, Page)> {
    let mut all = pages();
    let mut of_lessons = Vec::new();
    for lesson in lab().lessons() {
        let name = format!("lessons/{}.md", lesson["id"].as_str().unwrap());
        let at = all.iter().position(|page| page.name == name);
        let at = at.unwrap_or_else(|| panic!("add book/src/{name}: every lesson has a page"));
        of_lessons.push((lesson, all.remove(at)));
    }
    of_lessons
}

/// The part of a page under one of its headings, up to the next one of the same rank.
fn section<'a>(page: &'a Page, heading: &str) -> &'a str {
    let start = page.text.find(&format!("\n{heading}\n"));
    let start = start.unwrap_or_else(|| panic!("book/src/{}: add the heading '{heading}'", page.name));
    let body = &page.text[start + heading.len() + 2..];
    let end = body.find("\n## ").unwrap_or(body.len());
    &body[..end]
}

/// All words between backticks in a page's prose.
fn code_words(text: &str) -> BTreeSet<&str> {
    let mut words = BTreeSet::new();
    let mut in_block = false;
    for line in text.lines() {
        in_block ^= line.starts_with("```");
        if !in_block {
            words.extend(line.split('`').skip(1).step_by(2));
        }
    }
    words
}

#[test]
fn the_book_is_made_without_a_warning() {
    assert_eq!(built().complaints, Vec::<String>::new());
    assert!(built().folder.join("index.html").exists());
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let summary = fs::read_to_string(book().join("src/SUMMARY.md")).unwrap();
    for page in pages().iter().filter(|page| page.name != "SUMMARY.md") {
        assert!(summary.contains(&format!("({})", page.name)), "add book/src/{} to SUMMARY.md", page.name);
    }
}

#[test]
fn every_include_is_of_a_part_that_is_there_and_not_empty() {
    let includes = includes();
    assert!(!includes.is_empty());
    for Include { page, file, part } in includes {
        let place = format!("book/src/{page} includes {}:{part}", file.display());
        let text = fs::read_to_string(&file).unwrap_or_else(|why| panic!("{place}: {why}"));
        if file.extension().is_some_and(|extension| extension == "snap") {
            let shown = between(&text, &part).unwrap_or_else(|| panic!("{place}: there is no such anchor"));
            assert!(!shown.trim().is_empty(), "{place}: it is empty");
        }
    }
}

#[test]
fn no_block_of_output_is_written_by_hand() {
    let marked = ["text,transcript", "text,by-hand", "text,program"];
    for page in pages() {
        for block in page.blocks() {
            let includes = block.text.trim_start().starts_with("{{#include ");
            let is_marked = marked.contains(&block.info.as_str());
            assert_eq!(is_marked, includes && block.info != "rust,ignore", "{} line {}", page.name, block.line);
        }
    }
}

#[test]
fn every_step_of_a_lesson_is_told_on_its_page() {
    for (lesson, page) in lesson_pages() {
        let id = lesson["id"].as_str().unwrap();
        let events = snapshot_events(id);
        let steps = of_kind(&events, "step");
        let headings = page.text.lines().filter(|line| line.starts_with("## Step ")).count();
        assert_eq!(headings, steps.len(), "book/src/{}: the steps that it tells of (left)", page.name);
        for step in steps {
            let number = step["number"].as_u64().unwrap();
            let told = section(&page, &format!("## Step {number}: {}", step["title"].as_str().unwrap()));
            let mut from = 0;
            for part in [
                "**Why.**".to_owned(),
                "**In the kernel.**".to_owned(),
                format!(
                    "```text,transcript\n{{{{#include ../../../tests/snapshots/{id}.plain.snap:step-{number}}}}}\n```"
                ),
                "**System calls:**".to_owned(),
                "**What to look at.**".to_owned(),
                "**By hand**".to_owned(),
                format!(
                    "```text,by-hand\n{{{{#include ../../../tests/snapshots/{id}.by-hand.snap:step-{number}}}}}\n```"
                ),
            ] {
                let at = told[from..].find(&part);
                let at =
                    at.unwrap_or_else(|| panic!("book/src/{} step {number}: after the rest, add {part}", page.name));
                from += at + part.len();
            }
        }
    }
}

#[test]
fn every_step_in_which_somebody_moves_has_its_picture_on_the_page() {
    for (lesson, page) in lesson_pages() {
        let id = lesson["id"].as_str().unwrap();
        let pictures = snapshot(id, "svg");
        let mut shown = 0;
        for step in 1..=lesson["steps"].as_u64().unwrap() {
            let include = format!("{{{{#include ../../../tests/snapshots/{id}.svg.snap:step-{step}}}}}");
            let drawn = between(&pictures, &format!("step-{step}")).is_some();
            assert_eq!(page.text.contains(&include), drawn, "book/src/{} step {step}: {include}", page.name);
            shown += usize::from(drawn);
        }
        assert!(shown > 0, "lesson {id} has no picture");
    }
}

#[test]
fn a_page_names_the_facts_that_its_lesson_proves_and_no_others() {
    let known = fs::read_to_string(paths::tree().join("tests/facts.txt")).unwrap();
    let known: BTreeSet<&str> = known.lines().collect();
    for (lesson, page) in lesson_pages() {
        let proven = strings(&lesson["facts"]);
        let named: BTreeSet<String> =
            code_words(&page.text).into_iter().filter(|word| known.contains(word)).map(str::to_owned).collect();
        assert_eq!(named, proven, "book/src/{}: the facts that it names (left)", page.name);
        let list = code_words(section(&page, "## What this lesson proves"));
        let unlisted: Vec<_> = proven.iter().filter(|fact| !list.contains(fact.as_str())).collect();
        assert!(unlisted.is_empty(), "book/src/{}: add to 'What this lesson proves': {unlisted:?}", page.name);
    }
}

#[test]
fn a_fact_is_listed_at_the_step_that_proves_it() {
    for (lesson, page) in lesson_pages() {
        let mut step = 0;
        let list = section(&page, "## What this lesson proves");
        for event in snapshot_events(lesson["id"].as_str().unwrap()) {
            match event["event"].as_str().unwrap() {
                "step" => step = event["number"].as_u64().unwrap(),
                "verified" => {
                    let row = format!("| `{}` | step {step} |", event["id"].as_str().unwrap());
                    assert!(list.contains(&row), "book/src/{}: add the row {row}", page.name);
                }
                _ => {}
            }
        }
    }
}

#[test]
fn every_page_of_a_lesson_has_mistakes_exercises_and_what_comes_next() {
    for (lesson, page) in lesson_pages() {
        for heading in ["## What you will understand", "## Common mistakes", "## What comes next"] {
            assert!(!section(&page, heading).trim().is_empty(), "book/src/{}: {heading} is empty", page.name);
        }
        assert!(page.text.contains(lesson["question"].as_str().unwrap()), "book/src/{}: the question", page.name);
        let exercises: Vec<&str> = section(&page, "## Exercises").split("\n### ").skip(1).collect();
        assert!((3..=5).contains(&exercises.len()), "book/src/{}: {} exercises", page.name, exercises.len());
        for exercise in exercises {
            let title = exercise.lines().next().unwrap();
            for part in
                ["<summary>Hint</summary>", "<summary>Answer</summary>", "```sh\n", "**How to check your work.**"]
            {
                assert!(exercise.contains(part), "book/src/{}, exercise {title}: add {part}", page.name);
            }
        }
    }
}

/// What FACTS.md marks as corrected: the lines of tests/facts.txt that end with a pencil.
#[test]
fn every_corrected_fact_is_on_the_page_about_older_texts() {
    let page = pages().into_iter().find(|page| page.name == "older-texts.md").expect("book/src/older-texts.md");
    let told = code_words(&page.text);
    for fact in CORRECTED {
        assert!(told.contains(fact), "book/src/older-texts.md: tell of {fact}");
    }
}

const CORRECTED: [&str; 12] = [
    "ns-ten-links",
    "ns-lifetime",
    "pid-stale-proc",
    "pid-for-children",
    "pid-getpid-not-cached",
    "net-lo-immovable",
    "net-pinned-name",
    "net-abstract-unix",
    "lsns-docker-time",
    "mnt-default",
    "mnt-proc-mounts",
    "cgroup-exists",
];

/// The program's source below this, on one line, with the strings that go over several lines put together.
fn source(file: &str) -> String {
    let text = fs::read_to_string(paths::tree().join("src").join(file)).unwrap();
    text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A reader comes with the doctor's words, a program with the cause's name.
#[test]
fn the_page_about_the_doctor_has_all_causes_in_its_own_words() {
    let page = pages().into_iter().find(|page| page.name == "machine.md").expect("book/src/machine.md");
    let words = ["diagnosis/words.rs", "diagnosis/limits.rs", "error.rs"].map(source).concat();
    let rows = section(&page, "## Find your case").lines().filter(|line| line.starts_with("| \""));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split(" | ").collect()).collect();
    for row in &rows {
        let quoted = row[0].trim_matches(['|', ' ', '"']);
        assert!(words.contains(quoted), "book/src/machine.md: the doctor does not say '{quoted}'");
    }
    let causes = source("diagnosis/mod.rs");
    let causes: BTreeSet<&str> = causes
        .split("=> \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|name| *name != "unknown")
        .collect();
    let told: BTreeSet<&str> = rows.iter().map(|row| row[1].trim_matches('`')).collect();
    assert_eq!(told, causes, "book/src/machine.md: the causes under 'Find your case' (left)");
}

#[test]
fn the_lines_of_a_lesson_that_authors_are_shown_are_its_first_step() {
    let include = includes().into_iter().find(|include| include.page == "authors.md").expect("an include");
    let (first, last) = include.part.split_once(':').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let text = fs::read_to_string(&include.file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[first - 1].starts_with("fn play("), "authors.md begins with: {}", lines[first - 1]);
    assert!(lines[last - 1].contains("stage.by_hand("), "authors.md ends with: {}", lines[last - 1]);
}
