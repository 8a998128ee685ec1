//! The questions that a lesson asks before it shows what happens, and the answers that the run gives.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

use crate::consistency::snapshot_events;
use crate::support::{Lab, lab, of_kind, stage};

/// What a line of 80 columns has room for, behind `      a) `.
const ROOM: usize = 80 - 9;

fn text<'a>(event: &'a Value, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_else(|| panic!("{key} of {event}"))
}

fn choices(question: &Value) -> Vec<&str> {
    question["choices"].as_array().unwrap().iter().map(|choice| choice.as_str().unwrap()).collect()
}

/// The file of a lesson, to be named where something in it is to be mended.
fn file(id: &str) -> String {
    format!("lessons/{}.rs", id.replace('-', "_"))
}

pub fn asks_three_or_four_questions(id: &str) {
    let asked = of_kind(&snapshot_events(id), "asked").len();
    assert!((3..=4).contains(&asked), "{}: {asked} questions", file(id));
}

#[test]
fn a_question_has_an_id_that_no_other_one_has() {
    let mut known = BTreeSet::new();
    for id in lab().ids() {
        for question in of_kind(&snapshot_events(&id), "asked") {
            let name = text(question, "id");
            let is_kebab =
                name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-' || letter.is_ascii_digit());
            assert!(is_kebab && name.starts_with(&format!("{id}-")), "{}: name {name} after the lesson", file(&id));
            assert!(known.insert(name.to_owned()), "{}: there are two questions {name}", file(&id));
        }
    }
}

pub fn gives_two_to_four_choices_that_differ_and_fit_on_a_line(id: &str) {
    for question in of_kind(&snapshot_events(id), "asked") {
        let place = format!("{}, question {}", file(id), text(question, "id"));
        let choices = choices(question);
        assert!(text(question, "text").ends_with('?'), "{place}: it asks nothing");
        assert!((2..=4).contains(&choices.len()), "{place}: {} choices", choices.len());
        assert_eq!(choices.iter().collect::<BTreeSet<_>>().len(), choices.len(), "{place}: two are the same");
        let wide: Vec<_> = choices.iter().filter(|choice| choice.width() > ROOM).collect();
        assert!(wide.is_empty(), "{place}: wider than {ROOM} columns: {wide:?}");
    }
}

pub fn asks_at_the_head_of_a_step(id: &str) {
    let events = snapshot_events(id);
    for pair in events.windows(2).filter(|pair| pair[1]["event"] == "asked") {
        assert_eq!(pair[0]["event"], "step", "{}: ask {} before anything else", file(id), text(&pair[1], "id"));
    }
}

/// The questions of a run that are asked in a step and answered there, with the numbers of the right choices, from 1.
fn answered(id: &str, events: &[Value]) -> BTreeMap<String, u64> {
    let mut right = BTreeMap::new();
    for step in events.split(|event| event["event"] == "step") {
        let mut open = Vec::new();
        for event in step {
            match text(event, "event") {
                "asked" => open.push(event),
                "answered" => {
                    let name = text(event, "id");
                    let place = format!("{}, question {name}", file(id));
                    let asked = open.iter().position(|question| text(question, "id") == name);
                    let question = open.remove(asked.unwrap_or_else(|| panic!("{place}: answered, but not asked")));
                    let number = event["number"].as_u64();
                    let number = number.unwrap_or_else(|| panic!("{place}: not exactly one choice came true"));
                    let choice = choices(question)[usize::try_from(number).unwrap() - 1];
                    assert_eq!(text(event, "answer"), choice, "{place}");
                    let why = text(event, "why");
                    assert!(why.ends_with('.') && !why.contains(". "), "{place}: one sentence why: {why}");
                    right.insert(name.to_owned(), number);
                }
                _ => {}
            }
        }
        assert!(open.is_empty(), "{}: no answer in the step that asks {open:?}", file(id));
    }
    right
}

pub fn answers_every_question_once_in_its_step_by_one_of_its_choices(id: &str) {
    let events = snapshot_events(id);
    let asked = of_kind(&events, "asked");
    let asked: BTreeSet<String> = asked.iter().map(|question| text(question, "id").to_owned()).collect();
    assert_eq!(answered(id, &events).into_keys().collect::<BTreeSet<_>>(), asked, "{}", file(id));
    assert_eq!(of_kind(&events, "answered").len(), asked.len(), "{}: a question is answered twice", file(id));
}

pub fn does_not_always_have_the_same_letter_for_the_right_answer(id: &str) {
    let right: BTreeSet<u64> = answered(id, &snapshot_events(id)).into_values().collect();
    assert!(right.len() > 1, "{}: it is always number {right:?}", file(id));
}

pub fn does_not_always_have_the_longest_or_the_shortest_answer_right(id: &str) {
    let events = snapshot_events(id);
    let right = answered(id, &events);
    let asked = of_kind(&events, "asked");
    for (which, found) in [("longest", usize::max as fn(usize, usize) -> usize), ("shortest", usize::min)] {
        let stands_out = asked.iter().filter(|question| {
            let widths: Vec<usize> = choices(question).iter().map(|choice| choice.width()).collect();
            let extreme = widths.iter().copied().reduce(found).unwrap();
            widths[usize::try_from(right[text(question, "id")]).unwrap() - 1] == extreme
        });
        assert!(stands_out.count() < asked.len(), "{}: the right answer is always the {which}", file(id));
    }
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
