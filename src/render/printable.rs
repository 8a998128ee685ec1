//! Text that somebody else wrote: a name, a path, what a program has printed. On a terminal it must not do anything.

use std::borrow::Cow;
use std::fmt::Write;

/// The text with everything that a terminal would obey, rather than show, written out: control characters as `\x1b`, and
/// those that turn the direction of what follows as `\u{202e}`. Lines end as they did. It must come before anything is
/// measured: it makes the text longer.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    written_out(text, |letter| letter != '\n' && is_obeyed(letter))
}

/// The same for text that is to stay on one line: its line ends are written out as well.
pub(super) fn on_one_line(text: &str) -> Cow<'_, str> {
    written_out(text, is_obeyed)
}

/// Whether a terminal does something else with it than show it: the control characters of ASCII (C0 and DEL) and of
/// Latin-1 (C1), and the Unicode Bidirectional Algorithm's explicit formatting characters.
pub(super) fn is_obeyed(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn written_out(text: &str, which: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&which) {
        return Cow::Borrowed(text);
    }
    let mut written = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        let done = match letter {
            letter if !which(letter) => written.write_char(letter),
            '\u{0}'..='\u{ff}' => write!(written, "\\x{:02x}", u32::from(letter)),
            letter => write!(written, "{}", letter.escape_unicode()),
        };
        // A string has always room.
        debug_assert!(done.is_ok());
    }
    Cow::Owned(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_written_out() {
        assert_eq!(printable("a\u{1b}[31m\u{9b}b\u{7f}\u{202e}c\td"), r"a\x1b[31m\x9bb\x7f\u{202e}c\x09d");
    }

    #[test]
    fn words_and_lines_stay_as_they_are() {
        assert!(matches!(printable("two lines:\n ✔ größer"), Cow::Borrowed(_)));
        assert_eq!(on_one_line("one\ntwo"), r"one\x0atwo");
    }
}
