//! Faults while a stage is being made for another program: by more processes than one for lessons alone.

use syscalls::Sysno;

use super::{ERRNOS, Fault, LEFT_OUT, PATIENCE, Start, judgement};
use crate::chance::Chance;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::moments::{processes_of, wait_until_none_runs};
use crate::supervisor::{Call, Verdict, can_play, supervise};
use crate::support::{End, Lab, Who, everybody, stage};

/// Runs a command on a stage, and has the program's own calls judged, but not those of what it starts.
fn run(lab: &Lab, who: Who, watched: &[Sysno], mut judge: impl FnMut(&Call<'_>) -> Verdict + Send) -> (End, bool) {
    let program = lab.program();
    let mut start = Start::default();
    let run = lab.run(["shell", "-c", "echo here"]).by(who);
    let own = move |call: &Call<'_>| {
        if start.is_past(call) && call.exe().as_ref() == Some(&program) { judge(call) } else { Verdict::Continue }
    };
    supervise(watched, PATIENCE, own, |bench| {
        let mut command = run.command();
        bench.put_before(&mut command);
        run.end_of(command)
    })
}

/// The calls that the program makes, by their kinds and numbers.
fn calls(lab: &Lab, who: Who) -> Vec<(Sysno, usize)> {
    let watched: Vec<Sysno> = Sysno::iter().filter(|call| !LEFT_OUT.contains(call)).collect();
    let mut calls: Vec<(Sysno, usize)> = Vec::new();
    let (end, _) = run(lab, who, &watched, |call| {
        let number = calls.iter().filter(|(sysno, _)| *sysno == call.sysno).count() + 1;
        calls.push((call.sysno, number));
        Verdict::Continue
    });
    assert_eq!(end.must_be(0).stdout, "here\n");
    calls
}

/// What is to be complained of where a call fails.
fn complaint(lab: &Lab, who: Who, fault: Fault) -> Option<String> {
    let watched: Vec<Sysno> = [Sysno::fcntl, fault.sysno].into();
    let before = judgement::mounts();
    let mut number = 0;
    let (end, late) = run(lab, who, &watched, |call| {
        number += usize::from(call.sysno == fault.sysno);
        if call.sysno == fault.sysno && fault.hits(number) { fault.verdict(call.sysno) } else { Verdict::Continue }
    });
    if late {
        for pid in processes_of(&lab.program()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    wait_until_none_runs(&lab.program());
    let left = judgement::mounts_of_nslearns(&before);
    let told = end.stderr.contains("what to do:") || end.stderr.contains("out of memory");
    let wrong = match end.code() {
        _ if late => "it hangs",
        _ if !left.is_empty() => "it left a mount",
        0 if end.stdout != "here\n" => "it did nothing, and ends with 0",
        0 => return None,
        1 | 3 if told => return None,
        _ => "it does not say why",
    };
    Some(format!("{fault:?} as {who:?}: {wrong}: {end:?}"))
}

#[test]
fn a_system_call_that_fails_while_a_shell_is_opened_is_told_and_leaves_nothing() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    let mut chance = Chance::new();
    let mut complaints = Vec::new();
    for &who in everybody() {
        for (sysno, which) in calls(&lab, who) {
            let fault = Fault { sysno, errno: *chance.one_of(&ERRNOS), which, lasting: false };
            complaints.extend(complaint(&lab, who, fault));
        }
    }
    assert!(complaints.is_empty(), "{}\n{} in all", complaints.join("\n"), complaints.len());
}
