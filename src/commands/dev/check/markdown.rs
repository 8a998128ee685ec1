//! The few things that must be known of a page's Markdown: its sections, its blocks of code, and what it includes.

use std::collections::BTreeSet;

/// What stands under a heading, up to the next one of the same rank.
pub(crate) fn section<'a>(text: &'a str, heading: &str) -> Option<&'a str> {
    let start = text.find(&format!("\n{heading}\n"))?;
    let body = &text[start + heading.len() + 2..];
    let rank = format!("\n{} ", heading.split(' ').next().unwrap_or_default());
    // The heading's own line ends right before the body.
    Some(&body[..body.find(&rank).unwrap_or(body.len())])
}

/// Whether there is such a heading.
pub(super) fn has_section(text: &str, heading: &str) -> bool {
    text.lines().any(|line| line == heading)
}

/// All words between backticks in a page's prose.
pub(super) fn between_backticks(text: &str) -> BTreeSet<&str> {
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

/// A block of code: what stands behind its opening fence, what is in it, and the number of the line where it begins.
#[derive(Debug, Default)]
pub(super) struct Block<'a> {
    pub(super) info: &'a str,
    pub(super) lines: Vec<&'a str>,
    pub(super) line: usize,
    pub(super) closed: bool,
}

/// The blocks of code, in order.
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let open = blocks.last_mut().filter(|block| !block.closed);
        match (line.strip_prefix("```"), open) {
            (Some(_), Some(block)) => block.closed = true,
            (Some(info), None) => blocks.push(Block { info, line: index + 1, ..Block::default() }),
            (None, Some(block)) => block.lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

/// What a page includes: each a path from the page's folder, and the anchor or the lines in that file, if it names any.
pub(super) fn includes(text: &str) -> Vec<(&str, Option<&str>)> {
    const OPENING: &str = "{{#include ";
    let openings = text.match_indices(OPENING);
    // With a backslash before it, it is written about, and not meant.
    let meant = openings.filter(|(at, _)| !text[..*at].ends_with('\\'));
    meant
        .filter_map(|(at, _)| text[at + OPENING.len()..].split_once("}}"))
        .map(|(path, _)| path.split_once(':').map_or((path, None), |(file, part)| (file, Some(part))))
        .collect()
}
