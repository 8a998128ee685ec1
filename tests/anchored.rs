//! The form in which the book takes its blocks out of the snapshots: mdBook's anchors, around what belongs to one step.

/// The lines that show where an anchor begins and where it ends.
pub fn anchored(name: &str, lines: &[&str]) -> String {
    let from = lines.iter().position(|line| !line.trim().is_empty()).unwrap_or_default();
    let to = lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    let (before, inside, after) = (&lines[..from], &lines[from..to], &lines[to..]);
    let all = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let marked = format!("{}\n{}{}\n", begin(name), all(inside), end(name));
    all(before) + &marked + &all(after)
}

fn begin(name: &str) -> String {
    format!("<!-- ANCHOR: {name} -->")
}

fn end(name: &str) -> String {
    format!("<!-- ANCHOR_END: {name} -->")
}

/// The text without such lines.
pub fn without_anchors(text: &str) -> String {
    let is_anchor = |line: &str| line.contains("ANCHOR: ") || line.contains("ANCHOR_END: ");
    text.lines().filter(|line| !is_anchor(line)).map(|line| format!("{line}\n")).collect()
}

/// What stands between an anchor's lines.
pub fn between(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("{}\n", begin(name)))?;
    Some(without_anchors(rest.split_once(&end(name))?.0))
}

/// A lesson as it is told in plain text, in parts: what stands before the first step, each step, and what stands after
/// the last one.
pub fn steps(plain: &str) -> Vec<Vec<&str>> {
    let mut parts = vec![Vec::new()];
    for line in plain.lines() {
        let opens_step = line.contains("/") && line.contains(" ── ") && line.ends_with("──");
        let closes = line.contains(" held on Linux ");
        if opens_step || closes {
            parts.push(Vec::new());
        }
        parts.last_mut().unwrap().push(line);
    }
    parts
}

/// The same with the anchors: `step-1`, `step-2`, …
pub fn with_steps_anchored(plain: &str) -> String {
    let parts = steps(plain);
    let last = parts.len() - 1;
    let anchor = |(number, part): (usize, &Vec<&str>)| match number {
        0 => anchored("begin", part),
        number if number == last => anchored("end", part),
        number => anchored(&format!("step-{number}"), part),
    };
    parts.iter().enumerate().map(anchor).collect()
}

/// The pictures of a lesson, each step's within its anchor: a picture is an element of its own, on lines of its own, that
/// says whose it is (`<svg aria-labelledby="uts-2-before-title …`).
pub fn with_pictures_anchored(lesson: &str, svg: &str) -> String {
    let opens = format!("<svg aria-labelledby=\"{lesson}-");
    let step_of = |line: &str| line.strip_prefix(&opens).and_then(|rest| Some(rest.split_once('-')?.0.to_owned()));
    let (mut text, mut step) = (String::new(), None::<String>);
    let mut lines = svg.lines().peekable();
    while let Some(line) = lines.next() {
        let next = step_of(line);
        if next.is_some() && next != step {
            text += &format!("{}\n", begin(&format!("step-{}", next.as_deref().unwrap())));
            step = next;
        }
        text += &format!("{line}\n");
        let goes_on = lines.peek().and_then(|line| step_of(line)) == step;
        if line == "</svg>"
            && !goes_on
            && let Some(step) = step.take()
        {
            text += &format!("{}\n", end(&format!("step-{step}")));
        }
    }
    text
}
