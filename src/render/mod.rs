//! A transcript as a person or a program wants it. Only here, and where a command prints a list of its own, are words
//! put on the screen.

mod json;
mod layout;
mod locale;
mod looks;
mod markdown;
mod picture;
mod shell;
mod style;
mod text;

pub use layout::{fold, hanging};
pub use locale::for_this_locale;
pub use style::{Line, Style};
pub use text::rule;

use std::io::{self, StdoutLock, Write};

use anstream::{AutoStream, ColorChoice, adapter::strip_str};

use crate::cli::{Color, Format, Output};
use crate::transcript::Event;

/// The narrowest terminal that is followed.
const NARROWEST: usize = 40;
/// The widest: longer lines are hard to read.
const WIDEST: usize = 100;
/// Where there is no terminal to follow.
const USUAL: usize = 80;

/// Shows events, one by one, as they happen.
pub struct Renderer {
    out: Printer,
    form: Form,
}

enum Form {
    Text(text::Text),
    Json,
    Markdown(markdown::Markdown),
    Svg(picture::Pictures),
}

impl Renderer {
    /// A renderer as the command line asks for it.
    pub fn new(output: &Output) -> Self {
        let out = Printer::new(output);
        let form = match output.format {
            Format::Terminal | Format::Plain => Form::Text(text::Text::new(out.width)),
            Format::Json => Form::Json,
            Format::Markdown => Form::Markdown(markdown::Markdown::default()),
            Format::Svg => Form::Svg(picture::Pictures::default()),
        };
        Renderer { out, form }
    }

    /// Shows one event.
    ///
    /// # Errors
    /// Where the output is closed, or cannot take more.
    pub fn event(&mut self, event: &Event) -> io::Result<()> {
        match &mut self.form {
            Form::Text(text) => self.out.lines(&text.event(event)),
            Form::Json => self.out.raw(&json::line(event)),
            Form::Markdown(markdown) => self.out.raw(&markdown.event(event)),
            Form::Svg(pictures) => self.out.raw(&pictures.event(event)),
        }
    }
}

/// Prints lines on standard output, in the terminal's width, with colour or without, in letters that the locale has.
pub struct Printer {
    out: StdoutLock<'static>,
    color: bool,
    /// How many columns there are.
    pub width: usize,
    ascii: bool,
}

impl Printer {
    /// A printer as the command line asks for it.
    pub fn new(output: &Output) -> Self {
        let stdout = io::stdout();
        let color = match (output.format, output.color) {
            (Format::Terminal, Color::Auto) => AutoStream::choice(&stdout) != ColorChoice::Never,
            (Format::Terminal, Color::Always) => true,
            _ => false,
        };
        let width = match output.format {
            Format::Terminal => terminal_width().clamp(NARROWEST, WIDEST),
            _ => USUAL,
        };
        let ascii = matches!(output.format, Format::Terminal | Format::Plain) && !locale::is_utf8();
        Printer { out: stdout.lock(), color, width, ascii }
    }

    /// Prints lines, at once.
    ///
    /// # Errors
    /// Where the output is closed, or cannot take more.
    pub fn lines(&mut self, lines: &[Line]) -> io::Result<()> {
        let mut text = String::new();
        for line in lines {
            line.paint(&mut text);
            text.push('\n');
        }
        if self.ascii {
            text = locale::ascii(&text);
        }
        if !self.color {
            text = strip_str(&text).to_string();
        }
        self.raw(&text)
    }

    /// Writes in one go: a reader at the other end of a pipe gets whole events.
    fn raw(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

/// The terminal's width, or what COLUMNS says where there is none.
fn terminal_width() -> usize {
    if let Some((terminal_size::Width(columns), _)) = terminal_size::terminal_size_of(io::stdout()) {
        return columns.into();
    }
    let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    columns.unwrap_or(USUAL)
}
