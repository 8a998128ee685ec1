//! The book: it can be made without a warning, and its page about the doctor has the doctor's words. What must stand on a
//! lesson's page, `nslearn dev check` knows.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use mdbook_driver::MDBook;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use crate::isolation;
use crate::pages::{Page, book, pages};
use crate::paths;

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
                found.push((name, crate::support::read_text(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// The part of a page under one of its headings, up to the next one of the same rank.
fn section<'a>(page: &'a Page, heading: &str) -> &'a str {
    let start = page.text.find(&format!("\n{heading}\n"));
    let start = start.unwrap_or_else(|| panic!("book/src/{}: add the heading '{heading}'", page.name));
    let body = &page.text[start + heading.len() + 2..];
    let end = body.find("\n## ").unwrap_or(body.len());
    &body[..end]
}

#[test]
fn the_book_is_made_without_a_warning() {
    assert_eq!(built().complaints, Vec::<String>::new());
    assert!(built().folder.join("index.html").exists());
}

/// The program's source below this, on one line, with the strings that go over several lines put together.
fn source(file: &str) -> String {
    let text = crate::support::read_text(paths::tree().join("src").join(file)).unwrap();
    text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A reader comes with the doctor's words, a program with the cause's name.
#[test]
fn the_page_about_the_doctor_has_all_causes_in_its_own_words() {
    let page = pages().into_iter().find(|page| page.name == "machine.md").expect("book/src/machine.md");
    let rooms = ["diagnosis/advice.rs", "diagnosis/limits.rs", "diagnosis/resources.rs", "error.rs"];
    let words = rooms.map(source).concat();
    let rows = section(&page, "## Find your case").lines().filter(|line| line.starts_with("| \""));
    let rows: Vec<Vec<&str>> = rows.map(|row| row.split(" | ").collect()).collect();
    for row in &rows {
        let quoted = row[0].trim_matches(['|', ' ', '"']);
        assert!(words.contains(quoted), "book/src/machine.md: the doctor does not say '{quoted}'");
    }
    let causes = source("diagnosis/mod.rs");
    let causes: BTreeSet<&str> = causes.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let told: BTreeSet<&str> = rows.iter().map(|row| row[1].trim_matches('`')).collect();
    assert_eq!(told, causes, "book/src/machine.md: the causes under 'Find your case' (left)");
}
