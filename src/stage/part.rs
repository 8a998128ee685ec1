//! Parts of a story that some machines cannot show.

use super::Stage;
use crate::actors::StoryMessage;
use crate::error::{Error, Result};
use crate::step::{Fact, Step};

/// What came of a part of the story: what it hands on, or why this machine could not show it.
#[derive(Debug)]
pub(crate) struct Part<T>(Result<T>);

impl<T> Part<T> {
    /// What the part hands on, for one that stands on it.
    ///
    /// # Errors
    /// What this machine refused: the part that stands on it is skipped for the same reason.
    pub(crate) fn shown(&self) -> Result<&T> {
        self.0.as_ref().map_err(Clone::clone)
    }

    /// The same, where the story goes on either way.
    pub(crate) fn ok(&self) -> Option<&T> {
        self.0.as_ref().ok()
    }
}

impl Stage {
    /// Tells steps that this machine may be unable to show. If the kernel refuses a call in them that was to succeed, those
    /// of their facts are skipped that have not been told, with the reason, and the story goes on after the last one.
    ///
    /// # Errors
    /// Whatever else goes wrong.
    pub(crate) fn part<T>(&self, steps: &[&'static Step], tell: impl FnOnce() -> Result<T>) -> Result<Part<T>> {
        let last = steps.iter().map(|step| self.number(step)).try_fold(0, |last, number| Ok(last.max(number?)))?;
        let facts = steps.iter().flat_map(|step| step.facts).copied();
        let part = self.attempt(facts, tell)?;
        if part.0.is_err() {
            self.at.set(last);
        } else if self.at.get() != last {
            return Err(Error::unexpected("a part of the story", format!("it ends after step {}", self.at.get())));
        }
        Ok(part)
    }

    /// The same of facts of the step that is being told.
    ///
    /// # Errors
    /// As [`Stage::part`].
    pub(crate) fn or_skip<T>(&self, facts: &[&'static Fact], tell: impl FnOnce() -> Result<T>) -> Result<Part<T>> {
        self.attempt(facts.iter().copied(), tell)
    }

    fn attempt<T>(
        &self,
        facts: impl Iterator<Item = &'static Fact>,
        tell: impl FnOnce() -> Result<T>,
    ) -> Result<Part<T>> {
        match tell().map_err(|error| self.cause(error)) {
            Ok(handed_on) => Ok(Part(Ok(handed_on))),
            Err(error @ Error::Refused { .. }) => {
                let mut reported = self.reported.borrow_mut();
                let skipped: Vec<String> =
                    facts.filter(|fact| reported.insert(fact.id)).map(|fact| fact.id.to_owned()).collect();
                if !skipped.is_empty() {
                    self.log.tell(StoryMessage::CannotShow(skipped, error.clone()));
                }
                Ok(Part(Err(error)))
            }
            Err(error) => Err(error),
        }
    }
}
