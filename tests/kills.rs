//! Ended by force, at moments all through each lesson: the program by a signal, the stage's first process, and each
//! actor. Two seconds later nothing is left, and the exit status and the message say what has happened.
//!
//! A test run kills as often as ever, however many lessons there are: it draws the moments. Those of `at_every_moment` kill
//! a hundred times in each lesson; `.ci/soak` runs them.

mod worker;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::Signal;
use serde_json::Value;

use self::worker::{Moment, Victim, Worker};
use crate::chance::Chance;
use crate::support::{Lab, everybody, stage};

/// Into how many moments a lesson is divided.
const MOMENTS: u32 = 100;

/// How often a test kills, over all lessons, where the moments are drawn: a program or a stage, and actors.
const KILLS: usize = 48;
const KILLS_OF_ACTORS: usize = 120;

/// How many lessons run at the same time.
const WORKERS: usize = 2;

/// Every moment of every lesson. Root and a plain user take turns.
fn all(lessons: &[String]) -> Vec<Moment> {
    let who = |number: u32| everybody()[number as usize % everybody().len()];
    let of = |lesson: &String| {
        let lesson = lesson.clone();
        (0..MOMENTS).map(move |number| Moment { lesson: lesson.clone(), who: who(number), number })
    };
    lessons.iter().flat_map(of).collect()
}

/// So many moments: as many of each lesson as of any other, one from each part of its time, and one by each user in turn.
fn drawn(count: usize, lessons: &[String]) -> Vec<Moment> {
    let mut chance = Chance::new();
    let mut lessons = lessons.to_vec();
    chance.shuffle(&mut lessons);
    let share = count.div_ceil(lessons.len());
    let moment = |number: usize| {
        let part = number / lessons.len();
        let at = (part as f64 + chance.below(1000) as f64 / 1000.0) / share as f64;
        Moment {
            lesson: lessons[number % lessons.len()].clone(),
            who: everybody()[part % everybody().len()],
            number: (at * f64::from(MOMENTS)) as u32,
        }
    };
    (0..count).map(moment).collect()
}

/// Has two at once kill at these moments.
fn at(choose: impl FnOnce(&[String]) -> Vec<Moment>, act: impl Fn(&mut Worker<'_>, &Moment) + Sync) {
    let Some(lab) = stage() else { return };
    let lessons = lab.ids();
    let moments = Mutex::new(choose(&lessons).into_iter());
    std::thread::scope(|scope| {
        for number in 0..WORKERS {
            let (lab, lessons, moments, act) = (&lab, &lessons, &moments, &act);
            scope.spawn(move || {
                let mut worker = Worker::new(lab, number, lessons);
                let next = || moments.lock().unwrap_or_else(PoisonError::into_inner).next();
                while let Some(moment) = next() {
                    act(&mut worker, &moment);
                }
            });
        }
    });
}

/// How many facts each lesson has.
fn facts(lab: &Lab) -> BTreeMap<String, usize> {
    let facts = |lesson: &Value| lesson["facts"].as_array().map_or(0, Vec::len);
    lab.lessons().iter().map(|lesson| (lesson["id"].as_str().unwrap().to_owned(), facts(lesson))).collect()
}

/// Ends the program itself, by a signal.
fn nothing_is_left_after(signal: Signal, choose: impl FnOnce(&[String]) -> Vec<Moment>) {
    at(choose, |worker, moment| worker.kill(moment, Victim::Program(signal)).unwrap().must_be_by(signal));
}

fn a_lost_stage_is_told_of(choose: impl FnOnce(&[String]) -> Vec<Moment>) {
    let Some(facts) = stage().map(|lab| facts(&lab)) else { return };
    at(choose, |worker, moment| {
        let Some(end) = worker.kill(moment, Victim::First) else { return };
        // It may have told all there was to tell.
        if !end.is_whole(facts[&moment.lesson]) {
            end.must_say(&["the stage ended early", "killed by SIGKILL", "what to do:"]);
        }
    });
}

/// Programs that an actor becomes by execve(2): who is missed then, the story calls as ever.
const BECAME: [(&str, &str); 1] = [("cat", "traveller")];

/// Who was killed, and who of them was missed.
#[derive(Default)]
struct Actors {
    killed: AtomicUsize,
    missed: Mutex<BTreeMap<(String, String), usize>>,
}

impl Actors {
    /// Kills an actor at a moment; how many there were, if there was this one.
    fn kill(&self, worker: &mut Worker<'_>, moment: &Moment, place: usize, facts: usize) -> Option<usize> {
        let end = worker.kill(moment, Victim::Actor(place))?;
        self.killed.fetch_add(1, Ordering::Relaxed);
        // The story may have no more use for it.
        if !end.is_whole(facts) {
            let [name, parents] = &end.names;
            let name = BECAME.iter().find(|(program, _)| program == name).map_or(name.as_str(), |(_, actor)| actor);
            // Who was just forked has its parent's name for a moment still.
            let gone = if name == parents { "is gone".to_owned() } else { format!("{name} is gone") };
            end.must_say(&[&gone, "what to do:"]);
            *self.missed.lock().unwrap().entry((moment.lesson.clone(), name.to_owned())).or_default() += 1;
        }
        Some(end.actors)
    }

    /// Each lesson has one without whom it cannot go on, and who was killed so often.
    fn must_be_missed(&self, lessons: impl IntoIterator<Item = String>, times: usize) {
        let missed = self.missed.lock().unwrap();
        eprintln!("of {:?} actors that were killed were missed: {missed:?}", self.killed);
        for lesson in lessons {
            let most = missed.iter().filter(|((of, _), _)| *of == lesson).map(|(_, times)| *times).max();
            assert!(most.unwrap_or_default() >= times, "lesson {lesson}: {missed:?}");
        }
    }
}

#[test]
fn nothing_is_left_of_a_program_that_is_killed() {
    nothing_is_left_after(Signal::SIGKILL, |lessons| drawn(KILLS, lessons));
}

#[test]
fn nothing_is_left_of_a_program_that_is_asked_to_end() {
    nothing_is_left_after(Signal::SIGTERM, |lessons| drawn(KILLS, lessons));
}

#[test]
fn nothing_is_left_of_a_program_that_is_interrupted() {
    nothing_is_left_after(Signal::SIGINT, |lessons| drawn(KILLS, lessons));
}

#[test]
fn nothing_is_left_of_a_program_whose_terminal_is_gone() {
    nothing_is_left_after(Signal::SIGHUP, |lessons| drawn(KILLS, lessons));
}

#[test]
fn a_stage_whose_first_process_is_killed_is_told_of() {
    a_lost_stage_is_told_of(|lessons| drawn(KILLS, lessons));
}

/// Those who are killed take turns, in the order of their numbers.
#[test]
fn an_actor_that_is_killed_is_missed_by_name_or_not_at_all() {
    let Some(facts) = stage().map(|lab| facts(&lab)) else { return };
    let (actors, turn) = (Actors::default(), AtomicUsize::new(0));
    at(
        |lessons| drawn(KILLS_OF_ACTORS, lessons),
        |worker, moment| {
            let turn = turn.fetch_add(1, Ordering::Relaxed) / facts.len();
            // Where there are fewer, it is the turn of one of those.
            (0..=turn % 4).rev().find_map(|place| actors.kill(worker, moment, place, facts[&moment.lesson]));
        },
    );
    actors.must_be_missed(facts.into_keys(), 1);
}

/// The whole grid.
mod at_every_moment {
    use super::*;

    #[test]
    #[ignore = "100 kills in each lesson"]
    fn nothing_is_left_of_a_program_that_a_signal_ends() {
        for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            nothing_is_left_after(signal, all);
        }
    }

    #[test]
    #[ignore = "100 kills in each lesson"]
    fn a_stage_whose_first_process_is_killed_is_told_of() {
        a_lost_stage_is_told_of(all);
    }

    #[test]
    #[ignore = "100 kills in each lesson, of each actor"]
    fn an_actor_that_is_killed_is_missed_by_name_or_not_at_all() {
        let Some(facts) = stage().map(|lab| facts(&lab)) else { return };
        let actors = Actors::default();
        at(all, |worker, moment| {
            let (mut place, mut count) = (0, 1);
            while place < count {
                let Some(there) = actors.kill(worker, moment, place, facts[&moment.lesson]) else { break };
                (place, count) = (place + 1, there);
            }
        });
        // For most of its time.
        actors.must_be_missed(facts.into_keys(), MOMENTS as usize / 4 + 1);
    }
}
