//! A transcript as a person or a program wants it. Only here, and where a command prints a list of its own, are words
//! put on the screen.

mod asciicast;
mod beside;
mod columns;
mod command_lines;
mod json;
mod layout;
mod locale;
mod looks;
mod markdown;
mod options;
mod printable;
mod recording;
mod style;
mod svg;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use layout::{fold, hanging};
pub(crate) use locale::for_this_locale;
pub(crate) use looks::who_is_where;
pub(crate) use options::Options;
pub(crate) use options::{Color, Format};
pub(crate) use printable::printable;
pub(crate) use recording::Recording;
pub(crate) use style::{Line, Style};
pub(crate) use text::{command, rule};

use std::io;

use anstream::{AutoStream, ColorChoice, adapter::strip_str};

use crate::sys::write_all;
use crate::transcript::{Event, Story};

/// The narrowest terminal that is followed.
const NARROWEST: usize = 40;
/// The widest: longer lines are hard to read.
const WIDEST: usize = 100;
/// Where there is no terminal to follow.
const USUAL: usize = 80;

/// Shows events, one by one, as they happen.
pub(crate) struct Renderer {
    out: Printer,
    form: Form,
    recording: Option<Recording>,
}

enum Form {
    Text(text::Text),
    Json,
    Markdown(markdown::Markdown),
    Svg(svg::Pictures),
    Asciicast(asciicast::Asciicast),
}

impl Renderer {
    /// A renderer as the command line asks for it. The title is for forms that have one for all that is shown.
    pub(crate) fn new(options: Options, title: &str) -> Self {
        let out = Printer::new(options);
        let form = match options.format {
            Format::Terminal | Format::Plain => Form::Text(text::Text::new(out.width)),
            Format::Json => Form::Json,
            Format::Markdown => Form::Markdown(markdown::Markdown::default()),
            Format::Svg => Form::Svg(svg::Pictures::default()),
            Format::Asciicast => Form::Asciicast(asciicast::Asciicast::new(title, options.color != Color::Never)),
        };
        Renderer { out, form, recording: None }
    }

    /// The same renderer, which also makes this recording of what it shows.
    #[must_use]
    pub(crate) fn recorded(mut self, recording: Option<Recording>) -> Self {
        self.recording = recording;
        self
    }

    /// The recording of what has been shown.
    pub(crate) fn into_recording(self) -> Option<Recording> {
        self.recording
    }

    /// Shows one event, and where the story is with it.
    ///
    /// # Errors
    /// Where the output is closed, or cannot take more.
    pub(crate) fn event(&mut self, story: &Story, event: &Event) -> io::Result<()> {
        if let Some(recording) = &mut self.recording {
            recording.event(event);
        }
        match &mut self.form {
            Form::Text(text) => self.out.lines(&text.event(event)),
            Form::Json => self.out.raw(&json::line(event)),
            Form::Markdown(markdown) => self.out.raw(&markdown.event(event)),
            Form::Svg(pictures) => self.out.raw(&pictures.event(story, event)),
            Form::Asciicast(film) => self.out.raw(&film.event(event)),
        }
    }

    /// Shows lines of somebody else's.
    ///
    /// # Errors
    /// As [`Renderer::event`].
    pub(crate) fn lines(&mut self, lines: &[Line]) -> io::Result<()> {
        if lines.is_empty() { Ok(()) } else { self.out.lines(lines) }
    }

    /// How many columns there are.
    pub(crate) fn width(&self) -> usize {
        self.out.width
    }

    /// Looks how wide the terminal is now: what is shown from here on is as wide.
    pub(crate) fn follow_the_terminal(&mut self) {
        self.out.width = terminal_width().clamp(NARROWEST, WIDEST);
        if let Form::Text(text) = &mut self.form {
            text.set_width(self.out.width);
        }
    }

    /// Shows words at the foot of what has been shown, until they are wiped away.
    ///
    /// # Errors
    /// As [`Renderer::event`].
    pub(crate) fn foot(&mut self, words: &str) -> io::Result<()> {
        self.out.foot(words)
    }

    /// Wipes the words at the foot away.
    ///
    /// # Errors
    /// As [`Renderer::event`].
    pub(crate) fn wipe_foot(&mut self) -> io::Result<()> {
        self.out.wipe_foot()
    }

    /// Shows what is held back for the next event to decide how. Only where none follows: a step's end shows it too.
    ///
    /// # Errors
    /// Where the output is closed, or cannot take more.
    pub(crate) fn rest(&mut self) -> io::Result<()> {
        match &mut self.form {
            Form::Text(text) => self.out.lines(&text.rest()),
            Form::Json | Form::Markdown(_) | Form::Svg(_) | Form::Asciicast(_) => Ok(()),
        }
    }
}

/// Prints lines on standard output, in the terminal's width, with colour or without, in letters that the locale has.
pub(crate) struct Printer {
    color: bool,
    /// How many columns there are.
    pub width: usize,
    ascii: bool,
    /// A terminal that knows no cursor.
    dumb: bool,
}

impl Printer {
    /// A printer as the command line asks for it.
    pub(crate) fn new(options: Options) -> Self {
        let stdout = io::stdout();
        let color = match (options.format, options.color) {
            (Format::Terminal, Color::Auto) => AutoStream::choice(&stdout) != ColorChoice::Never,
            (Format::Terminal, Color::Always) => true,
            _ => false,
        };
        let width = match options.format {
            Format::Terminal => terminal_width().clamp(NARROWEST, WIDEST),
            _ => USUAL,
        };
        let ascii = matches!(options.format, Format::Terminal | Format::Plain) && !locale::is_utf8();
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        Printer { color, width, ascii, dumb }
    }

    /// Prints lines, at once.
    ///
    /// # Errors
    /// Where the output is closed, or cannot take more.
    pub(crate) fn lines(&mut self, lines: &[Line]) -> io::Result<()> {
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

    /// Words on the last line, without its end; a blank line parts them from what has been shown.
    fn foot(&mut self, words: &str) -> io::Result<()> {
        let fitting: String = words.chars().take(self.width.saturating_sub(1)).collect();
        let mut text = String::from("\n");
        Line::new().with(Style::Foot, fitting).paint(&mut text);
        if self.ascii {
            text = locale::ascii(&text);
        }
        if !self.color {
            text = strip_str(&text).to_string();
        }
        self.raw(&text)
    }

    /// The cursor goes back to where it was before [`Printer::foot`], and all below is cleared.
    fn wipe_foot(&mut self) -> io::Result<()> {
        self.raw(if self.dumb { "\n" } else { "\r\u{1b}[K\u{1b}[A" })
    }

    /// Writes in one go: a reader at the other end of a pipe gets whole events.
    fn raw(&mut self, text: &str) -> io::Result<()> {
        Ok(write_all(io::stdout(), text.as_bytes())?)
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
