//! What actors see, laid out as the tools that people know lay it out.

use indexmap::IndexMap;
use unicode_width::UnicodeWidthStr;

use super::USUAL;
use super::columns::{DEEDS, INDENT, actor_column, with_value};
use super::style::{Line, Style};
use crate::transcript::{Look, Membership, NamespaceType, Value};

/// How wide a column of the table of namespaces is: a letter and an inode.
const WITH_INODES: usize = 16;
/// The same without inodes, where the terminal is narrow or the actors are many.
const LETTERS_ONLY: usize = 11;

/// A look, under the command that shows the same.
pub(super) fn seen(actor: &str, look: &Look) -> Vec<Line> {
    let mut lines = vec![actor_column(actor).with(Style::Command, &look.like)];
    lines.extend(found(look).into_iter().map(|line| Line::new().padded_to(DEEDS).and(line)));
    lines
}

/// What was found, line by line.
pub(super) fn found(look: &Look) -> Vec<Line> {
    let line = |values: &Vec<Value>| Line::plain(values.iter().map(Value::to_string).collect::<String>());
    let lines: Vec<Line> = match &look.lines {
        Some(lines) => lines.iter().map(line).collect(),
        None => in_columns(look).into_iter().map(Line::plain).collect(),
    };
    if lines.is_empty() { vec![Line::new().with(Style::Quiet, "(nothing)")] } else { lines }
}

/// The rows as ps(1) lays them out: numbers at the right, words at the left of their columns, the last as long as it is.
fn in_columns(look: &Look) -> Vec<String> {
    const NUMBER: usize = 7;
    if look.rows.is_empty() || look.columns.iter().all(String::is_empty) {
        return look.rows.iter().flatten().map(Value::to_string).collect();
    }
    let head: Vec<String> = look.columns.iter().map(|name| name.to_uppercase()).collect();
    let is_number = |place: usize| look.rows.iter().all(|row| row.get(place).is_some_and(Value::is_number));
    let width = |place: usize| {
        let widths = look.rows.iter().filter_map(|row| Some(row.get(place)?.to_string().width()));
        widths.chain([head[place].width()]).max().unwrap_or_default()
    };
    let line = |cells: Vec<String>| {
        let last = cells.len() - 1;
        let cell = |(place, cell): (usize, String)| match (is_number(place), width(place)) {
            (true, width) => format!("{cell:>width$}", width = width.max(NUMBER)),
            (false, _) if place == last => cell,
            (false, width) => format!("{cell:<width$}"),
        };
        cells.into_iter().enumerate().map(cell).collect::<Vec<_>>().join(" ")
    };
    let rows = look.rows.iter().map(|row| row.iter().map(Value::to_string).collect());
    std::iter::once(head.clone()).chain(rows).map(line).collect()
}

/// The picture that every lesson comes back to: actors across, the types of namespaces down.
pub(crate) fn who_is_where(members: &[Membership], width: usize) -> Vec<Line> {
    let cell = if INDENT + 8 + members.len() * WITH_INODES + 10 <= width { WITH_INODES } else { LETTERS_ONLY };
    let mut head = Line::plain(" ".repeat(INDENT)).padded_to(DEEDS);
    for member in members {
        head = pad(head.with(Style::Actor, &member.actor), cell);
    }
    let mut lines = vec![head];
    for kind in NamespaceType::ALL {
        let ids: Vec<_> = members.iter().map(|member| member.namespaces.iter().find(|id| id.kind == kind)).collect();
        if ids.iter().all(Option::is_none) {
            continue;
        }
        let mut line = Line::plain(" ".repeat(INDENT)).with(Style::Plain, kind.name()).padded_to(DEEDS);
        for id in &ids {
            line = match id {
                Some(id) => {
                    let letter = id.letter.unwrap_or('?');
                    let text = if cell == WITH_INODES { format!("{letter} {}", id.inode) } else { letter.to_string() };
                    pad(line.with(Style::Namespace(letter), text), cell)
                }
                None => pad(line.with(Style::Quiet, "-"), cell),
            };
        }
        if ids.windows(2).any(|pair| pair[0] != pair[1]) {
            line.push(Style::Notice, if width < USUAL { "◀" } else { "◀ differs" });
        }
        lines.push(line);
    }
    lines
}

/// Blanks up to the next cell's beginning.
fn pad(line: Line, cell: usize) -> Line {
    let past = line.width().saturating_sub(DEEDS);
    let column = DEEDS + past.div_ceil(cell).max(1) * cell;
    line.padded_to(column)
}

/// A look before and after, side by side.
pub(super) fn compared(
    title: &str,
    before: &IndexMap<String, Value>,
    after: &IndexMap<String, Value>,
    width: usize,
) -> Vec<Line> {
    const MARK: &str = "◀ changed";
    let names = if width < USUAL { DEEDS } else { DEEDS + 5 };
    let cell = if width < USUAL { (width - names - 2) / 2 } else { 18 };
    let head = Line::plain(" ".repeat(INDENT)).with(Style::Quiet, title).padded_to(names);
    let mut lines = vec![head.with(Style::Quiet, format!("{:<cell$}after", "before"))];
    for (actor, now) in after {
        let was = before.get(actor);
        let mut line = actor_column(actor).padded_to(names);
        if let Some(was) = was {
            line = with_value(line, was, false);
        }
        line = with_value(line.padded_to(names + cell), now, false);
        if was != Some(now) {
            let mark = if width < USUAL { "◀" } else { MARK };
            line = line.padded_to((names + 2 * cell).min(width - 1)).with(Style::Notice, mark);
        }
        lines.push(line);
    }
    lines
}
