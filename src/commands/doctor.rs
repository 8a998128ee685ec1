//! `nslearn doctor`: what this machine can do of what lessons need, found out by trying; and which lessons go without what.

use std::io;

use nix::sys::utsname::uname;
use serde_json::{Value as Json, json};

use super::status;
use crate::cli::{Format, Output};
use crate::diagnosis::{Advice, advise};
use crate::error::Error;
use crate::lesson::Lesson;
use crate::lessons;
use crate::render::{Line, Printer, Style, hanging};
use crate::stage::{Effect, Findings, Trial, examine};
use crate::transcript::errno_name;

pub(super) fn run(output: &Output) -> io::Result<u8> {
    let checkup = Checkup::of(examine());
    let mut printer = Printer::new(output);
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
    lessons: Vec<Prospect>,
}

/// What becomes of a lesson here.
struct Prospect {
    lesson: &'static Lesson,
    /// The facts that it goes without.
    without: Vec<&'static str>,
    /// Whether some go besides that depend on how it comes.
    more: bool,
}

impl Prospect {
    fn of(lesson: &'static Lesson, findings: &Findings) -> Prospect {
        let found = |effect: Effect| findings.trials.iter().find(|(tried, _)| *tried == effect);
        let fails = |effect: Effect| matches!(found(effect), Some((_, Some(Err(_)))));
        let comes_about = |effect: Effect| matches!(found(effect), Some((_, Some(Ok(())))));
        let mut needs = lesson.needs.iter();
        let no_ground = findings.stage.is_err() || Effect::OF_A_USER_NAMESPACE.into_iter().any(fails);
        let goes = |fact: &str| {
            let needs = |(effect, facts): &(Effect, &[&str])| facts.contains(&fact) && !comes_about(*effect);
            no_ground || lesson.needs.iter().any(needs)
        };
        let without = lesson.facts.iter().copied().filter(|fact| goes(fact)).collect();
        Prospect { lesson, without, more: needs.any(|(effect, facts)| facts.is_empty() && fails(*effect)) }
    }

    fn runs(&self) -> bool {
        self.without.is_empty() && !self.more
    }

    /// Whether nothing of it can be shown.
    fn is_off(&self) -> bool {
        self.without.len() == self.lesson.facts.len()
    }

    fn line(&self, width: usize) -> Vec<Line> {
        let (mark, style, how) = if self.is_off() {
            ("✘", Style::Failed, "does not run".to_owned())
        } else if self.runs() {
            ("✔", Style::Held, "runs".to_owned())
        } else if self.without.is_empty() {
            ("○", Style::Notice, "may go without some of its facts".to_owned())
        } else {
            let (without, of) = (self.without.len(), self.lesson.facts.len());
            ("○", Style::Notice, format!("runs without {without} of its {of} facts: {}", self.without.join(", ")))
        };
        hanging(&format!("  {mark} {:<12}", self.lesson.id), &how, style, width)
    }
}

/// Effects that are missing for one and the same reason.
struct Ailment {
    effects: Vec<Effect>,
    error: Error,
    advice: Advice,
}

impl Checkup {
    fn of(findings: Findings) -> Checkup {
        let lessons = lessons::ALL.into_iter().map(|lesson| Prospect::of(lesson, &findings)).collect();
        Checkup { findings, lessons }
    }

    fn all_run(&self) -> bool {
        self.lessons.iter().all(Prospect::runs)
    }

    fn verdict(&self) -> String {
        let named = |wanted: fn(&Prospect) -> bool| {
            let ids = self.lessons.iter().filter(|prospect| wanted(prospect)).map(|prospect| prospect.lesson.id);
            ids.collect::<Vec<_>>().join(", ")
        };
        let off = named(Prospect::is_off);
        let partly = named(|prospect| !prospect.runs() && !prospect.is_off());
        match (off.as_str(), partly.as_str()) {
            ("", "") => "All lessons run on this machine.".to_owned(),
            _ if self.lessons.iter().all(Prospect::is_off) => "No lesson runs on this machine.".to_owned(),
            ("", partly) => format!("All lessons run on this machine, but not in full: {partly}."),
            (off, "") => format!("Not all lessons run on this machine: {off} cannot."),
            (off, partly) => format!("Not all lessons run on this machine: {off} cannot, and not in full {partly}."),
        }
    }

    /// What is missing, by reason: the stage's own comes first.
    fn ailments(&self) -> Vec<Ailment> {
        let mut ailments: Vec<Ailment> = Vec::new();
        let failed = |(effect, result): &Trial| match result {
            Some(Err(error)) => Some((Some(*effect), error.clone())),
            _ => None,
        };
        let stage = self.findings.stage.as_ref().err().map(|error| (None, error.clone()));
        for (effect, error) in stage.into_iter().chain(self.findings.trials.iter().filter_map(failed)) {
            let advice = advise(&error);
            let same =
                |known: &&mut Ailment| known.advice.cause == advice.cause && known.advice.remedy == advice.remedy;
            match ailments.iter_mut().find(same) {
                Some(known) => known.effects.extend(effect),
                None => ailments.push(Ailment { effects: effect.into_iter().collect(), error, advice }),
            }
        }
        ailments
    }

    /// What lessons go without where these effects are missing.
    fn price(&self, effects: &[Effect]) -> String {
        let stands = self.findings.stage.is_ok();
        let ground =
            |effect: &Effect| Effect::OF_A_USER_NAMESPACE.contains(effect) || !stands && effect.carries_the_stage();
        if effects.is_empty() || effects.iter().any(ground) {
            return "all lessons".to_owned();
        }
        let needing = lessons::ALL.into_iter().filter_map(|lesson| {
            let needs: Vec<_> = lesson.needs.iter().filter(|(effect, _)| effects.contains(effect)).collect();
            let goes = |fact: &&&str| needs.iter().any(|(_, facts)| facts.contains(*fact));
            let facts: Vec<&str> = lesson.facts.iter().filter(goes).copied().collect();
            match facts.as_slice() {
                _ if needs.is_empty() => None,
                [] => Some(format!("{} (some facts)", lesson.id)),
                all if all.len() == lesson.facts.len() => Some(format!("{} (all of it)", lesson.id)),
                facts => Some(format!("{} ({})", lesson.id, facts.join(", "))),
            }
        });
        let needing: Vec<String> = needing.collect();
        if needing.is_empty() { "no lesson needs it yet".to_owned() } else { needing.join("; ") }
    }

    fn report(&self, width: usize) -> Vec<Line> {
        let style = if self.all_run() { Style::Held } else { Style::Failed };
        let mut lines = hanging("", &self.verdict(), style, width);
        lines.push(Line::new());
        lines.extend(self.lessons.iter().flat_map(|prospect| prospect.line(width)));
        lines.push(Line::new());
        lines.extend(self.tally(width));
        for Ailment { effects, advice, .. } in self.ailments() {
            // Where there is no room for something, that is what is missing, and not what was just being tried.
            let label = if advice.cause.is_want_of_room() { "stopped at:  " } else { "missing:     " };
            let told = [
                (label, effects.iter().map(|effect| effect.title()).collect::<Vec<_>>().join(", "), Style::Plain),
                ("why:         ", advice.reason, Style::Plain),
                ("what to do:  ", advice.remedy, Style::Command),
                ("the risk:    ", advice.risk, Style::Plain),
                ("without it:  ", self.price(&effects), Style::Plain),
            ];
            lines.push(Line::new());
            for (label, text, style) in told.into_iter().filter(|(_, text, _)| !text.is_empty()) {
                lines.extend(hanging(label, &text, style, width));
            }
        }
        lines
    }

    /// How many effects were seen, and what could not even be tried.
    fn tally(&self, width: usize) -> Vec<Line> {
        let seen = self.findings.trials.iter().filter(|(_, result)| matches!(result, Some(Ok(())))).count();
        let untried = self.findings.trials.iter().filter(|(_, result)| result.is_none()).count();
        let of = Effect::ALL.len();
        let mut text = format!("{seen} of {of} effects came about, each tried in a process of its own.");
        if untried > 0 {
            text.push_str(&format!(" {untried} could not be tried: what they stand on is missing."));
        }
        hanging("", &text, Style::Quiet, width)
    }

    /// The same for programs: the verdict, each effect, each lesson.
    fn cards(&self) -> Vec<Json> {
        let kernel = uname().map(|names| names.release().to_string_lossy().into_owned()).unwrap_or_default();
        let ailments = self.ailments();
        let stage = self.findings.stage.as_ref().err().map(|error| ailment(error, &advise(error)));
        let verdict = json!({"verdict": self.verdict(), "runs": self.all_run(), "kernel": kernel, "no_stage": stage});
        let effects = self.findings.trials.iter().map(|(effect, result)| {
            let mut card = json!({"effect": effect.name(), "what": effect.title(), "works": null});
            if let Some(result) = result {
                card["works"] = result.is_ok().into();
            }
            if let Some(Err(error)) = result {
                card["ailment"] = ailment(error, &advise(error));
            }
            card
        });
        let lessons = self.lessons.iter().map(|prospect| {
            let lacks = ailments.iter().filter(|known| {
                let needed = |(effect, _): &(Effect, _)| known.effects.contains(effect);
                self.findings.stage.is_err() && known.effects.iter().any(|effect| effect.carries_the_stage())
                    || prospect.lesson.needs.iter().any(needed)
            });
            let lacks: Vec<Json> = lacks.map(|known| ailment(&known.error, &known.advice)).collect();
            json!({
                "lesson": prospect.lesson.id,
                "runs": prospect.runs(),
                "without": prospect.without,
                "lacks": lacks,
            })
        });
        [verdict].into_iter().chain(effects).chain(lessons).collect()
    }
}

fn ailment(error: &Error, advice: &Advice) -> Json {
    let (tried, errno) = match error {
        Error::Refused { call, errno, .. } => (call.clone(), Some(errno_name(*errno))),
        error => (error.to_string(), None),
    };
    let errno = errno.and_then(|name| name.split(' ').next().map(str::to_owned));
    json!({
        "tried": tried,
        "errno": errno,
        "cause": advice.cause.name(),
        "reason": advice.reason,
        "remedy": advice.remedy,
        "risk": advice.risk,
    })
}
