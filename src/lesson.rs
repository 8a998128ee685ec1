//! What a lesson is.

use crate::error::Result;
use crate::stage::{Effect, Stage};

/// A lesson: its card, and its story.
#[derive(Debug)]
pub struct Lesson {
    /// The name by which the command line knows it.
    pub id: &'static str,
    /// The title: what it is about.
    pub title: &'static str,
    /// The title's second half: what it comes to.
    pub subtitle: &'static str,
    /// The question that it answers.
    pub question: &'static str,
    /// How long it takes to read and think about, in minutes.
    pub minutes: u32,
    /// How many steps it has.
    pub steps: usize,
    /// What it needs of the machine, besides a stage; each with the facts that go without it, or with none where it depends.
    pub needs: &'static [(Effect, &'static [&'static str])],
    /// The manual pages to read next, such as `uts_namespaces(7)`.
    pub man: &'static [&'static str],
    /// The facts that it proves, by their ids.
    pub facts: &'static [&'static str],
    /// What a teacher wants to know beside it: a note for each step, in order.
    pub notes: &'static [Note],
    /// The story.
    pub play: fn(&Stage) -> Result<()>,
}

/// What a teacher wants to know beside one step.
#[derive(Debug)]
pub struct Note {
    /// The step's title, as the story tells it.
    pub title: &'static str,
    /// How much of the lesson's time is the step's, in minutes. Those of all steps add up to [`Lesson::minutes`].
    pub minutes: u32,
    /// What the class must have understood after it.
    pub point: &'static str,
    /// A question to put to the class before it; behind that in brackets the answer, which the step or its command by
    /// hand gives.
    pub ask: &'static str,
    /// What people usually get wrong, in quotes, and what to say to it.
    pub misunderstanding: &'static str,
}

/// Where a lesson stands in the teaching order.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Its number, from 1.
    pub number: usize,
    /// How many lessons there are.
    pub of: usize,
    /// The lesson after it.
    pub next: Option<&'static str>,
}
