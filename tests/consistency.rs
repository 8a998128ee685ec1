//! A lesson is a file, a line in lessons/mod.rs and its snapshots, and proves what it says. Each message names the file
//! to add or to change.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::paths;
use crate::support::{lab, of_kind};

/// The facts that each lesson must prove: the lessons' assignment, which stands nowhere else in the repository.
const ASSIGNED: [(&str, &[&str]); 5] = [
    (
        "chroot",
        &[
            "chroot-sees-pids",
            "chroot-kills-host",
            "chroot-renames-host",
            "chroot-same-namespaces",
            "chroot-escape",
            "chroot-pivot-root-holds",
            "chroot-unshare-fixes",
            "chroot-no-userns",
        ],
    ),
    (
        "pid",
        &[
            "pid-one-inside",
            "pid-nspid",
            "pid-parent-sees-child",
            "pid-stale-proc",
            "pid-signal-down-only",
            "pid-init-shield",
            "pid-init-dies-all-die",
            "pid-orphans-to-init",
            "pid-for-children",
            "pid-one-way",
            "pid-nesting-32",
            "pid-host-shared",
            "pid-creds-translated",
            "pid-getpid-not-cached",
            "ns-same-inode",
        ],
    ),
    (
        "uts",
        &[
            "uts-copied",
            "uts-independent",
            "uts-domainname",
            "uts-cap-over-owner",
            "uts-64-bytes",
            "uts-proc-sys",
            "uts-not-kernel",
            "uts-setns-back",
        ],
    ),
    (
        "net",
        &[
            "net-fresh-lo-down",
            "net-lo-up",
            "net-own-everything",
            "net-same-port",
            "net-veth",
            "net-interface-one-place",
            "net-lo-immovable",
            "net-veth-dies",
            "net-abstract-unix",
            "net-host-shared",
        ],
    ),
    (
        "shared-net",
        &[
            "shared-net-refused",
            "shared-net-joined",
            "shared-net-only-net",
            "shared-net-port-taken",
            "pid-container-shared",
            "shared-pid-ps",
        ],
    ),
];

fn root(path: &str) -> PathBuf {
    paths::tree().join(path)
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(root(path)).ok()
}

fn snapshot_file(lesson: &str, format: &str) -> String {
    format!("tests/snapshots/{lesson}.{format}.snap")
}

/// The body of a lesson's snapshot.
#[track_caller]
pub fn snapshot(lesson: &str, format: &str) -> String {
    let file = snapshot_file(lesson, format);
    let how = "run `INSTA_UPDATE=always cargo test snapshots`, and read what it wrote";
    let text = read(&file).unwrap_or_else(|| panic!("add {file}: {how}"));
    let body = text.splitn(3, "---\n").nth(2);
    body.unwrap_or_else(|| panic!("{file} is no snapshot: {how}")).to_owned()
}

pub fn snapshot_events(lesson: &str) -> Vec<Value> {
    snapshot(lesson, "json").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn strings(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn id(lesson: &Value) -> &str {
    lesson["id"].as_str().unwrap()
}

#[test]
fn every_lesson_has_its_files() {
    for lesson in lab().lessons() {
        let id = id(&lesson);
        let module = id.replace('-', "_");
        assert!(
            root(&format!("lessons/{module}.rs")).exists(),
            "add lessons/{module}.rs: `nslearn list` tells of {id}"
        );
        assert!(
            root(&format!("lessons/notes/{module}.rs")).exists(),
            "add lessons/notes/{module}.rs: the teacher's notes on {id}"
        );
        let list = read("lessons/mod.rs").unwrap();
        assert!(list.contains(&format!("mod {module};")), "add `mod {module};` to lessons/mod.rs");
        snapshot(id, "plain");
        snapshot(id, "json");
    }
}

#[test]
fn every_file_in_lessons_is_a_lesson_on_the_list() {
    let known: Vec<String> = lab().ids().iter().map(|id| id.replace('-', "_")).collect();
    // The notes are a room of their own, with a file a lesson as well.
    for directory in ["lessons", "lessons/notes"] {
        for entry in fs::read_dir(root(directory)).unwrap().flatten() {
            let file = entry.file_name().into_string().unwrap();
            let module = file.trim_end_matches(".rs").to_owned();
            let is_the_notes = directory == "lessons" && file == "notes";
            let belongs = module == "mod" || is_the_notes || known.contains(&module);
            assert!(belongs, "{directory}/{file} is of no lesson: add it to ALL in lessons/mod.rs, or remove it");
        }
    }
}

#[test]
fn every_snapshot_is_of_a_lesson() {
    let known = lab().ids();
    for entry in fs::read_dir(root("tests/snapshots")).unwrap().flatten() {
        let file = entry.file_name().into_string().unwrap();
        let lesson = file.split('.').next().unwrap().to_owned();
        // What the book shows of the two commands that list lessons.
        let of_a_command = ["doctor", "list"].contains(&lesson.as_str());
        assert!(of_a_command || known.contains(&lesson), "remove tests/snapshots/{file}: there is no lesson {lesson}");
    }
}

#[test]
fn every_fact_of_a_lesson_is_a_known_one() {
    let known = read("tests/facts.txt").unwrap();
    let known: BTreeSet<&str> = known.lines().collect();
    for lesson in lab().lessons() {
        for fact in strings(&lesson["facts"]) {
            assert!(
                known.contains(fact.as_str()),
                "add {fact} (lesson {}) to tests/facts.txt, or mend its name",
                id(&lesson)
            );
        }
    }
}

#[test]
fn every_lesson_proves_the_facts_that_it_lists() {
    for lesson in lab().lessons() {
        let id = id(&lesson);
        let events = snapshot_events(id);
        let verified = of_kind(&events, "verified");
        let proven: BTreeSet<String> = verified.iter().map(|claim| claim["id"].as_str().unwrap().to_owned()).collect();
        let module = id.replace('-', "_");
        assert_eq!(
            strings(&lesson["facts"]),
            proven,
            "lessons/{module}.rs: the facts that it lists (left), and those that {} proves (right)",
            snapshot_file(id, "json")
        );
        assert_eq!(verified.len(), proven.len(), "lessons/{module}.rs: it proves a fact twice");
    }
}

#[test]
fn every_lesson_proves_the_facts_that_it_was_given() {
    for lesson in lab().lessons() {
        let id = id(&lesson);
        let assigned = ASSIGNED.iter().find(|(lesson, _)| *lesson == id);
        let (_, facts) =
            assigned.unwrap_or_else(|| panic!("add the facts of {id} to ASSIGNED in tests/consistency.rs"));
        let facts: BTreeSet<String> = facts.iter().map(ToString::to_string).collect();
        assert_eq!(strings(&lesson["facts"]), facts, "the facts of lessons/{}.rs (left)", id.replace('-', "_"));
    }
}

#[test]
fn every_lesson_has_as_many_steps_as_it_says_and_four_to_eight() {
    for lesson in lab().lessons() {
        let (id, steps) = (id(&lesson), lesson["steps"].as_u64().unwrap());
        let module = id.replace('-', "_");
        assert!((4..=8).contains(&steps), "lessons/{module}.rs: {steps} steps");
        let events = snapshot_events(id);
        let told: Vec<_> =
            of_kind(&events, "step").iter().map(|step| (step["number"].as_u64(), step["of"].as_u64())).collect();
        let expected: Vec<_> = (1..=steps).map(|number| (Some(number), Some(steps))).collect();
        assert_eq!(told, expected, "lessons/{module}.rs: the steps that it tells (left)");
    }
}

#[test]
fn every_step_is_explained_and_can_be_done_by_hand() {
    for lesson in lab().lessons() {
        let id = id(&lesson);
        let events = snapshot_events(id);
        let steps = events.split(|event| event["event"] == "step").skip(1);
        for (index, step) in steps.enumerate() {
            let of = |kind| step.iter().filter(|event| event["event"] == kind).count();
            let place = format!("lessons/{}.rs, step {}", id.replace('-', "_"), index + 1);
            assert!(of("said") > 0, "{place}: add a `say`");
            assert!(of("by_hand") > 0, "{place}: add a `by_hand`");
        }
    }
}

#[test]
fn every_lesson_has_a_question_a_time_and_manual_pages() {
    for lesson in lab().lessons() {
        let file = format!("lessons/{}.rs", id(&lesson).replace('-', "_"));
        assert!(lesson["question"].as_str().unwrap().contains('?'), "{file}: the question has no question mark");
        assert!(lesson["minutes"].as_u64().unwrap() > 0, "{file}: it takes no time");
        assert!(!strings(&lesson["man"]).is_empty(), "{file}: it names no manual page");
    }
}
