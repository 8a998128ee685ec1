//! Shell commands in narrow places: broken only where the shell reads the same afterwards.

/// The command in lines of at most `width` columns, as far as it has places to break: between words, behind `\`, and
/// after `;`, `&&` and `|` inside of a quoted script.
pub(super) fn lines(command: &str, width: usize) -> Vec<String> {
    let mut quote = None;
    let mut lines = Vec::new();
    for line in command.lines() {
        let mut rest = line;
        while rest.chars().count() > width {
            let Some(Break { at, mark }) = last_break(rest, width, quote) else { break };
            let (head, tail) = rest.split_at(at);
            lines.push(format!("{}{mark}", head.trim_end()));
            quote = quote_after(head, quote);
            rest = tail.trim_start();
        }
        lines.push(rest.to_owned());
        quote = quote_after(rest, quote);
    }
    lines
}

/// Where a line can be broken, and what has to stand there.
struct Break {
    at: usize,
    mark: &'static str,
}

/// The last place before `width` at which a line can be broken: one between commands, if there is one.
fn last_break(line: &str, width: usize, mut quote: Option<char>) -> Option<Break> {
    let (mut between_commands, mut between_words) = (None, None);
    for (column, (at, letter)) in line.char_indices().enumerate() {
        let before = &line[..at];
        quote = step(quote, letter);
        if letter != ' ' || before.trim().is_empty() || column + 2 > width {
            continue;
        }
        if quote == Some('\'') && [";", "&&", "|"].iter().any(|end| before.ends_with(end)) {
            between_commands = Some(Break { at, mark: "" });
        } else if quote.is_none() {
            between_words = Some(Break { at, mark: " \\" });
        }
    }
    // Not right at the beginning: that would leave a line with next to nothing on it.
    between_commands.filter(|place| place.at > width / 3).or(between_words)
}

fn step(quote: Option<char>, letter: char) -> Option<char> {
    match (quote, letter) {
        (None, '\'' | '"') => Some(letter),
        (Some(open), letter) if open == letter => None,
        (quote, _) => quote,
    }
}

fn quote_after(text: &str, quote: Option<char>) -> Option<char> {
    text.chars().fold(quote, step)
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn a_long_command_breaks_between_words_and_between_quoted_commands() {
        let command = "unshare --user --map-root-user --uts sh -c 'hostname tenant; hostname'";
        assert_eq!(
            lines(command, 40),
            ["unshare --user --map-root-user --uts \\", "sh -c 'hostname tenant;", "hostname'"]
        );
    }

    #[test]
    fn a_command_that_fits_stays_on_its_line() {
        assert_eq!(lines("hostname", 40), ["hostname"]);
    }
}
