//! Who makes the levels of a chain of PID namespaces: the transcript says it of each, as strace saw it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Lab, Who, everybody, has_tool, of_kind, read_text, stage};

/// The processes that asked clone(2) for a PID namespace, one for each such call, by strace's account.
fn makers(lab: &Lab, who: Who) -> (Vec<Value>, Vec<String>) {
    let file = lab.directory(who).join("trace");
    let strace = ["strace", "-f", "-e", "trace=clone", "-o", file.to_str().unwrap()];
    let events = lab.run(["lesson", "pid", "--format", "json"]).under(&strace).by(who).end().must_be(0).events();
    let trace = read_text(file).unwrap();
    let calls = trace.lines().filter(|line| line.contains(" clone(") && line.contains("CLONE_NEWPID"));
    let makers = calls.map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    (events, makers)
}

/// The levels for which an event of this actor speaks: `host` is 0, `level1-30` is 1 to 30.
fn levels(actor: &str) -> std::ops::RangeInclusive<u64> {
    let Some(levels) = actor.strip_prefix("level") else {
        assert_eq!(actor, "host");
        return 0..=0;
    };
    let number = |text: &str| text.parse().unwrap();
    levels.split_once('-').map_or_else(|| number(levels)..=number(levels), |(one, last)| number(one)..=number(last))
}

#[test]
fn each_level_of_a_chain_is_told_as_made_by_a_process_of_its_own() {
    let Some(lab) = stage().filter(|_| has_tool("strace")) else { return };
    for &who in everybody() {
        let (events, makers) = makers(&lab, who);
        assert_eq!(makers.len(), makers.iter().collect::<BTreeSet<_>>().len(), "one call by each: {makers:?}");
        let told = of_kind(&events, "called").into_iter().filter(|event| event["syscall"] == "clone");
        let mut callers: Vec<u64> = Vec::new();
        for event in told {
            let levels = levels(event["actor"].as_str().unwrap());
            assert_eq!(event["times"].as_u64().unwrap_or(1), levels.clone().count() as u64, "{event}");
            callers.extend(levels);
        }
        assert_eq!(callers, (0..makers.len() as u64).collect::<Vec<_>>(), "as {who:?}");
    }
}
