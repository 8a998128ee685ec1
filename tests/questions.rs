//! The questions that a lesson asks before it shows what happens, and the answers that the run gives.

use serde_json::Value;

use crate::consistency::snapshot_events;
use crate::support::{Lab, of_kind, stage};

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_else(|| panic!("{key} of {event}"))
}

/// What a run shows with the questions, and what it shows without.
fn both(lab: &Lab, id: &str, format: &str) -> (String, String) {
    let told = |more: &[&str]| {
        let words = ["lesson", id, "--scrub", "--format", format];
        lab.run(words.iter().chain(more)).end().must_be(0).stdout
    };
    (told(&[]), told(&["--no-questions"]))
}

pub fn leaves_out_its_questions_and_their_answers_and_nothing_else(id: &str) {
    let Some(lab) = stage() else { return };
    let (with, without) = both(&lab, id, "json");
    let is_question =
        |line: &&str| [r#"{"event":"asked""#, r#"{"event":"answered""#].iter().any(|key| line.starts_with(key));
    let rest: Vec<&str> = with.lines().filter(|line| !is_question(line)).collect();
    assert!(rest.len() < with.lines().count(), "lesson {id} asks nothing");
    assert_eq!(without.lines().collect::<Vec<_>>(), rest, "lesson {id} as json");
    let events = snapshot_events(id);
    for format in ["terminal", "plain", "markdown"] {
        let (with, without) = both(&lab, id, format);
        // As Markdown has it, and in one line, however it is filled.
        let words = |told: &str| told.replace('\\', "").split_whitespace().collect::<Vec<_>>().join(" ");
        let (with, without) = (words(&with), words(&without));
        for question in of_kind(&events, "asked") {
            let asked = words(text(question, "text"));
            assert!(with.contains(&asked), "lesson {id} as {format}: {asked}");
            assert!(!without.contains(&asked), "lesson {id} --no-questions as {format}: {asked}");
        }
        for answer in of_kind(&events, "answered") {
            let why = words(text(answer, "why"));
            assert!(with.contains(&why), "lesson {id} as {format}: {why}");
            assert!(!without.contains(&why), "lesson {id} --no-questions as {format}: {why}");
        }
    }
}
