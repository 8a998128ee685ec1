//! `nslearn lesson NAME…`.

use std::io;

use super::{complain, status};
use crate::cli::{Format, Lessons, Output};
use crate::diagnosis::advise;
use crate::error::Error;
use crate::lesson::Lesson;
use crate::lessons;
use crate::perform::{Stopped, perform};
use crate::render::Renderer;

use crate::transcript::{Event, Letters, StandIns, scrub};

pub(super) fn run(wanted: &Lessons, output: &Output) -> io::Result<u8> {
    let chosen = match choose(wanted, output.format) {
        Ok(chosen) => chosen,
        Err(message) => {
            complain(&message);
            return Ok(status::USAGE);
        }
    };
    let mut renderer = Renderer::new(output);
    let mut worst = 0;
    for lesson in chosen {
        worst = worst.max(perform_one(lesson, wanted.step, output, &mut renderer)?);
        if worst == status::NOT_HERE {
            break;
        }
    }
    Ok(worst)
}

fn perform_one(
    lesson: &'static Lesson,
    step: Option<usize>,
    output: &Output,
    renderer: &mut Renderer,
) -> io::Result<u8> {
    // Letters and stand-ins begin anew with each lesson: each has a stage of its own.
    let (mut letters, mut stand_ins) = (Letters::default(), StandIns::default());
    let mut window = step.map(Window::new);
    let performed = perform(lesson, &lessons::place(lesson), &mut |mut event| {
        // Also of what is not shown: a namespace has the same letter whether or not its step is looked at alone.
        letters.assign(&mut event);
        if output.scrub {
            scrub(&mut event, &mut stand_ins);
        }
        if window.as_mut().is_none_or(|window| window.shows(&event)) { renderer.event(&event) } else { Ok(()) }
    });
    match performed {
        Ok(outcome) if outcome.failed > 0 || outcome.left_behind > 0 => Ok(status::FAILED),
        Ok(outcome) if outcome.held == 0 => Ok(status::NOT_HERE),
        Ok(_) => Ok(0),
        Err(Stopped::Audience(error)) => Err(error),
        Err(Stopped::NoStage(error)) => Ok(tell(lesson, "cannot be shown on this machine", &error, status::NOT_HERE)),
        Err(Stopped::Midway(error)) => Ok(tell(lesson, "stopped here", &error, status::FAILED)),
    }
}

/// One step of a lesson, between what stands at the lesson's head and foot.
struct Window {
    wanted: usize,
    /// The step that is being told; 0 before the first.
    current: usize,
}

impl Window {
    fn new(wanted: usize) -> Self {
        Window { wanted, current: 0 }
    }

    fn shows(&mut self, event: &Event) -> bool {
        match event {
            Event::Lesson(_) | Event::Ended(_) => return true,
            Event::Step { number, .. } => self.current = *number,
            // Where everybody stands at the end of a step is where they stand before the next.
            Event::Stood { .. } if self.current + 1 == self.wanted => return true,
            _ => {}
        }
        self.current == self.wanted
    }
}

fn tell(lesson: &Lesson, what: &str, error: &Error, status: u8) -> u8 {
    let advice = advise(error);
    complain(&format!("nslearn: lesson {} {what}\n  {}\n  what to do: {}", lesson.id, advice.reason, advice.remedy));
    status
}

/// The lessons that were asked for; or what to say to somebody who asked for one that there is not.
fn choose(wanted: &Lessons, format: Format) -> Result<Vec<&'static Lesson>, String> {
    if format == Format::Svg && (wanted.all || wanted.names.len() > 1) {
        return Err("nslearn: a picture is of one lesson\n  name one: nslearn lesson uts --format svg".to_owned());
    }
    if wanted.all {
        return Ok(lessons::ALL.to_vec());
    }
    wanted.names.iter().map(|name| find(name, wanted.step)).collect()
}

/// The lesson of this name, if it has this step; or what to say to somebody who asked for one that there is not.
pub(super) fn find(name: &str, step: Option<usize>) -> Result<&'static Lesson, String> {
    let lesson = lessons::find(name).ok_or_else(|| unknown(name))?;
    let steps = lesson.steps;
    match step.filter(|step| !(1..=steps).contains(step)) {
        Some(step) => {
            Err(format!("nslearn: lesson {} has no step {step}\n  it has {steps}, from 1 to {steps}", lesson.id))
        }
        None => Ok(lesson),
    }
}

fn unknown(name: &str) -> String {
    let name: String = name.escape_debug().collect();
    let mut near: Vec<(usize, &str)> =
        lessons::ALL.iter().map(|lesson| (unlikeness(&name.to_lowercase(), lesson.id), lesson.id)).collect();
    near.sort_by_key(|(unlike, _)| *unlike);
    let best = near.first().map_or(0, |(unlike, _)| *unlike);
    let near: Vec<&str> = near.into_iter().filter(|(unlike, _)| *unlike == best).map(|(_, id)| id).collect();
    format!(
        "nslearn: there is no lesson '{name}'\n  the nearest: {}; 'nslearn list' tells which there are",
        near.join(", ")
    )
}

/// How many letters one has to change; none at all for the beginning or the end of a lesson's name.
fn unlikeness(name: &str, id: &str) -> usize {
    if name.len() > 1 && (id.starts_with(name) || id.ends_with(name)) {
        return 0;
    }
    strsim::damerau_levenshtein(name, id)
}
