//! Pictures of a lesson: who was in which namespace before a step, and who after it. They are drawn from where the
//! processes stood, never by hand.

mod arrange;
mod draw;

use crate::transcript::{Event, Membership, Opening};

/// The pictures that a lesson gives, as one SVG document.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    opening: Option<Opening>,
    /// Where everybody stood last.
    stood: Vec<Membership>,
    /// The step that is being told: its number, of how many, and its title.
    step: Option<(usize, usize, String)>,
    steps: Vec<Scene>,
}

/// A step, and where everybody stood before and after it.
#[derive(Debug)]
struct Scene {
    number: usize,
    of: usize,
    title: String,
    before: Vec<Membership>,
    after: Vec<Membership>,
}

impl Scene {
    /// Whether anybody came, went or moved.
    fn changes(&self) -> bool {
        let same = |(one, other): (&Membership, &Membership)| {
            one.actor == other.actor && one.pids == other.pids && one.namespaces == other.namespaces
        };
        self.before.len() != self.after.len() || !self.before.iter().zip(&self.after).all(same)
    }
}

impl Pictures {
    /// What one event adds to the document: nothing until the lesson is over, and then all of it.
    pub(super) fn event(&mut self, event: &Event) -> String {
        match event {
            Event::Lesson(opening) => *self = Pictures { opening: Some(opening.clone()), ..Pictures::default() },
            Event::Step { number, of, title } => self.step = Some((*number, *of, title.clone())),
            Event::Stood { members } => {
                let before = std::mem::replace(&mut self.stood, members.clone());
                if let Some((number, of, title)) = self.step.take() {
                    self.steps.push(Scene { number, of, title, before, after: members.clone() });
                }
            }
            Event::Ended(_) => return self.document(),
            _ => {}
        }
        String::new()
    }

    /// The steps in which anybody moved; or the one that was asked for, if nobody did in it.
    fn document(&self) -> String {
        let Some(opening) = &self.opening else { return String::new() };
        let moved: Vec<&Scene> = self.steps.iter().filter(|scene| scene.changes()).collect();
        let shown = if moved.is_empty() { self.steps.iter().collect() } else { moved };
        format!("{}\n", draw::document(opening, &shown))
    }
}
