//! PID namespaces: one process, several numbers.

mod borders;
mod end;
mod numbers;
mod steps;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::actors::Actor;
use crate::args;
use crate::error::{Error, Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::observe::ProcessRow;
use crate::stage::Stage;
use crate::transcript::{CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS, NamespaceType, Value};

/// The lesson's card.
pub(super) static LESSON: Lesson = Lesson {
    id: "pid",
    title: "PID namespaces",
    subtitle: "one process, several numbers",
    question: "How can every container have a process number 1, when all of them run on one kernel?",
    man: &["pid_namespaces(7)", "unshare(2)", "kill(2)", "proc(5)"],
    steps: &[
        &steps::WHO_MOVES_IN,
        &steps::A_NUMBER_FOR_EACH_LEVEL,
        &steps::WHAT_PROC_LISTS,
        &steps::SIGNALS_GO_DOWN,
        &steps::ORPHANS,
        &steps::DOWN_NOT_UP,
        &steps::SHARING,
        &steps::WHEN_PID_1_GOES,
    ],
    play,
};

/// A container: who made it, and its first process.
struct Container {
    launcher: Actor,
    first: Actor,
    /// The number that the first process has for itself.
    own: i32,
}

fn play(stage: &Stage) -> Result<()> {
    let inside = [
        &steps::WHO_MOVES_IN,
        &steps::A_NUMBER_FOR_EACH_LEVEL,
        &steps::WHAT_PROC_LISTS,
        &steps::SIGNALS_GO_DOWN,
        &steps::ORPHANS,
        &steps::DOWN_NOT_UP,
    ];
    let made = stage.part(&inside, || a_container(stage))?;

    stage.step(&steps::SHARING)?;
    stage.say(
        "Each type of namespace is a choice of its own. A monitor, for example, should see every process of the machine. It \
         can have its own mounts, host name and message queues, and stay in the host's PID namespace: it leaves out \
         CLONE_NEWPID. The host starts one.",
    );
    stage.or_skip(steps::SHARING.facts, || borders::a_monitor(stage))?;

    stage.step(&steps::WHEN_PID_1_GOES)?;
    stage.or_skip(steps::WHEN_PID_1_GOES.facts, || end::of_the_container(stage, made.shown()?))?;
    Ok(())
}

/// A container from its first process to its own /proc, its signals and its orphans.
fn a_container(stage: &Stage) -> Result<Container> {
    let container = numbers::who_moves_in(stage)?;
    let neighbourhood = numbers::seen_from_above(stage, &container)?;
    numbers::what_proc_lists(stage, &container, &neighbourhood)?;
    borders::signals(stage, &container)?;
    borders::orphans(stage, &container.first)?;
    borders::down_not_up(stage, &container, &neighbourhood.launcher)?;
    Ok(container)
}

fn lists(processes: &[ProcessRow], pid: i32) -> bool {
    processes.iter().any(|process| process.pid == pid)
}
