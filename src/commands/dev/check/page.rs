//! A lesson's page in the book.

use std::collections::BTreeSet;

use super::assigned::Assigned;
use super::markdown::{between_backticks, has_section, section};
use crate::commands::dev::derive;
use crate::commands::dev::finding::Findings;
use crate::commands::dev::snapshot::Snapshots;
use crate::lesson::Lesson;
use crate::step::Step;

/// How many exercises a page has.
const EXERCISES: std::ops::RangeInclusive<usize> = 3..=5;
/// Under which heading a page lists the facts.
pub(crate) const FACTS: &str = "## What this lesson proves";

/// A lesson's page, as it is checked.
struct Page<'a> {
    lesson: &'static Lesson,
    file: String,
    text: &'a str,
}

/// Checks a lesson's page.
pub(super) fn check(
    lesson: &'static Lesson,
    text: &str,
    snapshots: &Snapshots,
    assigned: &Assigned,
    findings: &mut Findings,
) {
    let page = Page { lesson, file: derive::page_file(lesson.id), text };
    page.check_head(findings);
    page.check_steps(snapshots, findings);
    page.check_facts(assigned, findings);
    page.check_sections(findings);
    page.check_exercises(findings);
    super::check_placeholders(&page.file, text, findings);
}

impl Page<'_> {
    fn check_head(&self, findings: &mut Findings) {
        for line in [derive::page_title(self.lesson), derive::page_question(self.lesson)] {
            let there = self.text.lines().any(|known| known == line);
            findings.expect(there, &self.file, || format!("add, at its head, the line `{line}`"));
        }
        let words = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for needed in [derive::page_minutes(self.lesson), format!("`nslearn lesson {}`", self.lesson.id)] {
            findings.expect(words.contains(&needed), &self.file, || format!("say at its head: {needed}"));
        }
    }

    fn check_steps(&self, snapshots: &Snapshots, findings: &mut Findings) {
        let declared: Vec<String> = derive::steps(self.lesson).map(|(n, step)| derive::step_heading(n, step)).collect();
        for heading in self.text.lines().filter(|line| line.starts_with("## Step ")) {
            let known = declared.iter().any(|declared| declared == heading);
            findings.expect(known, &self.file, || format!("the lesson has no such step: `{heading}`"));
        }
        for (number, step) in derive::steps(self.lesson) {
            let heading = derive::step_heading(number, step);
            match section(self.text, &heading) {
                Some(told) => self.check_step(number, told, findings),
                None => findings.add(&self.file, format!("add the heading `{heading}`")),
            }
            self.check_picture(number, step, snapshots, findings);
        }
    }

    fn check_step(&self, number: usize, told: &str, findings: &mut Findings) {
        let parts = [
            "**Why.**".to_owned(),
            "**In the kernel.**".to_owned(),
            derive::transcript(self.lesson.id, number),
            "**System calls:**".to_owned(),
            "**What to look at.**".to_owned(),
            "**By hand**".to_owned(),
            derive::by_hand(self.lesson.id, number),
        ];
        let mut from = 0;
        for part in parts {
            let shown = part.lines().nth(1).unwrap_or(&part);
            match told[from..].find(&part) {
                Some(at) => from += at + part.len(),
                None if told.contains(&part) => {
                    findings.add(&self.file, format!("step {number}: not in its place among the parts: {shown}"));
                }
                None => findings.add(&self.file, format!("step {number}: add {shown}")),
            }
        }
        let first = format!("**By hand**{}", derive::BY_HAND_LINK);
        findings.expect(number != 1 || told.contains(&first), &self.file, || {
            format!("step 1: begin the commands with {first}")
        });
    }

    fn check_picture(&self, number: usize, step: &Step, snapshots: &Snapshots, findings: &mut Findings) {
        let include = derive::include(self.lesson.id, "svg", number);
        let told = section(self.text, &derive::step_heading(number, step)).unwrap_or_default();
        match (snapshots.draws(number), told.contains(&include)) {
            (Some(true), false) => findings.add(&self.file, format!("step {number}: add its picture, {include}")),
            (Some(false), true) => {
                findings
                    .add(&self.file, format!("step {number}: remove {include}: nobody moves, and there is no picture"));
            }
            _ => {}
        }
    }

    fn check_facts(&self, assigned: &Assigned, findings: &mut Findings) {
        let shown: BTreeSet<&str> = self.lesson.facts().map(|fact| fact.id).collect();
        for word in between_backticks(self.text).into_iter().filter(|word| assigned.knows(word)) {
            findings.expect(shown.contains(word), &self.file, || {
                format!("it names `{word}`, which the lesson does not show")
            });
        }
        let table = section(self.text, FACTS).unwrap_or_default();
        for (fact, number) in derive::facts(self.lesson) {
            let cells = derive::fact_cells(fact, number);
            let row = table.lines().find(|line| line.starts_with(&cells));
            let Some(row) = row else {
                findings.add(&self.file, format!("'{}': add the row `{cells} … |`", &FACTS[3..]));
                continue;
            };
            let said = row[cells.len()..].trim().trim_end_matches('|').trim();
            findings.expect(!said.is_empty(), &self.file, || {
                format!("'{}': say what was shown of {}", &FACTS[3..], fact.id)
            });
        }
    }

    fn check_sections(&self, findings: &mut Findings) {
        for heading in
            ["## What you will understand", "## Common mistakes", "## Exercises", FACTS, "## What comes next"]
        {
            if !has_section(self.text, heading) {
                findings.add(&self.file, format!("add the heading `{heading}`"));
            } else if section(self.text, heading).is_none_or(|body| body.trim().is_empty()) {
                findings.add(&self.file, format!("nothing stands under `{heading}`"));
            }
        }
    }

    fn check_exercises(&self, findings: &mut Findings) {
        let Some(exercises) = section(self.text, "## Exercises") else { return };
        let exercises: Vec<&str> = exercises.split("\n### ").skip(1).collect();
        findings.expect(EXERCISES.contains(&exercises.len()), &self.file, || {
            format!("{} exercises; there must be three to five", exercises.len())
        });
        for exercise in exercises {
            let title = exercise.lines().next().unwrap_or_default();
            let parts = [
                ("<summary>Hint</summary>", "<summary>Hint</summary>"),
                ("<summary>Answer</summary>", "<summary>Answer</summary>"),
                ("```sh\n", "a block of commands, ```sh"),
                ("**How to check your work.**", "**How to check your work.**"),
            ];
            for (part, name) in parts {
                findings.expect(exercise.contains(part), &self.file, || format!("exercise '{title}': add {name}"));
            }
        }
    }
}
