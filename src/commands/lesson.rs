//! `nslearn lesson NAME…`.

use std::io;
use std::path::Path;

use super::{complain, status};
use crate::cli::{Format, Lessons, Output};
use crate::diagnosis::advise;
use crate::error::Error;
use crate::lesson::Lesson;
use crate::lessons;
use crate::perform::{Stopped, perform};
use crate::render::{Recording, Renderer};
use crate::transcript::{Event, Letters, StandIns, scrub};

pub(super) fn run(wanted: &Lessons, output: &Output) -> io::Result<u8> {
    let chosen = match choose(wanted, output.format) {
        Ok(chosen) => chosen,
        Err(message) => {
            complain(&message);
            return Ok(status::USAGE);
        }
    };
    let title = title(&chosen);
    let recording = wanted.record.as_deref().map(|file| Recording::new(file, &title, output));
    let recording = match recording.transpose() {
        Ok(recording) => recording,
        Err(error) => {
            complain(&error.to_string());
            return Ok(status::FAILED);
        }
    };
    let mut renderer = Renderer::new(output, &title).recorded(recording);
    let (mut worst, mut whole) = (0, 0);
    for lesson in &chosen {
        let performed = perform_one(lesson, wanted.step, output, &mut renderer)?;
        worst = worst.max(performed.status);
        whole += usize::from(performed.to_the_end);
        if worst == status::NOT_HERE {
            break;
        }
    }
    let kept = renderer.into_recording().is_none_or(|recording| keep(recording, whole == chosen.len()));
    Ok(if kept { worst } else { worst.max(status::FAILED) })
}

/// Writes the recording, if all was shown that belongs in it; whether it was written.
fn keep(recording: Recording, whole: bool) -> bool {
    let kept = if whole { recording.keep() } else { Err(recording.give_up()) };
    kept.inspect_err(|error| complain(&error.to_string())).is_ok()
}

/// What one lesson's performance came to.
struct Performed {
    status: u8,
    to_the_end: bool,
}

fn perform_one(
    lesson: &'static Lesson,
    step: Option<usize>,
    output: &Output,
    renderer: &mut Renderer,
) -> io::Result<Performed> {
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
    let to_the_end = performed.is_ok();
    let status = match performed {
        Ok(outcome) if outcome.failed > 0 || outcome.left_behind > 0 => status::FAILED,
        Ok(outcome) if outcome.held == 0 => status::NOT_HERE,
        Ok(_) => 0,
        Err(Stopped::Audience(error)) => return Err(error),
        Err(Stopped::NoStage(error)) => tell(lesson, "cannot be shown on this machine", &error, status::NOT_HERE),
        Err(Stopped::Midway(error)) => tell(lesson, "stopped here", &error, status::FAILED),
    };
    Ok(Performed { status, to_the_end })
}

/// What a recording of these lessons is called.
fn title(lessons: &[&'static Lesson]) -> String {
    match lessons {
        [lesson] => format!("{} · {}", lesson.title, lesson.subtitle),
        lessons => lessons.iter().map(|lesson| lesson.title).collect::<Vec<_>>().join(" · "),
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
    if wanted.record.as_deref() == Some(Path::new("-")) {
        let instead = "standard output is for --format: nslearn lesson uts --format asciicast";
        return Err(format!("nslearn: --record takes the name of a file, and '-' is none\n  {instead}"));
    }
    if wanted.all {
        return Ok(lessons::ALL.to_vec());
    }
    let chosen: Vec<_> =
        wanted.names.iter().map(|name| lessons::find(name).ok_or_else(|| unknown(name))).collect::<Result<_, _>>()?;
    for lesson in &chosen {
        let steps = lesson.steps;
        if let Some(step) = wanted.step.filter(|step| !(1..=steps).contains(step)) {
            return Err(format!(
                "nslearn: lesson {} has no step {step}\n  it has {steps}, from 1 to {steps}",
                lesson.id
            ));
        }
    }
    Ok(chosen)
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
