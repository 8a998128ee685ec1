//! The stage: new namespaces of all eight types that play the part of a machine, as a lesson speaks to it.
//!
//! A lesson is told by the stage's first process, the director; its actors are processes that it has forked. What they
//! do is real, and stays on the stage: the machine outside does not change, and all is gone when the director is.

mod part;
#[cfg(test)]
mod tests;
mod visit;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use indexmap::IndexMap;

use crate::actors::{Actor, Log, Order, Process, StoryMessage};
use crate::args;
use crate::error::{CallResult, Error, Result};
use crate::observe::{namespaces, processes};
use crate::step::{ByHand, Fact, Step};
use crate::sys;
use crate::transcript::{Event, Evidence, Look, Membership, NamespaceId, NamespaceType, Question, Value};

/// How a story is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pacing {
    /// At one go.
    Straight,
    /// Step by step: it waits before each, and at questions, until it is told to go on.
    StepByStep,
}

/// The director's view of the stage.
#[derive(Debug)]
pub(crate) struct Stage {
    host: Actor,
    log: Log,
    pacing: Pacing,
    /// The lesson's steps.
    steps: &'static [&'static Step],
    /// The number of the last step that was begun or left out; 0 before the first.
    at: Cell<usize>,
    /// The step that is being told.
    open: Cell<Option<&'static Step>>,
    /// How many of the open step's questions were asked, and how many were answered.
    asked: Cell<usize>,
    answered: Cell<usize>,
    /// The facts that have been told of.
    reported: RefCell<BTreeSet<&'static str>>,
}

impl Stage {
    pub(crate) fn new(
        log: Log,
        off_the_machine: Vec<NamespaceType>,
        pacing: Pacing,
        steps: &'static [&'static Step],
    ) -> Self {
        let host = Actor::here("host", Process::director("host", log.clone(), off_the_machine));
        let (at, open, asked, answered) = Default::default();
        Stage { host, log, pacing, steps, at, open, asked, answered, reported: RefCell::default() }
    }

    /// The actor that plays the machine's first process: PID 1 of the stage.
    pub(crate) fn host(&self) -> &Actor {
        &self.host
    }

    /// Begins the next step, and ends the one before.
    ///
    /// # Errors
    /// Where it is not the next one of the lesson's, or where the one before has left out something that it declares.
    pub(crate) fn step(&self, step: &'static Step) -> Result<()> {
        self.end_of_step()?;
        let number = self.number(step)?;
        if number != self.at.get() + 1 {
            return Err(Error::unexpected(
                step.title,
                format!("this is step {number}, told after step {}", self.at.get()),
            ));
        }
        self.at.set(number);
        self.open.set(Some(step));
        self.log.event(Event::Step { number, of: self.steps.len(), title: step.title.to_owned() });
        Ok(())
    }

    /// The step's place in the lesson, from 1.
    fn number(&self, step: &'static Step) -> Result<usize> {
        let place = self.steps.iter().position(|known| std::ptr::eq(*known, step));
        place.map(|place| place + 1).ok_or_else(|| Error::unexpected(step.title, "the lesson has no such step"))
    }

    /// Tells the reader something: paragraphs, which are filled to the reader's width.
    pub(crate) fn say(&self, text: &str) {
        self.emit(Event::Said { text: text.trim().to_owned() });
    }

    /// Asks the reader the step's next question, before what it is about happens.
    ///
    /// # Errors
    /// Where the step has none more.
    pub(crate) fn ask(&self) -> Result<()> {
        let (place, step) = (self.asked.get(), self.open_step()?);
        let ask = step.asks.get(place).ok_or_else(|| Error::unexpected(step.title, "the step has no question more"))?;
        self.asked.set(place + 1);
        let choices = ask.choices.iter().map(|(choice, _)| (*choice).to_owned()).collect();
        self.emit(Event::Asked(Question { id: ask.id.to_owned(), text: ask.text.to_owned(), choices }));
        self.pause();
        Ok(())
    }

    /// Answers the question by what was seen: that one of its choices is right which declares it.
    ///
    /// # Errors
    /// Where no question is open.
    pub(crate) fn answer(&self, seen: impl Into<Value>) -> Result<()> {
        let (place, step) = (self.answered.get(), self.open_step()?);
        let ask = step.asks.get(place).filter(|_| place < self.asked.get());
        let ask = ask.ok_or_else(|| Error::unexpected(step.title, "an answer without a question"))?;
        self.answered.set(place + 1);
        let seen = seen.into().to_string();
        let mut right = ask.choices.iter().enumerate().filter(|(_, (_, if_right))| *if_right == seen);
        let answer = right.next().filter(|_| right.next().is_none());
        let choice = answer.map_or("none of these", |(_, (choice, _))| choice).to_owned();
        let (id, why) = (ask.id.to_owned(), ask.why.to_owned());
        self.emit(Event::Answered { id, answer: answer.map(|(place, _)| place), choice, why });
        Ok(())
    }

    fn open_step(&self) -> Result<&'static Step> {
        self.open.get().ok_or_else(|| Error::unexpected("the lesson", "no step has begun"))
    }

    /// Tells whether a fact of this step holds, and what shows it.
    ///
    /// # Errors
    /// Where it is no fact of this step, or was told of before. Where an actor was lost, the story ends here: what was
    /// seen then shows nothing.
    pub(crate) fn verify(&self, fact: &'static Fact, held: bool, evidence: Evidence) -> Result<()> {
        let step = self.open_step()?;
        if !step.shows(fact) || !self.reported.borrow_mut().insert(fact.id) {
            return Err(Error::unexpected(fact.id, format!("told in step '{}', which is not its turn", step.title)));
        }
        let roster = self.host.roster();
        if let Some(lost) = if held { roster.all_are_here().err() } else { roster.lost() } {
            return Err(lost);
        }
        let (id, claim) = (fact.id.to_owned(), fact.claim.to_owned());
        self.emit(Event::Verified { id, claim, held, evidence });
        Ok(())
    }

    /// What the story cannot go on after: where an actor was lost, that, for all else may come of it.
    fn cause(&self, error: Error) -> Error {
        self.host.roster().lost().unwrap_or(error)
    }

    /// Shows what an actor saw.
    pub(crate) fn show(&self, actor: &Actor, look: Look) {
        self.emit(Event::Saw { actor: actor.name().to_owned(), look });
    }

    /// Shows the same look of several actors before and after.
    pub(crate) fn compare(&self, title: &str, before: IndexMap<String, Value>, after: IndexMap<String, Value>) {
        self.emit(Event::Compared { title: title.to_owned(), before, after });
    }

    /// Shows who is in which namespace.
    ///
    /// # Errors
    /// Where an actor is gone.
    pub(crate) fn who_is_where(&self, actors: &[&Actor]) -> Result<()> {
        let members: Result<Vec<Membership>> = actors.iter().map(|actor| self.membership(actor)).collect();
        self.emit(Event::WhoIsWhere { actor: self.host.name().to_owned(), members: members? });
        Ok(())
    }

    /// The namespaces that an actor is in, as `ls -l /proc/PID/ns` shows them on the stage.
    ///
    /// # Errors
    /// Where the actor is gone.
    pub(crate) fn membership(&self, actor: &Actor) -> Result<Membership> {
        let pid = actor.pid();
        let namespaces = namespaces::of(&pid.to_string()).or_refused("readlink", args![format!("/proc/{pid}/ns")])?;
        // At its end a process gives most of its namespaces up before its number.
        if !namespaces.iter().any(|id| id.kind == NamespaceType::Mnt) {
            return Err(Error::Gone(actor.name().to_owned()));
        }
        Ok(Membership { actor: actor.name().to_owned(), pids: vec![pid], namespaces })
    }

    /// The namespace of one type that an actor is in.
    ///
    /// # Errors
    /// Where the actor is gone, or the kernel does not have that type.
    pub(crate) fn namespace_of(&self, actor: &Actor, of: NamespaceType) -> Result<NamespaceId> {
        let file = format!("{}/ns/{of}", actor.pid());
        namespaces::read(&file, of).or_refused("readlink", args![format!("/proc/{file}")])
    }

    /// Whether two actors are in the same namespace of a type.
    ///
    /// # Errors
    /// As [`Stage::namespace_of`].
    pub(crate) fn same_namespace(&self, one: &Actor, other: &Actor, of: NamespaceType) -> Result<bool> {
        Ok(self.namespace_of(one, of)? == self.namespace_of(other, of)?)
    }

    /// Of each type of namespace that this kernel has, whether two actors are in the same one, by device and inode.
    ///
    /// # Errors
    /// As [`Stage::namespace_of`].
    pub(crate) fn same_by_stat(&self, one: &Actor, other: &Actor) -> Result<Vec<(NamespaceType, bool)>> {
        let stat = |actor: &Actor, of: NamespaceType| {
            let link = format!("{}/ns/{of}", actor.pid());
            namespaces::stat(&link).or_refused("stat", args![format!("/proc/{link}")])
        };
        let types = self.membership(one)?.namespaces.into_iter().map(|id| id.kind);
        types.map(|of| Ok((of, stat(one, of)? == stat(other, of)?))).collect()
    }

    /// Ends the story: with it, the last step.
    pub(crate) fn finish(&self, told: Result<()>) -> Result<()> {
        told.and_then(|()| self.end_of_step()).map_err(|error| self.cause(error))?;
        self.log.tell(StoryMessage::Ended);
        Ok(())
    }

    /// What happens between two steps: the commands by hand are shown, it is told where everybody stands, and there is
    /// time to look around.
    fn end_of_step(&self) -> Result<()> {
        if let Some(step) = self.open.take() {
            let reported = self.reported.borrow();
            if let Some(fact) = step.facts.iter().find(|fact| !reported.contains(fact.id)) {
                return Err(Error::unexpected(fact.id, format!("step '{}' does not tell of it", step.title)));
            }
            step.by_hand.iter().for_each(|by_hand| self.emit(by_hand_event(by_hand)));
            self.asked.set(0);
            self.answered.set(0);
        }
        self.emit(Event::Stood { members: self.standing()? });
        self.pause();
        Ok(())
    }

    /// All processes that live on the stage, whether the story speaks of them or not.
    fn standing(&self) -> Result<Vec<Membership>> {
        let mut members = processes::standing().or_refused("openat", args!["/proc"])?;
        if let Some(first) = members.first_mut().filter(|first| first.pids == [self.host.pid()]) {
            self.host.name().clone_into(&mut first.actor);
        }
        Ok(members)
    }

    /// Waits, where the story is told step by step, until it is to go on.
    fn pause(&self) {
        if self.pacing != Pacing::StepByStep {
            return;
        }
        self.log.tell(StoryMessage::Paused);
        let mut streams = Vec::new();
        while let Some((order, fd)) = self.log.order() {
            match order {
                Order::GoOn => return,
                Order::Stream => streams.extend(fd),
                // For whoever asked for it, and waits for it: not for the director.
                Order::YouAre(_) => {}
                Order::Visit(visit) => {
                    let outcome = self.receive_visit(&visit, &streams);
                    streams.clear();
                    self.log.tell(StoryMessage::Visited(outcome));
                }
            }
        }
        // Nobody is left who could let the story go on.
        sys::exit(1);
    }

    fn emit(&self, event: Event) {
        self.log.event(event);
    }
}

fn by_hand_event(by_hand: &ByHand) -> Event {
    let (command, shows, docker) = match by_hand {
        ByHand::Shell { command, shows } => (command, *shows, false),
        ByHand::Docker(command) => (command, "", true),
    };
    Event::ByHand { command: command.trim().to_owned(), shows: shows.to_owned(), docker }
}
