//! Whatever stands in an event: no form of it makes a terminal do anything.

use indexmap::IndexMap;
use proptest::prelude::*;

use super::printable::is_obeyed;
use super::{cast, json, markdown, picture, text};
use crate::transcript::{
    Answer, Called, Closing, Event, Interface, Listener, Look, Membership, ProcessRow, Question, Value,
};

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
    let interface = Interface {
        index: 1,
        name: some(),
        link: None,
        flags: vec![some()],
        state: some(),
        mac: Default::default(),
        addresses: vec![some()],
    };
    let look = |look| Event::Saw { actor: words.to_owned(), look };
    let called = |answer| {
        let (actor, syscall, args) = (some(), some(), vec![Value::Text(some()), Value::Name(some())]);
        Event::Called(Called { actor, syscall, args, answer, times: 2, note: Some(some()) })
    };
    let values = || IndexMap::from([(some(), Value::Name(some())), ("other".to_owned(), Value::Kernel(some()))]);
    vec![
        Event::Step { number: 1, of: 1, title: some() },
        Event::Said { text: some() },
        called(Answer::Returned(Value::Text(some()))),
        called(Answer::Failed { errno: 1, meaning: Some(some()), kernel_said: Some(some()) }),
        look(Look::Processes(vec![ProcessRow { pid: 1, ppid: 0, command: some() }])),
        look(Look::Namespaces(vec![row.clone()])),
        look(Look::Interfaces(vec![interface])),
        look(Look::Tables(vec![some()])),
        look(Look::Listeners(vec![Listener { address: some() }])),
        look(Look::Directory { path: some(), entries: vec![some()] }),
        look(Look::Output { like: some(), lines: vec![some()] }),
        Event::Stood { members: vec![row] },
        Event::Compared { title: some(), before: values(), after: values() },
        Event::Verified { id: some(), claim: some(), held: true, evidence: vec![Value::Text(some())] },
        Event::Skipped { id: some(), reason: some(), remedy: some() },
        Event::ByHand { command: some(), docker: false },
        Event::Asked(Question { id: some(), text: some(), choices: vec![some(), some()] }),
        Event::Answered { id: some(), answer: Some(0), choice: some(), why: some() },
        Event::Ended(Closing {
            left_behind: vec![some()],
            kernel: Some(Value::Kernel(some())),
            man: vec![some()],
            next: Some(some()),
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
        let (mut page, mut pictures) = (markdown::Markdown::default(), picture::Pictures::default());
        for event in events(&words) {
            for line in text.event(&event) {
                prop_assert_eq!(line.text().chars().find(|letter| is_obeyed(*letter)), None, "{:?}", event);
            }
            prop_assert_eq!(obeyed(&page.event(&event)), None, "{:?}", event);
            prop_assert_eq!(obeyed(&pictures.event(&event)), None, "{:?}", event);
        }
    }

    #[test]
    fn json_stays_json_and_loses_nothing(words in words()) {
        let mut film = cast::Cast::new("title", false);
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
