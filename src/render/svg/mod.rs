//! Pictures of a lesson: who was in which namespace before a step, and who after it. They are drawn from where the
//! processes stood, never by hand.

mod arrange;
mod draw;

use crate::transcript::{Event, Membership, Opening, Story};

/// The pictures that a lesson gives, as one SVG document.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    opening: Option<Opening>,
    /// How many steps the lesson has.
    of: usize,
    scenes: Vec<Scene>,
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
    pub(super) fn event(&mut self, story: &Story, event: &Event) -> String {
        match event {
            Event::Lesson(opening) => *self = Pictures { opening: Some(opening.clone()), ..Pictures::default() },
            Event::Step { of, .. } => self.of = *of,
            Event::Stood { .. } if self.of > 0 => {
                let [before, after] = story.stood.clone();
                self.scenes.push(Scene { number: story.step, of: self.of, title: story.title.clone(), before, after });
            }
            Event::Ended(_) => return self.document(),
            _ => {}
        }
        String::new()
    }

    /// The steps in which anybody moved; or the one that was asked for, if nobody did in it.
    fn document(&self) -> String {
        let Some(opening) = &self.opening else { return String::new() };
        let moved: Vec<&Scene> = self.scenes.iter().filter(|scene| scene.changes()).collect();
        let shown = if moved.is_empty() { self.scenes.iter().collect() } else { moved };
        format!("{}\n", draw::document(opening, &shown))
    }
}
