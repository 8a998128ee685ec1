//! The stage: new namespaces of all eight types that play the part of a machine, and the verbs that lessons speak.
//!
//! A lesson is told by the stage's first process, the director; its actors are processes that it has forked. What they
//! do is real, and stays on the stage: the machine outside does not change, and all is gone when the director is.

mod actor;
mod birth;
mod cast;
mod channel;
mod effects;
mod house;
mod ids;
mod log;
mod meaning;
mod open;
mod privileges;
mod process;
mod root;
mod shell;
mod verbs;
mod visit;

pub use actor::Actor;
pub use effects::{Effect, Findings, Trial, examine};
pub use house::{Heard, House};
pub use open::Manner;
pub use process::Fd;
pub use shell::{Foreground, run_on_a_stage};
pub use verbs::*;
pub use visit::{Left, Visit};

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use indexmap::IndexMap;

use self::log::{Line, Log};
use self::process::Process;
use self::visit::Order;
use crate::error::{Error, Result};
use crate::observe::{namespaces, processes};
use crate::sys;
use crate::transcript::{Event, Evidence, Kind, Look, Membership, NamespaceId, Question, Value};

/// The director's view of the stage.
#[derive(Debug)]
pub struct Stage {
    host: Actor,
    log: Log,
    manner: Manner,
    step: Cell<usize>,
    steps: Cell<usize>,
    /// The facts that have been told of.
    told: RefCell<BTreeSet<String>>,
    /// What this machine refused last of what was to succeed.
    lack: RefCell<Option<Error>>,
}

impl Stage {
    fn new(log: Log, manner: Manner, process: Process) -> Self {
        let host = Actor::here("host", process);
        let (step, steps) = (Cell::new(0), Cell::new(0));
        Stage { host, log, manner, step, steps, told: RefCell::default(), lack: RefCell::default() }
    }

    /// The actor that plays the machine's first process: PID 1 of the stage.
    pub fn host(&self) -> &Actor {
        &self.host
    }

    /// Says how many steps there will be.
    pub fn has_steps(&self, steps: usize) {
        self.steps.set(steps);
    }

    /// Begins the next step.
    pub fn step(&self, title: &str) {
        self.end_of_step();
        self.step.set(self.step.get() + 1);
        self.emit(Event::Step { number: self.step.get(), of: self.steps.get(), title: title.to_owned() });
    }

    /// Tells the reader something: paragraphs, which are filled to the reader's width.
    pub fn say(&self, text: &str) {
        self.emit(Event::Said { text: text.trim().to_owned() });
    }

    /// Asks the reader what will happen, before it does: the question is open until [`Stage::answer`].
    pub fn ask(&self, id: &str, text: &str, choices: &[&str]) -> Question {
        let choices = choices.iter().map(ToString::to_string).collect();
        let question = Question { id: id.to_owned(), text: text.to_owned(), choices };
        self.emit(Event::Asked(question.clone()));
        self.pause();
        question
    }

    /// Answers a question by what happened: for each of its choices, whether it came true in this run; and one sentence
    /// why. It has an answer where exactly one of them did.
    pub fn answer(&self, question: Question, came_true: &[bool], why: &str) {
        let exactly_one = came_true.iter().filter(|came_true| **came_true).count() == 1;
        let answer = came_true.iter().position(|came_true| *came_true);
        let answer = answer.filter(|_| exactly_one && came_true.len() == question.choices.len());
        let choice = answer.map_or("none of these", |place| &question.choices[place]).to_owned();
        self.emit(Event::Answered { id: question.id, answer, choice, why: why.to_owned() });
    }

    /// Shows the shell command that does the same.
    pub fn by_hand(&self, command: &str) {
        self.emit(Event::ByHand { command: command.trim().to_owned(), docker: false });
    }

    /// Shows what a container engine calls the same.
    pub fn by_hand_with_docker(&self, command: &str) {
        self.emit(Event::ByHand { command: command.trim().to_owned(), docker: true });
    }

    /// Tells whether a fact holds, and what shows it. Where an actor was lost, the story ends here: what was seen then
    /// shows nothing.
    pub fn verify(&self, id: &str, claim: &str, held: bool, evidence: Evidence) {
        self.told.borrow_mut().insert(id.to_owned());
        let cast = self.host.cast();
        if let Some(lost) = if held { cast.all_are_here().err() } else { cast.lost() } {
            self.log.line(&Line::Failed(lost));
            sys::exit(1);
        }
        self.emit(Event::Verified { id: id.to_owned(), claim: claim.to_owned(), held, evidence });
    }

    /// Tells a part of the story that this machine may be unable to show: what it came to. If the kernel refuses a call in
    /// it that was to succeed, those of the part's facts are skipped that have not been told, with the reason; and the
    /// story goes on.
    ///
    /// # Errors
    /// Whatever else goes wrong.
    pub fn or_skip<T>(&self, facts: &[&str], part: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        match part().map_err(|error| self.cause(error)) {
            Ok(told) => Ok(Some(told)),
            Err(error @ Error::Refused { .. }) => {
                *self.lack.borrow_mut() = Some(error);
                self.skip_as_well(facts);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The same of a part that has steps of its own, and ends with step number `last`: the next step keeps its number.
    ///
    /// # Errors
    /// As [`Stage::or_skip`].
    pub fn or_skip_steps<T>(&self, last: usize, facts: &[&str], part: impl FnOnce() -> Result<T>) -> Result<Option<T>> {
        let told = self.or_skip(facts, part)?;
        if told.is_none() {
            self.go_to_step(last);
        }
        Ok(told)
    }

    /// Leaves steps out, this one included: the next one keeps its number.
    pub fn go_to_step(&self, last: usize) {
        self.step.set(last);
    }

    /// Tells of facts that they cannot be shown either: they stand on the part that was skipped last.
    pub fn skip_as_well(&self, facts: &[&str]) {
        let mut told = self.told.borrow_mut();
        let untold = facts.iter().filter(|fact| told.insert((**fact).to_owned()));
        let untold = untold.map(|fact| (*fact).to_owned()).collect();
        if let Some(error) = self.lack.borrow().as_ref().filter(|_| !facts.is_empty()) {
            self.log.line(&Line::Cannot(untold, error.clone()));
        }
    }

    /// What the story cannot go on after: where an actor was lost, that, for all else may come of it.
    fn cause(&self, error: Error) -> Error {
        self.host.cast().lost().unwrap_or(error)
    }

    /// Shows what an actor saw.
    pub fn show(&self, actor: &Actor, look: Look) {
        self.emit(Event::Saw { actor: actor.name().to_owned(), look });
    }

    /// Shows the same look of several actors before and after.
    pub fn compare(&self, title: &str, before: IndexMap<String, Value>, after: IndexMap<String, Value>) {
        self.emit(Event::Compared { title: title.to_owned(), before, after });
    }

    /// Shows who is in which namespace.
    ///
    /// # Errors
    /// Where an actor is gone.
    pub fn who_is_where(&self, actors: &[&Actor]) -> Result<()> {
        let rows: Result<Vec<Membership>> = actors.iter().map(|actor| self.membership(actor)).collect();
        self.emit(Event::Saw { actor: self.host.name().to_owned(), look: Look::Namespaces(rows?) });
        Ok(())
    }

    /// The namespaces that an actor is in, as `ls -l /proc/PID/ns` shows them on the stage.
    ///
    /// # Errors
    /// Where the actor is gone.
    pub fn membership(&self, actor: &Actor) -> Result<Membership> {
        let namespaces = namespaces::of(&actor.pid().to_string())
            .map_err(|why| Error::io("readlink", format!("readlink(/proc/{}/ns)", actor.pid()), &why))?;
        // At its end a process gives most of its namespaces up before its number.
        if !namespaces.iter().any(|id| id.kind == Kind::Mnt) {
            return Err(Error::Gone(actor.name().to_owned()));
        }
        Ok(Membership { actor: actor.name().to_owned(), pids: vec![actor.pid()], namespaces })
    }

    /// The namespace of one type that an actor is in.
    ///
    /// # Errors
    /// Where the actor is gone, or the kernel does not have that type.
    pub fn namespace_of(&self, actor: &Actor, kind: Kind) -> Result<NamespaceId> {
        namespaces::read(&format!("{}/ns/{kind}", actor.pid()), kind)
            .map_err(|why| Error::io("readlink", format!("readlink(/proc/{}/ns/{kind})", actor.pid()), &why))
    }

    /// What happens between two steps: it is told where everybody stands, and there is time to look around.
    fn end_of_step(&self) {
        self.emit(Event::Stood { members: self.standing() });
        self.pause();
    }

    /// All processes that live on the stage, whether the story speaks of them or not.
    fn standing(&self) -> Vec<Membership> {
        let mut members = processes::standing();
        if let Some(first) = members.first_mut().filter(|first| first.pids == [self.host.pid()]) {
            self.host.name().clone_into(&mut first.actor);
        }
        members
    }

    /// Waits, where the story is told step by step, until it is to go on.
    fn pause(&self) {
        if self.manner != Manner::StepByStep {
            return;
        }
        self.log.line(&Line::Waiting);
        let mut streams = Vec::new();
        while let Some((order, fd)) = self.log.order() {
            match order {
                Order::GoOn => return,
                Order::Stream => streams.extend(fd),
                Order::Visit(visit) => {
                    let left = self.receive_visit(&visit, &streams);
                    streams.clear();
                    self.log.line(&left.map_or_else(Line::NoVisit, Line::Visited));
                }
            }
        }
        // Nobody is left who could let the story go on.
        sys::exit(1);
    }

    /// Tells with which status the program ended for which there is this stage.
    fn left(&self, status: i32) {
        self.log.line(&Line::Left(status));
    }

    fn emit(&self, event: Event) {
        self.log.event(event);
    }
}
