//! The machine is untouched by lessons. For those that are ended by force, see `kills`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::sys::utsname::uname;
use nix::unistd::{Pid, geteuid};

use crate::isolation::DIRECTORY_PREFIX;
use crate::moments::{Telling, processes_of, wait_until_none_runs};
use crate::support::{Lab, NOBODY, Run, Who, everybody, stage};

/// How often a change is looked into that another program may have made at the same moment.
const LOOKS: usize = 5;

/// Where other programs make and remove things at any moment: compilers, shells, sessions.
const SHARED: [&str; 4] = ["/tmp", "/run", "/dev/shm", "cgroups"];

/// All that a lesson about namespaces could change on a machine.
pub type Fingerprint = BTreeMap<String, Vec<String>>;

/// The part of it in which a lesson would be caught first: quick to take.
pub fn quick_fingerprint() -> Fingerprint {
    let mut quick: Fingerprint = BTreeMap::from([("mounts".to_owned(), sorted_lines("/proc/self/mountinfo"))]);
    for directory in ["/tmp", "/run"] {
        quick.insert(directory.to_owned(), listing(directory));
    }
    quick
}

pub fn fingerprint(program: &Path) -> Fingerprint {
    let names = uname().unwrap();
    let names = [names.nodename(), names.domainname()].map(|name| name.to_string_lossy().into_owned());
    let mut all: Fingerprint = BTreeMap::from([
        ("names".to_owned(), names.to_vec()),
        ("mounts".to_owned(), sorted_lines("/proc/self/mountinfo")),
        ("interfaces".to_owned(), interfaces()),
        ("cgroups".to_owned(), cgroups(Path::new("/sys/fs/cgroup"))),
        ("processes of nslearn".to_owned(), processes_of(program).iter().map(ToString::to_string).collect()),
    ]);
    for directory in ["/tmp", "/run", "/run/netns", "/dev/shm", "/dev/mqueue"] {
        all.insert(directory.to_owned(), listing(directory));
    }
    for kind in ["shm", "sem", "msg"] {
        all.insert(format!("System V {kind}"), system_v(kind));
    }
    all
}

fn sorted_lines(file: &str) -> Vec<String> {
    let mut lines: Vec<String> = crate::support::read_text(file).unwrap().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Name, flags and index of each interface.
fn interfaces() -> Vec<String> {
    let read =
        |name: &str, file: &str| crate::support::read_text(format!("/sys/class/net/{name}/{file}")).unwrap_or_default();
    let told = |name: String| format!("{name} {} {}", read(&name, "ifindex").trim(), read(&name, "flags").trim());
    names_in(Path::new("/sys/class/net")).into_iter().map(told).collect()
}

fn cgroups(directory: &Path) -> Vec<String> {
    let children = names_in(directory).into_iter().map(|name| directory.join(name));
    let children = children.filter(|path| path.is_dir() && !path.is_symlink());
    children.flat_map(|path| [vec![path.display().to_string()], cgroups(&path)].concat()).collect()
}

/// Names and owners.
fn listing(directory: &str) -> Vec<String> {
    let names = names_in(Path::new(directory)).into_iter().filter(|name| !name.starts_with(DIRECTORY_PREFIX));
    let owner = |name: &str| fs::symlink_metadata(Path::new(directory).join(name)).map_or(0, |seen| seen.uid());
    names.map(|name| format!("{name} of {}", owner(&name))).collect()
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Key and id of each object; the rest changes with its use.
fn system_v(kind: &str) -> Vec<String> {
    let table = crate::support::read_text(format!("/proc/sysvipc/{kind}")).unwrap_or_default();
    table.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}

/// A change between two fingerprints.
#[derive(Debug)]
pub struct Change<'a> {
    part: &'a str,
    line: &'a str,
}

impl Change<'_> {
    pub fn between<'a>(before: &'a Fingerprint, after: &'a Fingerprint) -> Vec<Change<'a>> {
        let only_in = |one: &'a Fingerprint, other: &'a Fingerprint| {
            one.iter().flat_map(move |(part, lines)| {
                let lines = lines.iter().filter(move |line| !other[part].contains(line));
                lines.map(move |line| Change { part, line })
            })
        };
        only_in(before, after).chain(only_in(after, before)).collect()
    }

    /// Whether this can only be nslearn's doing: by its place, by its name, or because it belongs to the plain user whom
    /// the tests play or to a stage of root's.
    pub fn is_nslearns(&self) -> bool {
        let owner: Option<u32> = self.line.rsplit_once(" of ").and_then(|(_, owner)| owner.parse().ok());
        let ours = owner.is_some_and(|owner| geteuid().is_root() && owner >= NOBODY);
        ours || self.line.contains("nslearn") || !SHARED.contains(&self.part)
    }
}

/// Makes sure that something leaves the machine as it was. A change that may be another program's must show each time.
#[track_caller]
fn leaves_no_trace(lab: &Lab, what: &str, act: impl Fn()) {
    for look in 1..=LOOKS {
        let before = fingerprint(&lab.program());
        act();
        let after = fingerprint(&lab.program());
        let changes = Change::between(&before, &after);
        if changes.is_empty() {
            return;
        }
        assert!(look < LOOKS && !changes.iter().any(Change::is_nslearns), "{what} changed the machine: {changes:#?}");
    }
}

fn json_lesson(lab: &Lab, id: &str, who: Who) -> Run {
    lab.run(["lesson", id, "--format", "json"]).by(who)
}

pub fn leaves_the_machine_as_it_was(id: &str) {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        leaves_no_trace(&lab, &format!("lesson {id} as {who:?}"), || {
            let events = json_lesson(&lab, id, who).end().must_be(0).events();
            assert_eq!(events.last().unwrap()["left_behind"], serde_json::json!([]), "lesson {id} as {who:?}");
        });
    }
}

#[test]
fn a_stage_that_stands_still_dies_with_the_program() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let mut telling = Telling::begin(&json_lesson(&lab, "net", who));
        telling.read(3);
        let program: i32 = telling.child.id().try_into().unwrap();
        // Stopped, it cannot notice by itself that nobody listens any more: only the kernel can end it.
        for pid in processes_of(&lab.program()).into_iter().filter(|pid| *pid != program) {
            kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        }
        telling.child.kill().unwrap();
        telling.child.wait().unwrap();
        wait_until_none_runs(&lab.program());
    }
}

#[test]
fn a_stage_that_says_nothing_is_given_up() {
    let Some(lab) = stage() else { return };
    let who = *everybody().last().unwrap();
    let mut telling = Telling::begin(&json_lesson(&lab, "uts", who).env("NSLEARN_SILENCE_MS", "1500"));
    telling.read(3);
    let program: i32 = telling.child.id().try_into().unwrap();
    for pid in processes_of(&lab.program()).into_iter().filter(|pid| *pid != program) {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
    }
    // What had been said before is still told; and then nothing for as long as a stage may be silent.
    telling.read(usize::MAX);
    let end = telling.child.wait_with_output().unwrap();
    let said = String::from_utf8(end.stderr).unwrap();
    assert_eq!(end.status.code(), Some(1), "{said}");
    assert!(said.contains("it said nothing for 1.5 seconds") && said.contains("what to do:"), "{said}");
    wait_until_none_runs(&lab.program());
}
