//! What PID 1 is to its PID namespace.

use super::*;

/// What came of the signals to PID 1.
struct Shots {
    /// How the kernel refused the worker's SIGKILL.
    refused: Option<Errno>,
    /// What PID 1 calls itself after that.
    alive: i32,
    /// How a process ended that got the same signal.
    helper: String,
}

/// Signals to the container's PID 1 from both sides, and its end.
pub(super) fn of_the_container(stage: &Stage, container: &Container) -> Result<()> {
    stage.say(
        "The container is PID 1 of its PID namespace. It starts two more processes, a worker and a helper. All three run as \
         root in there (user ID 0), and root may signal every process that it can name. The worker sends SIGKILL to \
         number 1. A program can neither handle nor ignore this signal.",
    );
    stage.ask()?;
    let worker = container.first.fork("worker")?;
    let shots = from_inside(stage, container, &worker)?;
    from_outside(stage, container, &shots)?;
    let lives = if shots.alive == 1 { "it lives" } else { "it is dead" };
    stage.answer(format!("{}, {lives}", Value::from(shots.refused)))?;
    all_go(stage, container, &worker)
}

/// The worker's signals: to PID 1, and the same to a helper.
fn from_inside(stage: &Stage, container: &Container, worker: &Actor) -> Result<Shots> {
    let first = &container.first;
    let helper = first.fork("helper")?;
    let refused = worker.remark("to PID 1").kill(1, Signal::SIGKILL).refusal()?;
    let alive = first.remark("PID 1 is still there").getpid()?;
    worker.remark("the same signal to the helper").kill(helper.pid_for_parent(), Signal::SIGKILL)?;
    let helper = first.waitpid(helper.pid_for_parent())?.how();
    stage.say(
        "A PID namespace cannot go on without its PID 1, so the kernel protects it. It drops a signal from inside \
         that PID 1 has not prepared for. PID 1 prepares with a handler, or by blocking the signal and waiting for it. \
         SIGKILL allows neither. So kill(2) returns 0, and PID 1 never gets the signal.",
    );
    Ok(Shots { refused, alive, helper })
}

/// The host's signals to PID 1.
fn from_outside(stage: &Stage, container: &Container, shots: &Shots) -> Result<()> {
    let (host, Container { launcher, first, .. }) = (stage.host(), container);
    stage.say(
        "From a PID namespace above, two signals get through in any case: SIGKILL and SIGSTOP. For the others, SIGTERM for \
         one, PID 1 has to prepare as well. The host sends SIGTERM, and then SIGKILL.",
    );
    host.kill(first.pid(), Signal::SIGTERM)?;
    let still_alive = first.remark("SIGTERM from outside: dropped as well").getpid()?;
    host.kill(first.pid(), Signal::SIGKILL)?;
    let end = launcher.waitpid(first.pid_for_parent())?;
    stage.verify(
        &steps::INIT_SHIELD,
        shots.alive == 1
            && shots.helper == "killed by SIGKILL"
            && still_alive == 1
            && end.killed_by() == Some(Signal::SIGKILL),
        evidence![
            "SIGKILL from inside: the helper was",
            &shots.helper,
            "and PID 1 still says",
            Value::Pid(shots.alive),
            "· SIGTERM from outside: it still says",
            Value::Pid(still_alive),
            "· SIGKILL from outside: it was",
            end.how()
        ],
    )
}

/// With PID 1 all others in its namespace are gone, and nobody can be born there.
fn all_go(stage: &Stage, container: &Container, worker: &Actor) -> Result<()> {
    stage.say(
        "No process has sent the worker a signal. The host looks whether it is still there. And the launcher tries to start one \
         more process: as a child of the launcher, it would be in the container's PID namespace.",
    );
    let survivors = stage.list_proc(stage.host())?;
    let refused = container.launcher.fork("late").refusal()?;
    let listed = lists(&survivors, worker.pid());
    stage.verify(
        &steps::INIT_DIES_ALL_DIE,
        !listed && refused == Some(Errno::ENOMEM),
        evidence![
            "the worker,",
            Value::Pid(worker.pid()),
            "to the host, is",
            if listed { "still listed" } else { "no longer listed" },
            "· a new process:",
            refused
        ],
    )
}
