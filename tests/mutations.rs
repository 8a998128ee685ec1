//! A ✔ can become a ✘. For each fact, the kernel is played so that what the fact claims is false: then the lesson must not
//! say that it holds.
//!
//! The supervisor plays it: a call is not made and returns 0, or fails with another errno, or its answer is another one.

mod chroot;
mod meanings;
mod net;
mod pid;
mod shared_net;
mod time;
mod uts;

use std::collections::BTreeSet;

use nix::errno::Errno;
use syscalls::Sysno;

use crate::supervisor::{Call, Verdict, can_play};
use crate::support::{Lab, of_kind, stage};

/// How a fact is made false.
struct Mutation {
    /// The facts that are false then.
    facts: &'static [&'static str],
    /// What is so on this machine.
    how: &'static str,
    watched: &'static [Sysno],
    /// Judges all of the watched calls of the lesson's processes; made anew for each run.
    judge: fn() -> Judge,
}

/// What becomes of a call that a mutation is about; `None` of any other one.
type Judge = Box<dyn FnMut(&Call<'_>) -> Option<Verdict> + Send>;

/// A judge of calls that have something in common.
fn judge(is_it: impl Fn(&Call<'_>) -> bool + Send + 'static, verdict: Verdict) -> Judge {
    Box::new(move |call| is_it(call).then_some(verdict))
}

/// The name of the process that makes a call: an actor's.
fn by(call: &Call<'_>) -> String {
    crate::support::read_text(format!("/proc/{}/comm", call.pid)).unwrap_or_default().trim_end().to_owned()
}

/// Whether an actor makes this call.
fn makes(call: &Call<'_>, actor: &str, sysno: Sysno) -> bool {
    call.sysno == sysno && by(call) == actor
}

/// Whether a call is about this type of namespace: its flag is in the argument at `place`.
fn asks_for(call: &Call<'_>, place: usize, flag: i32) -> bool {
    call.args[place] & u64::from(flag.unsigned_abs()) != 0
}

/// Answers uname(2) with other words in some of its fields: 1 nodename, 2 release, 5 domainname. The last one counts.
fn answers_uname(call: &Call<'_>, words: &[(usize, &str)]) -> Option<Verdict> {
    const LENGTH: usize = 65;
    let own = nix::sys::utsname::uname().unwrap();
    let stages_name = std::ffi::OsStr::new("workshop");
    let fields = [own.sysname(), stages_name, own.release(), own.version(), own.machine(), own.domainname()];
    let mut bytes = [0; 6 * LENGTH];
    for (place, value) in fields.into_iter().enumerate() {
        let other = words.iter().rev().find(|(field, _)| *field == place);
        let value = other.map_or(value.as_encoded_bytes(), |(_, word)| word.as_bytes());
        bytes[place * LENGTH..][..value.len()].copy_from_slice(value);
    }
    call.write(call.args[0], &bytes).then_some(PRETEND)
}

/// Answers readlinkat(2) on a link of /proc/PID/ns with another namespace.
fn answers_another_namespace(call: &Call<'_>) -> Option<Verdict> {
    let kind = call.read_string(call.args[1])?;
    let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
    let link = format!("{kind}:[4026530000]");
    call.write(call.args[2], link.as_bytes()).then_some(Verdict::Return(link.len() as i64))
}

/// As [`answers_another_namespace`], of readlink(2).
fn answers_link(call: &Call<'_>, kind: &str) -> Option<Verdict> {
    let link = format!("{kind}:[4026530000]");
    call.write(call.args[1], link.as_bytes()).then_some(Verdict::Return(link.len() as i64))
}

/// Tells a lesson where its facts are false: what it says of each all the same.
fn complaints(lab: &Lab, lesson: &str, mutation: &Mutation) -> Vec<String> {
    let Mutation { facts, how, watched, judge } = mutation;
    let (mut judge, mut judged) = (judge(), 0);
    let end = lab.run(["lesson", lesson, "--format", "json"]).judged(watched, |call| {
        let verdict = judge(call);
        judged += usize::from(verdict.is_some());
        verdict.unwrap_or(Verdict::Continue)
    });
    let mut complaints = Vec::new();
    if judged == 0 {
        complaints.push(format!("{lesson}, {how}: nobody makes such a call"));
    }
    let events: Vec<_> =
        end.stdout.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()).collect();
    for fact in *facts {
        let held =
            of_kind(&events, "verified").into_iter().find(|event| event["id"] == **fact && event["held"] == true);
        if let Some(event) = held {
            complaints.push(format!("{lesson}, {how}: it says of {fact} that it holds: {}", event["evidence"]));
        }
    }
    complaints
}

/// Has a lesson told on each of its machines.
fn every_fact_of_it_can_be_seen_to_fail(lesson: &str, mutations: &[Mutation]) {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    let said: Vec<String> = mutations.iter().flat_map(|mutation| complaints(&lab, lesson, mutation)).collect();
    assert!(said.is_empty(), "{}", said.join("\n"));
    let mutated: BTreeSet<&str> = mutations.iter().flat_map(|mutation| mutation.facts).copied().collect();
    let declared = lab.lesson(lesson);
    let declared: Vec<&str> = declared["facts"].as_array().unwrap().iter().filter_map(|fact| fact.as_str()).collect();
    let never: Vec<&&str> = declared.iter().filter(|fact| !mutated.contains(**fact)).collect();
    assert!(never.is_empty(), "nothing makes these false: {never:?}");
}

const PRETEND: Verdict = Verdict::Return(0);

fn refuse(errno: Errno) -> Verdict {
    Verdict::Refuse(errno)
}
