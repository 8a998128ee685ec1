//! Machines that do not allow everything, played to the program by namespaces, filters and limits: the doctor's cause is
//! the right one of all, and each lesson runs, says what it skips and why, or refuses. What the doctor says that a lesson
//! goes without is what it goes without.
//!
//! The doctor is asked on every machine. Lessons take turns there, so that it takes no longer where there are more of
//! them; `with_every_lesson` tells all of them on each machine, and `.ci/soak` runs it.

mod cgroup;
mod machine;
pub mod played;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use self::machine::{Machine, limited};
use self::played::machines;
use crate::chance::Chance;
use crate::errors::as_root_of_nothing;
use crate::supervisor::can_play;
use crate::support::{End, Lab, has_tool, of_kind, stage};

/// How many lessons are told on a machine, where they take turns.
const LESSONS: usize = 2;

/// Lessons that take turns, in an order that is drawn.
struct Turns {
    lessons: Vec<String>,
    next: usize,
}

impl Turns {
    fn new(lab: &Lab) -> Turns {
        let mut lessons = lab.ids();
        Chance::new().shuffle(&mut lessons);
        Turns { lessons, next: 0 }
    }

    /// Those whose turn it is.
    fn take(&mut self, count: usize) -> Vec<String> {
        let count = count.min(self.lessons.len());
        self.next += count;
        (self.next - count..self.next).map(|turn| self.lessons[turn % self.lessons.len()].clone()).collect()
    }
}

/// What the doctor found on a machine.
pub struct Checkup {
    cards: Vec<Value>,
    status: i32,
}

impl Checkup {
    /// From the end of `nslearn doctor --format json`.
    pub fn of(end: &End) -> Checkup {
        Checkup { status: end.code(), cards: end.events() }
    }

    fn on(machine: &Machine, lab: &Lab) -> Checkup {
        let told = machine.run(lab, "doctor");
        let end = machine.run(lab, "doctor --format json");
        assert_eq!(told.code(), end.code(), "{}: {told:?}", machine.name);
        let first = told.stdout.lines().next().unwrap_or_default();
        assert!(first.contains(" this machine") && first.contains("esson"), "{}: no verdict: {told:?}", machine.name);
        assert!(!told.stdout.lines().any(|line| line.chars().count() > 80), "{}: {}", machine.name, told.stdout);
        Checkup::of(&end)
    }

    /// What there is to say of all that is missing, the stage included.
    fn ailments(&self) -> impl Iterator<Item = &Value> {
        let effects = self.cards.iter().filter(|card| card["works"] == false).map(|card| &card["ailment"]);
        effects.chain(self.cards.iter().map(|card| &card["no_stage"]))
    }

    pub fn causes(&self) -> BTreeSet<&str> {
        self.ailments().filter_map(|ailment| ailment["cause"].as_str()).collect()
    }

    /// All reasons and remedies.
    pub fn words(&self) -> String {
        let told = self.ailments().flat_map(|ailment| [&ailment["reason"], &ailment["remedy"]]);
        told.filter_map(Value::as_str).collect::<Vec<_>>().join("\n")
    }

    /// The facts that a lesson goes without.
    fn without(&self, lesson: &str) -> BTreeSet<&str> {
        let card = self.cards.iter().find(|card| card["lesson"] == lesson).unwrap();
        card["without"].as_array().unwrap().iter().map(|fact| fact.as_str().unwrap()).collect()
    }
}

/// What the lesson went without: all of it, where it refused to begin.
fn skipped(end: &End, facts: &[String]) -> BTreeSet<String> {
    let events = end.events();
    if events.is_empty() {
        return facts.iter().cloned().collect();
    }
    of_kind(&events, "skipped").iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn check(machine: &Machine, lab: &Lab, lessons: &[(String, Vec<String>)]) {
    let name = machine.name;
    let checkup = Checkup::on(machine, lab);
    assert_eq!(checkup.causes(), machine.causes.iter().copied().collect(), "{name}: {}", checkup.words());
    assert_eq!(checkup.status, machine.status, "{name}: the doctor's exit status");
    let words = checkup.words();
    for word in machine.says {
        assert!(words.contains(word), "{name}: nothing is said of {word}:\n{words}");
    }
    // A limit cannot be set to more than that.
    for word in machine.never_says.iter().chain(&["=2147483647"]) {
        assert!(!words.contains(word), "{name}: it leads nowhere to say {word}:\n{words}");
    }
    for (lesson, facts) in lessons {
        let end = machine.run(lab, &format!("lesson {lesson} --format json"));
        let events = end.events();
        let skipped = skipped(&end, facts);
        if machine.is_exact {
            let without: BTreeSet<String> = checkup.without(lesson).into_iter().map(str::to_owned).collect();
            assert_eq!(skipped, without, "{name}: what the doctor says that {lesson} goes without: {end:?}");
        }
        let expected = if skipped.len() == facts.len() { 3 } else { 0 };
        assert_eq!(end.code(), expected, "{name}: lesson {lesson}: {end:?}");
        if events.is_empty() {
            assert!(end.stderr.contains("what to do:"), "{name}: lesson {lesson}: {end:?}");
            continue;
        }
        let ended = events.last().unwrap();
        assert_eq!((&ended["event"], &ended["failed"]), (&"ended".into(), &0.into()), "{name}: {end:?}");
        assert_eq!(ended["left_behind"], serde_json::json!([]), "{name}: {end:?}");
        let told: Vec<&Value> = of_kind(&events, "verified").into_iter().chain(of_kind(&events, "skipped")).collect();
        let told_once: BTreeSet<&str> = told.iter().map(|event| event["id"].as_str().unwrap()).collect();
        assert_eq!((told.len(), told_once.len()), (facts.len(), facts.len()), "{name}: each fact once: {end:?}");
        let numbers: Vec<u64> = of_kind(&events, "step").iter().filter_map(|step| step["number"].as_u64()).collect();
        assert!(numbers.is_sorted(), "{name}: {numbers:?}");
        for event in of_kind(&events, "skipped") {
            assert!(!event["reason"].as_str().unwrap().is_empty() && !event["remedy"].as_str().unwrap().is_empty());
        }
    }
}

/// Looks at these machines, each with so many lessons. One that is not right hides none of those after it.
fn check_all(wanted: fn(&Machine) -> bool, count: usize) {
    let Some(lab) = stage().filter(|_| can_play() && has_tool("unshare") && has_tool("prlimit")) else { return };
    let facts = |id: &String| {
        let events = lab.run(["lesson", id, "--format", "json"]).end().must_be(0).events();
        of_kind(&events, "verified").iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    };
    let facts: BTreeMap<String, Vec<String>> = lab.ids().into_iter().map(|id| (id.clone(), facts(&id))).collect();
    let (mut turns, mut played, mut wrong) = (Turns::new(&lab), 0, Vec::new());
    for machine in machines().filter(wanted).filter(Machine::can_be_played) {
        let lessons = turns.take(count).into_iter().map(|id| (id.clone(), facts[&id].clone()));
        let lessons: Vec<_> = lessons.collect();
        if catch_unwind(AssertUnwindSafe(|| check(&machine, &lab, &lessons))).is_err() {
            wrong.push(machine.name);
        }
        played += 1;
    }
    eprintln!("{played} machines were played");
    assert!(wrong.is_empty(), "{} of them are not right: {wrong:#?}", wrong.len());
}

/// Where a process or a file more may be the one too many, the doctor cannot say beforehand how far a lesson comes; but
/// it comes to a good end, and at fault is the limit.
fn check_tight_limits(count: usize) {
    let Some(lab) = stage().filter(|_| can_play() && has_tool("unshare") && has_tool("prlimit")) else { return };
    let mut turns = Turns::new(&lab);
    for (limit, cause, values) in [("nproc", "processes", 1..8), ("nofile", "descriptors", 5..13)] {
        for value in values {
            let run = |args: &str| limited(&lab, &format!("--{limit}={value}:{value}"), args);
            let doctor = run("doctor --format json");
            let checkup = Checkup::of(&doctor);
            if checkup.status == 0 {
                continue;
            }
            assert_eq!(doctor.code(), 3, "{limit} {value}: {doctor:?}");
            assert!(checkup.causes().contains(cause), "{limit} {value}: {:?}", checkup.causes());
            for lesson in turns.take(count) {
                let end = run(&format!("lesson {lesson} --format json"));
                assert!([0, 3].contains(&end.code()), "{limit} {value}: lesson {lesson}: {end:?}");
                assert!(!end.stdout.contains(r#""held":false"#), "{limit} {value}: lesson {lesson}: {end:?}");
            }
        }
    }
}

#[test]
fn on_every_machine_the_cause_is_the_right_one_and_lessons_do_what_they_can() {
    check_all(|machine| !machine.is_slow, LESSONS);
}

#[test]
fn on_a_slow_machine_as_well() {
    check_all(|machine| machine.is_slow, 1);
}

#[test]
fn tight_limits_are_told_and_end_nothing_badly() {
    check_tight_limits(LESSONS);
}

#[test]
fn output_to_a_file_that_may_not_grow_is_told() {
    let Some(lab) = stage().filter(|_| has_tool("unshare") && has_tool("prlimit")) else { return };
    for args in ["list", "lesson uts", "doctor --format json"] {
        let script = format!("mount -t tmpfs none /mnt && exec prlimit --fsize=0 \"$0\" {args} > /mnt/output");
        let end = as_root_of_nothing(&lab, &script).end().must_be(1);
        assert!(end.stderr.contains("writing to standard output: EFBIG"), "{args}: {end:?}");
    }
}

/// The whole grid.
mod with_every_lesson {
    #[test]
    #[ignore = "every lesson on every machine"]
    fn on_every_machine_the_cause_is_the_right_one_and_lessons_do_what_they_can() {
        super::check_all(|_| true, usize::MAX);
    }

    #[test]
    #[ignore = "every lesson within every limit"]
    fn tight_limits_are_told_and_end_nothing_badly() {
        super::check_tight_limits(usize::MAX);
    }
}
