//! What a lesson told when its snapshots were accepted.

use serde_json::Value as Json;

use super::finding::Findings;
use super::tree::Tree;
use crate::lesson::Lesson;

/// In which forms the tests keep what a lesson told.
pub(super) const KINDS: [&str; 4] = ["plain", "json", "svg", "by-hand"];

/// The file in which one form lies.
pub(super) fn file(lesson: &str, kind: &str) -> String {
    format!("tests/snapshots/{lesson}.{kind}.snap")
}

/// A lesson's snapshots, as far as there are any.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    pub(super) plain: Option<String>,
    pub(super) svg: Option<String>,
    pub(super) by_hand: Option<String>,
    pub(super) events: Option<Vec<Json>>,
}

impl Snapshots {
    /// Reads them, and reports what cannot be read.
    pub(super) fn read(tree: &Tree, lesson: &Lesson, findings: &mut Findings) -> Snapshots {
        let [plain, json, svg, by_hand] = KINDS.map(|kind| {
            let (file, test) = (file(lesson.id, kind), if kind == "by-hand" { "by_hand" } else { "snapshots" });
            let Some(body) = body(tree, &file) else {
                let how = format!("`INSTA_UPDATE=always cargo test {test}` writes it; then read what it says");
                findings.add(file, format!("add it: {how}"));
                return None;
            };
            Some(body)
        });
        let parse = |json: String| json.lines().map(serde_json::from_str).collect::<Result<Vec<Json>, _>>();
        let events = json.and_then(|json| match parse(json) {
            Ok(events) => Some(events),
            Err(why) => {
                findings.add(file(lesson.id, "json"), format!("not a JSON object a line: {why}"));
                None
            }
        });
        Snapshots { plain, svg, by_hand, events }
    }

    /// Whether the step has a picture: somebody moves in it. `None` where that is not known.
    pub(super) fn draws(&self, step: usize) -> Option<bool> {
        self.svg.as_ref().map(|svg| between(svg, &anchor(step)).is_some())
    }
}

/// What a snapshot has below its header.
pub(super) fn body(tree: &Tree, file: &str) -> Option<String> {
    tree.read(file).ok()?.splitn(3, "---\n").nth(2).map(str::to_owned)
}

/// The name of the part that belongs to a step.
pub(super) fn anchor(step: usize) -> String {
    format!("step-{step}")
}

/// What stands between the lines `<!-- ANCHOR: name -->` and `<!-- ANCHOR_END: name -->`.
pub(super) fn between<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<!-- ANCHOR: {name} -->\n"))?;
    Some(rest.split_once(&format!("<!-- ANCHOR_END: {name} -->"))?.0)
}

/// The text without such lines.
pub(super) fn without_anchors(text: &str) -> String {
    let is_anchor = |line: &&str| line.contains("ANCHOR: ") || line.contains("ANCHOR_END: ");
    text.lines().filter(|line| !is_anchor(line)).map(|line| format!("{line}\n")).collect()
}
