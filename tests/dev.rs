//! The command for those who write lessons: `nslearn dev`, in this repository and in copies of it in which something is
//! missing or wrong.

mod broken;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use self::broken::{ADDED, BROKEN, PAGE, REMOVED, TEACHERS};
use crate::paths;
use crate::support::{End, Lab, lab};

/// A copy of what the command looks at, without the build.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Scratch {
    fn new() -> Scratch {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let root = paths::scratch().join(format!("dev-{}-{number}", std::process::id()));
        let scratch = Scratch(root);
        for path in ["Cargo.toml", "README.md", "lessons", "book/src", "tests/facts.txt", "tests/snapshots"] {
            copy(&paths::tree().join(path), &scratch.0.join(path));
        }
        scratch
    }

    fn read(&self, file: &str) -> String {
        crate::support::read_text(self.0.join(file)).unwrap_or_else(|why| panic!("{file}: {why}"))
    }

    fn write(&self, file: &str, text: &str) {
        fs::create_dir_all(self.0.join(file).parent().unwrap()).unwrap();
        fs::write(self.0.join(file), text).unwrap();
    }

    #[track_caller]
    fn replace(&self, file: &str, from: &str, to: &str) {
        let text = self.read(file);
        assert!(text.contains(from), "{file} does not say {from}");
        self.write(file, &text.replacen(from, to, 1));
    }

    /// All files with what they say.
    fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![self.0.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                match entry.file_type().unwrap() {
                    kind if kind.is_dir() => folders.push(entry.path()),
                    _ => drop(files.insert(entry.path(), fs::read(entry.path()).unwrap())),
                }
            }
        }
        files
    }

    fn dev(&self, lab: &Lab, words: &str) -> End {
        lab.shell(&format!("cd '{}' && exec \"$0\" dev {words}", self.0.display())).end()
    }

    /// What the check finds, a line each.
    fn findings(&self, lab: &Lab) -> Vec<String> {
        let end = self.dev(lab, "check");
        let found: Vec<String> = end.stdout.lines().map(str::to_owned).collect();
        end.must_be(i32::from(!found.is_empty()));
        found
    }
}

fn copy(from: &Path, to: &Path) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap().flatten() {
            copy(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
    }
}

/// Everything about lessons that can be said without running them: see `src/commands/dev/check`.
#[test]
fn nothing_is_missing() {
    let lab = lab();
    let run = lab.shell(&format!("cd '{}' && exec \"$0\" dev check", paths::tree().display()));
    let end = run.end();
    assert!(end.stdout.is_empty(), "do what these lines say:\n{}", end.stdout);
    assert_eq!(end.must_be(0).stderr, "");
}

#[test]
fn whatever_is_missing_is_said() {
    let (lab, scratch) = (lab(), Scratch::new());
    scratch.dev(&lab, "check --fix");
    let before = scratch.findings(&lab);
    let mut unsaid = Vec::new();
    let mut must_say = |what: String, expected: &str| {
        let found = scratch.findings(&lab);
        let new: Vec<&String> = found.iter().filter(|finding| !before.contains(finding)).collect();
        if !new.iter().any(|finding| finding.contains(expected)) {
            unsaid.push(format!("{what}: the check must say '{expected}', and says {new:#?}"));
        }
    };
    for (file, from, to, expected) in BROKEN {
        let whole = scratch.read(file);
        scratch.replace(file, from, to);
        must_say(format!("{file} with '{to}' for '{from}'"), expected);
        scratch.write(file, &whole);
    }
    for (file, expected) in REMOVED {
        let whole = scratch.read(file);
        fs::remove_file(scratch.0.join(file)).unwrap();
        must_say(format!("without {file}"), expected);
        scratch.write(file, &whole);
    }
    for (file, expected) in ADDED {
        scratch.write(file, "");
        must_say(format!("with {file}"), expected);
        fs::remove_file(scratch.0.join(file)).unwrap();
    }
    assert!(unsaid.is_empty(), "{}", unsaid.join("\n"));
}

#[test]
fn several_findings_are_told_at_once_and_those_of_one_lesson_alone() {
    let (lab, scratch) = (lab(), Scratch::new());
    let before = scratch.findings(&lab).len();
    scratch.replace(PAGE, "**Why.**", "Why:");
    scratch.replace(TEACHERS, "### Before the steps of uts", "### Before uts");
    scratch.replace("book/src/SUMMARY.md", "(glossary.md)", "(glossary)");
    assert_eq!(scratch.findings(&lab).len(), before + 3);
    let of_one = scratch.dev(&lab, "check uts").must_be(1).stdout;
    assert_eq!(of_one.lines().count(), 2, "{of_one}");
    let events = scratch.dev(&lab, "check uts --format json").must_be(1).events();
    assert_eq!(events[0]["file"], PAGE);
    assert_eq!(events[0]["what"], "step 1: add **Why.**");
    assert!(scratch.dev(&lab, "check ust").must_be(2).stderr.contains("there is no lesson 'ust'"));
}

/// What `--fix` must bring back to what it was, byte by byte.
const DERIVED: &[(&str, &str, &str)] = &[
    ("README.md", "| `uts` | UTS namespaces", "| `uts` | The UTS namespaces"),
    ("README.md", "1/6 ── Two processes", "1/6 ── A name"),
    ("book/src/SUMMARY.md", "- [UTS namespaces: one", "- [UTS: one"),
    (PAGE, "# UTS namespaces: one", "# UTS: one"),
    (PAGE, "> Can one", "> Could one"),
    (PAGE, "about 12 minutes", "about 9 minutes"),
    (PAGE, " ([differences between distributions](../by-hand.md))", ""),
    (PAGE, "## Step 2: The tenant moves out", "## Step 2: The tenant"),
    (PAGE, "| `uts-copied` | step 2 |", "| `uts-copied` | step 3 |"),
    (PAGE, "| `uts-copied` |", "| `uts-old` | step 1 | an old one |\n| `uts-copied` |"),
    (PAGE, "<div class=\"pictures\">\n{{#include ../../../tests/snapshots/uts.svg.snap:step-2}}\n</div>\n\n", ""),
    (
        PAGE,
        "**By hand**, and what it prints:\n\n```text,by-hand\n{{#include ../../../tests/snapshots/uts.by-hand.snap:step-3}}",
        "<div class=\"pictures\">\n{{#include ../../../tests/snapshots/uts.svg.snap:step-3}}\n</div>\n\n\
         **By hand**, and what it prints:\n\n```text,by-hand\n{{#include ../../../tests/snapshots/uts.by-hand.snap:step-3}}",
    ),
];

#[test]
fn what_is_derived_is_rewritten_and_what_an_author_wrote_stays() {
    let (lab, scratch) = (lab(), Scratch::new());
    // From here on all that is derived is as it must be.
    scratch.dev(&lab, "check --fix");
    let right = scratch.files();
    let before = scratch.findings(&lab);
    for (file, from, to) in DERIVED {
        scratch.replace(file, from, to);
        assert_ne!(scratch.files(), right);
        let end = scratch.dev(&lab, "check --fix");
        assert_eq!(end.stdout.lines().collect::<Vec<_>>(), before, "{file}: {to}");
        assert_eq!(end.stderr, format!("nslearn: rewritten: {file}\n"));
        assert_eq!(scratch.read(file).into_bytes(), right[&scratch.0.join(file)], "{file} with '{to}' for '{from}'");
    }
    assert_eq!(scratch.dev(&lab, "check --fix").stderr, "", "there is nothing left to rewrite");
}

#[test]
fn a_fact_that_the_page_lacks_gets_a_row_with_its_claim() {
    let (lab, scratch) = (lab(), Scratch::new());
    let row = "| `uts-copied` | step 2 | a new UTS namespace starts with a copy of both names |\n";
    scratch.replace(PAGE, row, "");
    scratch.dev(&lab, "check uts --fix");
    let expected =
        "| `uts-copied` | step 2 | A new UTS namespace starts with a copy of both names |\n| `uts-independent` |";
    assert!(scratch.read(PAGE).contains(expected), "{}", scratch.read(PAGE));
}

#[test]
fn a_step_that_the_page_lacks_gets_a_skeleton_in_its_place_which_is_not_finished() {
    let (lab, scratch) = (lab(), Scratch::new());
    let whole = scratch.read(PAGE);
    let (before, rest) = whole.split_once("## Step 3: ").unwrap();
    let (_, after) = rest.split_once("## Step 4: ").unwrap();
    scratch.write(PAGE, &format!("{before}## Step 4: {after}"));
    let found = scratch.dev(&lab, "check uts --fix").must_be(1).stdout;
    assert_eq!(found.lines().count(), 4, "{found}");
    assert!(found.lines().all(|line| line.starts_with(PAGE) && line.contains("is still to be written: **")), "{found}");
    let headings =
        |text: &str| text.lines().filter(|line| line.starts_with("## ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(headings(&scratch.read(PAGE)), headings(&whole));
    // The same of the last one, and of a page that is not there at all.
    let (before, rest) = whole.split_once("## Step 6: ").unwrap();
    let (_, after) = rest.split_once("## Common mistakes").unwrap();
    scratch.write(PAGE, &format!("{before}## Common mistakes{after}"));
    scratch.dev(&lab, "check uts --fix").must_be(1);
    assert_eq!(headings(&scratch.read(PAGE)), headings(&whole));
    fs::remove_file(scratch.0.join(PAGE)).unwrap();
    let found = scratch.dev(&lab, "check uts --fix").must_be(1).stdout;
    assert!(found.lines().all(|line| line.contains(" is still to be written: ")), "{found}");
    assert_eq!(headings(&scratch.read(PAGE)), headings(&whole));
}

/// A step that is put before others, or that comes earlier than before, takes along what was written of it.
#[test]
fn a_step_that_has_moved_takes_its_section_along() {
    let (lab, scratch) = (lab(), Scratch::new());
    let whole = scratch.read(PAGE);
    let step = |number: usize| format!("## Step {number}: ");
    let parts: Vec<&str> = whole.split("## Step ").collect();
    let old = |part: &str, from: usize, to: usize| {
        let part = part.replacen(&format!("{from}: "), &format!("{to}: "), 1);
        format!("## Step {}", part.replace(&format!(".snap:step-{from}}}"), &format!(".snap:step-{to}}}")))
    };
    // As it was when what is step 3 now came before what is step 2 now.
    let swapped = [old(parts[3], 3, 2), old(parts[2], 2, 3)].concat();
    let now = [old(parts[2], 2, 2), old(parts[3], 3, 3)].concat();
    scratch.write(PAGE, &whole.replace(&now, &swapped));
    assert_ne!(scratch.read(PAGE), whole);
    scratch.dev(&lab, "check uts --fix");
    assert_eq!(scratch.read(PAGE), whole);
    // As it was before there was a step 2.
    let rest: String = (3..=6).map(|number| old(parts[number], number, number - 1)).collect();
    let (head, _) = whole.split_once(&step(2)).unwrap();
    scratch.write(PAGE, &format!("{head}{rest}"));
    let found = scratch.dev(&lab, "check uts --fix").must_be(1).stdout;
    assert_eq!(found.lines().count(), 4, "{found}");
    let (_, rest) = whole.split_once(&step(3)).unwrap();
    assert!(scratch.read(PAGE).ends_with(rest) && scratch.read(PAGE).starts_with(head), "{}", scratch.read(PAGE));
    // A step that is no more stays, and is told of.
    scratch.write(PAGE, &whole.replace(&step(6), "## Step 6: An old one\n\nOld words.\n\n## Step 7: "));
    let found = scratch.dev(&lab, "check uts --fix").must_be(1).stdout;
    assert_eq!(found, format!("{PAGE}: the lesson has no such step: `## Step 6: An old one`\n"));
}

#[test]
fn a_new_lesson_has_its_files_and_stands_on_the_lists() {
    let (lab, scratch) = (lab(), Scratch::new());
    let (before, found) = (scratch.files(), scratch.findings(&lab));
    let told = scratch.dev(&lab, "new two-words").must_be(0).stdout;
    let after = scratch.files();
    let new: Vec<&Path> = after
        .keys()
        .filter(|path| !before.contains_key(*path))
        .map(|path| path.strip_prefix(&scratch.0).unwrap())
        .collect();
    let made = ["book/src/lessons/two-words.md", "lessons/two_words/mod.rs", "lessons/two_words/steps.rs"];
    assert_eq!(new, made.map(Path::new));
    for file in made.iter().chain(&["lessons/mod.rs", "README.md", "book/src/SUMMARY.md", "tests/facts.txt", TEACHERS])
    {
        assert!(told.contains(file), "it does not speak of {file}: {told}");
    }
    assert!(scratch.read("lessons/mod.rs").contains(", two_words }"));
    assert!(scratch.read("lessons/two_words/mod.rs").contains("id: \"two-words\","));
    assert!(!scratch.read("lessons/two_words/steps.rs").contains("template"));
    assert!(scratch.read("book/src/SUMMARY.md").contains("](lessons/two-words.md)\n\n# To look things up"));
    assert!(scratch.read("README.md").contains("| `two-words` | "));
    // The program that runs here was built without it.
    let said = scratch.findings(&lab);
    let new: Vec<&str> = said.iter().filter(|line| !found.contains(line)).map(String::as_str).collect();
    for (place, what) in [("lessons/two_words", "build again"), ("book/src/lessons/two-words.md", "there is no lesson")]
    {
        assert!(new.iter().any(|line| line.starts_with(place) && line.contains(what)), "{new:#?}");
    }
}

#[test]
fn a_lesson_that_cannot_be_made_leaves_the_tree_as_it_was() {
    let (lab, scratch) = (lab(), Scratch::new());
    let before = scratch.files();
    let names =
        ["uts", "Two", "two_words", "two--words", "-two", "two-", "2nd", "''", "../two", "mod", "steps", "zwölf"];
    for name in names {
        let end = scratch.dev(&lab, &format!("new -- {name}")).must_be(2);
        assert!(end.stdout.is_empty() && end.stderr.starts_with("nslearn: "), "{name}: {end:?}");
        assert!(scratch.files() == before, "{name} has changed something");
    }
    let gaps = [
        ("lessons/mod.rs", "$callback! { ", "$callback!{"),
        ("README.md", "<!-- /lessons -->", ""),
        ("book/src/SUMMARY.md", "](lessons/", "](Lessons/"),
    ];
    for (file, from, to) in gaps {
        let whole = scratch.read(file);
        scratch.write(file, &whole.replace(from, to));
        let before = scratch.files();
        assert!(scratch.dev(&lab, "new two").must_be(2).stderr.contains(file), "{file}");
        assert!(scratch.files() == before, "{file}");
        scratch.write(file, &whole);
    }
}

#[test]
fn outside_of_a_checkout_it_says_where_to_go() {
    let lab = lab();
    for words in ["check", "check --fix", "new two"] {
        let end = lab.shell(&format!("cd / && exec \"$0\" dev {words}")).end().must_be(2);
        assert!(
            end.stderr.contains("not a checkout") && end.stderr.contains("cargo run -- dev check"),
            "{}",
            end.stderr
        );
    }
}

#[test]
fn learners_are_not_shown_it() {
    let lab = lab();
    let help = lab.run(["--help"]).end().must_be(0).stdout;
    assert!(!help.lines().any(|line| line.trim_start().starts_with("dev")), "{help}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = lab.run(["completions", shell]).end().must_be(0).stdout;
        assert!(!script.contains("crowd") && !script.contains("dev check"), "{shell}: {script}");
    }
    assert!(!lab.run(["man"]).end().must_be(0).stdout.contains("dev"));
}
