//! `nslearn dev new ID`: the files of a new lesson, and its place in the lists.

use super::check::book::SUMMARY;
use super::check::readme;
use super::derive;
use super::template::LESSON;
use super::tree::{Edit, Tree};
use crate::lesson::Lesson;

/// The list of all lessons.
const LIST: &str = "lessons/mod.rs";

/// Words that cannot be a module's name.
const KEYWORDS: &str = "abstract as async await become box break const continue crate do dyn else enum extern false final fn \
                        for gen if impl in let loop macro match mod move mut override priv pub ref return self static struct \
                        super trait true try type typeof union unsafe unsized use virtual where while yield steps";

/// Why a lesson was not made, and what to do about it.
pub(super) enum Refused {
    /// There can be no lesson of this name, or no such lists to put it on.
    Usage(String),
    /// A file cannot be written.
    Write(String),
}

/// Makes a lesson: what was made, and what to do next.
///
/// # Errors
/// Nothing has changed then.
pub(super) fn make(tree: &Tree, id: &str) -> Result<String, Refused> {
    check_name(tree, id).map_err(Refused::Usage)?;
    let edits = edits(tree, id).map_err(Refused::Usage)?;
    tree.apply(&edits).map_err(|(file, why)| {
        Refused::Write(format!("nslearn: {file} cannot be written: {why}\n  nothing was made"))
    })?;
    let told = edits.iter().map(|edit| match edit.before {
        None => format!("made     {}\n", edit.path),
        Some(_) => format!("changed  {}: {id} is at the end of the list\n", edit.path),
    });
    Ok(told.collect::<String>() + &next_steps(id))
}

fn check_name(tree: &Tree, id: &str) -> Result<(), String> {
    let shown: String = id.escape_debug().collect();
    let is_name = super::check::is_kebab(id) && id.starts_with(|first: char| first.is_ascii_lowercase());
    if !is_name || KEYWORDS.split_whitespace().any(|word| word == derive::module(id)) {
        let form =
            "small letters a to z and digits, in words with one '-' between, such as shared-net; no keyword of Rust";
        return Err(format!("nslearn: '{shown}' cannot be the name of a lesson\n  it takes {form}"));
    }
    let folder = derive::folder(id);
    let taken = [folder.clone(), format!("{folder}.rs"), derive::page_file(id)];
    match taken.iter().find(|path| tree.has(path)) {
        Some(path) => {
            Err(format!("nslearn: lesson {id} exists already: {path}\n  take another name, or go on with that lesson"))
        }
        None => Ok(()),
    }
}

/// All that is to be written.
fn edits(tree: &Tree, id: &str) -> Result<Vec<Edit>, String> {
    let lesson: &'static Lesson = &LESSON;
    let named = |text: &str| text.replace(lesson.id, id);
    let create = |path: String, text: String| Edit { path, before: None, after: text };
    let change = |path: &str, new: &dyn Fn(&str) -> Option<String>, lacks: &str| {
        let before = tree.read(path).map_err(|why| format!("nslearn: {path} cannot be read: {why}"))?;
        let after = new(&before).ok_or_else(|| format!("nslearn: {path} has {lacks}\n  restore it from git"))?;
        Ok::<_, String>(Edit { path: path.to_owned(), before: Some(before), after })
    };
    let folder = derive::folder(id);
    let entry = named(&derive::summary_entry(lesson));
    let row = named(&derive::readme_row(lesson));
    Ok(vec![
        create(format!("{folder}/mod.rs"), named(include_str!("template/mod.rs"))),
        create(format!("{folder}/steps.rs"), named(include_str!("template/steps.rs"))),
        create(
            derive::page_file(id),
            named(&derive::page(lesson, |number| lesson.step(number).is_some_and(|step| !step.facts.is_empty()))),
        ),
        change(
            LIST,
            &|text| in_the_list(text, &derive::module(id)),
            "no lines `mod …;`, or no line `$callback! { … }` in for_each_lesson!",
        )?,
        change(SUMMARY, &|text| behind_the_last(text, &entry), "no line of a lesson, `- [Title](lessons/ID.md)`")?,
        change(
            readme::FILE,
            &|text| in_the_table(text, &row),
            "no line `<!-- /lessons -->` below the table of lessons",
        )?,
    ])
}

/// The list with one module more: declared among the others, and at the end of the teaching order.
fn in_the_list(text: &str, module: &str) -> Option<String> {
    const OPENS: &str = "        $callback! { ";
    let (before, rest) = text.split_once(OPENS)?;
    let (modules, after) = rest.split_once(" }")?;
    let first = before.find("\nmod ")? + 1;
    let declared: Vec<&str> = before[first..].lines().take_while(|line| line.starts_with("mod ")).collect();
    let behind = &before[first + declared.iter().map(|line| line.len() + 1).sum::<usize>()..];
    let new = format!("mod {module};");
    let mut lines: Vec<&str> = declared.into_iter().chain([new.as_str()]).collect();
    lines.sort_unstable();
    let declared: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Some(format!("{}{declared}{behind}{OPENS}{modules}, {module} }}{after}", &before[..first]))
}

/// The table of contents with one lesson more, behind the last one.
fn behind_the_last(text: &str, entry: &str) -> Option<String> {
    let last = text.lines().rfind(|line| line.contains("](lessons/"))?;
    Some(text.replacen(&format!("{last}\n"), &format!("{last}\n{entry}\n"), 1))
}

fn in_the_table(text: &str, row: &str) -> Option<String> {
    let (before, after) = text.split_once(readme::TABLE.1)?;
    Some(format!("{before}{row}\n{}{after}", readme::TABLE.1))
}

fn next_steps(id: &str) -> String {
    let folder = derive::folder(id);
    format!(
        "\n\
         It runs as it is: cargo run -- lesson {id}\n\
         \n\
         What to do next; book/src/authors.md tells it at length:\n\
         \x20 1. tests/facts.txt: a line `FACT  {id}` for each fact that the lesson is to show\n\
         \x20 2. {folder}/steps.rs: declare the steps, with their facts, questions, notes and commands by hand\n\
         \x20 3. {folder}/mod.rs: write the card and the story, and run it, as root and as a plain user\n\
         \x20 4. INSTA_UPDATE=always cargo test snapshots, then the same with by_hand; read what they wrote\n\
         \x20 5. cargo run -- dev check --fix: writes what is derived, and lists what is missing\n\
         \x20 6. {page} and book/src/teachers.md: write what is listed, until nothing is\n\
         \x20 7. cargo test\n",
        page = derive::page_file(id),
    )
}
