//! `nslearn doctor`: tries what lessons need, and says which lessons this machine can run and which facts it cannot show.

use std::io;

use nix::sys::utsname::uname;
use serde_json::{Value as Json, json};

use super::status;
use crate::cli::Output;
use crate::diagnosis::{Advice, advise};
use crate::error::Error;
use crate::feature::Feature;
use crate::lesson::Lesson;
use crate::lessons;
use crate::probe::{Findings, Trial, examine};
use crate::render::{Format, Line, Printer, Style, hanging};

pub(super) fn run(output: &Output) -> io::Result<u8> {
    let checkup = Checkup::of(examine());
    let mut printer = Printer::new(output.options());
    let lines = if output.format == Format::Json {
        checkup.cards().iter().map(|card| Line::plain(card.to_string())).collect()
    } else {
        checkup.report(printer.width)
    };
    printer.lines(&lines)?;
    Ok(if checkup.all_run() { 0 } else { status::NOT_HERE })
}

/// What was found, and what it means for the lessons.
struct Checkup {
    findings: Findings,
    lessons: Vec<LessonStatus>,
}

/// How far a lesson runs here.
struct LessonStatus {
    lesson: &'static Lesson,
    /// The facts that it skips.
    without: Vec<&'static str>,
    /// Whether it may skip others, depending on the moment.
    more: bool,
}

impl LessonStatus {
    fn of(lesson: &'static Lesson, findings: &Findings) -> LessonStatus {
        let found = |feature: Feature| findings.trials.iter().find(|(tried, _)| *tried == feature);
        let comes_about = |feature: Feature| matches!(found(feature), Some((_, Some(Ok(())))));
        let without = if findings.stage.is_err() {
            lesson.facts().map(|fact| fact.id).collect()
        } else {
            lesson.facts_without(|feature| !comes_about(feature))
        };
        let short = found(Feature::Several).and_then(|(_, result)| result.as_ref()?.as_ref().err());
        LessonStatus { lesson, without, more: short.is_some_and(|error| may_go_short(lesson, error)) }
    }

    /// Whether it is one of these features that it goes without something for.
    fn lacks(&self, features: &[Feature]) -> bool {
        self.more && features.contains(&Feature::Several) || self.lesson.needs(|feature| features.contains(&feature))
    }

    fn runs(&self) -> bool {
        self.without.is_empty() && !self.more
    }

    /// Whether nothing of it can be shown.
    fn is_off(&self) -> bool {
        self.without.len() == self.lesson.facts().count()
    }

    fn line(&self, width: usize) -> Vec<Line> {
        let (mark, style, how) = if self.is_off() {
            ("✘", Style::Failed, "does not run".to_owned())
        } else if self.runs() {
            ("✔", Style::Held, "runs".to_owned())
        } else if self.without.is_empty() {
            ("○", Style::Notice, "runs, but may skip some of its facts".to_owned())
        } else {
            let (without, of) = (self.without.len(), self.lesson.facts().count());
            ("○", Style::Notice, format!("runs, but skips {without} of its {of} facts: {}", self.without.join(", ")))
        };
        hanging(&format!("  {mark} {:<12}", self.lesson.id), &how, style, width)
    }
}

/// Whether a lesson may run into a limit that left no room for several things at once. A limit on namespaces must be on a
/// type that the lesson needs.
fn may_go_short(lesson: &Lesson, error: &Error) -> bool {
    let Error::Refused { call, .. } = error else { return true };
    let mut types = call.asks_for().types().peekable();
    types.peek().is_none() || types.any(|of| lesson.needs(|feature| feature == Feature::of(of)))
}

/// Effects that are missing for one and the same reason.
struct Missing {
    features: Vec<Feature>,
    error: Error,
    advice: Advice,
}

impl Checkup {
    fn of(findings: Findings) -> Checkup {
        let lessons = lessons::ALL.iter().map(|lesson| LessonStatus::of(lesson, &findings)).collect();
        Checkup { findings, lessons }
    }

    fn all_run(&self) -> bool {
        self.lessons.iter().all(LessonStatus::runs)
    }

    fn verdict(&self) -> String {
        let named = |wanted: fn(&LessonStatus) -> bool| {
            let ids = self.lessons.iter().filter(|of| wanted(of)).map(|of| of.lesson.id);
            ids.collect::<Vec<_>>().join(", ")
        };
        let off = named(LessonStatus::is_off);
        let partly = named(|of| !of.runs() && !of.is_off());
        match (off.as_str(), partly.as_str()) {
            ("", "") => "All lessons run on this machine.".to_owned(),
            _ if self.lessons.iter().all(LessonStatus::is_off) => "No lesson runs on this machine.".to_owned(),
            ("", partly) => format!("All lessons run on this machine. Not all facts can be shown in: {partly}."),
            (off, "") => format!("Some lessons cannot run on this machine: {off}."),
            (off, partly) => {
                format!("Some lessons cannot run on this machine: {off}. Not all facts can be shown in: {partly}.")
            }
        }
    }

    /// What is missing, by reason: the stage's own comes first.
    fn missing(&self) -> Vec<Missing> {
        let mut missing: Vec<Missing> = Vec::new();
        let failed = |(feature, result): &Trial| match result {
            Some(Err(error)) => Some((Some(*feature), error.clone())),
            _ => None,
        };
        let stage = self.findings.stage.as_ref().err().map(|error| (None, error.clone()));
        for (feature, error) in stage.into_iter().chain(self.findings.trials.iter().filter_map(failed)) {
            let advice = advise(&error);
            let same =
                |known: &&mut Missing| known.advice.cause == advice.cause && known.advice.remedy == advice.remedy;
            match missing.iter_mut().find(same) {
                Some(known) => known.features.extend(feature),
                None => missing.push(Missing { features: feature.into_iter().collect(), error, advice }),
            }
        }
        missing
    }

    /// Which facts lessons skip where these features are missing.
    fn price(&self, features: &[Feature]) -> String {
        let keeps_the_stage_away = self.findings.stage.is_err() && features.iter().any(|of| of.carries_the_stage());
        if features.is_empty() || keeps_the_stage_away {
            return "all lessons".to_owned();
        }
        let missing = |feature: Feature| features.contains(&feature);
        let needing = self.lessons.iter().filter_map(|of| match of.lesson.facts_without(missing).as_slice() {
            [] if !of.lacks(features) => None,
            [] => Some(format!("{} (some facts)", of.lesson.id)),
            all if all.len() == of.lesson.facts().count() => Some(format!("{} (all of it)", of.lesson.id)),
            facts => Some(format!("{} ({})", of.lesson.id, facts.join(", "))),
        });
        let needing: Vec<String> = needing.collect();
        if needing.is_empty() { "no lesson, so far".to_owned() } else { needing.join("; ") }
    }

    fn report(&self, width: usize) -> Vec<Line> {
        let style = if self.all_run() { Style::Held } else { Style::Failed };
        let mut lines = hanging("", &self.verdict(), style, width);
        lines.push(Line::new());
        lines.extend(self.lessons.iter().flat_map(|of| of.line(width)));
        lines.push(Line::new());
        lines.extend(self.tally(width));
        for Missing { features, advice, .. } in self.missing() {
            // Where there is no room for something, that is what is missing, and not what was just being tried.
            let label = if advice.cause.is_want_of_room() { "stopped at:  " } else { "missing:     " };
            let parts = [
                (label, features.iter().map(|feature| feature.title()).collect::<Vec<_>>().join(", "), Style::Plain),
                ("why:         ", advice.reason, Style::Plain),
                ("what to do:  ", advice.remedy, Style::Command),
                ("the risk:    ", advice.risk, Style::Plain),
                ("affects:     ", self.price(&features), Style::Plain),
            ];
            lines.push(Line::new());
            for (label, text, style) in parts.into_iter().filter(|(_, text, _)| !text.is_empty()) {
                lines.extend(hanging(label, &text, style, width));
            }
        }
        lines
    }

    /// How many features were seen, and what could not even be tried.
    fn tally(&self, width: usize) -> Vec<Line> {
        let seen = self.findings.trials.iter().filter(|(_, result)| matches!(result, Some(Ok(())))).count();
        let untried = self.findings.trials.iter().filter(|(_, result)| result.is_none()).count();
        let of = Feature::ALL.len();
        let mut text = if seen == of {
            format!("All {of} checks passed. Each was made in a process of its own.")
        } else {
            format!("{seen} of {of} checks passed. Each was made in a process of its own.")
        };
        if untried > 0 {
            text.push_str(&format!(" {untried} could not be made, because what they build on is missing."));
        }
        hanging("", &text, Style::Quiet, width)
    }

    /// The report for programs: the verdict, each feature, each lesson.
    fn cards(&self) -> Vec<Json> {
        let kernel = uname().map(|names| names.release().to_string_lossy().into_owned()).unwrap_or_default();
        let missing = self.missing();
        let stage = self.findings.stage.as_ref().err().map(|error| missing_card(error, &advise(error)));
        let verdict = json!({"verdict": self.verdict(), "runs": self.all_run(), "kernel": kernel, "no_stage": stage});
        let features = self.findings.trials.iter().map(|(feature, result)| {
            let mut card = json!({"effect": feature.name(), "what": feature.title(), "works": null});
            if let Some(result) = result {
                card["works"] = result.is_ok().into();
            }
            if let Some(Err(error)) = result {
                card["ailment"] = missing_card(error, &advise(error));
            }
            card
        });
        let lessons = self.lessons.iter().map(|of| {
            let lacks = missing.iter().filter(|known| {
                self.findings.stage.is_err() && known.features.iter().any(|feature| feature.carries_the_stage())
                    || of.lacks(&known.features)
            });
            let lacks: Vec<Json> = lacks.map(|known| missing_card(&known.error, &known.advice)).collect();
            json!({
                "lesson": of.lesson.id,
                "runs": of.runs(),
                "without": of.without,
                "lacks": lacks,
            })
        });
        [verdict].into_iter().chain(features).chain(lessons).collect()
    }
}

fn missing_card(error: &Error, advice: &Advice) -> Json {
    let (tried, errno) = match error {
        Error::Refused { call, errno, .. } => (call.to_string(), Some(format!("{errno:?}"))),
        error => (error.to_string(), None),
    };
    json!({
        "tried": tried,
        "errno": errno,
        "cause": advice.cause.name(),
        "reason": advice.reason,
        "remedy": advice.remedy,
        "risk": advice.risk,
    })
}
