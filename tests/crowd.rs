//! Many actors on one stage: what goes between processes is large then, and arrives whole.

use serde_json::{Value, json};

use crate::support::{End, everybody, lab, of_kind, stage};

/// So many that the events that list them all are longer than what a packet between two processes holds.
const ACTORS: usize = 500;

#[track_caller]
fn all_are_there(end: End) {
    let events = end.must_be(0).events();
    let stood = *of_kind(&events, "stood").last().unwrap();
    let names: Vec<&str> = stood["rows"].as_array().unwrap().iter().map(|row| row["actor"].as_str().unwrap()).collect();
    let expected: Vec<String> = (1..=ACTORS).map(|number| format!("actor{number}")).collect();
    assert_eq!(names[0], "host");
    assert_eq!(names[1..], expected);
    assert!(stood.to_string().len() > 100_000, "{}", stood.to_string().len());
    let ended = *of_kind(&events, "ended").last().unwrap();
    let counts = json!([ended["held"], ended["failed"], ended["skipped"], ended["left_behind"]]);
    assert_eq!(counts, json!([1, 0, 0, Value::Array(Vec::new())]));
}

#[test]
fn all_of_a_crowd_are_told_of() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        all_are_there(lab.run(["dev", "crowd", &ACTORS.to_string(), "--format", "json"]).by(who).end());
    }
}

#[test]
fn a_crowd_may_have_more_open_files_than_is_usual() {
    let Some(lab) = stage() else { return };
    let script = format!("ulimit -Sn 100 && exec \"$0\" dev crowd {ACTORS} --format json");
    all_are_there(lab.shell(&script).end());
}

#[test]
fn where_there_is_no_room_for_a_crowd_it_says_so() {
    let lab = lab();
    let end = lab.shell(&format!("ulimit -n 100 && exec \"$0\" dev crowd {ACTORS}")).end().must_be(3);
    assert!(end.stdout.is_empty() && end.stderr.contains("a process may have 100"), "{end:?}");
}
