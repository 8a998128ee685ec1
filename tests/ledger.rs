//! The ledger tells the truth: what strace sees of namespaces, mounts, hostnames and roots is what the transcript tells,
//! with the same results, no more and no fewer.

use serde_json::Value;

use crate::support::{Lab, Who, everybody, has_tool, of_kind, stage};

/// The calls that the ledger is about. (fork(2) and vfork(2) would be clone(2) on some machines.)
const WATCHED: [&str; 11] = [
    "clone",
    "clone3",
    "unshare",
    "setns",
    "mount",
    "umount2",
    "mount_setattr",
    "pivot_root",
    "chroot",
    "sethostname",
    "setdomainname",
];

/// What it takes to put up the stage, before a lesson begins: src/stage/open.rs and src/stage/root.rs, in their order.
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

/// What the kernel saw, by strace's account: each call in one form, in the order of the answers.
fn kernels_account(trace: &str) -> Vec<String> {
    let mut begun: Vec<(&str, &str)> = Vec::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let (pid, said) = line.split_once(' ').unwrap();
        let said = said.trim_start();
        if said.starts_with("???(") || said.starts_with("<... ???") {
            // A process that was killed on its way into or out of some call, before strace could read which: at the
            // end of the stage, where all of them wait for what to do next.
        } else if let Some(start) = said.strip_suffix(" <unfinished ...>") {
            begun.push((pid, start));
        } else if let Some(resumed) = said.strip_prefix("<... ") {
            // A process that clone(2) holds up until its child is gone: its line is in two parts.
            let (_, rest) = resumed.split_once(" resumed>").unwrap();
            let index = begun.iter().rposition(|(begun, _)| *begun == pid).unwrap();
            calls.extend(call(&format!("{}{rest}", begun.remove(index).1)));
        } else if !said.starts_with("---") && !said.starts_with("+++") {
            calls.extend(call(said));
        }
    }
    assert!(begun.is_empty(), "calls without an answer: {begun:?}");
    calls
}

/// A call in strace's words: `mount("proc", "/proc", "proc", 0, NULL) = 0`. `None` for a plain fork.
fn call(line: &str) -> Option<String> {
    let (call, result) = line.rsplit_once(" = ").unwrap();
    let (name, args) = call.trim_end().strip_suffix(')').unwrap().split_once('(').unwrap();
    let mut args = split_arguments(args);
    match name {
        "clone" | "clone3" => {
            let flags = namespaces_in(&args.join("|"));
            if flags.is_empty() {
                return None;
            }
            args = vec![flags];
        }
        "setns" => drop(args.remove(0)),
        "sethostname" | "setdomainname" => args[0] = short(&args[0], args[1].parse().unwrap()),
        "mount_setattr" => {
            let what = args[3].split_once("attr_set=").and_then(|(_, rest)| rest.split(',').next()).unwrap();
            args = vec![args[1].clone(), args[2].clone(), what.to_owned()];
        }
        "mount" if args[4] == "NULL" => args.truncate(4),
        _ => {}
    }
    if name.ends_with("name") {
        args.truncate(1);
    }
    Some(in_one_form(name, &args, errno_of(result)))
}

/// `EPERM` of `-1 EPERM (Operation not permitted)`; `None` for a success.
fn errno_of(result: &str) -> Option<&str> {
    result.strip_prefix("-1 ").and_then(|refusal| refusal.split(' ').next())
}

fn split_arguments(text: &str) -> Vec<String> {
    let (mut args, mut quoted, mut depth) = (vec![String::new()], false, 0);
    for letter in text.chars() {
        match letter {
            '"' => quoted = !quoted,
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if !quoted && depth == 0 => {
                args.push(String::new());
                continue;
            }
            _ => {}
        }
        args.last_mut().unwrap().push(letter);
    }
    args.iter().map(|arg| arg.trim().trim_matches('"').to_owned()).collect()
}

fn namespaces_in(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_uppercase() && letter != '_');
    words.filter(|word| word.starts_with("CLONE_NEW")).collect::<Vec<_>>().join("|")
}

/// A name as the transcript shows it: a long one by its beginning and its length. Where strace could not read the name
/// (the kernel refused it by its length alone), the length is all there is to compare.
fn short(name: &str, length: usize) -> String {
    if length > 24 { format!("{length} bytes") } else { name.to_owned() }
}

/// Flags in the alphabet's order, as strace and the transcript each have their own.
fn in_one_form(name: &str, args: &[String], errno: Option<&str>) -> String {
    let sorted = |arg: &String| {
        let mut flags: Vec<&str> = arg.split('|').map(str::trim).collect();
        flags.sort_unstable();
        flags.join("|")
    };
    let args: Vec<String> = args.iter().map(sorted).collect();
    format!("{name}({}) = {}", args.join(", "), errno.unwrap_or("0"))
}

/// What the transcript tells, in the same form.
fn transcripts_account(events: &[Value]) -> Vec<String> {
    let called = of_kind(events, "called").into_iter();
    let watched = called.filter(|event| WATCHED.contains(&event["syscall"].as_str().unwrap()));
    watched.flat_map(|event| vec![told(event); event["times"].as_u64().unwrap_or(1).try_into().unwrap()]).collect()
}

fn told(event: &Value) -> String {
    let name = event["syscall"].as_str().unwrap();
    let args = event["args"].as_array().unwrap().iter();
    let mut args: Vec<String> = args.map(|arg| arg.as_str().map_or_else(|| arg.to_string(), str::to_owned)).collect();
    if name == "setns" {
        // The file descriptor: the transcript says what it stands for, strace its number.
        args.remove(0);
    }
    if let Some((_, length)) = args.first().and_then(|arg| arg.split_once("... /* ")) {
        args[0] = length.trim_end_matches(" */").to_owned();
    }
    in_one_form(name, &args, event["errno"].as_str())
}

/// Runs a lesson under strace: what the transcript tells, and what the kernel saw.
fn both_accounts(lab: &Lab, id: &str, who: Who) -> (Vec<String>, Vec<String>) {
    let file = lab.directory(who).join("trace");
    let watched = format!("trace={}", WATCHED.join(","));
    let strace = ["strace", "-f", "-s", "200", "-e", &watched, "-o", file.to_str().unwrap()];
    let run = lab.run(["lesson", id, "--format", "json"]).under(&strace).by(who);
    let events = run.end().must_be(0).events();
    (transcripts_account(&events), kernels_account(&crate::support::read_text(file).unwrap()))
}

pub fn tells_of_each_call_that_the_kernel_saw_and_of_no_other(id: &str) {
    if !has_tool("strace") {
        return;
    }
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let (told, mut seen) = both_accounts(&lab, id, who);
        let lesson = seen.split_off(SET_UP.len().min(seen.len()));
        assert_eq!(seen, SET_UP, "the stage's own calls, in lesson {id} as {who:?}");
        // Nested clones answer in the order in which they end, the deepest first: the refusal before the others.
        let in_order = |account: Vec<String>| {
            let (clones, rest): (Vec<_>, Vec<_>) = account.into_iter().partition(|call| call.starts_with("clone("));
            let mut clones = clones;
            clones.sort_unstable();
            (rest, clones)
        };
        assert_eq!(in_order(told), in_order(lesson), "told (left) and seen (right) in lesson {id} as {who:?}");
    }
}

#[test]
fn the_ledger_tests_reading_of_strace_is_right() {
    let trace = "7 mount(\"proc\", \"/a,b\", \"proc\", MS_REC|MS_BIND, NULL) = 0\n\
        7 clone3({flags=0, exit_signal=SIGCHLD, stack=NULL}, 88) = 8\n\
        7 clone(child_stack=0x7, flags=CLONE_NEWPID|SIGCHLD <unfinished ...>\n\
        9 setns(3, CLONE_NEWUTS)            = -1 EPERM (Operation not permitted)\n\
        7 <... clone resumed>)              = 9\n\
        9 ???( <unfinished ...>\n\
        9 +++ killed by SIGKILL +++\n";
    let expected =
        ["mount(proc, /a,b, proc, MS_BIND|MS_REC) = 0", "setns(CLONE_NEWUTS) = EPERM", "clone(CLONE_NEWPID) = 0"];
    assert_eq!(kernels_account(trace), expected);
}
