//! A lesson that is being given: a stage is opened, what happens there goes one way to whoever sees it, and the balance is
//! struck.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;

use nix::errno::Errno;
use nix::sys::utsname::uname;

use crate::actors::{Order, StoryMessage, Visit, VisitOutcome};
use crate::args;
use crate::diagnosis::{Advice, advise};
use crate::error::{CallResult, Error, Result};
use crate::lesson::Lesson;
use crate::observe::{known_as, processes};
use crate::probe;
use crate::sandbox::{Sandbox, SandboxKind};
use crate::stage::{Pacing, Stage};
use crate::transcript::{Closing, Event, Letters, Look, Opening, StandIns, Story, Value, scrub};

/// Who looks, where it is the program itself and nobody on the stage.
const PROGRAM: &str = "nslearn";

/// What a session came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// Claims that held.
    pub(crate) held: usize,
    /// Claims that did not.
    pub(crate) failed: usize,
    /// Facts that this machine could not show.
    pub(crate) skipped: usize,
    /// Things that are on the machine now and were not there before.
    pub(crate) left_behind: usize,
}

/// Why a session stopped before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// There is no stage on this machine; nothing has been shown yet.
    #[error("{0}")]
    NoStage(Error),
    /// The lesson met something that it cannot go on after.
    #[error("{0}")]
    Midway(Error),
    /// The audience is gone: its end of the output is closed, or full.
    #[error("{0}")]
    Audience(#[from] io::Error),
}

/// Whoever sees what happens, and where the story is then.
pub(crate) type Show<'a> = dyn FnMut(&Story, &Event) -> io::Result<()> + 'a;

/// Where a story is, when there is nothing to hear for the moment.
enum Pause {
    /// It waits until it is told to go on.
    Waiting,
    /// It is at its end, or at what it could not go on after.
    Over(Result<()>),
}

/// A lesson that is being given. Dropping it ends its stage.
#[derive(Debug)]
pub(crate) struct Session {
    lesson: &'static Lesson,
    sandbox: Sandbox,
    pipeline: Pipeline,
    /// Whether the stage waits for a word to go on.
    waits: bool,
    /// What the lesson could not go on after.
    end: Option<Result<()>>,
}

/// The one way of the events: counted, lettered, scrubbed if that is wished, and shown.
#[derive(Debug, Default)]
struct Pipeline {
    story: Story,
    letters: Letters,
    stand_ins: Option<StandIns>,
    outcome: Outcome,
    /// The facts that have been told of.
    reported: BTreeSet<String>,
    /// How many calls only set something up.
    set_up: usize,
}

impl Session {
    /// Gives a lesson at one go: every event reaches `show` as it happens.
    ///
    /// # Errors
    /// [`Stopped`] says what stopped it. The stage is gone then as well.
    pub(crate) fn give(lesson: &'static Lesson, scrubbed: bool, show: &mut Show<'_>) -> Result<Outcome, Stopped> {
        let mut session = Session::open(lesson, Pacing::Straight, scrubbed, show)?;
        while session.advance(show)? {}
        session.close(show)
    }

    /// Opens the stage, and shows the head of the lesson.
    ///
    /// # Errors
    /// [`Stopped::NoStage`] where this machine allows none.
    pub(crate) fn open(
        lesson: &'static Lesson,
        pacing: Pacing,
        scrubbed: bool,
        show: &mut Show<'_>,
    ) -> Result<Session, Stopped> {
        // Where a story waits, a shell may be opened.
        let kind = if pacing == Pacing::StepByStep { SandboxKind::OpenStage } else { SandboxKind::Stage };
        let sandbox = Sandbox::open(kind, |init| {
            let stage = Stage::new(init.log, init.off_the_machine, pacing, lesson.steps);
            stage.finish((lesson.play)(&stage))
        });
        let sandbox = sandbox.map_err(probe::in_the_way_of_a_stage).map_err(no_stage)?;
        let pipeline = Pipeline { stand_ins: scrubbed.then(StandIns::default), ..Pipeline::default() };
        let mut session = Session { lesson, sandbox, pipeline, waits: false, end: None };
        session.pipeline.tell(Event::Lesson(opening(lesson)), show)?;
        Ok(session)
    }

    /// Where the story is.
    pub(crate) fn story(&self) -> &Story {
        &self.pipeline.story
    }

    /// Lets the story go on, and shows what happens until it waits again: whether there is more to come.
    ///
    /// # Errors
    /// Where the audience is gone, or the stage.
    pub(crate) fn advance(&mut self, show: &mut Show<'_>) -> Result<bool, Stopped> {
        if self.end.is_some() {
            return Ok(false);
        }
        if std::mem::take(&mut self.waits) {
            self.sandbox.say(&Order::GoOn, None).map_err(Stopped::Midway)?;
        }
        match self.listen(show)? {
            Pause::Waiting => self.waits = true,
            Pause::Over(end) => self.end = Some(end),
        }
        Ok(self.waits)
    }

    /// Hears what the stage tells, until it waits or its director is done.
    fn listen(&mut self, show: &mut Show<'_>) -> io::Result<Pause> {
        loop {
            match self.sandbox.next_from() {
                Ok((StoryMessage::Event(event), _)) => self.pipeline.tell(event, show)?,
                Ok((StoryMessage::LookAtMe { on_the_stage }, sender)) => {
                    let numbers = numbers_here(sender);
                    if let Ok(numbers) = &numbers {
                        self.pipeline.tell(look_through_the_curtain(numbers, on_the_stage), show)?;
                    }
                    if let Err(error) = self.sandbox.say(&Order::YouAre(numbers), None) {
                        return Ok(Pause::Over(Err(error)));
                    }
                }
                // Said here and not on the stage: there everything is another, the limits too.
                Ok((StoryMessage::CannotShow(facts, error), _)) => self.pipeline.skip(facts, &error, show)?,
                Ok((StoryMessage::Visited(_), _)) => {}
                Ok((StoryMessage::Paused, _)) => return Ok(Pause::Waiting),
                Ok((StoryMessage::Ended, _)) => return Ok(Pause::Over(Ok(()))),
                Err(error) => return Ok(Pause::Over(Err(error))),
            }
        }
    }

    /// Lets a program visit an actor of the story, which waits meanwhile, with these standard streams: how that ended.
    ///
    /// # Errors
    /// Where the actor or the stage is gone, or its namespaces cannot be joined.
    pub(crate) fn visit(&mut self, visit: Visit, streams: [BorrowedFd<'_>; 3]) -> Result<VisitOutcome> {
        for stream in streams {
            self.sandbox.say(&Order::Stream, Some(stream))?;
        }
        self.sandbox.say(&Order::Visit(visit), None)?;
        self.sandbox.patiently(|sandbox| {
            loop {
                if let StoryMessage::Visited(outcome) = sandbox.next()? {
                    return Ok(outcome);
                }
            }
        })?
    }

    /// Ends the stage, makes sure that nothing is left of it, and shows the foot of the lesson.
    ///
    /// # Errors
    /// What the lesson could not go on after.
    pub(crate) fn close(&mut self, show: &mut Show<'_>) -> Result<Outcome, Stopped> {
        let left_behind = self.sandbox.close();
        self.pipeline.outcome.left_behind = left_behind.len();
        let unreported = self.lesson.facts().map(|fact| fact.id).filter(|id| !self.pipeline.reported.contains(*id));
        let unreported: Vec<String> = unreported.map(str::to_owned).collect();
        match self.end.take() {
            // This machine cannot do what the lesson is about to show: so it says of each fact that is left.
            Some(Err(error @ Error::Refused { .. })) => self.pipeline.skip(unreported, &error, show)?,
            Some(Err(error)) => return Err(Stopped::Midway(error)),
            Some(Ok(())) | None => {
                if let Some(fact) = unreported.first() {
                    return Err(Stopped::Midway(Error::unexpected(fact, "the lesson ended without telling of it")));
                }
            }
        }
        let Outcome { held, failed, skipped, .. } = self.pipeline.outcome;
        let man = self.lesson.man.iter().map(ToString::to_string).collect();
        let set_up = self.pipeline.set_up;
        let closing = Closing { held, failed, skipped, set_up, left_behind, kernel: Some(kernel()), man };
        self.pipeline.tell(Event::Ended(closing), show)?;
        Ok(self.pipeline.outcome.clone())
    }
}

impl Pipeline {
    fn tell(&mut self, mut event: Event, show: &mut Show<'_>) -> io::Result<()> {
        self.count(&event);
        // Also of what is not shown: a namespace has the same letter whether or not its step is looked at alone.
        self.letters.assign(&mut event);
        if let Some(stand_ins) = &mut self.stand_ins {
            scrub(&mut event, stand_ins);
        }
        self.story.hear(&event);
        show(&self.story, &event)
    }

    fn skip(&mut self, facts: Vec<String>, error: &Error, show: &mut Show<'_>) -> io::Result<()> {
        let Advice { reason, remedy, .. } = advise(error);
        facts
            .into_iter()
            .try_for_each(|id| self.tell(Event::Skipped { id, reason: reason.clone(), remedy: remedy.clone() }, show))
    }

    fn count(&mut self, event: &Event) {
        match event {
            Event::Verified { held: true, .. } => self.outcome.held += 1,
            Event::Verified { held: false, .. } => self.outcome.failed += 1,
            Event::Skipped { .. } => self.outcome.skipped += 1,
            Event::Called(called) if called.set_up => self.set_up += called.times,
            _ => {}
        }
        if let Event::Verified { id, .. } | Event::Skipped { id, .. } = event {
            self.reported.insert(id.clone());
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

fn opening(lesson: &Lesson) -> Opening {
    Opening {
        id: lesson.id.to_owned(),
        title: lesson.title.to_owned(),
        subtitle: lesson.subtitle.to_owned(),
        question: lesson.question.to_owned(),
        minutes: lesson.minutes(),
        kernel: kernel(),
    }
}

/// The numbers of the process that has sent a message, as the program's own /proc has them. The kernel tells the sender's
/// number with each message, as the program's PID namespace counts.
fn numbers_here(sender: Option<i32>) -> Result<Vec<i32>> {
    let sender = sender.ok_or(Errno::ESRCH).or_refused("recvmsg", args!["SCM_CREDENTIALS"])?;
    let numbers = known_as::number(sender).and_then(processes::pids);
    numbers.or_refused("read", args!["/proc/PID/status"])
}

/// What the program sees of an actor that has so many numbers on the stage: those before them are the machine's.
fn look_through_the_curtain(numbers: &[i32], on_the_stage: usize) -> Event {
    let machines = numbers.len().saturating_sub(on_the_stage);
    let value = |(place, pid): (usize, &i32)| if place < machines { Value::MachinePid(*pid) } else { Value::Pid(*pid) };
    let look = Look::numbers("NSpid in /proc/PID/status, outside the stage", numbers.iter().enumerate().map(value));
    Event::Saw { actor: PROGRAM.to_owned(), look }
}
