//! One JSON object a line: the names in here are the contract that other programs rely on.

use serde_json::{Map, Value as Json, json};

use super::printable::is_obeyed;
use crate::transcript::{Answer, Called, Event, Evidence, Look, Membership, Value};

/// The event as a line.
pub(super) fn line(event: &Event) -> String {
    format!("{}\n", shown(object(event).to_string()))
}

/// JSON writes out the control characters of ASCII, but for the last. The others that a terminal obeys stand in strings
/// alone, where each can be written as its number.
fn shown(json: String) -> String {
    if !json.contains(is_obeyed) {
        return json;
    }
    let written =
        |letter: char| if is_obeyed(letter) { format!("\\u{:04x}", u32::from(letter)) } else { letter.into() };
    json.chars().map(written).collect()
}

fn object(event: &Event) -> Json {
    match event {
        Event::Lesson(opening) => json!({
            "event": "lesson", "id": opening.id, "title": opening.title, "subtitle": opening.subtitle,
            "question": opening.question, "minutes": opening.minutes, "kernel": value(&opening.kernel),
        }),
        Event::Step { number, of, title } => {
            json!({"event": "step", "number": number, "of": of, "title": title})
        }
        Event::Said { text } => json!({"event": "said", "text": text}),
        Event::Called(called) => called_object(called),
        Event::WhoIsWhere { actor, members } => {
            let rows: Vec<Json> = members.iter().map(member).collect();
            json!({"event": "saw", "actor": actor, "what": "namespaces", "rows": rows})
        }
        Event::Saw { actor, look } => {
            let mut saw = json!({"event": "saw", "actor": actor, "what": look.what});
            if let (Json::Object(saw), Json::Object(seen)) = (&mut saw, look_object(look)) {
                saw.extend(seen);
            }
            saw
        }
        Event::Stood { members } => {
            json!({"event": "stood", "rows": members.iter().map(member).collect::<Vec<_>>()})
        }
        Event::Compared { title, before, after } => {
            let changed: Vec<&String> =
                after.iter().filter(|(actor, now)| before.get(*actor) != Some(now)).map(|(actor, _)| actor).collect();
            let of = |values: &indexmap::IndexMap<String, Value>| {
                values.iter().map(|(actor, seen)| (actor.clone(), value(seen))).collect::<Map<_, _>>()
            };
            json!({"event": "compared", "title": title, "before": of(before), "after": of(after), "changed": changed})
        }
        Event::Verified { id, claim, held, evidence } => {
            json!({"event": "verified", "id": id, "claim": claim, "held": held, "evidence": sentence(evidence)})
        }
        Event::Skipped { id, reason, remedy } => {
            json!({"event": "skipped", "id": id, "reason": reason, "remedy": remedy})
        }
        Event::Asked(question) => {
            json!({"event": "asked", "id": question.id, "text": question.text, "choices": question.choices})
        }
        Event::Answered { id, answer, choice, why } => json!({
            "event": "answered", "id": id, "number": answer.map(|place| place + 1), "answer": choice, "why": why,
        }),
        Event::ByHand { command, shows, docker } => {
            json!({"event": "by_hand", "command": command, "shows": shows, "docker": docker})
        }
        Event::Ended(closing) => json!({
            "event": "ended", "held": closing.held, "failed": closing.failed, "skipped": closing.skipped,
            "left_behind": closing.left_behind, "set_up": closing.set_up, "man": closing.man,
        }),
    }
}

fn called_object(called: &Called) -> Json {
    let args: Vec<Json> = called.call.args.iter().map(value).collect();
    let mut object = json!({"event": "called", "actor": called.actor, "syscall": called.call.syscall, "args": args});
    match &called.answer {
        Answer::Returned(result) => object["result"] = value(result),
        Answer::Failed { errno, meaning, kernel_said, sent } => {
            object["errno"] = json!(format!("{errno:?}"));
            if let Some(meaning) = meaning {
                object["meaning"] = json!(meaning);
            }
            if let Some(said) = kernel_said {
                object["kernel_said"] = json!(said);
            }
            if let Some(sent) = sent {
                object["sent"] = json!(sent);
            }
        }
    }
    if called.set_up {
        object["set_up"] = json!(true);
    }
    if called.times > 1 {
        object["times"] = json!(called.times);
    }
    if let Some(remark) = &called.remark {
        object["note"] = json!(remark);
    }
    object
}

fn look_object(look: &Look) -> Json {
    let mut object: Map<String, Json> = look.about.iter().map(|(name, about)| (name.clone(), value(about))).collect();
    object.insert("like".to_owned(), json!(look.like));
    let row = |row: &Vec<Value>| match (look.columns.as_slice(), row.as_slice()) {
        ([name], [only]) if name.is_empty() => value(only),
        (names, row) => names.iter().cloned().zip(row.iter().map(value)).collect::<Map<_, _>>().into(),
    };
    if !look.columns.is_empty() {
        object.insert("rows".to_owned(), look.rows.iter().map(row).collect());
    }
    object.into()
}

fn member(row: &Membership) -> Json {
    let namespaces: Map<String, Json> = row
        .namespaces
        .iter()
        .map(|id| (id.kind.to_string(), json!({"inode": id.inode, "letter": id.letter})))
        .collect();
    json!({"actor": row.actor, "pids": row.pids, "namespaces": namespaces})
}

fn value(value: &Value) -> Json {
    match value {
        Value::Number(number) => json!(number),
        Value::Pid(pid) | Value::MachinePid(pid) => json!(pid),
        Value::Seconds(reading) => json!(reading.seconds),
        Value::List(values) => values.iter().map(self::value).collect(),
        Value::Right(_, value) => self::value(value),
        Value::Nothing => Json::Null,
        other => json!(other.to_string()),
    }
}

fn sentence(evidence: &Evidence) -> String {
    evidence.iter().map(Value::to_string).collect::<Vec<_>>().join(" ")
}
