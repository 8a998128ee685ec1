//! How to show it.

use clap::ValueEnum;

/// What a renderer needs to know of its reader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) format: Format,
    pub(crate) color: Color,
}

/// The forms in which a transcript can be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for a terminal, as wide as it is, with colour if it has any
    Terminal,
    /// The same text, 80 columns wide, without colour
    Plain,
    /// One JSON object per line, for programs
    Json,
    /// Markdown, for a web page or a ticket
    Markdown,
    /// Pictures for a slide: which process is in which namespace, before and after each step that changes it
    Svg,
    /// A recording for asciinema (asciicast version 2), 80 columns wide, in colour, at a reader's pace
    Asciicast,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR or TERM=dumb is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
