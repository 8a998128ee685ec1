//! The drawing itself: actors as boxes, one below the other, inside of the frames of their namespaces.
//!
//! Every picture is an SVG element of its own, as wide as a telephone's screen, and draws with the colour of the text
//! around it: so a page can take the pictures out of the document and let them follow its theme.

use svg::node::element::{Definitions, Description, Group, Rectangle, SVG, Style, Text, Title};

use super::Scene;
use super::arrange::{Arrangement, Frame, arrange};
use crate::render::printable;
use crate::transcript::{Membership, NamespaceId, Opening};

/// The measures of a picture, in pixels.
const WIDTH: usize = 330;
const GAP: usize = 30;
const MARGIN: usize = 20;
/// How far a frame lies inside of the one around it.
const INSET: usize = 9;
const LABEL_LINE: usize = 17;
const ACTOR: usize = 42;
/// Between a frame's edge and what lies inside.
const PADDING: usize = 7;
const CAPTION: usize = 26;
const HEADING: usize = 34;
/// How wide a letter of a label is, at most.
const LETTER: usize = 8;

/// The colours where no page gives others. Each has a contrast of at least 4.5 to 1 with its background.
const STYLE: &str = "
svg { color: #1c1c1c; --ground: #ffffff; font-family: ui-monospace, 'DejaVu Sans Mono', monospace }
.ns-0 { color: #00697a } .ns-1 { color: #a0117e } .ns-2 { color: #1a56c4 }
.ns-3 { color: #6a3fc0 } .ns-4 { color: #8c2f5d } .ns-5 { color: #24456b }
.notice { color: #7a5200 } .quiet { color: #5c5c5c }
@media (prefers-color-scheme: dark) {
svg { color: #e8e8e8; --ground: #17191c }
.ns-0 { color: #5fd0e0 } .ns-1 { color: #f08ad8 } .ns-2 { color: #8ab4ff }
.ns-3 { color: #c0a5ff } .ns-4 { color: #f2a6c4 } .ns-5 { color: #9fc3e8 }
.notice { color: #f0c674 } .quiet { color: #a0a6ad }
}";

/// All scenes, one below the other, each before and after.
pub(super) fn document(opening: &Opening, scenes: &[&Scene]) -> SVG {
    let mut document = SVG::new().add(Title::new(format!("{} · {}", opening.title, opening.subtitle)));
    document = document.add(Description::new().add(svg::node::Text::new(
        "Actors as boxes inside of the namespaces that they are in, before and after each step in which that changes.",
    )));
    document = document.add(Definitions::new().add(Style::new(STYLE)));
    let ground = Rectangle::new().set("width", "100%").set("height", "100%").set("style", "fill: var(--ground, none)");
    document = document.add(ground);
    let width = 2 * WIDTH + GAP + 2 * MARGIN;
    let mut top = MARGIN;
    for scene in scenes {
        let heading = format!("{}/{} {}", scene.number, scene.of, scene.title);
        document = document.add(text(MARGIN, top + 18, 16, &heading).set("font-weight", "bold"));
        top += HEADING;
        let mut height = 0;
        for (index, picture) in pictures(&opening.id, scene).into_iter().enumerate() {
            height = height.max(picture.height);
            document = document.add(picture.svg.set("x", MARGIN + index * (WIDTH + GAP)).set("y", top));
        }
        top += height + MARGIN;
    }
    document.set("width", width).set("height", top).set("viewBox", (0, 0, width, top))
}

/// A picture, and how high it is.
struct Picture {
    svg: SVG,
    height: usize,
}

/// The pictures of a step: before and after, or one, where nobody moved.
fn pictures(lesson: &str, scene: &Scene) -> Vec<Picture> {
    let name = |moment: &str| format!("{lesson}-{}-{moment}", scene.number);
    if !scene.changes() {
        let caption = format!("step {}: nobody moves", scene.number);
        return vec![picture(&name("during"), &caption, &scene.after, &scene.after)];
    }
    let caption = |moment: &str| format!("{moment} step {}", scene.number);
    vec![
        picture(&name("before"), &caption("before"), &scene.before, &scene.before),
        picture(&name("after"), &caption("after"), &scene.before, &scene.after),
    ]
}

fn picture(id: &str, caption: &str, before: &[Membership], now: &[Membership]) -> Picture {
    let arrangement = arrange(now);
    let mut drawing = Drawing { group: Group::new(), frames: Vec::new(), y: CAPTION };
    drawing.row(&arrangement, before, now);
    let height = drawing.y + 2;
    let (title, description) = (format!("{id}-title"), format!("{id}-desc"));
    let gone = before.iter().filter(|was| !now.iter().any(|member| member.pids == was.pids));
    let gone: Vec<&str> = gone.map(|was| was.actor.as_str()).collect();
    let mut words = describe(&arrangement, before, now);
    let mut caption = caption.to_owned();
    if !gone.is_empty() {
        words.push_str(&format!(" Gone: {}.", gone.join(", ")));
        caption.push_str(&format!(": {} gone", gone.join(", ")));
    }
    let svg = SVG::new()
        .set("class", "moment")
        .set("role", "img")
        .set("aria-labelledby", format!("{title} {description}"))
        .set("width", WIDTH)
        .set("height", height)
        .set("viewBox", (0, 0, WIDTH, height))
        .add(Title::new(printable(&format!("Who is in which namespace, {caption}"))).set("id", title))
        .add(Description::new().set("id", description).add(svg::node::Text::new(printable(&words))))
        .add(text(1, 15, 13, &caption).set("class", "quiet"))
        .add(drawing.group);
    Picture { svg, height }
}

/// The picture in words: for each frame, who is in it.
fn describe(arrangement: &Arrangement, before: &[Membership], now: &[Membership]) -> String {
    let names = |frame: &Frame| {
        let inside = arrangement.row.iter().skip(frame.first).take(frame.last + 1 - frame.first);
        inside.map(|at| now[*at].actor.as_str()).collect::<Vec<_>>().join(", ")
    };
    let list = |frame: &Frame| frame.namespaces.iter().map(label).collect::<Vec<_>>().join(", ");
    let mut sentences: Vec<String> =
        arrangement.frames.iter().map(|frame| format!("{}: {}.", names(frame), list(frame))).collect();
    for member in now {
        if let Some(news) = news(before, member) {
            sentences.push(format!("{} is {news}.", member.actor));
        }
    }
    sentences.join(" ")
}

/// What is new about an actor: it came, or it is in another namespace than before.
fn news(before: &[Membership], member: &Membership) -> Option<&'static str> {
    match before.iter().find(|was| was.pids == member.pids) {
        None => Some("new"),
        Some(was) if was.namespaces != member.namespaces => Some("moved"),
        Some(_) => None,
    }
}

fn label(id: &NamespaceId) -> String {
    format!("{} {}", id.kind, id.letter.unwrap_or('?'))
}

/// A picture in the making: from top to bottom.
struct Drawing {
    group: Group,
    /// The frames that are open here: where each began.
    frames: Vec<(Frame, usize)>,
    y: usize,
}

impl Drawing {
    fn row(&mut self, arrangement: &Arrangement, before: &[Membership], now: &[Membership]) {
        for (place, at) in arrangement.row.iter().enumerate() {
            for frame in arrangement.frames.iter().filter(|frame| frame.first == place) {
                self.open(frame);
            }
            self.actor(&now[*at], news(before, &now[*at]));
            self.close(place);
        }
    }

    /// The top of a frame: the names of its namespaces.
    fn open(&mut self, frame: &Frame) {
        self.frames.push((frame.clone(), self.y));
        self.y += PADDING;
        // To the right of every edge that passes by: where frames cross, that of one further in.
        let innermost = self.frames.iter().map(|(frame, _)| frame.depth).max().unwrap_or_default();
        let left = innermost * INSET + PADDING;
        let mut x = left;
        for id in &frame.namespaces {
            let words = label(id);
            let width = (words.len() + 2) * LETTER;
            if x > left && x + width > WIDTH - frame.depth * INSET {
                (x, self.y) = (left, self.y + LABEL_LINE);
            }
            self.add(text(x, self.y + 12, 13, &words).set("class", class(id.letter)));
            x += width;
        }
        self.y += LABEL_LINE + 2;
    }

    fn actor(&mut self, member: &Membership, news: Option<&str>) {
        let depth = self.frames.iter().map(|(frame, _)| frame.depth + 1).max().unwrap_or_default();
        let inset = depth * INSET + PADDING;
        let outline = Rectangle::new()
            .set("x", inset)
            .set("y", self.y)
            .set("width", WIDTH - 2 * inset)
            .set("height", ACTOR)
            .set("rx", 4)
            .set("fill", "currentColor")
            .set("fill-opacity", 0.07)
            .set("stroke", "currentColor");
        self.add(outline);
        self.add(text(inset + 9, self.y + 18, 14, &member.actor).set("font-weight", "bold"));
        if let Some(news) = news {
            let x = inset + 9 + (member.actor.chars().count() + 1) * 9;
            self.add(text(x, self.y + 18, 13, &format!("◀ {news}")).set("class", "notice"));
        }
        let numbers = match member.pids.as_slice() {
            [] => String::new(),
            [one] => format!("PID {one}"),
            [outer, .., inner] => format!("PID {outer}, inside {inner}"),
        };
        self.add(text(inset + 9, self.y + 34, 12, &numbers).set("class", "quiet"));
        self.y += ACTOR + PADDING;
    }

    /// Closes the frames that end with this place in the row, from the innermost on.
    fn close(&mut self, place: usize) {
        let (mut ended, open): (Vec<_>, Vec<_>) = self.frames.drain(..).partition(|(frame, _)| frame.last == place);
        self.frames = open;
        ended.sort_by_key(|(frame, _)| std::cmp::Reverse(frame.depth));
        for (frame, top) in ended {
            let inset = frame.depth * INSET + 1;
            let outline = Rectangle::new()
                .set("class", frame_class(&frame))
                .set("x", inset)
                .set("y", top)
                .set("width", WIDTH - 2 * inset)
                .set("height", self.y - top)
                .set("rx", 7)
                .set("fill", "none")
                .set("stroke", "currentColor")
                .set("stroke-width", 1.5);
            self.add(outline);
            self.y += PADDING;
        }
    }

    fn add(&mut self, element: impl Into<Box<dyn svg::Node>>) {
        self.group = std::mem::replace(&mut self.group, Group::new()).add(element);
    }
}

fn text(x: usize, y: usize, size: usize, words: &str) -> Text {
    Text::new(printable(words)).set("x", x).set("y", y).set("font-size", size).set("fill", "currentColor")
}

/// The colour of a namespace, by its letter: the same six, over and over, as on a terminal.
fn class(letter: Option<char>) -> String {
    let place = letter.map_or(0, |letter| (letter as u32).wrapping_sub('A' as u32) % 6);
    format!("ns-{place}")
}

/// A frame has its namespaces' colour, if they agree on one.
fn frame_class(frame: &Frame) -> String {
    let first = frame.namespaces.first().and_then(|id| id.letter);
    let agree = frame.namespaces.iter().all(|id| id.letter == first);
    if agree { class(first) } else { "quiet".to_owned() }
}
