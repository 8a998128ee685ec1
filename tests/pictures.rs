//! `--step` and `--format svg`: a part of a lesson, and a lesson as pictures.

use crate::anchored::{between, with_pictures_anchored};
use crate::consistency::snapshot;
use crate::support::{Lab, lab, of_kind, stage};

fn svg(lab: &Lab, args: &[&str]) -> String {
    lab.run(["lesson", "--format", "svg", "--scrub"].iter().chain(args)).end().must_be(0).stdout
}

pub fn tells_in_one_step_what_the_whole_of_it_says(id: &str) {
    let Some(lab) = stage() else { return };
    let lesson = lab.lesson(id);
    let whole = snapshot(id, "plain");
    for step in 1..=lesson["steps"].as_u64().unwrap() {
        let run = lab.run(["lesson", id, "--step", &step.to_string(), "--scrub", "--format", "plain"]);
        let alone = run.end().must_be(0).stdout;
        let expected = between(&whole, &format!("step-{step}")).unwrap();
        assert!(alone.contains(&expected), "step {step} of {id} alone:\n{alone}\nand in the whole lesson:\n{expected}");
        let others = of_kind(&run_json(&lab, id, step), "step").len();
        assert_eq!(others, 1, "lesson {id} --step {step} tells of {others} steps");
    }
}

fn run_json(lab: &Lab, id: &str, step: u64) -> Vec<serde_json::Value> {
    lab.run(["lesson", id, "--step", &step.to_string(), "--format", "json"]).end().must_be(0).events()
}

pub fn counts_the_claims_of_all_steps_where_one_is_told(id: &str) {
    let Some(lab) = stage() else { return };
    let lesson = lab.lesson(id);
    let events = run_json(&lab, lesson["id"].as_str().unwrap(), 1);
    let ended = of_kind(&events, "ended")[0];
    assert_eq!(ended["held"], lesson["facts"].as_array().unwrap().len());
}

#[test]
fn a_step_that_a_lesson_does_not_have_is_wrong_usage() {
    let lab = lab();
    for step in ["0", "7", "999", "-1", "x"] {
        let end = lab.run(["lesson", "uts", &format!("--step={step}")]).end().must_be(2);
        assert_eq!(end.stdout, "");
        assert!(!end.stderr.is_empty(), "--step={step}");
    }
}

#[test]
fn a_picture_is_of_one_lesson() {
    let lab = lab();
    for args in [&["--all"][..], &["uts", "pid"]] {
        let end = lab.run(["lesson", "--format", "svg"].iter().chain(args)).end().must_be(2);
        assert_eq!(end.stdout, "");
        assert!(end.stderr.contains("one lesson"), "{}", end.stderr);
    }
}

/// The pictures of a document, without the places where they lie in it.
fn moments(document: &str) -> String {
    let mut inside = String::new();
    for line in document.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let placed = words.first() == Some(&"<svg");
        let kept = words.into_iter().filter(|word| !placed || !(word.starts_with("x=\"") || word.starts_with("y=\"")));
        inside += &format!("{}\n", kept.collect::<Vec<_>>().join(" "));
    }
    inside
}

pub fn has_the_picture_of_one_step_as_the_book_has_it(id: &str) {
    let Some(lab) = stage() else { return };
    let lesson = lab.lesson(id);
    for step in 1..=lesson["steps"].as_u64().unwrap() {
        let name = format!("step-{step}");
        let document = with_pictures_anchored(id, &svg(&lab, &[id, "--step", &step.to_string()]));
        let alone = between(&document, &name).unwrap_or_else(|| panic!("no picture for step {step} of {id}"));
        match between(&snapshot(id, "svg"), &name) {
            Some(in_the_book) => assert_eq!(moments(&alone), moments(&in_the_book), "step {step} of {id}"),
            None => assert!(alone.contains("nobody moves"), "step {step} of {id}:\n{alone}"),
        }
    }
}

/// What the pictures show, told by the events: for each actor in a picture, the frames around it.
pub fn says_in_words_of_its_pictures_who_is_in_which_namespace(id: &str) {
    let Some(lab) = stage() else { return };
    let document = svg(&lab, &[id]);
    let events = lab.run(["lesson", id, "--format", "json", "--scrub"]).end().must_be(0).events();
    let mut number = 0;
    for pair in of_kind(&events, "stood").windows(2) {
        number += 1;
        let named = format!("id=\"{id}-{number}-after-desc\">");
        let Some((_, rest)) = document.split_once(&named) else {
            assert_eq!(pair[0]["rows"], pair[1]["rows"], "step {number} of {id} has no picture");
            continue;
        };
        let words = rest.split_once("</desc>").unwrap().0;
        for row in pair[1]["rows"].as_array().unwrap() {
            let actor = row["actor"].as_str().unwrap();
            for (kind, namespace) in row["namespaces"].as_object().unwrap() {
                let label = format!("{kind} {}", namespace["letter"].as_str().unwrap());
                let told = words.split(". ").any(|sentence| {
                    let (who, what) = sentence.trim().trim_end_matches('.').split_once(": ").unwrap_or_default();
                    who.split(", ").any(|name| name == actor) && what.split(", ").any(|name| name == label)
                });
                assert!(told, "step {number} of {id}: {actor} is in {label}, but the picture says: {words}");
            }
        }
    }
}
