//! Each mistake in a declaration is found, and a lesson without any is not complained of.

use super::*;
use crate::feature::Feature;

static ONE: Fact = Fact { id: "good-one", claim: "It is so." };
static ANOTHER: Fact = Fact { id: "good-another", claim: "It is so, too." };
static BAD: Fact = Fact { id: "Good_Bad", claim: "No sentence" };

const ASK: Ask = Ask { id: "good-ask", text: "It is so. Is it?", choices: &[("yes", "1"), ("no", "0")], why: "It is." };
const NOTE: Note = Note { point: "A point.", ask: "Is it so? (It is.)", misunderstanding: "\"It is not.\" It is." };

fn step(title: &'static str) -> Step {
    let by_hand = &[ByHand::Shell { command: "true", shows: "x" }];
    Step { title, minutes: 1, needs: &[], asks: &[], facts: &[], by_hand, note: NOTE }
}

fn asking(title: &'static str, ask: Ask) -> Step {
    Step { asks: Box::leak(Box::new([&*Box::leak(Box::new(ask))])), ..step(title) }
}

fn steps() -> Vec<Step> {
    let second = asking("b", Ask { id: "good-second", ..ASK });
    vec![asking("a", ASK), second, asking("c", Ask { id: "good-third", ..ASK }), step("d")]
}

fn lesson(steps: Vec<Step>) -> Lesson {
    let steps: Vec<&'static Step> = steps.into_iter().map(|step| &*Box::leak(Box::new(step))).collect();
    Lesson {
        id: "good",
        title: "A title",
        subtitle: "what it comes to",
        question: "Is it so?",
        man: &["namespaces(7)"],
        steps: Box::leak(steps.into_boxed_slice()),
        play: |_| Ok(()),
    }
}

#[track_caller]
fn finds(lesson: Lesson, expected: &[&str]) {
    let mut findings = Findings::default();
    check(Box::leak(Box::new(lesson)), &mut findings);
    let found: Vec<String> = findings.into_vec().iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

/// With another first step, which asks nothing if `step` has no question.
#[track_caller]
fn finds_in_step(step: Step, expected: &str) {
    let mut steps = steps();
    if step.asks.is_empty() {
        steps[3] = asking("d", Ask { id: "good-fourth", ..ASK });
    }
    steps[0] = step;
    finds(lesson(steps), &[&format!("lessons/good/steps.rs: step 1{expected}")]);
}

#[test]
fn a_lesson_without_a_mistake_is_not_complained_of() {
    finds(lesson(steps()), &[]);
}

#[test]
fn each_mistake_on_the_card_is_found() {
    let of_card = |what: &str| format!("lessons/good/mod.rs: {what}");
    finds(Lesson { title: "", ..lesson(steps()) }, &[&of_card("the card lacks a title or a subtitle")]);
    finds(Lesson { question: "So.", ..lesson(steps()) }, &[&of_card("the card's question has no question mark")]);
    finds(Lesson { man: &[], ..lesson(steps()) }, &[&of_card("the card names no manual page")]);
    let no_section = of_card("the manual page setns has no section, such as setns(2)");
    finds(Lesson { man: &["setns"], ..lesson(steps()) }, &[&no_section]);
    finds(
        lesson(steps().into_iter().take(3).collect()),
        &[&of_card("the lesson has 3 steps; it must have four to eight")],
    );
    let nine = ["d", "e", "f", "g", "h", "i"].map(step);
    finds(
        lesson(steps().into_iter().take(3).chain(nine).collect()),
        &[&of_card("the lesson has 9 steps; it must have four to eight")],
    );
}

#[test]
fn each_mistake_in_a_step_is_found() {
    finds_in_step(Step { minutes: 0, ..step("a") }, ": it takes no minutes");
    let by_hand = ": add a command by hand for a shell, `ByHand::Shell`";
    finds_in_step(Step { by_hand: &[], ..step("a") }, by_hand);
    finds_in_step(Step { by_hand: &[ByHand::Docker("docker run")], ..step("a") }, by_hand);
    static NEEDS: [Need; 1] = [Need::For(Feature::Uts, &[&ANOTHER])];
    static FACTS: [&Fact; 1] = [&ONE];
    finds_in_step(
        Step { needs: &NEEDS, facts: &FACTS, ..step("a") },
        ": it needs uts for good-another, which it does not show",
    );
    let twice = vec![
        asking("a", ASK),
        asking("a", Ask { id: "good-2", ..ASK }),
        step("c"),
        asking("d", Ask { id: "good-3", ..ASK }),
    ];
    finds(lesson(twice), &["lessons/good/steps.rs: step 2: another step has this title"]);
    let mut bad = steps();
    bad[3].facts = Box::leak(Box::new([&BAD]));
    finds(
        lesson(bad),
        &[
            "lessons/good/steps.rs: step 4: the fact's id Good_Bad is not kebab-case",
            "lessons/good/steps.rs: step 4: the claim of Good_Bad is no sentence",
        ],
    );
}

#[test]
fn each_mistake_in_a_question_is_found() {
    let bad = |ask: Ask, expected: &str| {
        let place = format!(", question {}: {expected}", ask.id);
        finds_in_step(asking("a", ask), &place);
    };
    bad(Ask { id: "other-ask", ..ASK }, "its id must be kebab-case and begin with good-");
    bad(Ask { id: "good-Ask", ..ASK }, "its id must be kebab-case and begin with good-");
    bad(Ask { text: "It is so.", ..ASK }, "the text does not end in a question mark");
    bad(Ask { choices: &[("yes", "1")], ..ASK }, "1 choice; there must be two to four");
    bad(Ask { choices: &[("yes", "1"), ("yes", "0")], ..ASK }, "two choices have the same words");
    let same = "two choices are right where the same is seen, so none of them can be";
    bad(Ask { choices: &[("yes", "1"), ("no", "1")], ..ASK }, same);
    const WIDE: &str = "wide wide wide wide wide wide wide wide wide wide wide wide wide wide wi";
    bad(Ask { choices: &[(WIDE, "1"), ("no", "0")], ..ASK }, &format!("wider than 71 columns: {WIDE}"));
    bad(Ask { why: "It is. So it is.", ..ASK }, "`why` must be one sentence");
    bad(Ask { why: "it is", ..ASK }, "`why` must be one sentence");
    finds(
        lesson(vec![asking("a", ASK), asking("b", Ask { id: "good-b", ..ASK }), step("c"), step("d")]),
        &["lessons/good/steps.rs: 2 questions are asked; a lesson asks three or four"],
    );
}

#[test]
fn each_mistake_in_a_note_is_found() {
    let bad =
        |note: Note, expected: &str| finds_in_step(Step { note, ..step("a") }, &format!(": the note's {expected}"));
    bad(Note { point: "No point", ..NOTE }, "point is no sentence");
    let lacks = "question lacks its answer in brackets behind it: `ask: \"…? (….)\"`";
    bad(Note { ask: "Is it so?", ..NOTE }, lacks);
    bad(Note { ask: "It is so (It is.)", ..NOTE }, "question has no question mark");
    bad(Note { ask: "Is it so? (It is)", ..NOTE }, "answer in brackets is no sentence");
    let quotes = "misunderstanding must begin with what people say, in quotes: `\"….\" …`";
    bad(Note { misunderstanding: "It is not. It is.", ..NOTE }, quotes);
    finds_in_step(
        Step { note: Note { misunderstanding: "\"It is not.\" It is", ..NOTE }, ..step("a") },
        ": the note has no reply to the misunderstanding",
    );
}

#[test]
fn what_two_lessons_declare_is_found() {
    let mut first = steps();
    first[0].facts = Box::leak(Box::new([&ONE]));
    first[3].facts = Box::leak(Box::new([&ONE]));
    let one: &'static Lesson = Box::leak(Box::new(lesson(first)));
    let other: &'static Lesson =
        Box::leak(Box::new(Lesson { id: "other", ..lesson(vec![asking("a", Ask { id: "good-ask", ..ASK })]) }));
    let mut findings = Findings::default();
    check_all(&[one, other], &mut findings);
    let found: Vec<String> = findings.into_vec().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "lessons/good/steps.rs: fact good-one is declared twice, here or by another lesson",
            "lessons/other/steps.rs: question good-ask is declared twice, here or by another lesson",
        ]
    );
}

/// All of the template is to be replaced; but what it says about the form of a lesson must be right.
#[test]
fn the_template_lacks_nothing_but_steps_and_questions() {
    let mut findings = Findings::default();
    check(&crate::commands::dev::template::LESSON, &mut findings);
    let found: Vec<String> = findings.into_vec().iter().map(ToString::to_string).collect();
    assert_eq!(
        found,
        [
            "lessons/template/mod.rs: the lesson has 2 steps; it must have four to eight",
            "lessons/template/steps.rs: 1 question is asked; a lesson asks three or four",
        ]
    );
}
