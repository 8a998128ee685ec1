//! Whatever stands in an event: no form of it makes a terminal do anything.

use indexmap::IndexMap;
use proptest::prelude::*;

use super::printable::is_obeyed;
use super::{asciicast, json, markdown, svg, text};
use crate::transcript::{Answer, Call, Called, Closing, Event, Look, MacAddress, Membership, Question, Story, Value};

/// Words with much in them that a terminal obeys.
fn words() -> impl Strategy<Value = String> {
    let obeyed = prop_oneof![
        any::<char>(),
        prop::char::range('\u{0}', '\u{9f}'),
        prop::char::range('\u{202a}', '\u{202e}'),
        prop::char::range('\u{2066}', '\u{2069}'),
    ];
    prop::collection::vec(obeyed, 0..60).prop_map(String::from_iter)
}

/// The same words in every place of every event that has words.
fn events(words: &str) -> Vec<Event> {
    let some = || words.to_owned();
    let row = Membership { actor: some(), pids: vec![1], namespaces: Vec::new() };
    let look = |look| Event::Saw { actor: words.to_owned(), look };
    let called = |answer| {
        let call = Call::new(words, vec![Value::Text(some()), Value::Name(some())]);
        Event::Called(Called { actor: some(), call, answer, times: 2, set_up: false, remark: Some(some()) })
    };
    let values = || IndexMap::from([(some(), Value::Name(some())), ("other".to_owned(), Value::Kernel(some()))]);
    vec![
        Event::Step { number: 1, of: 1, title: some() },
        Event::Said { text: some() },
        called(Answer::Returned(Value::Text(some()))),
        called(Answer::Failed {
            errno: nix::errno::Errno::EPERM,
            meaning: Some(some()),
            kernel_said: Some(some()),
            sent: Some(1),
        }),
        look(Look::table("processes", some(), &["pid", words], vec![vec![Value::Pid(1), some().into()]])),
        look(Look::output(some(), [some()]).printed(vec![vec![some().into(), MacAddress::default().into()]])),
        look(Look::list(words, some(), [some()]).about(words, Value::List(vec![some().into(), Value::Nothing]))),
        Event::WhoIsWhere { actor: some(), members: vec![row.clone()] },
        Event::Stood { members: vec![row] },
        Event::Compared { title: some(), before: values(), after: values() },
        Event::Verified { id: some(), claim: some(), held: true, evidence: vec![Value::Text(some())] },
        Event::Skipped { id: some(), reason: some(), remedy: some() },
        Event::ByHand { command: some(), shows: some(), docker: false },
        Event::Asked(Question { id: some(), text: some(), choices: vec![some(), some()] }),
        Event::Answered { id: some(), answer: Some(0), choice: some(), why: some() },
        Event::Ended(Closing {
            left_behind: vec![some()],
            kernel: Some(Value::Kernel(some())),
            man: vec![some()],
            ..Closing::default()
        }),
    ]
}

fn obeyed(shown: &str) -> Option<char> {
    shown.chars().find(|letter| *letter != '\n' && is_obeyed(*letter))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_form_of_an_event_has_anything_in_it_that_a_terminal_obeys(words in words(), width in 40_usize..=100) {
        let mut text = text::Text::new(width);
        let (mut page, mut pictures) = (markdown::Markdown::default(), svg::Pictures::default());
        for event in events(&words) {
            for line in text.event(&event) {
                prop_assert_eq!(line.text().chars().find(|letter| is_obeyed(*letter)), None, "{:?}", event);
            }
            prop_assert_eq!(obeyed(&page.event(&event)), None, "{:?}", event);
            prop_assert_eq!(obeyed(&pictures.event(&Story::default(), &event)), None, "{:?}", event);
        }
    }

    #[test]
    fn json_stays_json_and_loses_nothing(words in words()) {
        let mut film = asciicast::Asciicast::new("title", false);
        for event in events(&words) {
            let line = json::line(&event);
            prop_assert_eq!(obeyed(&line), None);
            prop_assert_eq!(line.matches('\n').count(), 1);
            let read: serde_json::Value = serde_json::from_str(&line).unwrap();
            if let Event::Said { .. } = event {
                prop_assert_eq!(read["text"].as_str(), Some(words.as_str()));
            }
            for line in film.event(&event).lines() {
                serde_json::from_str::<serde_json::Value>(line).unwrap();
            }
        }
    }
}
