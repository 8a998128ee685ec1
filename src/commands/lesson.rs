//! `nslearn lesson NAME…`.

use std::io::{self, IsTerminal};

use super::{complain, remark, status};
use crate::cli::{Format, Lessons, Output};
use crate::diagnosis::advise;
use crate::error::Error;
use crate::lesson::Lesson;
use crate::lessons;
use crate::perform::{Outcome, Stopped, perform};
use crate::progress::Progress;
use crate::render::{Recording, Renderer};
use crate::transcript::{Event, Letters, StandIns, scrub};
use crate::walk::{Pace, Walked, walk};

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
        let given = give(lesson, wanted, output, &mut renderer)?;
        worst = worst.max(given.status);
        whole += usize::from(given.to_the_end);
        // Where there is no stage for one, there is none for the next.
        if given.left || given.status == status::NOT_HERE && !given.to_the_end {
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

/// What it came to that one lesson was given.
#[derive(Default)]
struct Given {
    /// With which status to exit.
    status: u8,
    /// Whether all of it was shown.
    to_the_end: bool,
    /// Whether the learner left it.
    left: bool,
}

impl Given {
    fn to_its_end(outcome: &Outcome) -> Given {
        let status = match outcome {
            outcome if outcome.failed > 0 || outcome.left_behind > 0 => status::FAILED,
            outcome if outcome.held == 0 => status::NOT_HERE,
            _ => 0,
        };
        Given { status, to_the_end: true, left: false }
    }
}

/// Gives one lesson: as a walk, where there is somebody who can be waited for, else at one go.
fn give(lesson: &'static Lesson, wanted: &Lessons, output: &Output, renderer: &mut Renderer) -> io::Result<Given> {
    let given = if walks(wanted, output) {
        let pace = Pace { auto: wanted.auto, questions: !wanted.no_questions };
        walk(lesson, output, pace, renderer).map(|walked| match walked {
            Walked::Left => Given { left: true, ..Given::default() },
            Walked::Through { outcome, right } => {
                if let Some((right, of)) = right {
                    remember(lesson, right, of);
                }
                Given::to_its_end(&outcome)
            }
        })
    } else {
        tell_straight(lesson, wanted, output, renderer).map(|outcome| Given::to_its_end(&outcome))
    };
    let status = match given {
        Ok(given) => return Ok(given),
        Err(Stopped::Audience(error)) => return Err(error),
        Err(Stopped::NoStage(error)) => tell(lesson, "cannot be shown on this machine", &error, status::NOT_HERE),
        Err(Stopped::Midway(error)) => {
            renderer.rest()?;
            tell(lesson, "stopped here", &error, status::FAILED)
        }
    };
    Ok(Given { status, ..Given::default() })
}

/// Keeps in mind that a lesson was walked through. Where that cannot be kept, it is said, and nothing else is different.
fn remember(lesson: &Lesson, right: usize, of: usize) {
    let (mut progress, complaint) = Progress::load();
    progress.finished(lesson.id, right, of);
    // Of a file that is not to be trusted it is told once, not as what could be read and again as what could be written.
    let saved = progress.save();
    if let Some(complaint) = complaint.or(saved.err()) {
        remark(&complaint);
    }
}

/// Whether there is somebody who can be waited for.
fn walks(wanted: &Lessons, output: &Output) -> bool {
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    terminal && output.format == Format::Terminal && !wanted.no_pause && wanted.step.is_none()
}

fn tell_straight(
    lesson: &'static Lesson,
    wanted: &Lessons,
    output: &Output,
    renderer: &mut Renderer,
) -> Result<Outcome, Stopped> {
    // Letters and stand-ins begin anew with each lesson: each has a stage of its own.
    let (mut letters, mut stand_ins) = (Letters::default(), StandIns::default());
    let mut window = Window::new(wanted.step, !wanted.no_questions);
    perform(lesson, &lessons::place(lesson), &mut |mut event| {
        // Also of what is not shown: a namespace has the same letter whether or not its step is looked at alone.
        letters.assign(&mut event);
        if output.scrub {
            scrub(&mut event, &mut stand_ins);
        }
        if window.shows(&event) { renderer.event(&event) } else { Ok(()) }
    })
}

/// What a recording of these lessons is called.
fn title(lessons: &[&'static Lesson]) -> String {
    match lessons {
        [lesson] => format!("{} · {}", lesson.title, lesson.subtitle),
        lessons => lessons.iter().map(|lesson| lesson.title).collect::<Vec<_>>().join(" · "),
    }
}

/// Which part of a lesson is shown: all of it, or one step, between what stands at the lesson's head and foot.
struct Window {
    wanted: Option<usize>,
    questions: bool,
    /// The step that is being told; 0 before the first.
    current: usize,
}

impl Window {
    fn new(wanted: Option<usize>, questions: bool) -> Self {
        Window { wanted, questions, current: 0 }
    }

    fn shows(&mut self, event: &Event) -> bool {
        match event {
            Event::Asked(_) | Event::Answered { .. } if !self.questions => return false,
            Event::Lesson(_) | Event::Ended(_) => return true,
            Event::Step { number, .. } => self.current = *number,
            // Where everybody stands at the end of a step is where they stand before the next.
            Event::Stood { .. } if self.wanted == Some(self.current + 1) => return true,
            _ => {}
        }
        self.wanted.is_none_or(|wanted| wanted == self.current)
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
    if wanted.record.as_deref() == Some("-".as_ref()) {
        let instead = "standard output is for --format: nslearn lesson uts --format asciicast";
        return Err(format!("nslearn: --record takes the name of a file, and '-' is none\n  {instead}"));
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
