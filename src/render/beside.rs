//! Several actors' looks at the same thing, beside each other: what one sees and another does not is seen at a glance.

use super::columns::DEEDS;
use super::layout::{columns, fold, leaves_words_whole};
use super::looks::found;
use super::style::{Line, Style};
use crate::transcript::Look;

/// The width, in columns, from which on there is room for it.
pub(super) const FROM: usize = 100;
/// How many looks stand beside each other at most: narrower columns would fold nearly every line.
const ABREAST: usize = 3;
/// How many blanks part two columns.
const GAP: usize = 3;
/// How far in a column's folded words stand: further than the second lines of the tools themselves, which stand 4 in.
const OVER: usize = 6;

/// The looks in columns, each under its actor's name and its command; in several rows, where they are too many for one.
/// `None`: the columns would be so narrow that words are cut.
pub(super) fn side_by_side(looks: &[(String, Look)], width: usize) -> Option<Vec<Line>> {
    let blocks: Vec<Vec<Line>> = looks.iter().map(|(actor, look)| column(actor, look)).collect();
    let room = width.saturating_sub(DEEDS);
    let cell = |abreast: usize| ((room + GAP) / abreast).saturating_sub(GAP);
    let whole = |abreast: &usize| blocks.iter().flatten().all(|line| leaves_words_whole(line, cell(*abreast), OVER));
    let most = (2..=ABREAST.min(blocks.len())).rev().find(whole)?;
    // Four are two and two, not three and one.
    let abreast = blocks.len().div_ceil(blocks.len().div_ceil(most));
    let mut lines = Vec::new();
    for row in blocks.chunks(abreast) {
        if !lines.is_empty() {
            lines.push(Line::new());
        }
        // One that is left over has the row for itself.
        let cell = cell(if row.len() == 1 { 1 } else { abreast });
        let folded = |block: &Vec<Line>| block.iter().flat_map(|line| fold(line.clone(), cell, OVER)).collect();
        lines.extend(columns(row.iter().map(folded).collect(), DEEDS, cell + GAP));
    }
    Some(lines)
}

/// One look as a column, as wide as it likes.
fn column(actor: &str, look: &Look) -> Vec<Line> {
    let head = [Line::new().with(Style::Actor, actor), Line::new().with(Style::Command, &look.like)];
    head.into_iter().chain(found(look)).collect()
}

#[cfg(test)]
mod tests {
    use crate::render::style::Line;
    use crate::render::text::Text;
    use crate::transcript::{Event, Look};

    fn saw(actor: &str, look: Look) -> Event {
        Event::Saw { actor: actor.to_owned(), look }
    }

    fn ls(actor: &str, path: &str) -> Event {
        saw(
            actor,
            Look::list("directory", format!("ls {path}"), ["etc"; 12])
                .printed(vec![vec![["etc"; 12].join("  ").into()]]),
        )
    }

    fn tables(names: &[String]) -> Look {
        let lines = names.iter().map(|name| vec![format!("table {name}").into()]).collect();
        Look::list("firewall_tables", "nft list tables", names).printed(lines)
    }

    /// What each event shows at once, in so many columns; what is still held back at the end comes last.
    fn shown(width: usize, events: &[Event]) -> Vec<String> {
        let mut text = Text::new(width);
        let joined = |lines: Vec<Line>| lines.iter().map(Line::text).collect::<Vec<_>>().join("\n");
        let mut shown: Vec<String> = events.iter().map(|event| joined(text.event(event))).collect();
        shown.push(joined(text.rest()));
        shown
    }

    #[test]
    fn a_look_is_held_back_until_the_next_event_and_no_longer() {
        let said = Event::Said { text: "So it is.".to_owned() };
        for next in [said, Event::Stood { members: Vec::new() }, saw("host", tables(&[]))] {
            let shown = shown(100, &[ls("host", "/"), ls("jail", "/"), next]);
            assert_eq!((shown[0].as_str(), shown[1].as_str()), ("", ""), "a third may follow");
            assert!(shown[2].contains("host") && shown[2].contains("jail"), "{shown:?}");
        }
    }

    #[test]
    fn a_look_is_not_lost_where_no_event_follows() {
        assert!(shown(100, &[ls("host", "/")])[1].contains("host       ls /"));
    }

    #[test]
    fn in_fewer_than_100_columns_every_look_is_shown_at_once() {
        let shown = shown(99, &[ls("host", "/"), ls("jail", "/")]);
        assert!(shown[0].contains("host       ls /") && shown[1].contains("jail       ls /"), "{shown:?}");
        assert_eq!(shown[2], "");
    }

    #[test]
    fn looks_of_one_actor_or_at_different_things_stand_below_each_other() {
        let shown = shown(
            100,
            &[ls("host", "/"), ls("host", "/tmp"), saw("jail", Look::list::<&str>("listeners", "ss -tln", []))],
        );
        assert!(shown[1].ends_with("etc") && shown[1].contains("host       ls /"), "{shown:?}");
        assert!(shown[2].contains("host       ls /tmp"), "{shown:?}");
        assert!(shown[3].contains("jail       ss -tln"), "{shown:?}");
    }

    #[test]
    fn four_looks_stand_two_and_two_and_a_long_one_folds_in_its_column() {
        let four: Vec<Event> = ["one", "two", "three", "four"].map(|actor| ls(actor, "/")).into();
        let shown = shown(100, &four);
        let lines: Vec<Vec<&str>> = shown[4].lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["one", "two"]);
        assert_eq!(lines[1], ["ls", "/", "ls", "/"]);
        assert!(lines[2..4].iter().all(|line| line.iter().all(|word| *word == "etc")), "{shown:?}");
        assert!(lines.contains(&vec!["three", "four"]), "{shown:?}");
    }

    #[test]
    fn where_a_column_would_cut_a_word_there_are_fewer_columns() {
        let long = |actor| saw(actor, tables(&["x".repeat(40)]));
        let shown = shown(100, &[long("one"), long("two")]);
        assert!(shown[2].contains("one        nft"), "under each other: {shown:?}");
        assert_eq!(shown[2].matches(&"x".repeat(40)).count(), 2, "{shown:?}");
    }
}
