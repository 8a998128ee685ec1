//! How it looks, and what other programs can rely on.

use std::io::Read;

use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr;

use crate::moments::Telling;
use crate::support::{Lab, Run, has_tool, lab, stage};

fn lesson(lab: &Lab, id: &str, more: &[&str]) -> Run {
    lab.run(["lesson", id].iter().chain(more))
}

fn has_escapes(run: &Run) -> bool {
    run.end().must_be(0).stdout.contains('\u{1b}')
}

pub fn has_colour_when_it_is_asked_for(id: &str) {
    let Some(lab) = stage() else { return };
    assert!(has_escapes(&lesson(&lab, id, &["--color", "always"])), "{id} --color always");
    assert!(has_escapes(&lesson(&lab, id, &[]).env("CLICOLOR_FORCE", "1")), "{id} with CLICOLOR_FORCE=1");
}

pub fn has_no_escape_byte_where_colour_is_off(id: &str) {
    let Some(lab) = stage() else { return };
    assert!(!has_escapes(&lesson(&lab, id, &[])), "{id} in a pipe");
    assert!(!has_escapes(&lesson(&lab, id, &["--color", "never"]).env("CLICOLOR_FORCE", "1")), "{id}, never");
    for format in ["plain", "json", "markdown"] {
        let forced = lesson(&lab, id, &["--format", format, "--color", "always"]).env("CLICOLOR_FORCE", "1");
        assert!(!has_escapes(&forced), "{id} as {format}");
    }
}

#[test]
fn a_terminal_has_colour_unless_it_was_told_otherwise() {
    if !has_tool("script") {
        return;
    }
    let Some(lab) = stage() else { return };
    let typed = format!("{} lesson uts --no-pause", lab.program().display());
    let on_a_terminal = || lab.run([""]).instead("script", &["-qec", &typed, "/dev/null"]);
    assert!(has_escapes(&on_a_terminal().env("TERM", "xterm-256color")), "a terminal");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb"), ("CLICOLOR", "0")] {
        assert!(!has_escapes(&on_a_terminal().env("TERM", "xterm").env(name, value)), "{name}={value}");
    }
}

pub fn is_nowhere_wider_than_the_terminal(id: &str) {
    let Some(lab) = stage() else { return };
    let mut wide = Vec::new();
    for columns in [40, 60, 80, 100] {
        let text = lesson(&lab, id, &[]).env("COLUMNS", &columns.to_string()).end().must_be(0).stdout;
        let lines = text.lines().filter(|line| line.width() > columns);
        wide.extend(lines.map(|line| format!("{id}, {columns} columns, {}: {line}", line.width())));
    }
    assert!(wide.is_empty(), "lines that are too wide:\n{}", wide.join("\n"));
}

#[track_caller]
fn fits(lab: &Lab, args: &[&str], columns: usize) {
    let text = lab.run(args).env("COLUMNS", &columns.to_string()).end().must_be(0).stdout;
    let wide: Vec<_> = text.lines().filter(|line| line.width() > columns).collect();
    assert!(wide.is_empty(), "{args:?} in {columns} columns has lines that are too wide:\n{}", wide.join("\n"));
}

#[test]
fn no_line_of_the_doctor_is_wider_than_the_terminal() {
    let Some(lab) = stage() else { return };
    for columns in [40, 60, 80, 100] {
        fits(&lab, &["doctor"], columns);
    }
}

#[test]
fn no_line_of_the_list_is_wider_than_the_terminal() {
    let lab = lab();
    for columns in [80, 100] {
        fits(&lab, &["list"], columns);
        fits(&lab, &[], columns);
    }
}

#[test]
fn no_line_of_the_list_is_wider_than_a_narrow_terminal() {
    let lab = lab();
    for columns in [40, 60] {
        fits(&lab, &["list"], columns);
        fits(&lab, &[], columns);
    }
}

/// The contract with other programs: the keys that every event of a kind has.
const CONTRACT: [(&str, &[&str]); 12] = [
    ("lesson", &["id", "title", "question", "minutes", "kernel"]),
    ("step", &["number", "of", "title"]),
    ("said", &["text"]),
    ("called", &["actor", "syscall", "args"]),
    ("saw", &["actor", "what"]),
    ("stood", &["rows"]),
    ("compared", &["title", "before", "after", "changed"]),
    ("verified", &["id", "claim", "held", "evidence"]),
    ("asked", &["id", "text", "choices"]),
    ("answered", &["id", "number", "answer", "why"]),
    ("by_hand", &["command"]),
    ("ended", &["held", "failed", "skipped", "left_behind", "set_up"]),
];

fn keeps_the_contract(event: &Map<String, Value>) {
    let kind = event["event"].as_str().unwrap();
    let (_, keys) = CONTRACT.iter().find(|(known, _)| *known == kind).unwrap_or_else(|| panic!("unknown: {event:?}"));
    for key in *keys {
        assert!(event.get(*key).is_some_and(|value| !value.is_null()), "no {key} in {event:?}");
    }
    if kind == "called" {
        assert!(event.contains_key("result") != event.contains_key("errno"), "one of both: {event:?}");
        assert!(event.get("errno").is_none_or(|errno| errno.as_str().unwrap().starts_with('E')), "{event:?}");
        assert!(event.get("set_up").is_none_or(|set_up| set_up == true), "{event:?}");
    }
}

pub fn has_json_events_with_the_names_that_other_programs_rely_on(id: &str) {
    let Some(lab) = stage() else { return };
    let events = lesson(&lab, id, &["--format", "json"]).end().must_be(0).events();
    events.iter().for_each(|event| keeps_the_contract(event.as_object().unwrap()));
    assert_eq!(events[0]["event"], "lesson", "{id}");
    assert_eq!(events[0]["id"], id);
    assert_eq!(events.last().unwrap()["event"], "ended", "{id}");
}

#[test]
fn all_lessons_come_one_after_the_other_in_teaching_order() {
    let Some(lab) = stage() else { return };
    let events = lab.run(["lesson", "--all", "--format", "json"]).end().must_be(0).events();
    let begun: Vec<_> = events.iter().filter(|event| event["event"] == "lesson").collect();
    let begun: Vec<_> = begun.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(begun, lab.ids());
}

#[test]
fn events_arrive_one_by_one_as_they_happen() {
    let Some(lab) = stage() else { return };
    let mut telling = Telling::begin(&lesson(&lab, "net", &["--format", "json"]));
    let mut buffer = [0; 4096];
    // The pipe keeps writes apart: one read, one write.
    let length = telling.events.read(&mut buffer).unwrap();
    let first = std::str::from_utf8(&buffer[..length]).unwrap();
    assert_eq!(first.matches('\n').count(), 1, "the first write is one event: {first}");
    assert!(first.ends_with('\n') && first.contains(r#""event":"lesson""#), "{first}");
    // The program waits for its reader now, with its stage: the lesson is not told from memory, after its end.
    let program = telling.child.id();
    let children = crate::support::read_text(format!("/proc/{program}/task/{program}/children")).unwrap();
    assert_ne!(children.trim(), "", "the stage is gone before the first event has been read");
    assert_eq!(telling.child.try_wait().unwrap(), None);
    telling.read(usize::MAX);
    assert!(telling.child.wait().unwrap().success());
}
