//! Where a story is, by the events that it has told.

use super::{Event, Membership, Question};

/// Where a story is. The one who hears the events keeps it; all others ask it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Story {
    /// The step that is being told, or was told last; 0 before the first.
    pub step: usize,
    /// Its title.
    pub title: String,
    /// Whether it is over.
    pub over: bool,
    /// The question that waits for the kernel's answer.
    pub question: Option<Question>,
    /// Where everybody stood when this step began, and where they stood last.
    pub stood: [Vec<Membership>; 2],
}

impl Story {
    /// Takes note of what happened.
    pub(crate) fn hear(&mut self, event: &Event) {
        match event {
            Event::Step { number, title, .. } => {
                (self.step, self.over) = (*number, false);
                self.title.clone_from(title);
                // One that this machine could not answer is not waited for.
                self.question = None;
            }
            Event::Stood { members } => {
                self.stood.swap(0, 1);
                self.stood[1].clone_from(members);
                self.over = true;
            }
            Event::Asked(question) => self.question = Some(question.clone()),
            Event::Answered { .. } => self.question = None,
            _ => {}
        }
    }

    /// Who stands on the stage, and where.
    pub(crate) fn now(&self) -> &[Membership] {
        &self.stood[1]
    }
}
