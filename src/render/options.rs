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
    /// For reading along: as wide as the terminal, in colour if it has any
    Terminal,
    /// The same words, 80 columns wide, without colour
    Plain,
    /// One JSON object a line, for programs
    Json,
    /// For a page or a ticket
    Markdown,
    /// Pictures for a slide: who is in which namespace, before and after each step in which somebody moves
    Svg,
    /// A recording to play, for asciinema: asciicast, version 2, 80 columns wide, in colour, at a reader's pace
    Asciicast,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal that has not been told otherwise
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}
