//! A question that nothing sets up is found, and one that is set up is not complained of.

use serde_json::json;

use super::*;
use crate::step::Note;

static ASK: Ask = Ask { id: "good-ask", text: "Is it so?", choices: &[("yes", "1"), ("no", "0")], why: "It is." };

static STEP: Step = Step {
    title: "a",
    minutes: 1,
    needs: &[],
    asks: &[&ASK],
    facts: &[],
    by_hand: &[],
    note: Note { point: "A point.", ask: "Is it so? (It is.)", misunderstanding: "\"It is not.\" It is." },
};

static GOOD: Lesson = Lesson {
    id: "good",
    title: "A title",
    subtitle: "what it comes to",
    question: "Is it so?",
    man: &["namespaces(7)"],
    steps: &[&STEP],
    play: |_| Ok(()),
};

fn said(text: &str) -> Json {
    json!({"event": "said", "text": text})
}

/// What is found in a step that has this in front of its question.
fn found(before: &[Json]) -> Vec<String> {
    let asked = json!({"event": "asked", "id": "good-ask", "text": "Is it so?", "choices": ["yes", "no"]});
    let answered = json!({"event": "answered", "id": "good-ask", "number": 1});
    let part: Vec<Json> = before.iter().cloned().chain([asked, said("After. It. All."), answered]).collect();
    let story = Story { lesson: &GOOD, file: "good.json".to_owned(), source: "good.rs".to_owned() };
    let mut findings = Findings::default();
    story.check_asks(&STEP, &part, "step 1", &mut BTreeMap::new(), &mut findings);
    findings.into_vec().iter().map(ToString::to_string).collect()
}

#[test]
fn a_question_comes_after_two_sentences_of_its_step() {
    let complaint = |count: usize| {
        format!(
            "good.rs: step 1, question good-ask: {count} of the 2 sentences that must set it up are said before it in its \
             step: put `stage.ask` behind a `stage.say`"
        )
    };
    assert_eq!(found(&[]), [complaint(0)]);
    assert_eq!(found(&[said("Here is one.")]), [complaint(1)]);
    // What is seen, or a remark at a call, is no sentence that was said.
    let called = json!({"event": "called", "actor": "a", "syscall": "getpid", "note": "One. Two."});
    assert_eq!(found(&[called.clone(), said("Here is one.")]), [complaint(1)]);
    let none: [String; 0] = [];
    assert_eq!(found(&[said("Here is one. Here is another.")]), none);
    // All that is said before it counts, with calls in between or not.
    assert_eq!(found(&[said("Here is one."), called, said("Here is another:")]), [complaint(1)]);
    assert_eq!(found(&[said("Here is one."), said("Here is another.")]), none);
}

#[test]
fn sentences_are_counted_as_a_reader_would() {
    for (text, count) in [
        ("", 0),
        ("no end", 0),
        ("It calls kill(2).", 1),
        ("It reads /proc/self/ns. kill(2) asks nobody.", 2),
        ("Is it so? It is! \"Yes.\" (It is.)", 4),
        ("It has 10.1.1.2 and Linux 5.12, e.g. on a server, and ends in .so and etc. as well.", 1),
        ("One.\nTwo.\n\nThree.", 3),
    ] {
        assert_eq!(sentences(text), count, "{text}");
    }
}
