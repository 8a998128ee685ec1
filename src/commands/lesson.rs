//! `nslearn lesson NAME…`.

use std::io::{self, IsTerminal};

use super::{complain, status, warn};
use crate::cli::{Lessons, Output};
use crate::diagnosis::advise;
use crate::error::Error;
use crate::lesson::Lesson;
use crate::lessons;
use crate::progress::Progress;
use crate::render::{Format, Line, Recording, Renderer, Style};
use crate::session::{Outcome, Session, Stopped};
use crate::transcript::{Event, Story};
use crate::walk::{WalkOptions, WalkOutcome, walk};

pub(super) fn run(wanted: &Lessons, output: &Output) -> io::Result<u8> {
    let chosen = match choose(wanted, output.format) {
        Ok(chosen) => chosen,
        Err(message) => {
            complain(&message);
            return Ok(status::USAGE);
        }
    };
    let title = title(&chosen);
    let recording = wanted.record.as_deref().map(|file| Recording::new(file, &title, output.options()));
    let recording = match recording.transpose() {
        Ok(recording) => recording,
        Err(error) => {
            complain(&error.to_string());
            return Ok(status::FAILED);
        }
    };
    let mut renderer = Renderer::new(output.options(), &title).recorded(recording);
    let (mut worst, mut whole) = (0, 0);
    for lesson in &chosen {
        let given = give(lesson, wanted, output, &mut renderer)?;
        worst = worst.max(given.status);
        whole += usize::from(given.to_the_end);
        // Where there is no stage for one, there is none for the next.
        if given.quit || given.status == status::NOT_HERE && !given.to_the_end {
            break;
        }
    }
    if let Some(next) = chosen.get(whole.saturating_sub(1)).and_then(|last| lessons::after(last))
        && whole == chosen.len()
        && output.format == Format::Terminal
        && io::stdout().is_terminal()
    {
        let next = Line::plain("next: ").with(Style::Command, format!("nslearn lesson {}", next.id));
        renderer.lines(&[next, Line::new()])?;
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
    quit: bool,
}

impl Given {
    fn to_its_end(outcome: &Outcome) -> Given {
        Given { status: status_of(outcome), to_the_end: true, quit: false }
    }
}

/// With which status to exit after a lesson that was given to its end.
pub(super) fn status_of(outcome: &Outcome) -> u8 {
    match outcome {
        outcome if outcome.failed > 0 || outcome.left_behind > 0 => status::FAILED,
        outcome if outcome.held == 0 => status::NOT_HERE,
        _ => 0,
    }
}

/// Tells why a lesson stopped before its end: with which status to exit.
///
/// # Errors
/// Where there is nobody to tell.
pub(super) fn tell_stop(lesson: &Lesson, why: Stopped, renderer: &mut Renderer) -> io::Result<u8> {
    match why {
        Stopped::Audience(error) => Err(error),
        Stopped::NoStage(error) => Ok(tell(lesson, "cannot be shown on this machine", &error, status::NOT_HERE)),
        Stopped::Midway(error) => {
            renderer.rest()?;
            Ok(tell(lesson, "stopped here", &error, status::FAILED))
        }
    }
}

/// Gives one lesson: as a walk, where there is somebody who can be waited for, else at one go.
fn give(lesson: &'static Lesson, wanted: &Lessons, output: &Output, renderer: &mut Renderer) -> io::Result<Given> {
    let given = if walks(wanted, output) {
        let options = WalkOptions { auto: wanted.auto, questions: !wanted.no_questions, scrubbed: output.scrub };
        walk(lesson, options, renderer).map(|walked| match walked {
            WalkOutcome::Quit => Given { quit: true, ..Given::default() },
            WalkOutcome::Through { outcome, right } => {
                if let Some((right, of)) = right {
                    remember(lesson, right, of);
                }
                Given::to_its_end(&outcome)
            }
        })
    } else {
        tell_straight(lesson, wanted, output, renderer).map(|outcome| Given::to_its_end(&outcome))
    };
    match given {
        Ok(given) => Ok(given),
        Err(why) => Ok(Given { status: tell_stop(lesson, why, renderer)?, ..Given::default() }),
    }
}

/// Keeps in mind that a lesson was walked through. Where that cannot be kept, it is said, and nothing else is different.
fn remember(lesson: &Lesson, right: usize, of: usize) {
    let (mut progress, complaint) = Progress::load();
    progress.finished(lesson.id, right, of);
    // Of a file that is not to be trusted it is told once, not as what could be read and again as what could be written.
    let saved = progress.save();
    if let Some(complaint) = complaint.or(saved.err()) {
        warn(&complaint);
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
    let (only, questions) = (wanted.step, !wanted.no_questions);
    Session::give(lesson, output.scrub, &mut |story, event| {
        if shows(only, questions, story, event) { renderer.event(story, event) } else { Ok(()) }
    })
}

/// Whether something is shown, where only one step is wanted, or no questions: what stands at the lesson's head and foot is
/// in any case.
fn shows(only: Option<usize>, questions: bool, story: &Story, event: &Event) -> bool {
    match event {
        Event::Asked(_) | Event::Answered { .. } if !questions => false,
        Event::Lesson(_) | Event::Ended(_) => true,
        // Where everybody stands at the end of a step is where they stand before the next.
        Event::Stood { .. } if only == Some(story.step + 1) => true,
        _ => only.is_none_or(|only| only == story.step),
    }
}

/// What a recording of these lessons is called.
fn title(lessons: &[&'static Lesson]) -> String {
    match lessons {
        [lesson] => format!("{} · {}", lesson.title, lesson.subtitle),
        lessons => lessons.iter().map(|lesson| lesson.title).collect::<Vec<_>>().join(" · "),
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
        return Err("nslearn: --format svg draws one lesson\n  name one: nslearn lesson uts --format svg".to_owned());
    }
    if wanted.record.as_deref() == Some("-".as_ref()) {
        let instead = "for a recording on standard output: nslearn lesson uts --format asciicast";
        return Err(format!("nslearn: --record takes the name of a file, not '-'\n  {instead}"));
    }
    if wanted.all {
        return Ok(lessons::ALL.to_vec());
    }
    wanted.names.iter().map(|name| find(name, wanted.step)).collect()
}

/// The lesson of this name, if it has this step; or what to say to somebody who asked for one that there is not.
pub(super) fn find(name: &str, step: Option<usize>) -> Result<&'static Lesson, String> {
    let lesson = lessons::find(name).ok_or_else(|| unknown(name))?;
    let steps = lesson.steps.len();
    match step.filter(|step| !(1..=steps).contains(step)) {
        Some(step) => Err(format!("nslearn: lesson {} has no step {step}\n  its steps are 1 to {steps}", lesson.id)),
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
        "nslearn: there is no lesson '{name}'\n  did you mean {}? 'nslearn list' shows all lessons",
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
