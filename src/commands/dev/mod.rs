//! `nslearn dev …`: for those who write lessons, in a checkout of the source.

mod check;
mod crowd;
mod derive;
mod finding;
mod fix;
mod new;
mod snapshot;
mod template;
mod tree;

use std::io;

use self::finding::Finding;
use self::new::Refused;
use self::tree::Tree;
use super::{complain, lesson, status, warn};
use crate::cli::{CheckOptions, Dev, Output};
use crate::render::{Format, Line, Printer};

pub(super) fn run(wanted: &Dev, output: &Output) -> io::Result<u8> {
    match wanted {
        Dev::New { id } => in_a_checkout(|tree| make(tree, id, output)),
        Dev::Check(options) => in_a_checkout(|tree| check(tree, options, output)),
        Dev::Crowd { actors } => crowd::run(*actors, output),
    }
}

fn in_a_checkout(run: impl FnOnce(&Tree) -> io::Result<u8>) -> io::Result<u8> {
    if let Some(tree) = Tree::find() {
        return run(&tree);
    }
    complain(
        "nslearn: this is not a checkout of nslearn's source\n  go to one, and run it there: cargo run -- dev check",
    );
    Ok(status::USAGE)
}

fn make(tree: &Tree, id: &str, output: &Output) -> io::Result<u8> {
    match new::make(tree, id) {
        Ok(told) => {
            let lines: Vec<Line> = told.lines().map(Line::plain).collect();
            Printer::new(output.options()).lines(&lines)?;
            Ok(0)
        }
        Err(Refused::Usage(message)) => {
            complain(&message);
            Ok(status::USAGE)
        }
        Err(Refused::Write(message)) => {
            complain(&message);
            Ok(status::FAILED)
        }
    }
}

fn check(tree: &Tree, options: &CheckOptions, output: &Output) -> io::Result<u8> {
    let only = match options.lesson.as_deref().map(|name| lesson::find(name, None)).transpose() {
        Ok(only) => only,
        Err(message) => {
            complain(&message);
            return Ok(status::USAGE);
        }
    };
    if options.fix {
        match fix::fix(tree, only) {
            Ok(files) => files.iter().for_each(|file| warn(&format!("rewritten: {file}"))),
            Err((file, why)) => {
                warn(&format!("nothing was rewritten: {file}: {why}"));
                return Ok(status::FAILED);
            }
        }
    }
    let findings = check::check(tree, only);
    let lines: Vec<Line> = findings.iter().map(|finding| Line::plain(shown(finding, output.format))).collect();
    Printer::new(output.options()).lines(&lines)?;
    Ok(if findings.is_empty() { 0 } else { status::FAILED })
}

fn shown(finding: &Finding, format: Format) -> String {
    match format {
        Format::Json => serde_json::to_string(finding).unwrap_or_default(),
        _ => finding.to_string(),
    }
}
