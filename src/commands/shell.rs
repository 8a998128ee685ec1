//! `nslearn shell`: a shell on a stage, of a lesson or an empty one.

use std::io;
use std::os::fd::AsFd;

use super::lesson::find;
use super::{complain, status};
use crate::cli::ShellOnStage;
use crate::diagnosis::advise;
use crate::error::Error;
use crate::lesson::Lesson;
use crate::lessons;
use crate::perform::{Performance, Stopped};
use crate::stage::{Foreground, Manner, run_on_a_stage};
use crate::transcript::{Event, Membership};
use crate::walk::{own_shell, visit};

/// Why there is no shell.
enum Refused {
    /// The command line asks for something that there is not.
    Usage(String),
    /// This machine, or the lesson.
    Stage(Error),
    /// Nobody hears.
    Audience(io::Error),
}

pub(super) fn run(wanted: &ShellOnStage) -> io::Result<u8> {
    let left = match &wanted.lesson {
        None => on_an_empty_stage(wanted.command.as_deref()),
        Some(name) => in_a_lesson(name, wanted),
    };
    match left {
        Ok(left) => Ok(u8::try_from(left).unwrap_or(status::FAILED)),
        Err(Refused::Audience(error)) => Err(error),
        Err(Refused::Usage(message)) => {
            complain(&message);
            Ok(status::USAGE)
        }
        Err(Refused::Stage(error)) => {
            let advice = advise(&error);
            let (what, status) = if error.is_loss() {
                ("the shell has ended with its stage", status::FAILED)
            } else {
                ("no shell on a stage here", status::NOT_HERE)
            };
            complain(&format!("nslearn: {what}\n  {}\n  what to do: {}", advice.reason, advice.remedy));
            Ok(status)
        }
    }
}

fn on_an_empty_stage(command: Option<&str>) -> Result<i32, Refused> {
    let left = match command {
        Some(command) => run_on_a_stage("/bin/sh".as_ref(), &["-c", command]),
        None => run_on_a_stage(&own_shell(), &[]),
    };
    left.map_err(Refused::Stage)
}

/// A shell in the place of an actor, at the end of a step.
fn in_a_lesson(name: &str, wanted: &ShellOnStage) -> Result<i32, Refused> {
    let lesson = find(name, wanted.step).map_err(Refused::Usage)?;
    let step = wanted.step.unwrap_or(lesson.steps);
    let actor = wanted.actor.as_deref().unwrap_or("host");
    let (mut performance, stood) = play_to(lesson, step)?;
    let names: Vec<&str> = stood.iter().map(|member| member.actor.as_str()).collect();
    if !names.contains(&actor) {
        let (actor, names) = (actor.escape_debug(), names.join(", "));
        let message = format!("nslearn: there is no '{actor}' at the end of step {step}\n  there are: {names}");
        return Err(Refused::Usage(message));
    }
    let place = format!("{} step {step}: {actor}", lesson.id);
    let terminal = Foreground::lend();
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    let streams = [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()];
    let left = performance.visit(visit(actor, &place, wanted.command.as_deref()), streams);
    drop(terminal);
    let left = left.map_err(Refused::Stage)?;
    if !left.with_mounts {
        complain(&format!("nslearn: {actor}'s own root holds no shell: the files were the host's"));
    }
    Ok(left.status)
}

/// Plays a lesson, unseen, to the end of a step; and who stands where then.
fn play_to(lesson: &'static Lesson, step: usize) -> Result<(Performance, Vec<Membership>), Refused> {
    let mut now = (0, Vec::new());
    let mut performance =
        Performance::open(lesson, &lessons::place(lesson), Manner::StepByStep, &mut |_| Ok(())).map_err(stopped)?;
    loop {
        let mut over = false;
        let more = performance.advance(&mut |event| {
            match event {
                Event::Step { number, .. } => (now.0, over) = (number, false),
                Event::Stood { members } => (now.1, over) = (members, true),
                _ => {}
            }
            Ok(())
        });
        if !more.map_err(stopped)? || over && now.0 >= step {
            return Ok((performance, now.1));
        }
    }
}

fn stopped(why: Stopped) -> Refused {
    match why {
        Stopped::Audience(error) => Refused::Audience(error),
        Stopped::NoStage(error) | Stopped::Midway(error) => Refused::Stage(error),
    }
}
