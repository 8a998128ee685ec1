//! What the terminal and the book tell people to type does what they say: every command runs as a plain user, on a
//! stage, and prints what stands below it. Those for docker are marked and are not run.

use insta::assert_snapshot;
use nix::sys::utsname::uname;
use serde_json::Value;

use crate::anchored::{anchored, between};
use crate::consistency::snapshot;
use crate::machines::played::machines;
use crate::pages::pages;
use crate::snapshots::snapshot_settings;
use crate::supervisor::can_play;
use crate::support::{End, Lab, Who, has_tool, stage};

/// Makes root of the stage a plain user there: one without capabilities, with the environment of a login on Debian.
const AS_PLAIN_USER: &str = r#"exec unshare --user --map-user=1000 --map-group=1000 \
    env -i HOME=/ PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games \
    sh -c "$NSLEARN_TYPED" 2>&1 </dev/null"#;

/// Lets the stage have one user namespace more, the plain user's: whoever makes another one is refused.
const NO_MORE: &str = "echo 1 > /proc/sys/user/max_user_namespaces && ";

/// What somebody gets to see who types this into a shell, as a plain user, on a stage.
fn type_in(lab: &Lab, typed: &str) -> End {
    type_in_where(lab, "", typed)
}

/// The same after a preparation of the stage.
fn type_in_where(lab: &Lab, prepared: &str, typed: &str) -> End {
    lab.run(["shell", "-c", &format!("{prepared}{AS_PLAIN_USER}")]).env("NSLEARN_TYPED", typed).by(Who::PlainUser).end()
}

fn has_tools() -> bool {
    ["unshare", "nsenter", "ip", "ss", "ps", "hostname", "perl", "bash", "setarch"].iter().all(|tool| has_tool(tool))
}

/// The commands by hand in a part of a transcript, each line as the terminal shows it.
fn commands(part: &str) -> Vec<String> {
    const LABEL: &str = "  by hand:  ";
    let mut commands: Vec<String> = Vec::new();
    let mut open = false;
    for line in part.lines() {
        if let Some(first) = line.strip_prefix(LABEL) {
            commands.push(first.to_owned());
            open = true;
        } else if let Some(more) = line.strip_prefix(&" ".repeat(LABEL.len())).filter(|_| open) {
            *commands.last_mut().unwrap() += &format!("\n{more}");
        } else {
            open = false;
        }
    }
    commands
}

/// A command and what it prints, as on a terminal.
fn session(lab: &Lab, command: &str) -> String {
    let end = type_in(lab, command);
    assert_eq!(end.code(), 0, "{command}\n{}{}", end.stdout, end.stderr);
    format!("$ {}\n{}", command.replace('\n', "\n> "), steady(&end.stdout))
}

/// What is not the same in the next run, or on the next machine, as `…`. These are other programs' words: there are no
/// typed values to tell.
fn steady(printed: &str) -> String {
    let release = uname().unwrap().release().to_str().unwrap().to_owned();
    let mut steady = String::new();
    for line in printed.lines() {
        let words = line.replace(&release, "X.Y.Z");
        let words = words.split_inclusive(' ').map(|word| {
            let is_mac = word.trim_end().len() == 17 && word.matches(':').count() == 5;
            let is_fixed =
                ["00:00:00:00:00:00 ", "ff:ff:ff:ff:ff:ff "].contains(&format!("{} ", word.trim_end()).as_str());
            match word.split_once(":[") {
                // A namespace: `uts:[4026531838]`.
                Some((kind, rest)) => {
                    format!("{kind}:[…]{}", rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ']'))
                }
                None if is_mac && !is_fixed => format!("…{}", &word[17..]),
                None => word.to_owned(),
            }
        });
        steady += &format!("{}\n", words.collect::<String>());
    }
    steady
}

pub fn has_commands_by_hand_that_print_what_their_snapshot_says(id: &str) {
    let Some(lab) = stage().filter(|_| has_tools()) else { return };
    let steps = lab.lesson(id)["steps"].as_u64().unwrap();
    let plain = snapshot(id, "plain");
    let mut all = String::new();
    for step in 1..=steps {
        let name = format!("step-{step}");
        let part = between(&plain, &name).unwrap_or_else(|| panic!("no {name} in {id}.plain.snap"));
        let sessions: Vec<String> = commands(&part).iter().map(|command| session(&lab, command)).collect();
        assert!(!sessions.is_empty(), "{name} of {id} has no command by hand");
        let sessions = sessions.join("\n");
        all += &anchored(&name, &sessions.lines().collect::<Vec<_>>());
    }
    snapshot_settings().bind(|| assert_snapshot!(format!("{id}.by-hand"), all));
}

/// The commands by hand of all lessons that are for a shell: the lesson's name, the command, and what shows its point.
fn told_by_lessons(lab: &Lab) -> Vec<(String, String, String)> {
    let of = |id: &String| {
        let events = lab.run(["lesson", id, "--format", "json"]).end().must_be(0).events();
        let told = events.into_iter().filter(|event| event["event"] == "by_hand" && event["docker"] == false);
        let text = |event: &Value, field: &str| event[field].as_str().unwrap().to_owned();
        told.map(|event| (id.clone(), text(&event, "command"), text(&event, "shows"))).collect::<Vec<_>>()
    };
    lab.ids().iter().flat_map(of).collect()
}

#[test]
fn a_command_by_hand_shows_the_point_of_its_step() {
    let Some(lab) = stage().filter(|_| has_tools()) else { return };
    let shows_it = |(_, command, shows): &(String, String, String)| type_in(&lab, command).stdout.contains(shows);
    let wrong: Vec<_> = told_by_lessons(&lab).into_iter().filter(|told| !shows_it(told)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_command_by_hand_that_is_refused_says_so_and_does_not_show_the_point() {
    let Some(lab) = stage().filter(|_| has_tools()) else { return };
    let told = told_by_lessons(&lab).into_iter().filter(|(_, command, _)| command.contains("unshare"));
    let mut wrong = Vec::new();
    for (id, command, shows) in told {
        let end = type_in_where(&lab, NO_MORE, &command);
        if end.code() == 0 || end.stdout.contains(&shows) || !end.stdout.contains("No space left on device") {
            wrong.push(format!("{id}: $ {command}\nexit status {}\n{}", end.code(), end.stdout));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n======\n"));
}

#[test]
fn every_command_on_a_page_works_and_prints_what_the_page_says() {
    let Some(lab) = stage().filter(|_| has_tools()) else { return };
    let mut wrong = Vec::new();
    for page in pages() {
        for (command, expected) in page.commands() {
            let end = type_in(&lab, &command);
            let as_told = expected.as_ref().is_none_or(|expected| matches(expected, &end.stdout));
            if end.code() != 0 || !as_told {
                let told = expected.unwrap_or_default();
                wrong.push(format!(
                    "{}: {command}exit status {}\n{}--- the page says\n{told}",
                    page.name,
                    end.code(),
                    end.stdout
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n======\n"));
}

/// Whether this was printed: `…` stands for one or more letters within a line.
fn matches(expected: &str, printed: &str) -> bool {
    let line = |(expected, printed): (&str, &str)| {
        let mut parts = expected.split('…');
        let Some(mut rest) = parts.next().and_then(|first| printed.strip_prefix(first)) else { return false };
        let parts: Vec<&str> = parts.collect();
        for (index, part) in parts.iter().enumerate() {
            let last = index + 1 == parts.len();
            let at = if last {
                rest.len().checked_sub(part.len()).filter(|_| rest.ends_with(part))
            } else {
                rest.find(part)
            };
            match at {
                Some(at) if at > 0 => rest = &rest[at + part.len()..],
                _ => return false,
            }
        }
        rest.is_empty()
    };
    let (expected, printed): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), printed.lines().collect());
    expected.len() == printed.len() && expected.into_iter().zip(printed).all(line)
}

#[test]
fn a_page_that_says_something_else_is_noticed() {
    assert!(matches("uts:[…] A\n", "uts:[4026531838] A\n"));
    assert!(!matches("uts:[…] A\n", "uts:[4026531838] B\n"));
    assert!(!matches("uts:[…]\n", "uts:[]\n"));
    assert!(!matches("one\n", "one\ntwo\n"));
}

/// The machines whose diagnosis the book shows: the snapshot's name, and the machine's.
const MACHINES: [(&str, &str); 8] = [
    ("ready", "nothing is in the way"),
    ("partly", "user.max_user_namespaces is 1"),
    ("limit", "user.max_uts_namespaces is 0"),
    ("chroot", "inside a chroot"),
    ("filter", "Docker's filter"),
    ("covered", "parts of /proc are covered"),
    ("apparmor", "AppArmor's way"),
    ("module", "a module that is not loaded"),
];

/// What the doctor said, with an anchor around all of it and another one around what is missing.
fn with_what_is_missing_anchored(told: &str) -> String {
    let lines: Vec<&str> = told.lines().collect();
    let Some(first) = lines.iter().position(|line| line.starts_with("missing:")) else {
        return anchored("doctor", &lines);
    };
    let marked = anchored("missing", &lines[first..]);
    anchored("doctor", &lines[..first].iter().copied().chain(marked.lines()).collect::<Vec<_>>())
}

#[test]
fn the_doctor_says_of_each_machine_what_its_snapshot_says() {
    let Some(lab) = stage().filter(|_| can_play() && has_tool("unshare")) else { return };
    for (name, machine) in MACHINES {
        let machine = machines().find(|known| known.name == machine).unwrap();
        let told = machine.run(&lab, "doctor --format plain").must_be(machine.status).stdout;
        let told = with_what_is_missing_anchored(&told);
        snapshot_settings().bind(|| assert_snapshot!(format!("doctor.{name}"), told));
    }
}

#[test]
fn the_list_of_lessons_is_what_its_snapshot_says() {
    let lab = crate::support::lab();
    let told = lab.run(["list", "--format", "plain"]).end().must_be(0).stdout;
    let told = anchored("list", &told.lines().collect::<Vec<_>>());
    snapshot_settings().bind(|| assert_snapshot!("list", told));
}

#[test]
fn commands_for_docker_are_marked_as_such() {
    for page in pages() {
        for (index, line) in page.text.lines().enumerate().filter(|(_, line)| line.starts_with("docker ")) {
            let before = page.text.lines().take(index).filter(|line| line.starts_with("```")).last();
            assert_eq!(before, Some("```sh,docker"), "{} line {}: {line}", page.name, index + 1);
        }
    }
}
