//! A lesson that does not tell what it declares is found out at once.

use nix::errno::Errno;

use super::{Pacing, Stage};
use crate::actors::{Channel, Log, StoryMessage};
use crate::args;
use crate::error::{CallResult, Error, Result};
use crate::evidence;
use crate::step::{Ask, Fact, Note, Step};
use crate::transcript::Event;

static COLD: Fact = Fact { id: "cold", claim: "It is cold." };
static WET: Fact = Fact { id: "wet", claim: "It is wet." };
static WHICH: Ask = Ask { id: "which", text: "Which?", choices: &[("this", "0"), ("that", "EPERM")], why: "So it is." };
static FIRST: Step = Step { asks: &[&WHICH], facts: &[&COLD], ..step("first") };
static SECOND: Step = Step { facts: &[&WET], ..step("second") };
static THIRD: Step = step("third");
static STEPS: [&Step; 3] = [&FIRST, &SECOND, &THIRD];
static STRANGE: Step = step("of another lesson");

const fn step(title: &'static str) -> Step {
    let note = Note { point: "", ask: "", misunderstanding: "" };
    Step { title, minutes: 1, needs: &[], asks: &[], facts: &[], by_hand: &[], note }
}

/// A stage of this process's own, and the other end of its conversation.
fn stage() -> (Stage, Channel) {
    let (program, stage) = Channel::pair().unwrap();
    (Stage::new(Log::new(stage), Vec::new(), Pacing::Straight, &STEPS), program)
}

/// What the stage has told, when it is gone.
fn heard(program: &Channel) -> Vec<StoryMessage> {
    let packets = std::iter::from_fn(|| program.receive().unwrap());
    packets.map(|packet| serde_json::from_slice::<Result<StoryMessage>>(&packet.bytes).unwrap().unwrap()).collect()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(told: Result<T>, why: &str) {
    let error = told.expect_err("it must not pass").to_string();
    assert!(error.contains(why), "{error}");
}

#[test]
fn a_step_out_of_its_turn_is_refused() {
    let (stage, _program) = stage();
    refused(stage.step(&SECOND), "this is step 2, told after step 0");
    stage.step(&FIRST).unwrap();
    stage.verify(&COLD, true, evidence![]).unwrap();
    refused(stage.step(&FIRST), "this is step 1, told after step 1");
    refused(stage.step(&STRANGE), "no such step");
}

#[test]
fn a_fact_is_told_once_and_in_its_own_step() {
    let (stage, _program) = stage();
    refused(stage.verify(&COLD, true, evidence![]), "no step has begun");
    stage.step(&FIRST).unwrap();
    refused(stage.verify(&WET, true, evidence![]), "not its turn");
    stage.verify(&COLD, true, evidence![]).unwrap();
    refused(stage.verify(&COLD, true, evidence![]), "not its turn");
}

#[test]
fn a_step_that_leaves_a_fact_out_does_not_end() {
    let (stage, _program) = stage();
    stage.step(&FIRST).unwrap();
    refused(stage.step(&SECOND), "step 'first' does not tell of it");
}

#[test]
fn what_this_machine_refuses_is_skipped_and_the_next_step_keeps_its_number() {
    let (stage, program) = stage();
    let part = stage.part(&[&FIRST, &SECOND], || {
        stage.step(&FIRST)?;
        Err::<(), Errno>(Errno::ENOSYS).or_refused("setns", args![])
    });
    refused(part.unwrap().shown(), "setns(): ENOSYS");
    stage.step(&THIRD).unwrap();
    drop(stage);
    let heard = heard(&program);
    let skipped = heard.iter().find_map(|message| match message {
        StoryMessage::CannotShow(facts, _) => Some(facts.clone()),
        _ => None,
    });
    assert_eq!(skipped.unwrap(), ["cold", "wet"]);
    assert!(matches!(heard.last(), Some(StoryMessage::Event(Event::Step { number: 3, of: 3, .. }))), "{heard:?}");
}

#[test]
fn a_part_that_ends_early_is_refused_and_so_is_any_other_failure() {
    let (stage, _program) = stage();
    refused(stage.part(&[&FIRST, &SECOND], || stage.step(&FIRST)), "it ends after step 1");
    let lost = Error::Transport { call: crate::transcript::Call::new("recvmsg", args![]), errno: Errno::EMSGSIZE };
    refused(stage.or_skip(&[&COLD], || Err::<(), _>(lost)), "recvmsg(): EMSGSIZE");
}

#[test]
fn the_answer_is_the_choice_that_declares_what_was_seen() {
    for (seen, right) in [(None, Some(0)), (Some(Errno::EPERM), Some(1)), (Some(Errno::EINVAL), None)] {
        let (stage, program) = stage();
        stage.step(&FIRST).unwrap();
        refused(stage.answer(seen), "an answer without a question");
        stage.ask().unwrap();
        refused(stage.ask(), "no question more");
        stage.answer(seen).unwrap();
        drop(stage);
        let answered = heard(&program).into_iter().find_map(|message| match message {
            StoryMessage::Event(Event::Answered { answer, .. }) => Some(answer),
            _ => None,
        });
        assert_eq!(answered.unwrap(), right);
    }
}
