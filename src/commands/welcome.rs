//! `nslearn` alone: what this is, and where to begin.

use std::io;

use super::list;
use crate::cli::Output;
use crate::lessons;
use crate::progress::Progress;
use crate::render::{Line, Printer, Style, fold};

pub(super) fn run(output: &Output) -> io::Result<u8> {
    let mut printer = Printer::new(output.options());
    let what = Line::new()
        .with(Style::Title, "nslearn")
        .with(Style::Plain, " teaches Linux namespaces by making real ones, live on your own kernel.");
    let how = Line::plain("It needs no root, no Docker and no network. Each fact is checked as you watch.");
    let mut lines = vec![what, how];
    lines = lines.into_iter().flat_map(|line| fold(line, printer.width, 0)).collect();
    lines.push(Line::new());
    lines.extend(list::table(printer.width, &Progress::default()));
    lines.push(Line::new());
    if let Some(first) = lessons::ALL.first() {
        lines.push(Line::plain("begin with:  ").with(Style::Command, format!("nslearn lesson {}", first.id)));
    }
    printer.lines(&lines)?;
    Ok(0)
}
