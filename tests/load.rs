//! A hundred learners on one server: at the same moment, as four users, with nothing in common that one could take away
//! from another; and at no more cost than if they came one after the other.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::moments::{processes_of, wait_until_none_runs};
use crate::support::{End, Lab, NOBODY, Run, Who, of_kind, stage_alone};

const LEARNERS: usize = 100;

/// How much longer a hundred at once may take than the same hundred one after the other on each CPU.
const SLOWER: f64 = 1.3;

/// How often that is tried: other programs want the CPUs as well, now and then.
const TRIES: usize = 3;

/// How much memory a lesson may take: all its processes together.
const MEMORY_MIB: f64 = 8.0;

/// Each with a lesson and as a user: root and three plain users, if root runs the tests.
fn learners(lab: &Lab) -> Vec<(Value, Who)> {
    let users = [Who::Me, Who::PlainUser, Who::Id(NOBODY - 1), Who::Id(NOBODY - 2)];
    let lessons = lab.lessons();
    // Each lesson comes by each of the users.
    (0..LEARNERS).map(|number| (lessons[number % lessons.len()].clone(), users[number / 2 % users.len()])).collect()
}

fn lesson(lab: &Lab, (lesson, who): &(Value, Who)) -> Run {
    lab.run(["lesson", lesson["id"].as_str().unwrap(), "--format", "json"]).by(*who)
}

#[track_caller]
fn holds_all_its_facts(end: End, lesson: &Value) {
    let events = end.must_be(0).events();
    let held: Vec<&Value> = of_kind(&events, "verified").into_iter().filter(|claim| claim["held"] == true).collect();
    assert_eq!(held.len(), lesson["facts"].as_array().unwrap().len(), "not all facts of {} held", lesson["id"]);
    assert_eq!(events.last().unwrap()["left_behind"], serde_json::json!([]));
}

/// All at the same moment: how long until the last one has ended.
fn at_once(lab: &Lab, learners: &[(Value, Who)]) -> Duration {
    let start = Instant::now();
    let begun: Vec<(Run, Child)> = learners
        .iter()
        .map(|learner| {
            let run = lesson(lab, learner);
            let child = run.command().spawn().unwrap();
            (run, child)
        })
        .collect();
    // What a lesson says has room in a pipe: none waits until it is this one's turn to be read.
    let ended: Vec<End> = begun.into_iter().map(|(run, child)| run.end_of_child(child)).collect();
    let took = start.elapsed();
    for (end, (lesson, _)) in ended.into_iter().zip(learners) {
        holds_all_its_facts(end, lesson);
    }
    took
}

/// One after the other, on each CPU: how long until the last one has ended.
fn in_turn(lab: &Lab, learners: &[(Value, Who)], cpus: usize) -> Duration {
    let (start, next) = (Instant::now(), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..cpus {
            scope.spawn(|| {
                while let Some(learner) = learners.get(next.fetch_add(1, Ordering::Relaxed)) {
                    holds_all_its_facts(lesson(lab, learner).end(), &learner.0);
                }
            });
        }
    });
    start.elapsed()
}

#[test]
fn a_hundred_lessons_at_once_hold_all_their_facts_and_do_not_hold_each_other_up() {
    let Some(lab) = stage_alone() else { return };
    let learners = learners(&lab);
    let cpus = thread::available_parallelism().unwrap().get();
    let mut best = f64::INFINITY;
    for _ in 0..TRIES {
        let (together, in_turn) = (at_once(&lab, &learners), in_turn(&lab, &learners, cpus));
        wait_until_none_runs(&lab.program());
        let ratio = together.as_secs_f64() / in_turn.as_secs_f64();
        eprintln!(
            "{LEARNERS} lessons at once: {together:.2?}; in turn, on {cpus} CPUs: {in_turn:.2?}; ratio {ratio:.2}"
        );
        best = best.min(ratio);
        if best <= SLOWER {
            return;
        }
    }
    panic!("a hundred lessons at once take {best:.2} times as long as one after the other on each of {cpus} CPUs");
}

/// All of them stand still with everybody on the stage, late in the lesson. What counts is the part of the memory that is
/// a process's own, and its share of what it has in common with others, such as the program's code: `Pss`, proc(5).
#[test]
fn a_hundred_lessons_take_little_memory_each() {
    let Some(lab) = stage_alone() else { return };
    let mut standing: BTreeMap<usize, Child> = BTreeMap::new();
    for (number, (lesson, who)) in learners(&lab).into_iter().enumerate() {
        let step = (lesson["steps"].as_u64().unwrap() - 1).to_string();
        let words = ["shell", lesson["id"].as_str().unwrap(), "--step", &step, "-c", "echo here; read word"];
        let mut child = lab.run(words).by(who).command().stdin(Stdio::piped()).spawn().unwrap();
        let mut said = Vec::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_until(b'\n', &mut said).unwrap();
        assert_eq!(said, b"here\n", "learner {number} stands nowhere");
        standing.insert(number, child);
    }
    let processes = processes_of(&lab.program());
    let memory: u64 = processes.iter().map(|pid| share_of_memory_kib(*pid)).sum();
    for mut child in standing.into_values() {
        drop(child.stdin.take());
        child.wait().unwrap();
    }
    wait_until_none_runs(&lab.program());
    let each = memory as f64 / 1024.0 / LEARNERS as f64;
    eprintln!("{LEARNERS} lessons, {} processes: {each:.2} MiB a lesson", processes.len());
    assert!(processes.len() > 3 * LEARNERS, "where are the actors? {}", processes.len());
    assert!(each <= MEMORY_MIB, "{each:.1} MiB for each of a hundred lessons");
}

fn share_of_memory_kib(pid: i32) -> u64 {
    let told = crate::support::read_text(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let share = told.lines().find_map(|line| line.strip_prefix("Pss:")).unwrap();
    share.trim().trim_end_matches(" kB").parse().unwrap()
}
