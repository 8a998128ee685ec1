//! The walk: a lesson on a terminal, step by step. A question before a step, the kernel's answer, time to look around in
//! a shell, and on; or back.
//!
//! The kernel cannot be rewound, and a run costs milliseconds: whoever goes back, or comes out of a shell, gets a new
//! stage, on which the story has silently been played up to there. What has been shown stays in the terminal's
//! scroll-back.

mod follower;
mod keyboard;
mod keys;
mod notes;
mod summary;
mod visitor;

pub use follower::Whereabouts;
pub use notes::{Following, clock, note_on};
pub use visitor::{own_shell, visit};

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use self::follower::Followers;
use self::keyboard::Keyboard;
use self::keys::Wish;
use self::summary::Summary;
use crate::cli::Output;
use crate::lesson::Lesson;
use crate::lessons;
use crate::perform::{Outcome, Performance, Stopped};
use crate::render::{Line, Renderer};
use crate::stage::Manner;
use crate::transcript::{Event, Letters, Membership, Question, StandIns, scrub};

/// How a walk goes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Goes on by itself after so long; else it waits for a key.
    pub auto: Option<Duration>,
    /// Whether the learner is asked what will happen.
    pub questions: bool,
}

/// What came of a walk.
#[derive(Debug)]
pub enum Walked {
    /// To the end of the lesson.
    Through {
        /// What the lesson came to.
        outcome: Outcome,
        /// How many questions were answered right, and how many there were; `None`: steps were passed over, so this is
        /// not the whole lesson.
        right: Option<(usize, usize)>,
    },
    /// The learner left before the end.
    Left,
}

/// Walks through a lesson.
///
/// # Errors
/// [`Stopped`] says what stopped it. The stage is gone then, and the terminal is as it was.
pub fn walk(lesson: &'static Lesson, output: &Output, pace: Pace, renderer: &mut Renderer) -> Result<Walked, Stopped> {
    keyboard::restore_on_panic();
    let mut teller = Teller::new(lesson, output, pace, renderer);
    let performance = open(lesson, &mut teller)?;
    let (keyboard, followers) = (Keyboard::default(), Followers::new(lesson.id));
    let mut walk = Walk { lesson, pace, teller, performance, keyboard, followers, ended: false };
    walk.go()
}

fn open(lesson: &'static Lesson, teller: &mut Teller<'_>) -> Result<Performance, Stopped> {
    Performance::open(lesson, &lessons::place(lesson), Manner::StepByStep, &mut |event| teller.hear(event))
}

/// Shows what happens, or keeps quiet about it; and knows where the story is.
struct Teller<'a> {
    renderer: &'a mut Renderer,
    scrub: bool,
    questions: bool,
    /// Whether anything is shown.
    aloud: bool,
    letters: Letters,
    stand_ins: StandIns,
    /// The step that is being told, or was told last; 0 before the first.
    step: usize,
    /// Whether the step is over.
    over: bool,
    /// The steps that were shown.
    shown: BTreeSet<usize>,
    /// Where everybody stood last.
    stood: Vec<Membership>,
    /// The question that waits for the kernel's answer.
    question: Option<Question>,
    summary: Summary,
}

impl<'a> Teller<'a> {
    fn new(lesson: &Lesson, output: &Output, pace: Pace, renderer: &'a mut Renderer) -> Self {
        Teller {
            renderer,
            scrub: output.scrub,
            questions: pace.questions,
            aloud: true,
            letters: Letters::default(),
            stand_ins: StandIns::default(),
            step: 0,
            over: false,
            shown: BTreeSet::new(),
            stood: Vec::new(),
            question: None,
            summary: Summary::new(lesson),
        }
    }

    /// Another stage: the letters begin anew, and nothing is told until it is wished.
    fn begin_anew(&mut self) {
        (self.letters, self.stand_ins) = (Letters::default(), StandIns::default());
        (self.step, self.over, self.aloud, self.question) = (0, false, false, None);
    }

    fn hear(&mut self, mut event: Event) -> io::Result<()> {
        self.letters.assign(&mut event);
        if self.scrub {
            scrub(&mut event, &mut self.stand_ins);
        }
        match &event {
            Event::Step { number, .. } => {
                (self.step, self.over) = (*number, false);
                // One that this machine could not answer is not waited for.
                self.question = None;
                if self.aloud {
                    self.shown.insert(*number);
                }
            }
            Event::Stood { members } => {
                self.stood.clone_from(members);
                self.over = true;
            }
            Event::Asked(question) => self.question = Some(question.clone()),
            Event::Answered { .. } => self.question = None,
            _ => {}
        }
        let of_a_question = matches!(event, Event::Asked(_) | Event::Answered { .. });
        if !self.aloud || of_a_question && !self.questions {
            return Ok(());
        }
        self.renderer.event(&event)?;
        let verdict = self.summary.note(self.step, &event);
        self.renderer.lines(&verdict)
    }

    fn say(&mut self, line: Line) -> io::Result<()> {
        self.renderer.lines(&[Line::new(), line])
    }
}

struct Walk<'a> {
    lesson: &'static Lesson,
    pace: Pace,
    teller: Teller<'a>,
    performance: Performance,
    keyboard: Keyboard,
    followers: Followers,
    /// Whether the story has come to its end, be it that this machine cannot do what comes next.
    ended: bool,
}

impl Walk<'_> {
    fn go(&mut self) -> Result<Walked, Stopped> {
        self.advance_to_the_end_of(0)?;
        loop {
            if self.ended {
                return self.finish();
            }
            let wish = if self.teller.step == 0 { Wish::On } else { self.wish()? };
            let step = self.teller.step;
            match wish {
                Wish::On if step == self.lesson.steps => return self.finish(),
                Wish::On => self.show_next_step()?,
                Wish::To(step) => self.go_to(step)?,
                Wish::Visit(actor) => {
                    self.visit(&actor)?;
                    self.play_silently_to(step)?;
                }
                Wish::Leave => return Ok(Walked::Left),
            }
        }
    }

    /// The next step, with its question if it has one.
    fn show_next_step(&mut self) -> Result<(), Stopped> {
        self.teller.renderer.follow_the_terminal();
        self.teller.aloud = true;
        let next = self.teller.step + 1;
        self.followers.tell(next);
        self.advance_to_the_end_of(next)
    }

    fn advance_to_the_end_of(&mut self, step: usize) -> Result<(), Stopped> {
        loop {
            let (teller, performance) = (&mut self.teller, &mut self.performance);
            let more = performance.advance(&mut |event| teller.hear(event))?;
            self.ended = !more;
            if self.ended || (self.teller.over && self.teller.step >= step) {
                return Ok(());
            }
            if self.teller.aloud && self.teller.questions && self.teller.question.is_some() {
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
        self.teller.begin_anew();
        // The old stage goes when it is replaced.
        self.performance = open(self.lesson, &mut self.teller)?;
        self.advance_to_the_end_of(step)
    }

    /// The last line of the lesson, and what it came to.
    fn finish(&mut self) -> Result<Walked, Stopped> {
        self.advance_to_the_end_of(self.lesson.steps + 1)?;
        let (teller, performance) = (&mut self.teller, &mut self.performance);
        teller.aloud = true;
        let outcome = performance.close(&mut |event| teller.hear(event))?;
        let lines = teller.summary.lines(self.lesson, self.pace.questions, teller.renderer.width());
        teller.renderer.lines(&lines)?;
        let whole = teller.shown.len() == self.lesson.steps;
        Ok(Walked::Through { outcome, right: whole.then(|| teller.summary.right()) })
    }
}
