//! `nslearn doctor`: whether each lesson can run here, found out by trying.

use std::io;

use serde_json::json;

use super::status;
use crate::cli::{Format, Output};
use crate::diagnosis::{Advice, advise};
use crate::lesson::Lesson;
use crate::lessons;
use crate::render::{Line, Printer, Style, hanging};
use crate::stage::{Need, probe};

/// What a lesson lacks here.
struct Lack {
    what: &'static str,
    advice: Advice,
    /// Whether the lesson cannot begin at all, or goes on without a fact or two.
    fatal: bool,
}

pub(super) fn run(output: &Output) -> io::Result<u8> {
    let found = examine();
    let all_run = found.iter().all(|(_, lacks)| lacks.is_empty());
    let mut printer = Printer::new(output);
    let lines = if output.format == Format::Json {
        found.iter().map(|(lesson, lacks)| Line::plain(card(lesson, lacks))).collect()
    } else {
        report(&found, all_run, printer.width)
    };
    printer.lines(&lines)?;
    Ok(if all_run { 0 } else { status::NOT_HERE })
}

/// What each lesson lacks: nothing, if it runs.
fn examine() -> Vec<(&'static Lesson, Vec<Lack>)> {
    let probed = probe();
    let lacks = |lesson: &Lesson| match &probed {
        Err(error) => vec![Lack { what: "a stage", advice: advise(error), fatal: true }],
        Ok(results) => {
            let lacking = |need: &Need| {
                let (_, result) = results.iter().find(|(tried, _)| tried == need)?;
                let error = result.as_ref().err()?;
                Some(Lack { what: need.name(), advice: advise(error), fatal: false })
            };
            lesson.needs.iter().filter_map(lacking).collect()
        }
    };
    lessons::ALL.into_iter().map(|lesson| (lesson, lacks(lesson))).collect()
}

fn report(found: &[(&'static Lesson, Vec<Lack>)], all_run: bool, width: usize) -> Vec<Line> {
    let verdict = if all_run {
        Line::new().with(Style::Held, "All lessons run on this machine.")
    } else {
        Line::new().with(Style::Failed, "Not all lessons run on this machine.")
    };
    let mut lines = vec![verdict, Line::new()];
    let mut told: Vec<&Advice> = Vec::new();
    for (lesson, lacks) in found {
        let (mark, style) = match lacks.iter().map(|lack| lack.fatal).max() {
            None => ("✔", Style::Held),
            Some(false) => ("○", Style::Notice),
            Some(true) => ("✘", Style::Failed),
        };
        let without: Vec<&str> = lacks.iter().map(|lack| lack.what).collect();
        let how = if without.is_empty() { "runs".to_owned() } else { format!("lacks {}", without.join(", ")) };
        lines.extend(hanging(&format!("  {mark} {:<12}", lesson.id), &how, style, width));
    }
    for lack in found.iter().flat_map(|(_, lacks)| lacks) {
        // The same cause stands in the way of several lessons, and is told once.
        if !told.contains(&&lack.advice) {
            told.push(&lack.advice);
            lines.push(Line::new());
            lines.extend(hanging("why:         ", &lack.advice.reason, Style::Plain, width));
            lines.extend(hanging("what to do:  ", &lack.advice.remedy, Style::Command, width));
        }
    }
    lines
}

fn card(lesson: &Lesson, lacks: &[Lack]) -> String {
    let lacks: Vec<_> = lacks
        .iter()
        .map(|lack| json!({"what": lack.what, "reason": lack.advice.reason, "remedy": lack.advice.remedy, "fatal": lack.fatal}))
        .collect();
    json!({"lesson": lesson.id, "runs": lacks.is_empty(), "lacks": lacks}).to_string()
}
