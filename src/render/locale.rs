//! The letters that the reader's locale has: all, or ASCII's alone.

use std::borrow::Cow;
use std::env;

/// Whether the locale's character set is UTF-8: by LC_ALL, else LC_CTYPE, else LANG, as setlocale(3) reads them.
pub(super) fn is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].iter().filter_map(env::var_os).find(|value| !value.is_empty());
    let charset = set.map(|value| value.to_string_lossy().to_ascii_lowercase().replace('-', ""));
    charset.is_some_and(|charset| charset.ends_with("utf8") || charset.contains(".utf8"))
}

/// The text in letters that the locale has.
pub(crate) fn for_this_locale(text: &str) -> Cow<'_, str> {
    if is_utf8() || text.is_ascii() { Cow::Borrowed(text) } else { Cow::Owned(ascii(text)) }
}

/// The text in ASCII's letters, each as near as there is one. What stands in columns keeps its width.
pub(super) fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_ascii() => plain.push(letter),
            '─' | '–' | '—' => plain.push('-'),
            '✔' => plain.push('+'),
            '✘' => plain.push('!'),
            '○' | '·' | '•' => plain.push('-'),
            '◀' => plain.push('<'),
            '↳' | '→' | '▸' => plain.push('>'),
            '“' | '”' => plain.push('"'),
            '‘' | '’' => plain.push('\''),
            '≠' => plain.push_str("!="),
            '…' => plain.push_str("..."),
            _ => plain.push('?'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #[test]
    fn ascii_has_a_letter_for_each_that_the_renderers_use() {
        assert_eq!(super::ascii("── ✔ “a” ≠ ‘b’ … ◀"), "-- + \"a\" != 'b' ... <");
    }
}
