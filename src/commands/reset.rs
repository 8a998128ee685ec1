//! `nslearn reset`: forgets which lessons are finished.

use std::io;

use serde_json::json;

use super::{status, warn};
use crate::cli::Output;
use crate::progress::{Progress, shown};
use crate::render::{Format, Line, Printer, fold};

pub(super) fn run(output: &Output) -> io::Result<u8> {
    let forgotten = match Progress::forget() {
        Ok(forgotten) => forgotten,
        Err(error) => {
            warn(&format!("nothing was forgotten: {error}"));
            return Ok(status::FAILED);
        }
    };
    let file = Progress::file().map(|file| shown(&file));
    let mut printer = Printer::new(output.options());
    let lines = if output.format == Format::Json {
        vec![Line::plain(json!({"forgotten": forgotten, "file": file}).to_string())]
    } else {
        let told = match file {
            Some(file) if forgotten => format!("nslearn has forgotten which lessons you finished, and removed {file}."),
            Some(file) => format!("There was nothing to forget: there is no file {file}."),
            None => "There was nothing to forget: neither XDG_STATE_HOME nor HOME names a directory.".to_owned(),
        };
        fold(Line::plain(told), printer.width, 4)
    };
    printer.lines(&lines)?;
    Ok(0)
}
