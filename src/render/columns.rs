//! The columns of a transcript in text: who, and what they do.

use super::style::{Line, Style};
use crate::transcript::Value;

/// Where the actors' names stand.
pub(super) const INDENT: usize = 2;
/// Where what they do stands.
pub(super) const DEEDS: usize = 13;

/// An actor's name, and blanks up to where its deeds stand.
pub(super) fn actor_column(actor: &str) -> Line {
    let mut line = Line::plain(" ".repeat(INDENT)).with(Style::Actor, actor).padded_to(DEEDS);
    if !line.text().is_empty() && line.width() > DEEDS {
        line.push(Style::Plain, " ");
    }
    line
}

/// Adds a value, with the colour and the letter of a namespace.
pub(super) fn with_value(mut line: Line, value: &Value, quoted: bool) -> Line {
    match value {
        Value::Namespace(id) => {
            let letter = id.letter.unwrap_or('?');
            line.push(Style::Namespace(letter), format!("{id} {letter}"));
        }
        value if quoted => line.push(Style::Plain, value.quoted()),
        value => line.push(Style::Plain, value.to_string()),
    }
    line
}
