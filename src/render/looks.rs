//! What actors see, laid out as the tools that people know lay it out.

use indexmap::IndexMap;

use super::USUAL;
use super::style::{Line, Style};
use super::text::{DEEDS, INDENT, actor_column, with_value};
use crate::transcript::{Interface, Kind, Look, MacAddress, Membership, ProcessRow, Value};

/// How wide a column of the table of namespaces is: a letter and an inode.
const WITH_INODES: usize = 16;
/// The same without inodes, where the terminal is narrow or the actors are many.
const LETTERS_ONLY: usize = 11;

/// A look, under the command that shows the same.
pub(super) fn seen(actor: &str, look: &Look, width: usize) -> Vec<Line> {
    if let Look::Namespaces(members) = look {
        return who_is_where(members, width);
    }
    let mut lines = vec![actor_column(actor).with(Style::Command, command(look))];
    lines.extend(found(look).into_iter().map(|line| Line::new().to_column(DEEDS).and(line)));
    lines
}

/// What was found, line by line.
pub(super) fn found(look: &Look) -> Vec<Line> {
    let rows = rows(look);
    if rows.is_empty() {
        return vec![Line::new().with(Style::Quiet, "(nothing)")];
    }
    rows.into_iter().map(Line::plain).collect()
}

/// The command that people know to show this.
pub(super) fn command(look: &Look) -> String {
    match look {
        Look::Processes(_) => "ps -eo pid,ppid,comm".to_owned(),
        Look::Pids(_) => "grep NSpid /proc/self/status".to_owned(),
        Look::Namespaces(_) => "ls -l /proc/PID/ns".to_owned(),
        Look::Interfaces(_) => "ip addr".to_owned(),
        Look::Routes(_) => "ip route".to_owned(),
        Look::Tables(_) => "nft list tables".to_owned(),
        Look::Listeners(_) => "ss -tln".to_owned(),
        Look::Directory { path, .. } => format!("ls {path}"),
        Look::Output { like, .. } => like.clone(),
    }
}

fn rows(look: &Look) -> Vec<String> {
    match look {
        Look::Processes(processes) => ps(processes),
        Look::Pids(pids) => {
            let pids: Vec<String> = pids.iter().map(|pid| format!("{pid:>7}", pid = pid.to_string())).collect();
            vec![format!("NSpid:{}", pids.concat())]
        }
        Look::Namespaces(_) => Vec::new(),
        Look::Interfaces(interfaces) => interfaces.iter().flat_map(ip_addr).collect(),
        Look::Routes(routes) => {
            routes.iter().map(|route| format!("{} dev {}", route.destination, route.interface)).collect()
        }
        Look::Tables(names) => names.iter().map(|name| format!("table {name}")).collect(),
        Look::Listeners(listeners) => listeners.iter().map(|row| format!("LISTEN  {}", row.address)).collect(),
        Look::Directory { entries, .. } if entries.is_empty() => Vec::new(),
        Look::Directory { entries, .. } => vec![entries.join("  ")],
        Look::Output { lines, .. } => lines.clone(),
    }
}

fn ps(processes: &[ProcessRow]) -> Vec<String> {
    let head = format!("{:>7} {:>7} {}", "PID", "PPID", "COMMAND");
    let rows = processes.iter().map(|row| format!("{:>7} {:>7} {}", row.pid, row.ppid, row.command));
    std::iter::once(head).chain(rows).collect()
}

fn ip_addr(row: &Interface) -> Vec<String> {
    let link = row.link.map(|link| format!("@if{link}")).unwrap_or_default();
    let mut lines = vec![format!("{}: {}{link}: <{}> state {}", row.index, row.name, row.flags.join(","), row.state)];
    if row.mac != MacAddress::default() {
        lines.push(format!("    link/ether {}", row.mac));
    }
    lines.extend(row.addresses.iter().map(|address| format!("    inet {address}")));
    lines
}

/// The picture that every lesson comes back to: actors across, the types of namespaces down.
pub fn who_is_where(members: &[Membership], width: usize) -> Vec<Line> {
    let cell = if INDENT + 8 + members.len() * WITH_INODES + 10 <= width { WITH_INODES } else { LETTERS_ONLY };
    let mut head = Line::plain(" ".repeat(INDENT)).to_column(DEEDS);
    for member in members {
        head = pad(head.with(Style::Actor, &member.actor), cell);
    }
    let mut lines = vec![head];
    for kind in Kind::ALL {
        let ids: Vec<_> = members.iter().map(|member| member.namespaces.iter().find(|id| id.kind == kind)).collect();
        if ids.iter().all(Option::is_none) {
            continue;
        }
        let mut line = Line::plain(" ".repeat(INDENT)).with(Style::Plain, kind.name()).to_column(DEEDS);
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
    line.to_column(column)
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
    let head = Line::plain(" ".repeat(INDENT)).with(Style::Quiet, title).to_column(names);
    let mut lines = vec![head.with(Style::Quiet, format!("{:<cell$}after", "before"))];
    for (actor, now) in after {
        let was = before.get(actor);
        let mut line = actor_column(actor).to_column(names);
        if let Some(was) = was {
            line = with_value(line, was, false);
        }
        line = with_value(line.to_column(names + cell), now, false);
        if was != Some(now) {
            let mark = if width < USUAL { "◀" } else { MARK };
            line = line.to_column((names + 2 * cell).min(width - 1)).with(Style::Notice, mark);
        }
        lines.push(line);
    }
    lines
}
