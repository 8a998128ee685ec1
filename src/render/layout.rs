//! Filling and folding: no line is wider than the reader's terminal.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::printable::printable;
use super::style::{Line, Style};

/// Paragraphs of words, filled to `width` behind an indent. A blank line in the text parts two paragraphs.
pub(super) fn paragraphs(text: &str, width: usize, indent: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    let text = printable(text);
    for paragraph in text.split("\n\n") {
        if !lines.is_empty() {
            lines.push(Line::new());
        }
        let words = paragraph.split([' ', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        let options = textwrap::Options::new(width).initial_indent(indent).subsequent_indent(indent);
        lines.extend(textwrap::wrap(&words, options).into_iter().map(Line::plain));
    }
    lines
}

/// Words that stand behind a label, filled to `width`.
pub(crate) fn hanging(label: &str, words: &str, style: Style, width: usize) -> Vec<Line> {
    let indent = label.width();
    let words = printable(words);
    // Not at hyphens: they are in names and commands.
    let options = textwrap::Options::new(width.saturating_sub(indent).max(1));
    let options = options.word_splitter(textwrap::WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(&words, options).into_iter().enumerate();
    lines
        .map(|(index, words)| {
            let label = if index == 0 { label.to_owned() } else { " ".repeat(indent) };
            Line::plain(label).with(style, words)
        })
        .collect()
}

/// The line, folded at blanks where it is wider than `width`; what is folded over stands behind `indent` columns.
pub(crate) fn fold(line: Line, width: usize, indent: usize) -> Vec<Line> {
    if line.width() <= width {
        return vec![line];
    }
    let mut folded = Folded { lines: vec![Line::new()], column: 0, width, indent, begun: false };
    for word in words(&line) {
        folded.word(&word);
    }
    folded.lines
}

/// Whether [`fold`] parts the line between words only: it cuts a word that a line has no room for.
pub(super) fn leaves_words_whole(line: &Line, width: usize, indent: usize) -> bool {
    let folded = fold(line.clone(), width, indent).iter().map(Line::text).collect::<Vec<_>>().join("\n");
    folded.split_whitespace().eq(line.text().split_whitespace())
}

/// Blocks of lines beside each other, the first from column `start` on, each of the others `step` columns further.
pub(super) fn columns(blocks: Vec<Vec<Line>>, start: usize, step: usize) -> Vec<Line> {
    let height = blocks.iter().map(Vec::len).max().unwrap_or_default();
    let mut lines = vec![Line::new(); height];
    for (index, block) in blocks.into_iter().enumerate() {
        for (line, part) in lines.iter_mut().zip(block) {
            *line = std::mem::take(line).padded_to(start + index * step).and(part);
        }
    }
    lines
}

/// The words of a line, each with the blanks behind it; a word may be of several styles.
fn words(line: &Line) -> Vec<Vec<(Style, &str)>> {
    let mut words: Vec<Vec<(Style, &str)>> = vec![Vec::new()];
    for (style, text) in line.pieces() {
        for part in text.split_inclusive(' ') {
            if let Some(word) = words.last_mut() {
                word.push((style, part));
            }
            if part.ends_with(' ') {
                words.push(Vec::new());
            }
        }
    }
    words
}

struct Folded {
    lines: Vec<Line>,
    column: usize,
    width: usize,
    indent: usize,
    /// Whether the line at hand holds more than its indent.
    begun: bool,
}

impl Folded {
    fn word(&mut self, word: &[(Style, &str)]) {
        let length: usize = word.iter().map(|(_, part)| part.trim_end_matches(' ').width()).sum();
        if self.begun && length > 0 && self.column + length > self.width {
            self.next();
        }
        let fits = self.column + length <= self.width;
        for (style, part) in word {
            if fits { self.put(*style, part) } else { self.cut(*style, part) }
        }
    }

    /// A word that is too long for any line: letter by letter.
    fn cut(&mut self, style: Style, word: &str) {
        for letter in word.chars() {
            if self.column + letter.width().unwrap_or(0) > self.width {
                self.next();
            }
            self.put(style, &letter.to_string());
        }
    }

    fn put(&mut self, style: Style, text: &str) {
        // Blanks that would stand at a line's end are not needed there.
        let text = if self.column + text.width() > self.width { text.trim_end_matches(' ') } else { text };
        self.begun |= !text.trim().is_empty();
        self.column += text.width();
        if let Some(line) = self.lines.last_mut() {
            line.push(style, text);
        }
    }

    fn next(&mut self) {
        self.lines.push(Line::plain(" ".repeat(self.indent)));
        self.column = self.indent;
        self.begun = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_line_is_never_wider_than_the_terminal() {
        let line = Line::plain("  tenant     ").with(Style::Notice, "unshare(CLONE_NEWUSER | CLONE_NEWNS) = -1 EPERM");
        for width in 12..60 {
            for part in fold(line.clone(), width, 6) {
                assert!(part.width() <= width, "{part:?} is wider than {width}");
            }
        }
    }

    #[test]
    fn columns_stand_beside_each_other_whatever_their_height() {
        let block = |lines: &[&str]| lines.iter().map(|line| Line::plain(*line)).collect::<Vec<_>>();
        let lines = columns(vec![block(&["a"]), block(&["bb", "c"]), block(&[])], 2, 5);
        assert_eq!(lines.iter().map(Line::text).collect::<Vec<_>>(), ["  a    bb", "       c"]);
    }

    #[test]
    fn a_line_that_fits_stays_as_it_is() {
        let line = Line::plain("short");
        assert_eq!(fold(line.clone(), 40, 4), [line]);
    }
}
