//! `nslearn` alone: what this is, and where to begin.

use std::io;

use super::list;
use crate::cli::Output;
use crate::lessons;
use crate::render::{Line, Printer, Style};

pub(super) fn run(output: &Output) -> io::Result<u8> {
    let mut lines = vec![
        Line::new()
            .with(Style::Title, "nslearn")
            .with(Style::Plain, " teaches Linux namespaces by making them, live on your own kernel:"),
        Line::plain("no root, no Docker, no network, nothing left behind, every sentence proven."),
        Line::new(),
    ];
    lines.extend(list::table());
    lines.push(Line::new());
    if let Some(first) = lessons::ALL.first() {
        lines.push(Line::plain("begin with:  ").with(Style::Command, format!("nslearn lesson {}", first.id)));
    }
    Printer::new(output).lines(&lines)?;
    Ok(0)
}
