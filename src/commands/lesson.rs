//! `nslearn lesson NAME…`.

use std::io;

use super::{complain, status};
use crate::cli::{Lessons, Output};
use crate::diagnosis::advise;
use crate::error::Error;
use crate::lesson::Lesson;
use crate::lessons;
use crate::render::Renderer;
use crate::stage::{Stopped, perform};
use crate::transcript::{Letters, StandIns, scrub};

pub(super) fn run(wanted: &Lessons, output: &Output) -> io::Result<u8> {
    let chosen = match choose(wanted) {
        Ok(chosen) => chosen,
        Err(message) => {
            complain(&message);
            return Ok(status::USAGE);
        }
    };
    let mut renderer = Renderer::new(output);
    let mut worst = 0;
    for lesson in chosen {
        worst = worst.max(perform_one(lesson, output, &mut renderer)?);
        if worst == status::NOT_HERE {
            break;
        }
    }
    Ok(worst)
}

fn perform_one(lesson: &'static Lesson, output: &Output, renderer: &mut Renderer) -> io::Result<u8> {
    // Letters and stand-ins begin anew with each lesson: each has a stage of its own.
    let (mut letters, mut stand_ins) = (Letters::default(), StandIns::default());
    let performed = perform(lesson, &lessons::place(lesson), &mut |mut event| {
        letters.assign(&mut event);
        if output.scrub {
            scrub(&mut event, &mut stand_ins);
        }
        renderer.event(&event)
    });
    match performed {
        Ok(outcome) if outcome.failed > 0 => Ok(status::FAILED),
        Ok(outcome) if outcome.held == 0 => Ok(status::NOT_HERE),
        Ok(_) => Ok(0),
        Err(Stopped::Audience(error)) => Err(error),
        Err(Stopped::NoStage(error)) => Ok(tell(lesson, "cannot be shown on this machine", &error, status::NOT_HERE)),
        Err(Stopped::Midway(error)) => Ok(tell(lesson, "stopped here", &error, status::FAILED)),
    }
}

fn tell(lesson: &Lesson, what: &str, error: &Error, status: u8) -> u8 {
    let advice = advise(error);
    complain(&format!("nslearn: lesson {} {what}\n  {}\n  what to do: {}", lesson.id, advice.reason, advice.remedy));
    status
}

/// The lessons that were asked for; or what to say to somebody who asked for one that there is not.
fn choose(wanted: &Lessons) -> Result<Vec<&'static Lesson>, String> {
    if wanted.all {
        return Ok(lessons::ALL.to_vec());
    }
    wanted.names.iter().map(|name| lessons::find(name).ok_or_else(|| unknown(name))).collect()
}

fn unknown(name: &str) -> String {
    let name: String = name.escape_debug().collect();
    let mut near: Vec<(f64, &str)> =
        lessons::ALL.iter().map(|lesson| (strsim::jaro_winkler(&name.to_lowercase(), lesson.id), lesson.id)).collect();
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    let near: Vec<&str> = near.into_iter().filter(|(likeness, _)| *likeness > 0.6).map(|(_, id)| id).take(3).collect();
    let hint = if near.is_empty() {
        "'nslearn list' tells which there are".to_owned()
    } else {
        format!("did you mean {}? 'nslearn list' tells which there are", near.join(" or "))
    };
    format!("nslearn: there is no lesson '{name}'\n  {hint}")
}
