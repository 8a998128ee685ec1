//! Shell commands in narrow places: broken only where the shell reads the same afterwards.

/// The command in lines of at most `width` columns, as far as it has places to break: after `;`, `&&` and `|` inside of
/// a script for `sh -c`, and between words, behind `\`.
pub(super) fn lines(command: &str, width: usize) -> Vec<String> {
    let places = places(command);
    let mut lines = Vec::new();
    let mut start = 0;
    while let Some(place) = next_break(command, start, &places, width) {
        lines.push(format!("{}{}", command[start..place.at].trim_end(), place.mark));
        start = place.at + 1;
    }
    lines.push(command[start..].to_owned());
    lines
}

/// A blank or a line's end at which a command can be broken, and what has to stand there then.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    mark: &'static str,
    /// The command's author broke it here.
    given: bool,
}

/// All places of a command.
fn places(command: &str) -> Vec<Place> {
    let mut places = Vec::new();
    let (mut quote, mut script) = (None, false);
    for (at, letter) in command.char_indices() {
        let before = &command[..at];
        match (quote, letter) {
            (None, '\'' | '"') => (quote, script) = (Some(letter), before.trim_end().ends_with(" -c")),
            (Some(open), letter) if open == letter => quote = None,
            (_, '\n') => places.push(Place { at, mark: "", given: true }),
            // The shell reads on behind a backslash, outside of quotes and in a script of its own.
            (quote, ' ') if quote.is_none() || script => {
                let between_commands = quote.is_some() && [";", "&&", "|"].iter().any(|end| before.ends_with(end));
                places.push(Place { at, mark: if between_commands { "" } else { " \\" }, given: false });
            }
            _ => {}
        }
    }
    places
}

/// Where the line that begins at `start` ends: where its author ended it, if it is no wider than `width`; else at the last
/// place between two commands, or else between two words, that is. `None`: it is the last line, or has no such place.
fn next_break(command: &str, start: usize, places: &[Place], width: usize) -> Option<Place> {
    let columns = |place: &Place| command[start..place.at].trim_end().chars().count() + place.mark.len();
    let after = places.iter().filter(|place| place.at >= start && !command[start..place.at].trim().is_empty());
    let fits: Vec<&Place> = after.take_while(|place| columns(place) <= width + place.mark.len()).collect();
    if let Some(given) = fits.iter().find(|place| place.given) {
        return Some(**given);
    }
    if command[start..].chars().count() <= width {
        return None;
    }
    let last = |mark: &str| fits.iter().rfind(|place| place.mark == mark && columns(place) <= width).copied();
    // Not right at the beginning: that would leave a line with next to nothing on it.
    last("").filter(|place| columns(place) > width / 3).or_else(|| last(" \\")).or_else(|| last("")).copied()
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn a_long_command_breaks_between_words_and_between_quoted_commands() {
        let command = "unshare --user --map-root-user --uts sh -c 'hostname tenant; hostname'";
        assert_eq!(
            lines(command, 40),
            ["unshare --user --map-root-user --uts \\", "sh -c 'hostname tenant; hostname'"]
        );
        assert_eq!(lines("sh -c 'sleep 9 & wait $!; echo $?'", 20), ["sh -c 'sleep 9 & \\", "wait $!; echo $?'"]);
    }

    #[test]
    fn a_quoted_word_that_is_no_script_stays_whole() {
        assert_eq!(lines("$(yes 'unshare --pid --fork')", 12), ["$(yes \\", "'unshare --pid --fork')"]);
    }

    #[test]
    fn a_break_that_the_author_made_stays() {
        assert_eq!(lines("sh -c '\n  one\n  two'", 40), ["sh -c '", "  one", "  two'"]);
    }

    #[test]
    fn a_command_that_fits_stays_on_its_line() {
        assert_eq!(lines("hostname", 40), ["hostname"]);
    }
}
