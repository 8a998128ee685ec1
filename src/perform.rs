//! A lesson's performance: a stage is opened, what happens there is heard and shown, and the balance is struck.

use std::collections::BTreeSet;
use std::io;

use nix::sys::utsname::uname;

use crate::diagnosis::{Advice, advise};
use crate::error::Error;
use crate::lesson::{Lesson, Place};
use crate::stage::{House, Terminal};
use crate::transcript::{Closing, Event, Opening, Value};

/// What came of a performance.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Claims that held.
    pub held: usize,
    /// Claims that did not.
    pub failed: usize,
    /// Facts that this machine could not show.
    pub skipped: usize,
    /// Things that are on the machine now and were not there before.
    pub left_behind: usize,
}

/// Why a performance stopped before its end.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// There is no stage on this machine; nothing has been told yet.
    #[error("{0}")]
    NoStage(Error),
    /// The lesson met something that it cannot go on after.
    #[error("{0}")]
    Midway(Error),
    /// The audience is gone: its end of the output is closed, or full.
    #[error("{0}")]
    Audience(#[from] io::Error),
}

/// Performs a lesson: every event reaches `show` as it happens.
///
/// # Errors
/// [`Stopped`] says what stopped it. The stage is gone then as well.
pub fn perform(
    lesson: &'static Lesson,
    place: &Place,
    show: &mut dyn FnMut(Event) -> io::Result<()>,
) -> std::result::Result<Outcome, Stopped> {
    let mut house = House::open(Terminal::Left, lesson.play).map_err(Stopped::NoStage)?;
    let mut outcome = Outcome::default();
    let kernel = kernel();
    show(Event::Lesson(opening(lesson, place, &kernel)))?;
    let mut told = BTreeSet::new();
    let end = house.listen(|event| {
        outcome.count(&event);
        if let Event::Verified { id, .. } | Event::Skipped { id, .. } = &event {
            told.insert(id.clone());
        }
        show(event)
    })?;
    let left_behind = house.close();
    outcome.left_behind = left_behind.len();
    let mut untold = lesson.facts.iter().filter(|fact| !told.contains(**fact));
    match end {
        // This machine cannot do what the lesson is about to show: so it says of each fact that is left.
        Err(error @ Error::Refused { .. }) => {
            let advice = advise(&error);
            for fact in untold {
                outcome.skipped += 1;
                let (id, Advice { reason, remedy }) = ((*fact).to_owned(), advice.clone());
                show(Event::Skipped { id, reason, remedy })?;
            }
        }
        Err(error) => return Err(Stopped::Midway(error)),
        Ok(()) => {
            if let Some(fact) = untold.next() {
                return Err(Stopped::Midway(Error::unexpected(*fact, "the lesson ended without telling of it")));
            }
        }
    }
    show(Event::Ended(Closing {
        held: outcome.held,
        failed: outcome.failed,
        skipped: outcome.skipped,
        left_behind,
        kernel: Some(kernel),
        man: lesson.man.iter().map(ToString::to_string).collect(),
        next: place.next.map(str::to_owned),
    }))?;
    Ok(outcome)
}

impl Outcome {
    fn count(&mut self, event: &Event) {
        match event {
            Event::Verified { held: true, .. } => self.held += 1,
            Event::Verified { held: false, .. } => self.failed += 1,
            Event::Skipped { .. } => self.skipped += 1,
            _ => {}
        }
    }
}

fn kernel() -> Value {
    Value::Kernel(uname().map(|names| names.release().to_string_lossy().into_owned()).unwrap_or_default())
}

fn opening(lesson: &Lesson, place: &Place, kernel: &Value) -> Opening {
    Opening {
        id: lesson.id.to_owned(),
        title: lesson.title.to_owned(),
        subtitle: lesson.subtitle.to_owned(),
        question: lesson.question.to_owned(),
        number: place.number,
        of: place.of,
        minutes: lesson.minutes,
        kernel: kernel.clone(),
    }
}
