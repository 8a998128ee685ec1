//! What a lesson is.

use crate::error::Result;
use crate::feature::Feature;
use crate::stage::Stage;
use crate::step::{Fact, Step};

/// A lesson: its card, its steps, and its story.
#[derive(Debug)]
pub(crate) struct Lesson {
    /// The name by which the command line knows it.
    pub id: &'static str,
    pub title: &'static str,
    /// The title's second half: what it comes to.
    pub subtitle: &'static str,
    /// The question that it answers.
    pub question: &'static str,
    /// The manual pages to read next, such as `uts_namespaces(7)`.
    pub man: &'static [&'static str],
    pub steps: &'static [&'static Step],
    pub play: fn(&Stage) -> Result<()>,
}

impl Lesson {
    /// How long it takes to read and think about, in minutes.
    pub(crate) fn minutes(&self) -> u32 {
        self.steps.iter().map(|step| step.minutes).sum()
    }

    /// The facts that it shows, in the order of its steps.
    pub(crate) fn facts(&self) -> impl Iterator<Item = &'static Fact> {
        self.steps.iter().flat_map(|step| step.facts).copied()
    }

    /// Step number `number`, from 1.
    pub(crate) fn step(&self, number: usize) -> Option<&'static Step> {
        self.steps.get(number.checked_sub(1)?).copied()
    }

    /// The facts that go without one of these features.
    pub(crate) fn facts_without(&self, missing: impl Fn(Feature) -> bool) -> Vec<&'static str> {
        let facts = self.steps.iter().flat_map(|step| step.facts.iter().map(move |fact| (step, fact)));
        facts.filter(|(step, fact)| step.needs_for(fact).any(&missing)).map(|(_, fact)| fact.id).collect()
    }

    /// Whether a step needs one of these features.
    pub(crate) fn needs(&self, wanted: impl Fn(Feature) -> bool) -> bool {
        let of_step = |step: &&'static Step| step.facts.iter().any(|fact| step.needs_for(fact).any(&wanted));
        self.steps.iter().any(of_step)
    }
}
