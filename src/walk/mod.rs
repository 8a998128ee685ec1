//! The walk: a lesson on a terminal, step by step. A step may ask a question, which the run then answers. After each step
//! the learner can open a shell, go on, or go back.
//!
//! The kernel cannot be rewound, and a run takes milliseconds. So after going back, or after a shell, there is a new stage,
//! on which the story has been played silently up to that step. What was shown before stays in the terminal's scroll-back.

mod follower;
mod keyboard;
mod keys;
mod notes;
mod summary;
mod visitor;

pub(crate) use follower::Following;
pub(crate) use notes::{clock, note_on};
pub(crate) use visitor::{programs, visit};

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use self::follower::Followers;
use self::keyboard::Keyboard;
use self::keys::Wish;
use self::summary::Summary;
use crate::lesson::Lesson;
use crate::render::{Line, Renderer};
use crate::session::{Outcome, Session, Stopped};
use crate::stage::Pacing;
use crate::transcript::{Event, Story};

/// How a walk goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WalkOptions {
    /// After which time it goes on by itself; if `None`, it waits for a key.
    pub(crate) auto: Option<Duration>,
    /// Whether the learner is asked what will happen.
    pub(crate) questions: bool,
    /// Whether stand-ins are shown for what differs from run to run.
    pub(crate) scrubbed: bool,
}

/// What came of a walk.
#[derive(Debug)]
pub(crate) enum WalkOutcome {
    /// To the end of the lesson.
    Through {
        outcome: Outcome,
        /// How many questions were answered right, and how many there were; `None`: steps were passed over, so this is
        /// not the whole lesson.
        right: Option<(usize, usize)>,
    },
    /// The learner left before the end.
    Quit,
}

/// Walks through a lesson.
///
/// # Errors
/// [`Stopped`] says what stopped it. The stage is gone then, and the terminal is as it was.
pub(crate) fn walk(
    lesson: &'static Lesson,
    options: WalkOptions,
    renderer: &mut Renderer,
) -> Result<WalkOutcome, Stopped> {
    keyboard::restore_on_panic();
    let questions = options.questions;
    let summary = Summary::new(lesson);
    let mut presenter = Presenter { renderer, questions, aloud: true, shown: BTreeSet::new(), summary };
    let session = open(lesson, options, &mut presenter)?;
    let (keyboard, followers) = (Keyboard::default(), Followers::new(lesson.id));
    let mut walk = Walk { lesson, options, presenter, session, keyboard, followers, ended: false };
    walk.go()
}

fn open(lesson: &'static Lesson, options: WalkOptions, presenter: &mut Presenter<'_>) -> Result<Session, Stopped> {
    Session::open(lesson, Pacing::StepByStep, options.scrubbed, &mut |story, event| presenter.hear(story, event))
}

/// Shows what happens, or keeps quiet about it.
struct Presenter<'a> {
    renderer: &'a mut Renderer,
    questions: bool,
    /// Whether anything is shown.
    aloud: bool,
    /// The steps that were shown.
    shown: BTreeSet<usize>,
    summary: Summary,
}

impl Presenter<'_> {
    fn hear(&mut self, story: &Story, event: &Event) -> io::Result<()> {
        if self.aloud
            && let Event::Step { number, .. } = event
        {
            self.shown.insert(*number);
        }
        let of_a_question = matches!(event, Event::Asked(_) | Event::Answered { .. });
        if !self.aloud || of_a_question && !self.questions {
            return Ok(());
        }
        self.renderer.event(story, event)?;
        let verdict = self.summary.hear(story.step, event);
        self.renderer.lines(&verdict)
    }

    fn say(&mut self, line: Line) -> io::Result<()> {
        self.renderer.lines(&[Line::new(), line])
    }
}

struct Walk<'a> {
    lesson: &'static Lesson,
    options: WalkOptions,
    presenter: Presenter<'a>,
    session: Session,
    keyboard: Keyboard,
    followers: Followers,
    /// Whether the story has ended; also where this machine cannot do what comes next.
    ended: bool,
}

impl Walk<'_> {
    fn go(&mut self) -> Result<WalkOutcome, Stopped> {
        self.advance_to_the_end_of(0)?;
        loop {
            if self.ended {
                return self.finish();
            }
            let wish = if self.session.story().step == 0 { Wish::On } else { self.wish()? };
            let step = self.session.story().step;
            match wish {
                Wish::On if step == self.lesson.steps.len() => return self.finish(),
                Wish::On => self.show_next_step()?,
                Wish::To(step) => self.go_to(step)?,
                Wish::Visit(actor) => {
                    self.visit(&actor)?;
                    self.play_silently_to(step)?;
                }
                Wish::Leave => return Ok(WalkOutcome::Quit),
            }
        }
    }

    /// Shows the next step, and asks its question if it has one.
    fn show_next_step(&mut self) -> Result<(), Stopped> {
        self.presenter.renderer.follow_the_terminal();
        self.presenter.aloud = true;
        let next = self.session.story().step + 1;
        self.followers.tell(next);
        self.advance_to_the_end_of(next)
    }

    fn advance_to_the_end_of(&mut self, step: usize) -> Result<(), Stopped> {
        loop {
            let (presenter, session) = (&mut self.presenter, &mut self.session);
            let more = session.advance(&mut |story, event| presenter.hear(story, event))?;
            self.ended = !more;
            let story = self.session.story();
            if self.ended || (story.over && story.step >= step) {
                return Ok(());
            }
            if self.presenter.aloud && self.presenter.questions && story.question.is_some() {
                self.ask()?;
            }
        }
    }

    fn go_to(&mut self, step: usize) -> Result<(), Stopped> {
        self.play_silently_to(step - 1)?;
        self.show_next_step()
    }

    /// A new stage, on which the story has been played to the end of a step.
    fn play_silently_to(&mut self, step: usize) -> Result<(), Stopped> {
        self.presenter.aloud = false;
        // The old stage goes when it is replaced.
        self.session = open(self.lesson, self.options, &mut self.presenter)?;
        self.advance_to_the_end_of(step)
    }

    /// The last line of the lesson, and what it came to.
    fn finish(&mut self) -> Result<WalkOutcome, Stopped> {
        self.advance_to_the_end_of(self.lesson.steps.len() + 1)?;
        let (presenter, session) = (&mut self.presenter, &mut self.session);
        presenter.aloud = true;
        let outcome = session.close(&mut |story, event| presenter.hear(story, event))?;
        let lines = presenter.summary.lines(self.lesson, self.options.questions, presenter.renderer.width());
        presenter.renderer.lines(&lines)?;
        let whole = presenter.shown.len() == self.lesson.steps.len();
        Ok(WalkOutcome::Through { outcome, right: whole.then(|| presenter.summary.right()) })
    }
}
