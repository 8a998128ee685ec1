//! What a lesson declares: its card, its steps, facts, questions and notes.

use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;

use super::is_kebab;
use crate::commands::dev::derive;
use crate::commands::dev::finding::Findings;
use crate::lesson::Lesson;
use crate::step::{Ask, ByHand, Fact, Need, Note, Step};

/// How many steps a lesson has.
const STEPS: std::ops::RangeInclusive<usize> = 4..=8;
/// How many questions a lesson asks.
const ASKS: std::ops::RangeInclusive<usize> = 3..=4;
/// How many choices a question has.
const CHOICES: std::ops::RangeInclusive<usize> = 2..=4;
/// What a line of 80 columns has room for, behind `      a) `.
const ROOM: usize = 80 - 9;

/// Checks what one lesson declares.
pub(super) fn check(lesson: &'static Lesson, findings: &mut Findings) {
    let card = format!("{}/mod.rs", derive::folder(lesson.id));
    let steps = format!("{}/steps.rs", derive::folder(lesson.id));
    check_card(lesson, &card, findings);
    let mut titles = BTreeSet::new();
    for (index, step) in lesson.steps.iter().enumerate() {
        let place = format!("step {}", index + 1);
        check_step(step, &place, &steps, findings);
        findings.expect(titles.insert(step.title), &steps, || format!("{place}: another step has this title"));
        check_note(&step.note, &place, &steps, findings);
        for ask in step.asks {
            check_ask(lesson.id, ask, &place, &steps, findings);
        }
    }
    let asks = lesson.steps.iter().map(|step| step.asks.len()).sum();
    findings.expect(ASKS.contains(&asks), &steps, || {
        format!("{} asked; a lesson asks three or four", count(asks, "question is", "questions are"))
    });
}

/// Checks what no two lessons may both declare.
pub(super) fn check_all(lessons: &[&'static Lesson], findings: &mut Findings) {
    let (mut facts, mut asks) = (BTreeSet::new(), BTreeSet::new());
    for lesson in lessons {
        let file = format!("{}/steps.rs", derive::folder(lesson.id));
        for fact in lesson.facts() {
            findings.expect(facts.insert(fact.id), &file, || {
                format!("fact {} is declared twice, here or by another lesson", fact.id)
            });
        }
        for ask in lesson.steps.iter().flat_map(|step| step.asks) {
            findings.expect(asks.insert(ask.id), &file, || {
                format!("question {} is declared twice, here or by another lesson", ask.id)
            });
        }
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn check_card(lesson: &Lesson, file: &str, findings: &mut Findings) {
    let (id, steps) = (lesson.id, lesson.steps.len());
    findings.expect(is_kebab(id), file, || format!("the id {id} is not kebab-case"));
    findings.expect(!lesson.title.is_empty() && !lesson.subtitle.is_empty(), file, || {
        "the card lacks a title or a subtitle".to_owned()
    });
    findings.expect(lesson.question.contains('?'), file, || "the card's question has no question mark".to_owned());
    findings.expect(!lesson.man.is_empty(), file, || "the card names no manual page".to_owned());
    for page in lesson.man {
        let section = page.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        let names_section = section.is_some_and(|section| section.starts_with(|first: char| first.is_ascii_digit()));
        findings.expect(names_section, file, || format!("the manual page {page} has no section, such as setns(2)"));
    }
    findings.expect(STEPS.contains(&steps), file, || {
        format!("the lesson has {}; it must have four to eight", count(steps, "step", "steps"))
    });
}

fn check_step(step: &Step, place: &str, file: &str, findings: &mut Findings) {
    findings.expect(!step.title.is_empty(), file, || format!("{place}: add a title"));
    findings.expect(step.minutes > 0, file, || format!("{place}: it takes no minutes"));
    let by_shell = step.by_hand.iter().any(|by_hand| matches!(by_hand, ByHand::Shell { .. }));
    findings.expect(by_shell, file, || format!("{place}: add a command by hand for a shell, `ByHand::Shell`"));
    for by_hand in step.by_hand {
        let shows_nothing =
            matches!(by_hand, ByHand::Shell { command, shows } if shows.is_empty() || command.contains(shows));
        findings.expect(!shows_nothing, file, || {
            format!("{place}: say which part of a line shows that a command by hand did what it is for (`shows`)")
        });
    }
    for Fact { id, claim } in step.facts {
        findings.expect(is_kebab(id), file, || format!("{place}: the fact's id {id} is not kebab-case"));
        findings.expect(claim.ends_with('.'), file, || format!("{place}: the claim of {id} is no sentence"));
    }
    for need in step.needs {
        if let Need::For(feature, facts) = need {
            for fact in facts.iter().filter(|fact| !step.shows(fact)) {
                let (feature, id) = (feature.name(), fact.id);
                findings.add(file, format!("{place}: it needs {feature} for {id}, which it does not show"));
            }
        }
    }
}

fn check_ask(lesson: &str, ask: &Ask, place: &str, file: &str, findings: &mut Findings) {
    let place = format!("{place}, question {}", ask.id);
    let named_after = is_kebab(ask.id) && ask.id.starts_with(&format!("{lesson}-"));
    findings.expect(named_after, file, || format!("{place}: its id must be kebab-case and begin with {lesson}-"));
    findings.expect(ask.text.ends_with('?'), file, || format!("{place}: the text does not end in a question mark"));
    findings.expect(CHOICES.contains(&ask.choices.len()), file, || {
        format!("{place}: {}; there must be two to four", count(ask.choices.len(), "choice", "choices"))
    });
    let words: BTreeSet<&str> = ask.choices.iter().map(|(words, _)| *words).collect();
    let seen: BTreeSet<&str> = ask.choices.iter().map(|(_, if_right)| *if_right).collect();
    findings.expect(words.len() == ask.choices.len(), file, || format!("{place}: two choices have the same words"));
    findings.expect(seen.len() == ask.choices.len(), file, || {
        format!("{place}: two choices are right where the same is seen, so none of them can be")
    });
    for words in words.into_iter().filter(|words| words.width() > ROOM) {
        findings.add(file, format!("{place}: wider than {ROOM} columns: {words}"));
    }
    findings.expect(is_one_sentence(ask.why), file, || format!("{place}: `why` must be one sentence"));
}

fn is_one_sentence(text: &str) -> bool {
    text.ends_with('.') && !text.contains(". ")
}

fn check_note(note: &Note, place: &str, file: &str, findings: &mut Findings) {
    findings.expect(note.point.ends_with('.'), file, || format!("{place}: the note's point is no sentence"));
    let asked = note.ask.split_once(" (");
    findings.expect(asked.is_some(), file, || {
        format!("{place}: the note's question lacks its answer in brackets behind it: `ask: \"…? (….)\"`")
    });
    if let Some((question, answer)) = asked {
        findings.expect(question.ends_with('?'), file, || format!("{place}: the note's question has no question mark"));
        findings
            .expect(answer.ends_with(".)"), file, || format!("{place}: the note's answer in brackets is no sentence"));
    }
    let quoted = note.misunderstanding.strip_prefix('"').and_then(|rest| rest.split_once(".\" "));
    findings.expect(quoted.is_some(), file, || {
        format!("{place}: the note's misunderstanding must begin with what people say, in quotes: `\"….\" …`")
    });
    if let Some((_, reply)) = quoted {
        findings
            .expect(reply.ends_with('.'), file, || format!("{place}: the note has no reply to the misunderstanding"));
    }
}

#[cfg(test)]
mod tests;
