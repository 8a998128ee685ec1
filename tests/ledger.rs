//! The ledger tells the truth: what strace sees of the calls that change something is what the transcript tells, with the
//! same results and by the same actors, no more and no fewer. Calls of set-up are told as well, and counted.

mod strace;

use serde_json::Value;

use self::strace::{Seen, in_one_form};
use crate::support::{Lab, Who, everybody, has_tool, of_kind, stage};

/// The calls that the ledger is compared by: those that change something which others can notice. Not the ends of
/// processes, for a stage that ends takes all of them along.
const COMPARED: [&str; 23] = [
    "clone",
    "clone3",
    "unshare",
    "setns",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "chdir",
    "sethostname",
    "setdomainname",
    "mkdir",
    "write",
    "kill",
    "execve",
    "pidfd_open",
    "bind",
    "listen",
    "connect",
    "setsockopt",
    "sendto",
    "sendmsg",
    "close",
];

/// What it takes to put up the stage, before a lesson begins: src/sandbox/spawn.rs and src/sandbox/rootfs.rs, in their
/// order. Besides these the stage's ids are written, and its place in the order of numbers.
const SET_UP: [&str; 10] = [
    "clone3(CLONE_NEWCGROUP|CLONE_NEWIPC|CLONE_NEWNET|CLONE_NEWNS|\
     CLONE_NEWPID|CLONE_NEWTIME|CLONE_NEWUSER|CLONE_NEWUTS) = 0",
    "mount(NULL, /, NULL, MS_PRIVATE|MS_REC) = 0",
    "mount(/, /, NULL, MS_BIND|MS_REC) = 0",
    "mount_setattr(., AT_RECURSIVE, MOUNT_ATTR_RDONLY) = 0",
    "mount(proc, proc, proc, MS_NODEV|MS_NOEXEC|MS_NOSUID) = 0",
    "pivot_root(., .) = 0",
    "umount2(., MNT_DETACH) = 0",
    "mount(nslearn-stage, /run, tmpfs, MS_NODEV|MS_NOSUID, mode=755) = 0",
    "mount(nslearn-stage, /tmp, tmpfs, MS_NODEV|MS_NOSUID, mode=1777) = 0",
    "sethostname(workshop) = 0",
];

/// What the transcript tells, in the form of strace's account.
fn transcripts_account(events: &[Value]) -> Vec<Seen> {
    let called = of_kind(events, "called").into_iter();
    let compared = called.filter(|event| COMPARED.contains(&event["syscall"].as_str().unwrap()));
    compared.flat_map(|event| vec![told(event); event["times"].as_u64().unwrap_or(1).try_into().unwrap()]).collect()
}

fn told(event: &Value) -> Seen {
    let name = event["syscall"].as_str().unwrap();
    let args = event["args"].as_array().unwrap().iter();
    let mut args: Vec<String> = args.map(|arg| arg.as_str().map_or_else(|| arg.to_string(), str::to_owned)).collect();
    let errno = event["errno"].as_str();
    let call = match name {
        "sendto" => format!("sendto({}) = {}", destination(&args), sent(event).as_deref().or(errno).unwrap()),
        "sendmsg" => format!("sendmsg({}) = {}", args[1].split(' ').next().unwrap(), sent(event).unwrap()),
        _ => {
            match name {
                // No flags, no namespaces.
                "clone3" if args == ["flags=0"] => args = vec![String::new()],
                // The file descriptor: the transcript says what it stands for, strace its number.
                "setns" => drop(args.remove(0)),
                "execve" => args.truncate(1),
                "setsockopt" => args = vec![args.pop().unwrap()],
                "write" => args = vec![args[0].rsplit('/').next().unwrap().to_owned(), args[1].replace('\n', "\\n")],
                _ => {}
            }
            if let Some((_, length)) = args.first().and_then(|arg| arg.split_once("... /* ")) {
                args[0] = length.trim_end_matches(" */").to_owned();
            }
            in_one_form(name, &args, errno)
        }
    };
    Seen { actor: event["actor"].as_str().unwrap().to_owned(), call }
}

/// Where a message goes; of one to the kernel, what it asks for, and which number an interface is to have.
fn destination(args: &[String]) -> String {
    let (last, says) = (args.last().unwrap(), args[0] == "netlink");
    if !says {
        return last.clone();
    }
    let part = |part: &str| {
        let words: Vec<&str> = part.split(' ').collect();
        let index = words.iter().position(|word| *word == "index").map(|place| words[place..=place + 1].join(" "));
        words[0..1].iter().map(ToString::to_string).chain(index).collect::<Vec<_>>().join(" ")
    };
    last.split(", ").map(part).collect::<Vec<_>>().join(", ")
}

/// How many bytes were sent, also where the kernel's reply was a refusal.
fn sent(event: &Value) -> Option<String> {
    let sent = match &event["result"] {
        Value::String(result) => result.split(',').next().map(str::to_owned),
        Value::Number(result) => Some(result.to_string()),
        _ => None,
    };
    sent.or_else(|| event["sent"].as_u64().map(|sent| sent.to_string()))
}

/// Runs a lesson under strace: what it has told, and what the kernel saw.
fn both_accounts(lab: &Lab, id: &str, who: Who) -> (Vec<Value>, Vec<Seen>) {
    let file = lab.directory(who).join("trace");
    let watched = format!("trace={}", strace::WATCHED);
    let strace = ["strace", "-f", "-yy", "-s", "200", "-e", &watched, "-o", file.to_str().unwrap()];
    let run = lab.run(["lesson", id, "--format", "json"]).under(&strace).by(who);
    let events = run.end().must_be(0).events();
    (events, strace::account(&crate::support::read_text(file).unwrap()))
}

/// What was seen before the stage stood, of what it is made of, and what was seen of its actors.
fn parted(seen: Vec<Seen>) -> (Vec<String>, Vec<Seen>) {
    let stands = seen.iter().position(|seen| seen.call == SET_UP[SET_UP.len() - 1]).unwrap();
    let mut before = seen;
    let mut lesson = before.split_off(stands + 1);
    let names = ["clone3(C", "mount", "pivot_root", "umount2", "sethostname", "unshare", "setns", "chroot"];
    let before = before.into_iter().map(|seen| seen.call);
    let before = before.filter(|call| names.iter().any(|name| call.starts_with(name))).collect();
    // The program itself is no actor; the processes of a chain of namespaces have no names.
    lesson.retain(|seen| !seen.actor.is_empty() || seen.call.starts_with("clone("));
    // What the host still holds at its end is closed with it.
    while lesson.pop_if(|last| last.call.starts_with("close(")).is_some() {}
    (before, lesson)
}

/// Nested clones answer in the order in which they end, the deepest first: the refusal before the others. Who made them,
/// of the processes in the chain, strace cannot say by name.
fn in_order(account: Vec<Seen>) -> (Vec<Seen>, Vec<String>) {
    let (clones, rest): (Vec<_>, Vec<_>) = account.into_iter().partition(|seen| seen.call.starts_with("clone("));
    let mut clones: Vec<String> = clones.into_iter().map(|seen| seen.call).collect();
    clones.sort_unstable();
    (rest, clones)
}

/// Where two accounts part, if they do.
fn difference<'a>(told: &'a [Seen], seen: &'a [Seen]) -> Option<(Option<&'a Seen>, Option<&'a Seen>)> {
    let places = 0..told.len().max(seen.len());
    places.map(|place| (told.get(place), seen.get(place))).find(|(told, seen)| told != seen)
}

pub fn tells_of_each_call_that_the_kernel_saw_and_of_no_other(id: &str) {
    if !has_tool("strace") {
        return;
    }
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let (events, seen) = both_accounts(&lab, id, who);
        let (before, lesson) = parted(seen);
        assert_eq!(before, SET_UP, "the stage's own calls, in lesson {id} as {who:?}");
        let (told, seen) = (in_order(transcripts_account(&events)), in_order(lesson));
        if let Some((told, seen)) = difference(&told.0, &seen.0) {
            panic!("lesson {id} as {who:?} tells of {told:?} where strace saw {seen:?}");
        }
        assert_eq!(told.1, seen.1, "told (left) and seen (right) in lesson {id} as {who:?}");
    }
}

pub fn counts_the_calls_that_it_does_not_show(id: &str) {
    let Some(lab) = stage() else { return };
    let events = lab.run(["lesson", id, "--format", "json"]).end().must_be(0).events();
    let set_up = of_kind(&events, "called").iter().filter(|event| event["set_up"] == true).count();
    assert_eq!(events.last().unwrap()["set_up"], set_up, "{id}");
    let said = lab.run(["lesson", id, "--format", "plain"]).end().must_be(0).stdout;
    let calls = if set_up == 1 { "call" } else { "calls" };
    let line = format!("{set_up} {calls} of set-up not shown");
    assert_eq!(said.matches(&line).count(), usize::from(set_up > 0), "{id}: {said}");
}
