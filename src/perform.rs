//! A lesson's performance: a stage is opened, what happens there is heard and shown, and the balance is struck.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;

use nix::sys::utsname::uname;

use crate::diagnosis::{Advice, advise};
use crate::error::Error;
use crate::lesson::{Lesson, Place};
use crate::stage::{Heard, House, Left, Manner, Visit};
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

/// Whoever sees what happens.
pub type Show<'a> = dyn FnMut(Event) -> io::Result<()> + 'a;

/// Performs a lesson at one go: every event reaches `show` as it happens.
///
/// # Errors
/// [`Stopped`] says what stopped it. The stage is gone then as well.
pub fn perform(lesson: &'static Lesson, place: &Place, show: &mut Show<'_>) -> Result<Outcome, Stopped> {
    let mut performance = Performance::open(lesson, place, Manner::Straight, show)?;
    while performance.advance(show)? {}
    performance.close(show)
}

/// A lesson that is being performed. Dropping it ends its stage.
#[derive(Debug)]
pub struct Performance {
    lesson: &'static Lesson,
    place: Place,
    house: House,
    kernel: Value,
    outcome: Outcome,
    /// The facts that have been told of.
    told: BTreeSet<String>,
    /// Whether the stage waits for a word to go on.
    waits: bool,
    /// What the lesson could not go on after.
    end: Option<Result<(), Error>>,
}

impl Performance {
    /// Opens the stage, and shows the head of the lesson.
    ///
    /// # Errors
    /// [`Stopped::NoStage`] where this machine allows none.
    pub fn open(
        lesson: &'static Lesson,
        place: &Place,
        manner: Manner,
        show: &mut Show<'_>,
    ) -> Result<Performance, Stopped> {
        let house = House::open(manner, lesson.play).map_err(no_stage)?;
        let kernel = kernel();
        show(Event::Lesson(opening(lesson, place, &kernel)))?;
        let (outcome, told) = (Outcome::default(), BTreeSet::new());
        Ok(Performance { lesson, place: *place, house, kernel, outcome, told, waits: false, end: None })
    }

    /// Lets the story go on, and shows what happens until it waits again: whether there is more to come.
    ///
    /// # Errors
    /// Where the audience is gone, or the stage.
    pub fn advance(&mut self, show: &mut Show<'_>) -> Result<bool, Stopped> {
        if self.end.is_some() {
            return Ok(false);
        }
        if std::mem::take(&mut self.waits) {
            self.house.go_on().map_err(Stopped::Midway)?;
        }
        let (outcome, told) = (&mut self.outcome, &mut self.told);
        let heard = self.house.listen(|event| {
            outcome.count(&event);
            if let Event::Verified { id, .. } | Event::Skipped { id, .. } = &event {
                told.insert(id.clone());
            }
            show(event)
        })?;
        match heard {
            Heard::Waiting => self.waits = true,
            Heard::Done(end) => self.end = Some(end),
        }
        Ok(self.waits)
    }

    /// Lets a program visit an actor of the story, which waits meanwhile: how that ended.
    ///
    /// # Errors
    /// Where the actor or the stage is gone, or its namespaces cannot be joined.
    pub fn visit(&mut self, visit: Visit, streams: [BorrowedFd<'_>; 3]) -> Result<Left, Error> {
        self.house.visit(visit, streams)
    }

    /// Ends the stage, makes sure that nothing is left of it, and shows the foot of the lesson.
    ///
    /// # Errors
    /// What the lesson could not go on after.
    pub fn close(&mut self, show: &mut Show<'_>) -> Result<Outcome, Stopped> {
        let left_behind = self.house.close();
        self.outcome.left_behind = left_behind.len();
        let mut untold = self.lesson.facts.iter().filter(|fact| !self.told.contains(**fact));
        match self.end.take() {
            // This machine cannot do what the lesson is about to show: so it says of each fact that is left.
            Some(Err(error @ Error::Refused { .. })) => {
                let advice = advise(&error);
                for fact in untold {
                    self.outcome.skipped += 1;
                    let (id, Advice { reason, remedy, .. }) = ((*fact).to_owned(), advice.clone());
                    show(Event::Skipped { id, reason, remedy })?;
                }
            }
            Some(Err(error)) => return Err(Stopped::Midway(error)),
            Some(Ok(())) | None => {
                if let Some(fact) = untold.next() {
                    return Err(Stopped::Midway(Error::unexpected(*fact, "the lesson ended without telling of it")));
                }
            }
        }
        let Outcome { held, failed, skipped, .. } = self.outcome;
        let man = self.lesson.man.iter().map(ToString::to_string).collect();
        let (kernel, next) = (Some(self.kernel.clone()), self.place.next.map(str::to_owned));
        show(Event::Ended(Closing { held, failed, skipped, left_behind, kernel, man, next }))?;
        Ok(self.outcome.clone())
    }
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

/// A stage that was lost while it was being built is no sign of a machine that allows none.
fn no_stage(why: Error) -> Stopped {
    if why.is_loss() { Stopped::Midway(why) } else { Stopped::NoStage(why) }
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
