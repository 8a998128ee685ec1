//! What must be so of a lesson in which something has failed.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

use nix::errno::Errno;
use serde_json::Value;
use syscalls::Sysno;

use super::Fault;
use crate::support::of_kind;

/// How a lesson was told.
#[derive(Debug)]
pub(super) struct Told {
    /// The exit status, as a shell tells it.
    pub(super) code: i32,
    pub(super) stderr: String,
    stdout: String,
    events: Vec<Value>,
    /// It took longer than it may.
    pub(super) late: bool,
}

impl Told {
    pub(super) fn new(output: &Output, late: bool) -> Told {
        let code = output.status.code().unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        // A line may have been cut short.
        let events = stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Told { code, stderr, stdout, events, late }
    }

    /// What is wrong, if anything is. `truth` is the lesson without the fault.
    pub(super) fn complaint(&self, truth: &Told, fault: Fault) -> Option<String> {
        if self.late {
            return Some("it hangs".to_owned());
        }
        if self.stdout.contains("panicked") || self.stderr.contains("panicked") {
            return Some("it panics".to_owned());
        }
        self.false_claim(truth, fault).or_else(|| self.bad_reason()).or_else(|| match self.code {
            0 => self.untold(truth),
            1 | 3 => self.unexplained(fault),
            code => Some(format!("it ends with {code}")),
        })
    }

    /// What is claimed to hold, each with its evidence. Numbers in it depend on how much was told before.
    fn held(&self) -> BTreeMap<&str, String> {
        let held = of_kind(&self.events, "verified").into_iter().filter(|event| event["held"] == true);
        held.map(|event| (text(&event["id"]), numberless(text(&event["evidence"])))).collect()
    }

    fn skipped(&self) -> impl Iterator<Item = (&str, &str)> {
        of_kind(&self.events, "skipped").into_iter().map(|event| (text(&event["id"]), text(&event["reason"])))
    }

    fn false_claim(&self, truth: &Told, fault: Fault) -> Option<String> {
        let (held, truth) = (self.held(), truth.held());
        // Processes that could not take their names are seen under other ones, and all else is as ever.
        let as_ever = |id: &str, evidence: &String| {
            truth.get(id).is_some_and(|known| known == evidence || fault.sysno == Sysno::prctl)
        };
        let (id, evidence) = held.into_iter().find(|(id, evidence)| !as_ever(id, evidence))?;
        Some(format!("it claims {id} by '{evidence}', and in truth it is '{:?}'", truth.get(id)))
    }

    /// A fact that is skipped is so for a reason that has a name.
    fn bad_reason(&self) -> Option<String> {
        let (id, reason) = self.skipped().find(|(_, reason)| !names_an_errno(reason))?;
        Some(format!("it skips {id} without a reason: {reason}"))
    }

    /// With exit status 0, each fact was told of, none of them failed, and nobody complained.
    fn untold(&self, truth: &Told) -> Option<String> {
        let held = self.held();
        let told = |id: &str| held.contains_key(id) || self.skipped().any(|(skipped, _)| skipped == id);
        if let Some(id) = truth.held().into_keys().find(|id| !told(id)) {
            return Some(format!("it tells nothing of {id}, and ends with 0"));
        }
        let ended = self.events.last()?;
        let well = ended["event"] == "ended" && ended["failed"] == 0 && ended["left_behind"] == serde_json::json!([]);
        (!well || !self.stderr.is_empty()).then(|| format!("it complains, and ends with 0: {ended}"))
    }

    /// With another one, the story or standard error says what failed, or what came of it, and what to do.
    fn unexplained(&self, fault: Fault) -> Option<String> {
        /// The ends of those who could not say why: a process that lost its channel, or its connection, or its memory.
        const CONSEQUENCES: [&str; 4] = ["is gone", "hung up", "the stage ended early", "out of memory"];
        let refused = |event: &&Value| event["errno"] == format!("{:?}", fault.errno);
        let failed = of_kind(&self.events, "verified").iter().any(|event| event["held"] == false);
        let told = of_kind(&self.events, "called").iter().any(refused);
        // Who could not take a name is not found under it: a claim about names fails then, and shows them.
        let in_the_story = failed && (told || fault.sysno == Sysno::prctl);
        // Nobody can be told anything.
        let mute = fault.sysno == Sysno::write && fault.lasting;
        let unsure = self.events.last().is_some_and(|ended| names_an_errno(&ended["left_behind"].to_string()));
        let all_skipped = self.code == 3 && self.skipped().next().is_some();
        let said = self.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        let named = names_an_errno(&said) || CONSEQUENCES.iter().any(|word| said.contains(word));
        let on_standard_error = named && (said.contains("what to do:") || said.contains("writing to standard output"));
        let explained = in_the_story || unsure || all_skipped || on_standard_error || mute;
        (!explained).then(|| "neither the story nor standard error says what failed".to_owned())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A text without its numbers.
fn numberless(text: &str) -> String {
    text.split(|letter: char| letter.is_ascii_digit()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("#")
}

/// Whether one of the words is an errno's name.
fn names_an_errno(text: &str) -> bool {
    const LAST: i32 = libc::EHWPOISON;
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric()).filter(|word| word.starts_with('E'));
    let is_name = |word| (1..=LAST).any(|errno| format!("{:?}", Errno::from_raw(errno)) == word);
    words.into_iter().any(is_name)
}

/// What is mounted on the machine.
pub(super) fn mounts() -> Vec<String> {
    crate::support::read_text("/proc/self/mountinfo").unwrap().lines().map(str::to_owned).collect()
}

/// What is mounted there now that was not before, where a stage is put together.
pub(super) fn mounts_of_nslearns(before: &[String]) -> Vec<String> {
    let is_stages = |line: &String| {
        let place = line.split(' ').nth(4).unwrap_or_default();
        line.contains("nslearn") || place == "/" || place.starts_with("/tmp") || place.starts_with("/run")
    };
    mounts().into_iter().filter(|line| is_stages(line) && !before.contains(line)).collect()
}
