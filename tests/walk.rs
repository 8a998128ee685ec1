//! The walk through a lesson, as a person takes it: on a terminal, by keys.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::moments::{processes_of, wait_until_none_runs};
use crate::support::{Lab, everybody, lab, read_text, stage, stage_alone};
use crate::terminal::{Terminal, on_a_terminal};

/// As large as a terminal is, and as a large one.
const SIZES: [(u16, u16); 2] = [(80, 24), (120, 40)];

pub fn steps(lab: &Lab, lesson: &str) -> usize {
    lab.lesson(lesson)["steps"].as_u64().unwrap().try_into().unwrap()
}

/// A lesson at its first step.
pub fn begin(lab: &Lab, lesson: &str, more: &[&str], size: (u16, u16)) -> Option<Terminal> {
    let args: Vec<&str> = ["lesson", lesson, "--no-questions"].iter().chain(more).copied().collect();
    Some(Terminal::start(&on_a_terminal(lab, &args)?, size))
}

pub fn leads_from_step_to_step_to_its_end_by_enter(id: &str) {
    let Some(lab) = stage() else { return };
    for size in SIZES {
        let steps = steps(&lab, id);
        let Some(mut terminal) = begin(&lab, id, &[], size) else { return };
        for step in 1..=steps {
            terminal.wait_for(&format!("{step}/{steps} "));
            terminal.wait_for_step(step, steps);
            assert!(terminal.foot().starts_with(&format!("step {step} of {steps}")), "{}", terminal.screen());
            terminal.press(if step % 2 == 0 { " " } else { "\r" });
        }
        terminal.wait_for("nothing left behind");
        terminal.wait_for("What this lesson showed");
        assert!(terminal.end().success());
    }
    wait_until_none_runs(&lab.program());
}

/// Where somebody can open a shell, the stage is another one: it must not show.
pub fn is_the_same_story_on_a_walk(id: &str) {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let directory = lab.directory(who);
        let story = |name: &str, more: &[&str]| {
            let file = directory.join(name);
            let args = ["lesson", id, "--scrub", "--no-questions", "--record", file.to_str().unwrap()];
            let args: Vec<&str> = args.iter().chain(more).copied().collect();
            let run = on_a_terminal(&lab, &args)?;
            let mut terminal = Terminal::start(&run.by(who), (80, 24));
            terminal.wait_for("nothing left behind");
            assert!(terminal.end().success());
            // The first line tells when it was made.
            read_text(file).unwrap().split_once('\n').map(|(_, story)| story.to_owned())
        };
        let Some(straight) = story("straight.cast", &["--no-pause"]) else { return };
        assert_eq!(story("walked.cast", &["--auto", "1ms"]), Some(straight), "as {who:?}");
    }
}

#[test]
fn every_key_does_what_it_says() {
    let Some(lab) = stage() else { return };
    for size in SIZES {
        let Some(mut terminal) = begin(&lab, "uts", &[], size) else { return };
        terminal.wait_for_step(1, 6);
        terminal.press("b");
        terminal.wait_for("this is the first step");
        terminal.wait_for_step(1, 6);
        terminal.press("g4");
        terminal.wait_for("4/6 ");
        terminal.wait_for_step(4, 6);
        terminal.press("b");
        terminal.wait_for("3/6 ");
        terminal.wait_for_step(3, 6);
        terminal.press("r");
        terminal.wait_for("3/6 ");
        terminal.wait_for_step(3, 6);
        terminal.press("m");
        terminal.wait_for("cgroup ");
        terminal.wait_for("uts ");
        terminal.wait_for_step(3, 6);
        terminal.press("n");
        terminal.wait_for("usual misunderstanding: ");
        terminal.wait_for_step(3, 6);
        terminal.press("?");
        terminal.wait_for("go to step N");
        terminal.wait_for_step(3, 6);
        terminal.press("x\u{1b}[A\u{7}");
        terminal.press("\r");
        terminal.wait_for("4/6 ");
        terminal.wait_for_step(4, 6);
        terminal.press("g");
        terminal.wait_for("go to step");
        terminal.press("9\u{1b}");
        terminal.wait_for_step(4, 6);
        terminal.press("q");
        assert!(terminal.end().success());
    }
    wait_until_none_runs(&lab.program());
}

#[test]
fn the_walk_follows_the_terminals_size() {
    let Some(lab) = stage() else { return };
    let Some(mut terminal) = begin(&lab, "uts", &[], (80, 24)) else { return };
    terminal.wait_for_step(1, 6);
    terminal.resize(60, 20);
    // The foot is shown anew, and the next step is as wide as the terminal is now.
    terminal.wait_for_step(1, 6);
    terminal.press("\r");
    terminal.wait_for("2/6 ");
    terminal.wait_for_step(2, 6);
    let widest = terminal.last.lines().map(|line| line.chars().count()).max();
    assert!(widest.is_some_and(|widest| widest <= 60), "{}", terminal.last);
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn a_signal_ends_the_walk_and_leaves_the_terminal_as_it_was() {
    let Some(lab) = stage() else { return };
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        let Some(mut terminal) = begin(&lab, "uts", &[], (80, 24)) else { return };
        terminal.wait_for_step(1, 6);
        let program = *processes_of(&lab.program()).iter().min().unwrap();
        kill(Pid::from_raw(program), signal).unwrap();
        let status = terminal.end();
        // setsid passes on what it was killed by, as a shell does.
        assert_eq!(status.code().or(status.signal().map(|number| 128 + number)), Some(128 + signal as i32), "{signal}");
        wait_until_none_runs(&lab.program());
    }
}

#[test]
fn control_c_ends_the_walk() {
    let Some(lab) = stage() else { return };
    let Some(mut terminal) = begin(&lab, "pid", &[], (80, 24)) else { return };
    terminal.wait_for_step(1, 8);
    terminal.press("\u{3}");
    let status = terminal.end();
    assert_eq!(status.code().or(status.signal().map(|number| 128 + number)), Some(130));
    wait_until_none_runs(&lab.program());
}

#[test]
fn a_walk_ends_with_its_terminal() {
    let Some(lab) = stage() else { return };
    let Some(mut terminal) = begin(&lab, "uts", &[], (80, 24)) else { return };
    terminal.wait_for_step(1, 6);
    terminal.close();
    assert!(!terminal.end().success());
    wait_until_none_runs(&lab.program());
}

#[test]
fn a_walk_can_be_suspended_and_taken_up_again() {
    let Some(lab) = stage() else { return };
    let Some(run) = on_a_terminal(&lab, &[]) else { return };
    let bash =
        run.instead("setsid", &["--ctty", "--wait", "bash", "--norc", "--noprofile", "-i"]).env("PS1", "prompt> ");
    let mut terminal = Terminal::start(&bash, (80, 24));
    terminal.wait_for("prompt> ");
    terminal.press(&format!("{} lesson uts --no-questions\r", lab.program().display()));
    terminal.wait_for_step(1, 6);
    terminal.press("\u{1a}");
    terminal.wait_for("Stopped");
    terminal.wait_for("prompt> ");
    terminal.press("echo is it \"sa\"ne\r");
    terminal.wait_for("is it sane");
    terminal.press("fg\r");
    terminal.wait_for_step(1, 6);
    terminal.press("\r");
    terminal.wait_for("2/6 ");
    terminal.wait_for_step(2, 6);
    terminal.press("q");
    terminal.wait_for("prompt> ");
    terminal.press("exit\r");
    terminal.end();
    wait_until_none_runs(&lab.program());
}

#[test]
fn to_wait_for_a_key_costs_no_time_of_a_processor() {
    /// How often it is looked whether they have.
    const RESTS: usize = 20;
    let Some(lab) = stage() else { return };
    let Some(mut terminal) = begin(&lab, "pid", &[], (80, 24)) else { return };
    terminal.wait_for_step(1, 8);
    let spent = |lab: &Lab| -> Vec<(i32, String)> {
        let spent = |pid: &i32| {
            let stat = crate::support::read_text(format!("/proc/{pid}/stat")).unwrap();
            // Times switched by will and against it tell more than ticks of a hundredth of a second.
            let status = crate::support::read_text(format!("/proc/{pid}/status")).unwrap();
            let switches = status.lines().filter(|line| line.contains("ctxt_switches")).collect::<String>();
            (
                *pid,
                format!(
                    "{:?} {switches}",
                    stat.rsplit(')').next().unwrap().split(' ').skip(12).take(2).collect::<Vec<_>>()
                ),
            )
        };
        processes_of(&lab.program()).iter().map(spent).collect()
    };
    // Until all have come to rest after the step, which may take a moment where others want the CPUs.
    let mut before = Vec::new();
    for _ in 0..RESTS {
        let now = spent(&lab);
        if now == before {
            break;
        }
        before = now;
        terminal.listen_for(Duration::from_millis(300));
    }
    terminal.listen_for(Duration::from_millis(1500));
    assert_eq!(spent(&lab), before, "processor time and context switches of each process");
    terminal.press("q");
    terminal.end();
}

#[test]
fn a_walk_goes_on_by_itself_where_it_is_told_to() {
    let Some(lab) = stage() else { return };
    let Some(mut terminal) = begin(&lab, "uts", &["--auto", "100ms"], (80, 24)) else { return };
    terminal.wait_for("6/6 ");
    terminal.wait_for("What this lesson showed");
    assert!(terminal.end().success());
}

#[test]
fn without_a_pause_a_lesson_on_a_terminal_is_told_straight_through() {
    let Some(lab) = stage() else { return };
    let Some(mut terminal) = begin(&lab, "uts", &["--no-pause"], (80, 24)) else { return };
    terminal.wait_for("nothing left behind");
    assert!(terminal.end().success());
    assert!(!terminal.screen().contains("step 1 of 6"));
}

#[test]
fn wrong_options_of_a_walk_are_wrong_usage() {
    let lab = lab();
    for args in [&["--auto", "soon"][..], &["--auto", "4s", "--no-pause"], &["--auto", "-1s"]] {
        lab.run(["lesson", "uts"].iter().chain(args)).end().must_be(2);
    }
}

#[test]
fn the_notes_follow_a_walk_on_another_terminal() {
    // They follow the walk that was begun last, and other tests walk as well.
    let Some(lab) = stage_alone() else { return };
    let Some(mut walk) = begin(&lab, "uts", &[], (80, 24)) else { return };
    walk.wait_for_step(1, 6);
    let Some(notes) = on_a_terminal(&lab, &["notes", "uts"]) else { return };
    let mut notes = Terminal::start(&notes, (80, 24));
    notes.wait_for("1/6 ");
    notes.wait_for("min planned up to here");
    walk.press("\r");
    notes.wait_for("2/6 ");
    notes.wait_for("on time");
    walk.wait_for_step(2, 6);
    walk.press("g5");
    notes.wait_for("5/6 ");
    walk.wait_for_step(5, 6);
    // Those of another lesson are not followed, and told at once.
    assert!(lab.run(["notes", "net"]).end().must_be(0).stdout.contains("8/8 "));
    walk.press("q");
    notes.wait_for("the lesson is over");
    assert!(walk.end().success() && notes.end().success());
    // Nobody walks now: so all of them.
    assert!(lab.run(["notes", "uts"]).end().must_be(0).stdout.contains("6/6 "));
}

#[test]
fn a_lesson_that_this_machine_cannot_show_to_its_end_ends_there_on_a_walk_too() {
    let Some(lab) = stage() else { return };
    // One PID namespace, which is the stage: a lesson all of whose facts take another one ends in its first step.
    let machine = "echo 1 > /proc/sys/user/max_pid_namespaces && exec \"$0\" lesson shared-net --no-questions";
    let run = crate::errors::as_root_of_nothing(&lab, machine).under(&["setsid", "--ctty", "--wait"]);
    let mut terminal = Terminal::start(&run.env("TERM", "xterm"), (80, 24));
    terminal.wait_for("user.max_pid_namespaces");
    terminal.wait_for("skipped");
    terminal.wait_for("nothing left behind");
    assert_eq!(terminal.end().code(), Some(3));
}

#[test]
fn a_step_that_this_machine_cannot_show_keeps_its_number_on_a_walk() {
    let Some(lab) = stage() else { return };
    let machine = "echo 1 > /proc/sys/user/max_uts_namespaces && exec \"$0\" lesson uts --no-questions";
    let run = crate::errors::as_root_of_nothing(&lab, machine).under(&["setsid", "--ctty", "--wait"]);
    let mut terminal = Terminal::start(&run.env("TERM", "xterm"), (80, 24));
    terminal.wait_for_step(1, 6);
    terminal.press("\r");
    terminal.wait_for_step(2, 6);
    terminal.press("\r");
    terminal.wait_for_step(6, 6);
    terminal.press("\r");
    terminal.wait_for("8 skipped");
    assert_eq!(terminal.end().code(), Some(3));
}
