//! What the tests' snapshots say of lessons. Whether they fit what the lessons declare, `nslearn dev check` says: see
//! tests/dev.rs.

use serde_json::Value;

use crate::paths;

/// The body of a lesson's snapshot.
#[track_caller]
pub fn snapshot(lesson: &str, format: &str) -> String {
    let file = format!("tests/snapshots/{lesson}.{format}.snap");
    let how = "run `INSTA_UPDATE=always cargo test snapshots`, and read what it wrote";
    let text = crate::support::read_text(paths::tree().join(&file));
    let text = text.unwrap_or_else(|why| panic!("add {file}: {how}: {why}"));
    let body = text.splitn(3, "---\n").nth(2);
    body.unwrap_or_else(|| panic!("{file} is no snapshot: {how}")).to_owned()
}

pub fn snapshot_events(lesson: &str) -> Vec<Value> {
    snapshot(lesson, "json").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
