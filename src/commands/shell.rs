//! `nslearn shell`: a shell on the stage of a lesson, or on an empty one.

use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;

use super::lesson::find;
use super::{complain, status};
use crate::cli::ShellOnStage;
use crate::diagnosis::advise;
use crate::error::Error;
use crate::lesson::Lesson;
use crate::probe;
use crate::sandbox::{Foreground, run_in_a_sandbox};
use crate::session::{Session, Stopped};
use crate::stage::Pacing;
use crate::walk::{programs, visit};

/// Why there is no shell.
enum Refused {
    /// The command line asks for something that does not exist.
    Usage(String),
    /// This machine, or the lesson.
    Stage(Error),
    /// Nobody reads the output any more.
    Audience(io::Error),
}

pub(super) fn run(wanted: &ShellOnStage) -> io::Result<u8> {
    let ended = match &wanted.lesson {
        None => on_an_empty_stage(wanted.command.as_deref()),
        Some(name) => in_a_lesson(name, wanted),
    };
    match ended {
        Ok(ended) => Ok(u8::try_from(ended).unwrap_or(status::FAILED)),
        Err(Refused::Audience(error)) => Err(error),
        Err(Refused::Usage(message)) => {
            complain(&message);
            Ok(status::USAGE)
        }
        Err(Refused::Stage(error)) => {
            let advice = advise(&error);
            let (what, status) = if error.is_loss() {
                ("the stage ended, and the shell with it", status::FAILED)
            } else {
                ("there is no stage on this machine, and so no shell on one", status::NOT_HERE)
            };
            complain(&format!("nslearn: {what}\n  {}\n  what to do: {}", advice.reason, advice.remedy));
            Ok(status)
        }
    }
}

fn on_an_empty_stage(command: Option<&OsStr>) -> Result<i32, Refused> {
    run_in_a_sandbox(&programs(command)).map_err(|error| Refused::Stage(probe::in_the_way_of_a_stage(error)))
}

/// A shell as an actor, at the end of a step.
fn in_a_lesson(name: &str, wanted: &ShellOnStage) -> Result<i32, Refused> {
    let lesson = find(name, wanted.step).map_err(Refused::Usage)?;
    let step = wanted.step.unwrap_or(lesson.steps.len());
    let actor = wanted.actor.as_deref().unwrap_or("host");
    let mut session = play_to(lesson, step)?;
    let names: Vec<&str> = session.story().now().iter().map(|member| member.actor.as_str()).collect();
    if !names.contains(&actor) {
        let (actor, names) = (actor.escape_debug(), names.join(", "));
        let message =
            format!("nslearn: there is no process '{actor}' at the end of step {step}\n  choose one of: {names}");
        return Err(Refused::Usage(message));
    }
    let place = format!("{} step {step}: {actor}", lesson.id);
    let terminal = Foreground::lend();
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let outcome = session.visit(visit(actor, &place, wanted.command.as_deref()), streams);
    drop(terminal);
    outcome.map(|outcome| outcome.status).map_err(Refused::Stage)
}

/// Plays a lesson, unseen, to the end of a step.
fn play_to(lesson: &'static Lesson, step: usize) -> Result<Session, Refused> {
    let mut session = Session::open(lesson, Pacing::StepByStep, false, &mut |_, _| Ok(())).map_err(stopped)?;
    loop {
        let more = session.advance(&mut |_, _| Ok(())).map_err(stopped)?;
        let story = session.story();
        if !more || story.over && story.step >= step {
            return Ok(session);
        }
    }
}

fn stopped(why: Stopped) -> Refused {
    match why {
        Stopped::Audience(error) => Refused::Audience(error),
        Stopped::NoStage(error) | Stopped::Midway(error) => Refused::Stage(error),
    }
}
