//! What a walk comes to: what was predicted, what was right, and what the learner now knows.

use indexmap::IndexMap;

use crate::lesson::Lesson;
use crate::render::{Line, Style, fold, hanging};
use crate::transcript::{Event, Question};

/// A guess, and what the kernel said.
#[derive(Debug, Clone, Default)]
struct Prediction {
    text: String,
    /// The first guess: the one that counts.
    guessed: Option<usize>,
    /// The guess of this time: somebody may come back and try another one.
    now: Option<usize>,
    /// What the kernel said.
    answer: Option<usize>,
}

/// What has been seen on the walk so far.
#[derive(Debug)]
pub(super) struct Summary {
    /// The claims that held, by their facts.
    known: IndexMap<String, String>,
    /// The questions, by their ids. What counts is the first guess.
    predictions: IndexMap<String, Prediction>,
    last_step: usize,
    last_command: Option<String>,
    lesson: &'static str,
}

impl Summary {
    pub(super) fn new(lesson: &Lesson) -> Self {
        Summary {
            known: IndexMap::new(),
            predictions: IndexMap::new(),
            last_step: 0,
            last_command: None,
            lesson: lesson.id,
        }
    }

    /// Takes note of what was shown; what is to be said about it, where it answers a guess.
    pub(super) fn hear(&mut self, step: usize, event: &Event) -> Vec<Line> {
        self.last_step = step;
        match event {
            Event::Verified { id, claim, held: true, .. } => {
                self.known.insert(id.clone(), claim.clone());
            }
            Event::ByHand { command, docker: false, .. } => self.last_command = Some(command.clone()),
            Event::Asked(question) => {
                let text = question.text.clone();
                let prediction = self.predictions.entry(question.id.clone()).or_default();
                (prediction.text, prediction.now) = (text, None);
            }
            Event::Answered { id, answer, .. } => return self.judge(id, *answer),
            _ => {}
        }
        Vec::new()
    }

    /// Takes note of a guess.
    pub(super) fn guess(&mut self, question: &Question, place: usize) {
        let prediction = self.predictions.entry(question.id.clone()).or_default();
        prediction.now = Some(place);
        // A guess after the answer has been seen is no prediction.
        if prediction.answer.is_none() {
            prediction.guessed = Some(place);
        }
    }

    fn judge(&mut self, id: &str, answer: Option<usize>) -> Vec<Line> {
        let Some(prediction) = self.predictions.get_mut(id) else { return Vec::new() };
        prediction.answer = answer;
        let Some(guessed) = prediction.now else { return Vec::new() };
        let letter = ('a'..='z').nth(guessed).unwrap_or('?');
        let (verdict, style) =
            if answer == Some(guessed) { ("Right", Style::Held) } else { ("Not this time", Style::Notice) };
        vec![Line::plain(format!("    you picked {letter}). ")).with(style, verdict)]
    }

    /// How many guesses were right, and how many questions there were.
    pub(super) fn right(&self) -> (usize, usize) {
        let right = |prediction: &&Prediction| prediction.answer.is_some() && prediction.answer == prediction.guessed;
        (self.predictions.values().filter(right).count(), self.predictions.len())
    }

    /// What stands at the end of a walk.
    pub(super) fn lines(&self, lesson: &Lesson, questions: bool, width: usize) -> Vec<Line> {
        let mut lines = vec![Line::new().with(Style::Title, "What this lesson showed")];
        for claim in self.known.values() {
            lines.extend(fold(
                Line::plain("  ").with(Style::Held, "✔").with(Style::Plain, format!(" {claim}")),
                width,
                4,
            ));
        }
        if questions && !self.predictions.is_empty() {
            let (right, of) = self.right();
            lines.push(Line::new());
            lines.push(
                Line::new()
                    .with(Style::Title, "Your predictions")
                    .with(Style::Plain, format!(": {right} of {of} right")),
            );
            for prediction in self.predictions.values() {
                let (mark, style) = match prediction {
                    Prediction { guessed: None, .. } => ("○", Style::Quiet),
                    Prediction { guessed, answer, .. } if guessed == answer => ("✔", Style::Held),
                    Prediction { .. } => ("✘", Style::Notice),
                };
                let line = Line::plain("  ").with(style, mark).with(Style::Plain, format!(" {}", prediction.text));
                lines.extend(fold(line, width, 4));
            }
        }
        lines.push(Line::new());
        lines.push(Line::new().with(Style::Title, "Try it by hand"));
        lines.extend(self.last_command.iter().flat_map(|command| crate::render::command(command, width)));
        let shell = format!("nslearn shell {} --step {}", self.lesson, lesson.steps.len());
        lines.extend(hanging("  in this shell:  ", &shell, Style::Command, width));
        lines.push(Line::new());
        lines
    }
}
