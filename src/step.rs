//! What a lesson declares of its steps: facts, questions, commands by hand, what it takes of the machine, and what a
//! teacher wants to know. All else that is said of a step anywhere is derived from this.

use crate::feature::Feature;

/// One thing that the kernel does, and that a step shows.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// By which it is known everywhere: in the transcript, the doctor's answer, the book.
    pub id: &'static str,
    /// What the check shows, in one sentence.
    pub claim: &'static str,
}

/// A question to the reader, before the kernel answers it.
#[derive(Debug)]
pub(crate) struct Ask {
    /// Its name, which begins with the lesson's.
    pub id: &'static str,
    /// The question, one or two sentences.
    pub text: &'static str,
    /// Two to four answers: each in words, and what is seen in the run if it is the right one.
    pub choices: &'static [(&'static str, &'static str)],
    /// Why it is so, in one sentence.
    pub why: &'static str,
}

/// A command that shows the same.
#[derive(Debug)]
pub(crate) enum ByHand {
    /// For a shell, as a login user has it: without sbin in its PATH, and whatever shell it is.
    Shell {
        /// What to type.
        command: &'static str,
        /// The part of a line that it prints only if it shows what the step shows.
        shows: &'static str,
    },
    /// For a container engine.
    Docker(&'static str),
}

/// What a step takes of the machine.
#[derive(Debug)]
pub(crate) enum Need {
    /// Without it, all of the step's facts go.
    Of(Feature),
    /// Without it, these go.
    For(Feature, &'static [&'static Fact]),
}

/// What a teacher wants to know beside a step.
#[derive(Debug)]
pub(crate) struct Note {
    /// What the class must have understood after it.
    pub point: &'static str,
    /// A question to put to the class before it; behind that in brackets the answer, which the step or its command by
    /// hand gives.
    pub ask: &'static str,
    /// What people usually get wrong, in quotes, and what to say to it.
    pub misunderstanding: &'static str,
}

/// A step of a lesson.
#[derive(Debug)]
pub(crate) struct Step {
    pub title: &'static str,
    /// How long it takes to read and think about.
    pub minutes: u32,
    pub needs: &'static [Need],
    pub asks: &'static [&'static Ask],
    pub facts: &'static [&'static Fact],
    /// Shown at its end, in this order.
    pub by_hand: &'static [ByHand],
    pub note: Note,
}

impl Step {
    /// Whether it shows this fact.
    pub(crate) fn shows(&self, fact: &Fact) -> bool {
        self.facts.contains(&fact)
    }

    /// What this machine must have for one of the step's facts to be shown.
    pub(crate) fn needs_for(&self, fact: &Fact) -> impl Iterator<Item = Feature> {
        self.needs.iter().filter_map(move |need| match need {
            Need::Of(feature) => Some(*feature),
            Need::For(feature, facts) => facts.contains(&fact).then_some(*feature),
        })
    }
}
