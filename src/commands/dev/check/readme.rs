//! The README: what it says of the lessons is what they declare, and what it shows is what the program prints.

use crate::commands::dev::derive;
use crate::commands::dev::finding::Findings;
use crate::commands::dev::snapshot::{body, file, without_anchors};
use crate::commands::dev::tree::Tree;
use crate::lesson::Lesson;

/// The README.
pub(crate) const FILE: &str = "README.md";

/// Between which lines the table of lessons stands.
pub(crate) const TABLE: (&str, &str) = ("<!-- lessons -->", "<!-- /lessons -->");
/// The table's first lines.
pub(crate) const TABLE_HEAD: &str = "| `nslearn lesson …` | | minutes |\n|---|---|--:|";
/// Between which lines a transcript stands: before the lesson's name, behind it, and at the end.
const TRANSCRIPT: (&str, &str, &str) = ("<!-- transcript: ", " -->\n", "<!-- /transcript -->");

/// Checks a lesson's row.
pub(super) fn check_row(tree: &Tree, lesson: &Lesson, findings: &mut Findings) {
    let text = tree.read(FILE).unwrap_or_default();
    let row = derive::readme_row(lesson);
    let there = between(&text, TABLE).is_some_and(|table| table.lines().any(|line| line == row));
    findings.expect(there, FILE, || format!("add to the table of lessons `{row}`"));
}

/// Checks the table as a whole, and the transcript.
pub(super) fn check(tree: &Tree, lessons: &[&Lesson], findings: &mut Findings) {
    let text = tree.read(FILE).unwrap_or_default();
    match between(&text, TABLE) {
        None => findings.add(FILE, format!("put the table of lessons between the lines {} and {}", TABLE.0, TABLE.1)),
        Some(shown) => {
            // A row that is missing is reported with its lesson.
            let complete = lessons.iter().all(|lesson| shown.lines().any(|line| line == derive::readme_row(lesson)));
            findings.expect(!complete || shown.trim() == table(lessons).trim(), FILE, || {
                "the table of lessons has other rows or another order: `nslearn dev check --fix` rewrites it".to_owned()
            });
        }
    }
    match transcript(tree, &text) {
        Ok(Some(right)) => findings.expect(right == text, FILE, || {
            "the transcript is not its lesson's snapshot: `nslearn dev check --fix` rewrites it".to_owned()
        }),
        Ok(None) => {}
        Err(what) => findings.add(FILE, what),
    }
}

/// The table of lessons, as it must be.
pub(crate) fn table(lessons: &[&Lesson]) -> String {
    let rows: String = lessons.iter().map(|lesson| format!("{}\n", derive::readme_row(lesson))).collect();
    format!("{TABLE_HEAD}\n{rows}")
}

/// What stands between two marks.
pub(crate) fn between<'a>(text: &'a str, (begin, end): (&str, &str)) -> Option<&'a str> {
    Some(text.split_once(begin)?.1.split_once(end)?.0)
}

/// The README with the transcript as it must be; `None` where there is no snapshot to take it from, which is reported
/// with that lesson.
///
/// # Errors
/// What is wrong with the marks around it.
pub(crate) fn transcript(tree: &Tree, text: &str) -> Result<Option<String>, String> {
    let (opens, names, closes) = TRANSCRIPT;
    let marks =
        || format!("put a lesson's transcript between the lines {opens}LESSON{} and {closes}", names.trim_end());
    let (before, rest) = text.split_once(opens).ok_or_else(marks)?;
    let (id, rest) = rest.split_once(names).ok_or_else(marks)?;
    let (_, after) = rest.split_once(closes).ok_or_else(marks)?;
    let Some(plain) = body(tree, &file(id, "plain")) else { return Ok(None) };
    let plain = without_anchors(&plain);
    let plain: String = plain.trim().lines().map(|line| format!("{}\n", line.trim_end())).collect();
    Ok(Some(format!("{before}{opens}{id}{names}```text\n{plain}```\n{closes}{after}")))
}
