//! tests/facts.txt: which facts there are, which lesson must show each, and which correct an older text. It is kept by
//! hand, apart from the lessons, so that a lesson cannot lose a fact unnoticed.

use std::collections::{BTreeMap, BTreeSet};

use super::is_kebab;
use crate::commands::dev::derive;
use crate::commands::dev::finding::Findings;
use crate::commands::dev::tree::Tree;
use crate::lesson::Lesson;

/// The list.
pub(super) const FILE: &str = "tests/facts.txt";

/// Behind a fact that corrects what older texts say.
const CORRECTS: &str = "✎";
/// In the place of the lesson, where the lesson is still to be written.
const NO_LESSON: &str = "-";

/// The list, as it was read.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// Each fact's lesson, if it has one.
    lessons: BTreeMap<String, Option<String>>,
    /// The facts that correct an older text.
    pub(super) corrected: BTreeSet<String>,
}

impl Assigned {
    /// Reads the list, and reports what is wrong with its lines.
    pub(super) fn read(tree: &Tree, findings: &mut Findings) -> Assigned {
        let mut assigned = Assigned::default();
        let text = tree.read(FILE).unwrap_or_else(|why| {
            findings.add(FILE, format!("cannot be read: {why}"));
            String::new()
        });
        for (index, line) in text.lines().enumerate() {
            let (line, number) = (line.split('#').next().unwrap_or_default(), index + 1);
            let mut words = line.split_whitespace();
            let Some(fact) = words.next() else { continue };
            let mut rest: Vec<&str> = words.collect();
            let corrects = rest.last() == Some(&CORRECTS);
            rest.truncate(rest.len() - usize::from(corrects));
            let lesson = match rest[..] {
                [] | [NO_LESSON] => None,
                [lesson] => Some(lesson.to_owned()),
                _ => {
                    findings.add(FILE, format!("line {number}: more than `FACT LESSON {CORRECTS}`"));
                    continue;
                }
            };
            findings.expect(is_kebab(fact), FILE, || format!("line {number}: {fact} is not kebab-case"));
            let is_new = assigned.lessons.insert(fact.to_owned(), lesson).is_none();
            findings.expect(is_new, FILE, || format!("line {number}: {fact} is there twice"));
            if corrects {
                assigned.corrected.insert(fact.to_owned());
            }
        }
        assigned
    }

    /// Whether this is the name of a fact.
    pub(super) fn knows(&self, fact: &str) -> bool {
        self.lessons.contains_key(fact)
    }

    /// Checks that a lesson shows the facts that it was given, and no others.
    pub(super) fn check(&self, lesson: &Lesson, findings: &mut Findings) {
        let (id, steps) = (lesson.id, format!("{}/steps.rs", derive::folder(lesson.id)));
        let shown: BTreeSet<&str> = lesson.facts().map(|fact| fact.id).collect();
        for fact in &shown {
            match self.lessons.get(*fact).map(Option::as_deref) {
                None => findings.add(FILE, format!("add `{fact}  {id}`, or mend the fact's id in {steps}")),
                Some(None) => findings.add(FILE, format!("{fact}: write {id} behind it, which declares it")),
                Some(Some(other)) if other != id => {
                    findings.add(FILE, format!("{fact}: it is {other}'s, and {steps} declares it"));
                }
                Some(Some(_)) => {}
            }
        }
        for (fact, _) in self.lessons.iter().filter(|(_, lesson)| lesson.as_deref() == Some(id)) {
            let file = &steps;
            findings.expect(shown.contains(fact.as_str()), file, || {
                format!("add the fact {fact}: {FILE} gives it to this lesson")
            });
        }
    }

    /// Checks that each lesson that the list names exists.
    pub(super) fn check_lessons(&self, lessons: &[&Lesson], findings: &mut Findings) {
        let named: BTreeSet<&str> = self.lessons.values().flatten().map(String::as_str).collect();
        for name in named.into_iter().filter(|name| !lessons.iter().any(|lesson| lesson.id == *name)) {
            findings.add(FILE, format!("it gives facts to {name}: there is no lesson of this name"));
        }
    }
}
