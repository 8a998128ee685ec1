//! What a learner guesses on a walk, how it is judged, and what is kept of it.

use crate::moments::wait_until_none_runs;
use crate::support::{Lab, Who, stage};
use crate::terminal::{Terminal, on_a_terminal};
use crate::walk::steps;

/// The questions of a lesson: the step that each is asked at, its choices, and which of them is right, from 0.
fn questions(lab: &Lab, lesson: &str) -> Vec<(usize, usize, usize)> {
    let events = lab.run(["lesson", lesson, "--format", "json"]).end().must_be(0).events();
    let (mut step, mut choices, mut found) = (0, 0, Vec::new());
    let number = |value: &serde_json::Value| -> usize { value.as_u64().unwrap().try_into().unwrap() };
    for event in &events {
        match event["event"].as_str().unwrap() {
            "step" => step = number(&event["number"]),
            "asked" => choices = event["choices"].as_array().unwrap().len(),
            "answered" => found.push((step, choices, number(&event["number"]) - 1)),
            _ => {}
        }
    }
    found
}

const LETTERS: [&str; 4] = ["a", "b", "c", "d"];

pub fn has_every_guess_judged_by_what_the_kernel_says(id: &str) {
    let Some(lab) = stage() else { return };
    let (steps, questions) = (steps(&lab, id), questions(&lab, id));
    let Some(run) = on_a_terminal(&lab, &["lesson", id]) else { return };
    let mut terminal = Terminal::start(&run, (80, 24));
    if questions.iter().any(|(step, ..)| *step == 1) {
        terminal.wait_for("your guess: ");
        terminal.press("\r");
    }
    terminal.wait_for_step(1, steps);
    for (step, choices, right) in questions {
        for (place, letter) in LETTERS.iter().enumerate().take(choices) {
            terminal.press(&format!("g{step}"));
            terminal.wait_for(&format!("{step}/{steps} "));
            terminal.wait_for("your guess: ");
            // By its letter or by its number.
            let digit = (place + 1).to_string();
            terminal.press(if place % 2 == 0 { letter } else { &digit });
            let verdict = if place == right { "Right" } else { "Not this time" };
            terminal.wait_for(&format!("you picked {letter}). {verdict}"));
            terminal.wait_for_step(step, steps);
        }
    }
    terminal.press("q");
    assert!(terminal.end().success());
    wait_until_none_runs(&lab.program());
}

#[test]
fn at_the_end_a_walk_tells_what_was_right_and_the_list_remembers_it() {
    let Some(lab) = stage() else { return };
    let state = lab.directory(Who::Me);
    let state = state.to_str().unwrap();
    let Some(run) = on_a_terminal(&lab, &["lesson", "uts"]) else { return };
    let questions = questions(&lab, "uts");
    let mut terminal = Terminal::start(&run.env("XDG_STATE_HOME", state), (80, 24));
    let mut right_ones = 0;
    for step in 1..=6 {
        if let Some((_, choices, right)) = questions.iter().find(|(at, ..)| *at == step) {
            terminal.wait_for("your guess: ");
            // The first one wrong, the others right.
            let guess = if step == questions[0].0 { (right + 1) % choices } else { *right };
            right_ones += usize::from(guess == *right);
            terminal.press(LETTERS[guess]);
        }
        terminal.wait_for_step(step, 6);
        terminal.press("\r");
    }
    terminal.wait_for("What this lesson showed");
    let of = questions.len();
    terminal.wait_for(&format!("Your predictions: {right_ones} of {of} right"));
    terminal.wait_for("Try it by hand");
    assert!(terminal.end().success());
    assert_eq!(right_ones, of - 1);
    let list = lab.run(["list"]).env("XDG_STATE_HOME", state).end().must_be(0);
    assert!(list.stdout.contains(&format!("{right_ones} of {of} questions right")), "{}", list.stdout);
    lab.run(["reset"]).env("XDG_STATE_HOME", state).end().must_be(0);
    let list = lab.run(["list"]).env("XDG_STATE_HOME", state).end().must_be(0);
    assert!(!list.stdout.contains("questions right"), "{}", list.stdout);
}

#[test]
fn a_walk_that_cannot_keep_its_progress_says_so_in_one_line_and_ends_well() {
    let Some(lab) = stage() else { return };
    let state = lab.directory(Who::Me).join("nslearn");
    std::fs::write(&state, "not a directory").unwrap();
    let Some(run) = on_a_terminal(&lab, &["lesson", "uts", "--auto", "1ms"]) else { return };
    let mut terminal = Terminal::start(&run.env("XDG_STATE_HOME", state.parent().unwrap().to_str().unwrap()), (80, 24));
    terminal.wait_for("Try it by hand");
    terminal.wait_for("\nnslearn: ");
    assert!(terminal.end().success());
    assert_eq!(crate::support::read_text(state).unwrap(), "not a directory");
}

#[test]
fn a_lesson_of_which_steps_were_passed_over_does_not_count_as_finished() {
    let Some(lab) = stage() else { return };
    let state = lab.directory(Who::Me);
    let state = state.to_str().unwrap();
    let Some(run) = on_a_terminal(&lab, &["lesson", "uts", "--no-questions"]) else { return };
    let mut terminal = Terminal::start(&run.env("XDG_STATE_HOME", state), (80, 24));
    terminal.wait_for_step(1, 6);
    terminal.press("g6");
    terminal.wait_for("6/6 ");
    terminal.wait_for_step(6, 6);
    terminal.press("\r");
    terminal.wait_for("What this lesson showed");
    assert!(terminal.end().success());
    assert!(!lab.run(["list"]).env("XDG_STATE_HOME", state).end().must_be(0).stdout.contains('✔'));
}
