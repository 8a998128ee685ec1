//! On a wide terminal, what several actors see of the same thing stands beside each other; nothing is lost by that.

use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;

use crate::support::{Lab, of_kind, stage};

/// Looks that two actors take one right after the other: the lesson, the step, and what each of them would type.
const PAIRS: [(&str, &str, [&str; 2]); 3] = [
    ("chroot", "1", ["ls /tmp", "ls /"]),
    ("net", "3", ["ss -tln (shortened)", "ss -tln (shortened)"]),
    ("net", "3", ["firewall rules", "firewall rules"]),
];

/// What a lesson prints on a terminal of so many columns, with stand-ins for what differs from run to run.
fn told(lab: &Lab, id: &str, more: &[&str], columns: usize) -> String {
    let args = ["lesson", id, "--scrub"];
    lab.run(args.iter().chain(more)).env("COLUMNS", &columns.to_string()).end().must_be(0).stdout
}

/// Whether a line holds these, and nothing else, far apart.
fn stand_on_one_line(text: &str, cells: &[&str]) -> bool {
    let parts = |line: &str| line.split("   ").map(str::trim).filter(|part| !part.is_empty()).eq(cells.iter().copied());
    text.lines().any(parts)
}

/// The words, without the marks of lines that are drawn or broken, and without the inodes that the table of namespaces
/// leaves out where it has no room for them.
fn words(text: &str) -> BTreeSet<&str> {
    let is_inode = |word: &str| word.len() == 10 && word.bytes().all(|byte| byte.is_ascii_digit());
    let is_mark = |word: &str| matches!(word.trim_matches('─'), "" | "\\" | "↳");
    text.split_whitespace().filter(|word| !is_mark(word) && !is_inode(word)).collect()
}

#[test]
fn from_100_columns_on_looks_at_the_same_thing_stand_beside_each_other() {
    let Some(lab) = stage() else { return };
    for (id, step, commands) in PAIRS {
        for columns in [40, 80, 99, 100, 101, 120] {
            let text = told(&lab, id, &["--step", step], columns);
            let beside = stand_on_one_line(&text, &commands);
            assert_eq!(beside, columns >= 100, "{commands:?} in {columns} columns:\n{text}");
        }
    }
}

pub fn heads_each_column_by_the_name_of_the_actor_who_looks(id: &str) {
    let Some(lab) = stage() else { return };
    let events = lab.run(["lesson", id, "--format", "json"]).end().must_be(0).events();
    let text = told(&lab, id, &[], 100);
    // Where everybody stands is told for pictures; but a step ends there.
    for looks in events.chunk_by(|one, next| one["what"].is_string() && one["what"] == next["what"]) {
        let actors: Vec<&str> = of_kind(looks, "saw").iter().map(|look| look["actor"].as_str().unwrap()).collect();
        let different = actors.iter().collect::<BTreeSet<_>>().len() == actors.len();
        if (2..=3).contains(&actors.len()) && different {
            assert!(stand_on_one_line(&text, &actors), "{id}: {actors:?} head columns in\n{text}");
        }
    }
}

#[test]
fn what_one_actor_sees_twice_stands_below_each_other() {
    let Some(lab) = stage() else { return };
    let text = told(&lab, "chroot", &["--step", "2"], 120);
    let looks: Vec<&str> = text.lines().filter(|line| line.starts_with("  tail       tail -f")).collect();
    assert_eq!(looks.len(), 2, "{text}");
}

pub fn is_nowhere_wider_than_the_terminal_around_the_width_where_columns_begin(id: &str) {
    let Some(lab) = stage() else { return };
    for columns in [40, 60, 80, 99, 100, 101, 120] {
        let text = told(&lab, id, &[], columns);
        let wide: Vec<&str> = text.lines().filter(|line| line.width() > columns).collect();
        assert!(wide.is_empty(), "{id} in {columns} columns:\n{}", wide.join("\n"));
    }
}

pub fn has_the_same_words_at_every_width(id: &str) {
    let Some(lab) = stage() else { return };
    let usual = told(&lab, id, &[], 80);
    for columns in [99, 100, 101, 120] {
        let other = told(&lab, id, &[], columns);
        let differ: Vec<_> = words(&usual).symmetric_difference(&words(&other)).copied().map(str::to_owned).collect();
        assert!(differ.is_empty(), "{id}: words of 80 or of {columns} columns alone: {differ:?}");
        assert_eq!(other.matches("(nothing)").count(), usual.matches("(nothing)").count(), "{id}, {columns} columns");
    }
}

pub fn is_told_one_after_the_other_in_plain_text_at_every_width(id: &str) {
    let Some(lab) = stage() else { return };
    let plain = told(&lab, id, &["--format", "plain"], 80);
    assert_eq!(plain, told(&lab, id, &["--format", "plain"], 120), "{id}");
    assert_eq!(plain, told(&lab, id, &[], 80), "{id}: plain and a terminal of 80 columns");
}
