//! What a lesson told when its snapshots were accepted: all that it declares, each thing in its place.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use unicode_width::UnicodeWidthStr;

use crate::commands::dev::derive;
use crate::commands::dev::finding::Findings;
use crate::commands::dev::snapshot::{Snapshots, anchor, between, file};
use crate::lesson::Lesson;
use crate::step::{Ask, ByHand, Step};

/// How to bring a snapshot up to date.
const AGAIN: &str = "run `INSTA_UPDATE=always cargo test snapshots`, and read what changed";

/// How many sentences are said in a step before it asks: who has not been told what it is about can only guess.
const SET_UP: usize = 2;

/// How many sentences a text has. One ends at a stop, a question mark or an exclamation mark, if a new one starts behind
/// it, or nothing does. A new one starts with no lower-case letter, unless that is a call's: "It is so. kill(2) asks."
fn sentences(text: &str) -> usize {
    let mut words = text.split_whitespace().peekable();
    let mut count = 0;
    while let Some(word) = words.next() {
        let closed = word.trim_end_matches(['"', '\'', ')', '\u{201d}']);
        let ends = closed.ends_with(['.', '?', '!']) && !is_abbreviation(closed);
        let starts_anew =
            words.peek().is_none_or(|next| !next.starts_with(|first: char| first.is_lowercase()) || next.contains('('));
        count += usize::from(ends && starts_anew);
    }
    count
}

/// Whether a word's stop does not end a sentence: that of "e.g." and of the like.
fn is_abbreviation(word: &str) -> bool {
    word.strip_suffix('.').is_some_and(|rest| rest.contains('.') || ["etc", "vs", "cf"].contains(&rest))
}

/// Checks a lesson's snapshots against what it declares.
pub(super) fn check(lesson: &'static Lesson, snapshots: &Snapshots, findings: &mut Findings) {
    if let Some(events) = &snapshots.events {
        let story =
            Story { lesson, file: file(lesson.id, "json"), source: format!("{}/mod.rs", derive::folder(lesson.id)) };
        story.check(events, findings);
    }
    for (kind, text) in [("plain", &snapshots.plain), ("by-hand", &snapshots.by_hand)] {
        let Some(text) = text else { continue };
        for number in 1..=lesson.steps.len() {
            let shown = between(text, &anchor(number)).is_some_and(|part| !part.trim().is_empty());
            findings.expect(shown, &file(lesson.id, kind), || format!("step {number} is not in it: {AGAIN}"));
        }
    }
    if let Some(svg) = &snapshots.svg {
        let drawn = (1..=lesson.steps.len()).any(|number| between(svg, &anchor(number)).is_some());
        findings.expect(drawn, &file(lesson.id, "svg"), || {
            "the lesson has no picture: nobody moves to another namespace in any step".to_owned()
        });
    }
}

/// A lesson and where its story lies.
struct Story {
    lesson: &'static Lesson,
    /// The story as it was told.
    file: String,
    /// The story as it is written.
    source: String,
}

fn text<'a>(event: &'a Json, key: &str) -> &'a str {
    event[key].as_str().unwrap_or_default()
}

fn of_kind<'a>(events: &'a [Json], kind: &str) -> impl Iterator<Item = &'a Json> {
    events.iter().filter(move |event| event["event"] == kind)
}

impl Story {
    fn check(&self, events: &[Json], findings: &mut Findings) {
        self.check_card(events, findings);
        let headings: Vec<&Json> = of_kind(events, "step").collect();
        let (told, declared) = (headings.len(), self.lesson.steps.len());
        findings.expect(told == declared, &self.file, || format!("{told} steps, of {declared}: {AGAIN}"));
        let parts = events.split(|event| event["event"] == "step").skip(1);
        let mut right = BTreeMap::new();
        for (index, (part, (heading, step))) in parts.zip(headings.into_iter().zip(self.lesson.steps)).enumerate() {
            let place = format!("step {}", index + 1);
            let numbers = (heading["number"].as_u64(), heading["of"].as_u64());
            let expected = (u64::try_from(index + 1).ok(), u64::try_from(declared).ok());
            findings.expect(numbers == expected && text(heading, "title") == step.title, &self.file, || {
                format!("{place} is not '{}': {AGAIN}", step.title)
            });
            self.check_step(step, part, &place, findings);
            self.check_asks(step, part, &place, &mut right, findings);
        }
        self.check_right_answers(&right, findings);
    }

    fn check_card(&self, events: &[Json], findings: &mut Findings) {
        let Some(card) = events.first().filter(|event| event["event"] == "lesson") else {
            findings.add(&self.file, format!("it does not begin with the lesson's card: {AGAIN}"));
            return;
        };
        let Lesson { id, title, subtitle, question, .. } = self.lesson;
        let same = [("id", id), ("title", title), ("subtitle", subtitle), ("question", question)];
        let same = same.into_iter().all(|(key, value)| text(card, key) == *value)
            && card["minutes"].as_u64() == Some(self.lesson.minutes().into());
        findings.expect(same, &self.file, || format!("the card is another in {}: {AGAIN}", self.source));
    }

    fn check_step(&self, step: &Step, part: &[Json], place: &str, findings: &mut Findings) {
        findings.expect(of_kind(part, "said").next().is_some(), &self.source, || {
            format!("{place}: nothing is explained: add a `stage.say`")
        });
        let told: Vec<&str> = of_kind(part, "by_hand").map(|event| text(event, "command")).collect();
        let declared = step.by_hand.iter().map(|by_hand| match by_hand {
            ByHand::Shell { command, .. } | ByHand::Docker(command) => command.trim(),
        });
        findings.expect(declared.eq(told), &self.file, || format!("{place} has other commands by hand: {AGAIN}"));
        let verified: Vec<&str> = of_kind(part, "verified").map(|event| text(event, "id")).collect();
        for fact in step.facts {
            let times = verified.iter().filter(|id| **id == fact.id).count();
            findings.expect(times == 1, &self.file, || format!("{place} shows {} {times} times: {AGAIN}", fact.id));
        }
        for id in verified.iter().filter(|id| step.facts.iter().all(|fact| fact.id != **id)) {
            findings.add(&self.file, format!("{place} shows {id}, which the step does not declare: {AGAIN}"));
        }
        for event in of_kind(part, "verified").filter(|event| event["held"] != true) {
            findings.add(&self.file, format!("{place}: {} did not hold", text(event, "id")));
        }
        for event in of_kind(part, "skipped") {
            findings.add(
                &self.file,
                format!("{place}: {} was skipped: make the snapshot where it can be shown", text(event, "id")),
            );
        }
    }

    /// A question is as it is declared, comes after what sets it up, and is answered once in its step.
    fn check_asks(
        &self,
        step: &Step,
        part: &[Json],
        place: &str,
        right: &mut BTreeMap<&'static str, usize>,
        findings: &mut Findings,
    ) {
        let asked: Vec<&str> = of_kind(part, "asked").map(|event| text(event, "id")).collect();
        let declared = step.asks.iter().map(|ask| ask.id);
        findings.expect(declared.eq(asked), &self.file, || format!("{place} asks something else: {AGAIN}"));
        for ask in step.asks {
            let place = format!("{place}, question {}", ask.id);
            let position = part.iter().position(|event| event["event"] == "asked" && text(event, "id") == ask.id);
            let Some(position) = position else { continue };
            let before: usize = of_kind(&part[..position], "said").map(|event| sentences(text(event, "text"))).sum();
            findings.expect(before >= SET_UP, &self.source, || {
                format!(
                    "{place}: {before} of the {SET_UP} sentences that must set it up are said before it in its step: put \
                     `stage.ask` behind a `stage.say`"
                )
            });
            let (asked, choices) = (&part[position], ask.choices.iter().map(|(words, _)| *words));
            let told = asked["choices"].as_array().into_iter().flatten().filter_map(Json::as_str);
            findings.expect(text(asked, "text") == ask.text && told.eq(choices), &self.file, || {
                format!("{place} has other words: {AGAIN}")
            });
            self.check_answer(ask, part, &place, right, findings);
        }
    }

    fn check_answer(
        &self,
        ask: &'static Ask,
        part: &[Json],
        place: &str,
        right: &mut BTreeMap<&'static str, usize>,
        findings: &mut Findings,
    ) {
        let mut answers = of_kind(part, "answered").filter(|event| text(event, "id") == ask.id);
        let (Some(answer), None) = (answers.next(), answers.next()) else {
            findings.add(&self.source, format!("{place}: it must be answered once, in its step: `stage.answer`"));
            return;
        };
        let number = answer["number"].as_u64().and_then(|number| usize::try_from(number).ok());
        match number.filter(|number| (1..=ask.choices.len()).contains(number)) {
            Some(number) => drop(right.insert(ask.id, number)),
            None => findings.add(&self.source, format!("{place}: not exactly one choice came true")),
        }
    }

    /// The right answer cannot be guessed by where it stands or by how long it is.
    fn check_right_answers(&self, right: &BTreeMap<&'static str, usize>, findings: &mut Findings) {
        let asks = self.lesson.steps.iter().flat_map(|step| step.asks);
        let answered: Vec<(&Ask, usize)> = asks.filter_map(|ask| Some((*ask, *right.get(ask.id)?))).collect();
        if answered.len() < 2 {
            return;
        }
        let steps = format!("{}/steps.rs", derive::folder(self.lesson.id));
        let letters: BTreeSet<usize> = answered.iter().map(|(_, number)| *number).collect();
        findings.expect(letters.len() > 1, &steps, || {
            format!("the right answer to all questions is number {letters:?}: move one of them")
        });
        for (which, extreme) in [("longest", usize::max as fn(usize, usize) -> usize), ("shortest", usize::min)] {
            let stands_out = |(ask, number): &(&Ask, usize)| {
                let widths = || ask.choices.iter().map(|(words, _)| words.width());
                widths().reduce(extreme) == widths().nth(number - 1)
            };
            findings.expect(!answered.iter().all(stands_out), &steps, || {
                format!("the right answer is always the {which} one: word one of them otherwise")
            });
        }
    }
}

#[cfg(test)]
mod tests;
