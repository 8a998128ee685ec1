//! Words with a meaning, and the colours that stand for it. A colour never tells anything that the words do not.

use anstyle::{AnsiColor, Style as Paint};
use unicode_width::UnicodeWidthStr;

use super::printable::on_one_line;

/// A blank at which no line is folded; it is printed as any other.
pub(super) const NO_BREAK: char = '\u{a0}';

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Words.
    Plain,
    /// A heading.
    Title,
    /// What is there for those who look for it.
    Quiet,
    /// An actor's name.
    Actor,
    /// A namespace, by its letter: two processes in the same one have the same colour.
    Namespace(char),
    /// A claim that held.
    Held,
    /// A claim that did not; an error.
    Failed,
    /// A fact that was skipped, an errno: to be noticed, not to be feared.
    Notice,
    /// A command to type.
    Command,
    /// The line at the foot of a walk.
    Foot,
}

impl Style {
    /// Green, yellow and red are kept for what held, what to notice and what failed; namespaces have the others.
    fn paint(self) -> Paint {
        let paint = Paint::new();
        let colored = |color: AnsiColor| paint.fg_color(Some(color.into()));
        match self {
            Style::Plain => paint,
            Style::Quiet => paint.dimmed(),
            Style::Title | Style::Actor | Style::Command => paint.bold(),
            Style::Namespace(letter) => match (letter as u32).wrapping_sub('A' as u32) % 6 {
                0 => colored(AnsiColor::Cyan),
                1 => colored(AnsiColor::Magenta),
                2 => colored(AnsiColor::BrightBlue),
                3 => colored(AnsiColor::BrightCyan),
                4 => colored(AnsiColor::BrightMagenta),
                _ => colored(AnsiColor::Blue),
            },
            Style::Foot => paint.invert(),
            Style::Held => colored(AnsiColor::Green),
            Style::Failed => colored(AnsiColor::Red).bold(),
            Style::Notice => colored(AnsiColor::Yellow),
        }
    }
}

/// A line of styled pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<(Style, String)>);

impl Line {
    /// An empty line.
    pub(crate) fn new() -> Self {
        Line::default()
    }

    /// A line of plain words.
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Line::new().with(Style::Plain, text)
    }

    /// The line and one piece more.
    #[must_use]
    pub(crate) fn with(mut self, style: Style, text: impl Into<String>) -> Self {
        self.push(style, text);
        self
    }

    /// Adds a piece. Whatever a terminal would obey in it is written out: a line never does anything but say something.
    pub(crate) fn push(&mut self, style: Style, text: impl Into<String>) {
        self.0.push((style, on_one_line(&text.into()).into_owned()));
    }

    /// The line and another one behind it.
    #[must_use]
    pub(super) fn and(mut self, other: Line) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Fills up with blanks to a column.
    #[must_use]
    pub(crate) fn padded_to(mut self, column: usize) -> Self {
        let missing = column.saturating_sub(self.width());
        self.push(Style::Plain, " ".repeat(missing));
        self
    }

    /// How many columns it takes.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|(_, text)| text.width()).sum()
    }

    /// The pieces.
    pub(super) fn pieces(&self) -> impl Iterator<Item = (Style, &str)> {
        self.0.iter().map(|(style, text)| (*style, text.as_str()))
    }

    /// The words alone.
    pub(super) fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect::<String>().trim_end().replace(NO_BREAK, " ")
    }

    /// Writes the line with its colours, without blanks at its end.
    pub(super) fn paint(&self, out: &mut String) {
        let last = self.0.iter().rposition(|(_, text)| !text.trim_end().is_empty());
        let Some(last) = last else { return };
        for (index, (style, text)) in self.0.iter().take(last + 1).enumerate() {
            let text = text.replace(NO_BREAK, " ");
            let text = if index == last { text.trim_end() } else { &text };
            if *style == Style::Plain || text.trim().is_empty() {
                out.push_str(text);
            } else {
                let paint = style.paint();
                out.push_str(&format!("{paint}{text}{paint:#}"));
            }
        }
    }
}
