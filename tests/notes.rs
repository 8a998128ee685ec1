//! The teacher's notes: there are some for each step, they fit the lesson, and they fit the terminal.

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::consistency::snapshot;
use crate::support::{Lab, lab};

fn cards(lab: &Lab, id: &str) -> Vec<Value> {
    lab.run(["notes", id, "--format", "json"]).end().must_be(0).events()
}

fn text(lab: &Lab, args: &[&str], columns: usize) -> String {
    lab.run(args).env("COLUMNS", &columns.to_string()).end().must_be(0).stdout
}

/// The file to mend, and the step in it.
fn place(id: &str, card: &Value) -> String {
    format!("lessons/{}/steps.rs, step {}", id.replace('-', "_"), card["number"])
}

pub fn has_notes_that_head_each_step_with_its_own_line(id: &str) {
    let lab = lab();
    let rules = |text: &str| text.lines().filter(|line| line.contains(" ── ")).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rules(&text(&lab, &["notes", id], 80)), rules(&snapshot(id, "plain")), "notes {id}");
}

pub fn has_minutes_of_all_steps_that_add_up_to_its_own(id: &str) {
    let lab = lab();
    let lesson = lab.lesson(id);
    let cards = cards(&lab, id);
    let minutes: Vec<u64> = cards.iter().map(|card| card["minutes"].as_u64().unwrap()).collect();
    assert!(minutes.iter().all(|minutes| *minutes > 0), "notes {id}: {minutes:?}");
    assert_eq!(Some(minutes.iter().sum()), lesson["minutes"].as_u64(), "notes {id}: {minutes:?}");
    // As the teacher reads it: each step begins where the one before it ended.
    let mut over = 0;
    let text = text(&lab, &["notes", id], 80);
    for (minutes, line) in minutes.iter().zip(text.lines().filter(|line| line.starts_with("  minutes: "))) {
        let expected = format!("  minutes: {minutes}, from {over} to {} of {}", over + minutes, lesson["minutes"]);
        assert_eq!(line, expected, "notes {id}");
        over += minutes;
    }
    assert_eq!(Some(over), lesson["minutes"].as_u64(), "notes {id} tells the minutes of every step");
}

pub fn has_notes_whose_text_has_all_that_the_json_has(id: &str) {
    let lab = lab();
    let text = text(&lab, &["notes", id], 60);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for card in cards(&lab, id) {
        let parts = [("point: ", "point"), ("ask: ", "ask"), ("usual misunderstanding: ", "misunderstanding")];
        for (label, key) in parts {
            let part = format!("{label}{}", card[key].as_str().unwrap());
            assert!(words.contains(&part), "{}: the text lacks {part:?}:\n{text}", place(id, &card));
        }
    }
}

pub fn has_the_same_notes_on_one_step_alone_as_among_all(id: &str) {
    let lab = lab();
    let (all, all_cards) = (text(&lab, &["notes", id], 80), cards(&lab, id));
    let parts: Vec<&str> = all.trim_end().split("\n\n").collect();
    assert_eq!(parts.len(), all_cards.len(), "notes {id}: a part for each step");
    for (index, (part, card)) in parts.iter().zip(&all_cards).enumerate() {
        let step = (index + 1).to_string();
        assert_eq!(text(&lab, &["notes", id, "--step", &step], 80).trim_end(), *part);
        let end = lab.run(["notes", id, "--step", &step, "--format", "json"]).end().must_be(0);
        assert_eq!(end.events(), std::slice::from_ref(card));
    }
}

pub fn has_notes_that_are_nowhere_wider_than_the_terminal(id: &str) {
    let lab = lab();
    for columns in [40, 60, 80, 100] {
        let text = text(&lab, &["notes", id], columns);
        let wide: Vec<_> = text.lines().filter(|line| line.width() > columns).collect();
        assert!(wide.is_empty(), "notes {id} in {columns} columns:\n{}", wide.join("\n"));
        let longest = text.lines().filter(|line| line.starts_with("  ")).map(UnicodeWidthStr::width).max();
        assert!(longest > Some(columns - 8), "notes {id} do not fill {columns} columns: {longest:?}");
    }
}

#[test]
fn notes_of_what_there_is_not_are_answered_as_the_lesson_itself() {
    let lab = lab();
    for asked in [&["nte"][..], &["shared"], &["uts", "--step", "0"], &["pid", "--step", "99"]] {
        let answer = |command: &str| {
            let end = lab.run([command].iter().chain(asked)).end().must_be(2);
            assert_eq!(end.stdout, "", "{}", end.what);
            end.stderr
        };
        assert_eq!(answer("notes"), answer("lesson"), "{asked:?}");
    }
}

#[test]
fn notes_of_no_lesson_or_of_two_are_wrong_usage() {
    let lab = lab();
    for args in [&["notes"][..], &["notes", "uts", "pid"], &["notes", "uts", "--step", "one"]] {
        let end = lab.run(args).end().must_be(2);
        assert!(end.stdout.is_empty() && !end.stderr.is_empty(), "{end:?}");
    }
}
