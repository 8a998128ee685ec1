//! A transcript as a film: asciicast, version 2 (<https://docs.asciinema.org/manual/asciicast/v2/>), which asciinema
//! and its web player show. The text is that of the terminal form, 80 columns wide.
//!
//! The times are not measured: a lesson runs in milliseconds. They are what somebody needs who reads along, counted
//! from the text alone, so that the same text has the same times. A lesson plays in about half its minutes: the reading
//! is in it, the thinking is not.

use serde_json::json;

use super::USUAL;
use super::style::Line;
use super::text::Text;
use crate::transcript::Event;

/// How many lines the film's screen has.
const HEIGHT: usize = 24;

/// How long an event is looked at. All in milliseconds.
struct Timing {
    /// Before its first line.
    before: u64,
    /// For each line.
    line: u64,
    /// For each letter or digit.
    letter: u64,
    /// When its last line has been read.
    after: u64,
}

impl Timing {
    /// What is read: 20 letters a second, as one reads to oneself.
    const READ: Timing = Timing { before: 0, line: 0, letter: 50, after: 0 };
    /// What is looked over.
    const LOOKED_OVER: Timing = Timing { letter: 20, line: 300, ..Timing::READ };

    fn of(event: &Event) -> Timing {
        match event {
            Event::Lesson(_) => Timing { after: 1000, ..Timing::READ },
            Event::Step { .. } => Timing { before: 2000, after: 500, ..Timing::READ },
            Event::Said { .. } => Timing::READ,
            Event::Called(_) => Timing::LOOKED_OVER,
            Event::Saw { .. } | Event::WhoIsWhere { .. } | Event::Compared { .. } | Event::Stood { .. } => {
                Timing { after: 1500, ..Timing::LOOKED_OVER }
            }
            Event::Verified { .. } | Event::Skipped { .. } => Timing { after: 2000, ..Timing::READ },
            Event::ByHand { .. } => Timing { after: 1500, ..Timing::LOOKED_OVER },
            // Time to guess.
            Event::Asked(_) => Timing { after: 4000, ..Timing::READ },
            Event::Answered { .. } => Timing { after: 2000, ..Timing::READ },
            // Another lesson may come after it.
            Event::Ended(_) => Timing { after: 5000, ..Timing::READ },
        }
    }

    /// How long one line is looked at. A rule or a frame is no reading matter.
    fn of_line(&self, line: &Line) -> u64 {
        let letters = line.text().chars().filter(|letter| letter.is_alphanumeric()).count();
        self.line + self.letter * u64::try_from(letters).unwrap_or_default()
    }
}

/// The asciicast form of a transcript.
#[derive(Debug)]
pub(super) struct Asciicast {
    text: Text,
    color: bool,
    /// The first line of the film, until it has been told.
    header: Option<String>,
    /// Where in the film the next line stands, in milliseconds from its beginning.
    now: u64,
}

impl Asciicast {
    /// A film with this title.
    pub(super) fn new(title: &str, color: bool) -> Self {
        // Nothing of the machine or of the moment: the same text is the same film.
        let header = json!({
            "version": 2, "width": USUAL, "height": HEIGHT, "title": title,
            "env": {"TERM": "xterm-256color", "SHELL": "/bin/sh"},
        });
        Asciicast { text: Text::new(USUAL), color, header: Some(format!("{header}\n")), now: 0 }
    }

    /// What one event adds to the film: a line of JSON for each line that is shown.
    pub(super) fn event(&mut self, event: &Event) -> String {
        let lines = self.text.event(event);
        let mut film = self.header.take().unwrap_or_default();
        if lines.is_empty() {
            return film;
        }
        let timing = Timing::of(event);
        self.now += timing.before;
        let mut shown = String::new();
        for line in &lines {
            if self.color {
                line.paint(&mut shown);
            } else {
                shown.push_str(&line.text());
            }
            // A player's terminal is a raw one: a line feed alone would not go back to the first column.
            shown.push_str("\r\n");
            // A blank line appears together with what it stands before.
            if !line.text().is_empty() {
                film.push_str(&self.frame(&std::mem::take(&mut shown)));
                self.now += timing.of_line(line);
            }
        }
        if !shown.is_empty() {
            film.push_str(&self.frame(&shown));
        }
        self.now += timing.after;
        film
    }

    /// What appears now.
    fn frame(&self, shown: &str) -> String {
        format!("[{}.{:03}, \"o\", {}]\n", self.now / 1000, self.now % 1000, json!(shown))
    }
}
