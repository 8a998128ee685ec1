//! The README shows what the program prints, and nothing else.

use std::fs;

use crate::anchored::without_anchors;
use crate::consistency::snapshot;
use crate::paths;

const LESSON: &str = "uts";

#[test]
fn the_readmes_transcript_is_the_snapshot_of_its_lesson() {
    let readme = fs::read_to_string(paths::tree().join("README.md")).expect("README.md");
    let snapshot = without_anchors(&snapshot(LESSON, "plain"));
    let (begin, end) = (format!("<!-- transcript: {LESSON} -->"), "<!-- /transcript -->");
    let shown = readme.split_once(&begin).and_then(|(_, rest)| rest.split_once(end)).map(|(shown, _)| shown);
    let shown = shown.unwrap_or_else(|| panic!("README.md has no block between {begin} and {end}"));
    // The first line opens the code fence, the last one closes it.
    let mut lines: Vec<&str> = shown.trim().lines().collect();
    assert!(lines.first().is_some_and(|line| line.starts_with("```")), "README.md: a code fence must follow {begin}");
    assert_eq!(lines.last(), Some(&"```"), "README.md: the code fence must end before {end}");
    lines.remove(0);
    lines.pop();
    let shown: Vec<&str> = lines.into_iter().map(str::trim_end).collect();
    let snapshot: Vec<&str> = snapshot.trim().lines().map(str::trim_end).collect();
    assert_eq!(
        shown.join("\n").trim(),
        snapshot.join("\n"),
        "README.md: put the body of tests/snapshots/{LESSON}.plain.snap (below its second `---`) into the code fence \
         between {begin} and {end}"
    );
}
