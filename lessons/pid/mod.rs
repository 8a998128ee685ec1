//! PID namespaces: one process, several numbers.

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
        &steps::WHAT_PS_LISTS,
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
    /// The number that each of the two has for itself.
    launchers_own: i32,
    own: i32,
}

fn play(stage: &Stage) -> Result<()> {
    let inside = [
        &steps::WHO_MOVES_IN,
        &steps::A_NUMBER_FOR_EACH_LEVEL,
        &steps::WHAT_PS_LISTS,
        &steps::SIGNALS_GO_DOWN,
        &steps::ORPHANS,
        &steps::DOWN_NOT_UP,
    ];
    let made = stage.part(&inside, || a_container(stage))?;

    stage.step(&steps::SHARING)?;
    stage.say(
        "Isolation is a choice for each type. A monitor needs to see every process, so it may have its own mounts, \
         names and message queues, and still share the host's PID namespace.",
    );
    stage.or_skip(steps::SHARING.facts, || a_monitor(stage))?;

    stage.step(&steps::WHEN_PID_1_GOES)?;
    stage.or_skip(steps::WHEN_PID_1_GOES.facts, || the_end(stage, made.shown()?))?;
    Ok(())
}

/// A container from its first process to its own /proc, its signals and its orphans.
fn a_container(stage: &Stage) -> Result<Container> {
    let container = who_moves_in(stage)?;
    let (launcher2, hosts_view) = seen_from_above(stage, &container)?;
    let unreachable = what_ps_lists(stage, &container, &hosts_view)?;
    signals(stage, &container, unreachable)?;
    orphans(stage, &container.first)?;

    stage.step(&steps::DOWN_NOT_UP)?;
    stage.say(
        "setns(2) lets a process have its children in another PID namespace. But only in its own or one below: who is \
         inside finds no way out.",
    );
    stage.or_skip(&[&steps::ONE_WAY], || {
        let refused = container.first.join(stage.host(), CLONE_NEWPID).refusal()?;
        launcher2.join(&container.first, CLONE_NEWPID)?;
        stage.verify(
            &steps::ONE_WAY,
            refused == Some(Errno::EINVAL),
            evidence!["up:", refused, "and down:", None::<Errno>],
        )
    })?;
    stage.say(
        "Namespaces lie inside of namespaces, and every process has a number on each level, so the kernel sets a \
         bound: 32 levels below the machine's own. One of them is the stage.",
    );
    stage.or_skip(&[&steps::NESTING_32], || nesting(stage))?;
    Ok(container)
}

/// A launcher makes a PID namespace, and its first child is PID 1 there.
fn who_moves_in(stage: &Stage) -> Result<Container> {
    stage.step(&steps::WHO_MOVES_IN)?;
    stage.ask()?;
    stage.say(
        "Programs rely on their process number never changing. So unshare(2) does not move its caller into the new \
         PID namespace: the caller stays, and only its children will be born inside.",
    );
    let launcher = stage.host().fork("launcher")?;
    let outside = launcher.readlink_ns("pid")?;
    launcher.unshare(CLONE_NEWPID)?;
    let pending = launcher.readlink_ns("pid_for_children").refusal()?;
    let stayed = launcher.remark("the launcher is where it was").readlink_ns("pid")?;
    let launchers_own = launcher.remark("and has the number that it had").getpid()?;
    stage.say(
        "The namespace comes to life with its first process. The launcher forks, and the kernel starts to count anew.",
    );
    let first = launcher.remark("its number as the launcher sees it").fork("container")?;
    let for_children = launcher.readlink_ns("pid_for_children")?;
    stage.verify(
        &steps::FOR_CHILDREN,
        pending == Some(Errno::ENOENT) && stayed == outside && for_children != outside,
        evidence!["itself", stayed, "its children", for_children],
    )?;
    let place = if stayed == outside { "the old one" } else { "the new one" };
    let number = if launchers_own == launcher.pid() { "as before".to_owned() } else { format!("as {launchers_own}") };
    stage.answer(format!("{place}, {number}"))?;

    let own = first.getpid()?;
    let parent = first.remark("0: the parent is out of sight").getppid()?;
    stage.verify(
        &steps::ONE_INSIDE,
        own == 1 && parent == 0 && first.pid() != 1,
        evidence!["inside", Value::Pid(own), "outside", Value::Pid(first.pid())],
    )?;
    let uncached = first.getpid_syscall()?;
    stage.verify(
        &steps::GETPID_NOT_CACHED,
        uncached == own && launchers_own == launcher.pid(),
        evidence!["getpid() says", Value::Pid(own), "and the bare system call", Value::Pid(uncached)],
    )?;
    Ok(Container { launcher, first, launchers_own, own })
}

/// The numbers of the container's process, and what the host sees of it and of a neighbour: who made the neighbour, and
/// the host's list.
fn seen_from_above(stage: &Stage, container: &Container) -> Result<(Actor, Vec<ProcessRow>)> {
    let host = stage.host();
    let Container { launcher, first, launchers_own, own } = container;
    stage.step(&steps::A_NUMBER_FOR_EACH_LEVEL)?;
    stage.say(
        "The container's process was not renamed. It has several numbers at once: one in its own namespace, and one in \
         each namespace above. NSpid in /proc/PID/status lists them, from the outermost to the innermost.",
    );
    let numbers = first.nspid()?;
    stage.say(
        "The last is the container's, the one before it the host's. What stands before those is a look through the \
         curtain: the number that your own machine knows this process by, for the stage is a PID namespace itself.",
    );
    stage.verify(
        &steps::NSPID,
        numbers == [first.pid(), *own],
        evidence!["the host knows it as", Value::Pid(first.pid()), "and it knows itself as", Value::Pid(*own)],
    )?;
    stage.say(
        "Seen from above, a process in a container is a process like any other. The host lists it. A second container, \
         started in the same way, is just as visible.",
    );
    let launcher2 = host.start("launcher2")?;
    launcher2.unshare(CLONE_NEWPID)?;
    let neighbour = launcher2.start("neighbour")?;
    let hosts_view = stage.ps(host)?;
    stage.who_is_where(&[host, launcher, first, &neighbour])?;
    let across = neighbour.kill(first.pid(), Signal::SIGCONT).refusal()?;
    stage.verify(
        &steps::PARENT_SEES_CHILD,
        lists(&hosts_view, first.pid()) && lists(&hosts_view, neighbour.pid()) && across == Some(Errno::ESRCH),
        evidence!["the host lists", Value::Pid(first.pid()), "· kill() by the neighbour:", across],
    )?;
    let shares_pid = stage.same_namespace(host, launcher, NamespaceType::Pid)?;
    let parted = !stage.same_namespace(host, first, NamespaceType::Pid)?;
    let shares_uts = stage.same_namespace(host, first, NamespaceType::Uts)?;
    stage.verify(
        &steps::SAME_INODE,
        shares_pid && parted && shares_uts && *launchers_own == launcher.pid() && *own != first.pid(),
        evidence![
            "the launcher calls itself",
            Value::Pid(*launchers_own),
            "and the host calls it",
            Value::Pid(launcher.pid()),
            "· the container calls itself",
            Value::Pid(*own),
            "and the host calls it",
            Value::Pid(first.pid())
        ],
    )?;
    Ok((launcher2, hosts_view))
}

/// The container's list with the host's proc and with its own: how the kernel answered a signal to a number that only
/// the first has.
fn what_ps_lists(stage: &Stage, container: &Container, hosts_view: &[ProcessRow]) -> Result<Option<Errno>> {
    let Container { launcher, first, .. } = container;
    stage.step(&steps::WHAT_PS_LISTS)?;
    stage.ask()?;
    stage.say(
        "No system call lists processes: ps(1) reads /proc. And /proc is a mount, made by the host, that \
         shows the PID namespace of whoever mounted it. So the container still sees everybody.",
    );
    let stale = stage.ps(first)?;
    stage.say(
        "It cannot signal them, though. For a number that it reads there, the kernel finds no process in its own \
         namespace:",
    );
    let unreachable = first.kill(launcher.pid(), Signal::SIGTERM).refusal()?;
    stage.or_skip(&[&steps::STALE_PROC], || {
        stage.say("The cure is a proc of its own, mounted over the old one in a mount namespace of its own.");
        first.unshare(CLONE_NEWNS)?;
        first.remark("keep what follows to ourselves").mount_private()?;
        first.mount_proc("/proc")?;
        let fresh = stage.ps(first)?;
        stage.verify(
            &steps::STALE_PROC,
            lists(&stale, launcher.pid()) && fresh == [row(1, 0, "container")],
            evidence![stale.len(), "processes before,", fresh.len(), "after"],
        )?;
        stage.answer(if stale == hosts_view {
            "the host's list".to_owned()
        } else if commands(&stale) == commands(hosts_view) {
            "the host's list, renumbered".to_owned()
        } else {
            stale.iter().map(|process| format!("{} {}", process.pid, process.command)).collect::<Vec<_>>().join(", ")
        })
    })?;
    Ok(unreachable)
}

/// What crosses the container's border: signals in one direction, and the kernel's word of who sent a letter.
fn signals(stage: &Stage, container: &Container, unreachable: Option<Errno>) -> Result<()> {
    let host = stage.host();
    let Container { first, own, .. } = container;
    stage.step(&steps::SIGNALS_GO_DOWN)?;
    stage.ask()?;
    stage.say(
        "A process can signal only what has a number in its own namespace. From above that is everything below; from \
         below, nothing above. The container starts a worker, and the host ends it.",
    );
    let worker = first.fork("worker")?;
    host.remark("the worker's number on the host").kill(worker.pid(), Signal::SIGTERM)?;
    let end = first.waitpid(worker.pid_for_parent())?;
    stage.verify(
        &steps::SIGNAL_DOWN_ONLY,
        unreachable == Some(Errno::ESRCH) && end.killed_by() == Some(Signal::SIGTERM),
        evidence!["down: the worker was", end.how(), "· up:", unreachable],
    )?;
    stage.say(
        "Where a number does cross the border, the kernel translates it. The container writes a letter to the host, \
         and the kernel puts the sender on it, by the number that the reader knows.",
    );
    let mailbox = host.open_mailbox("/tmp/mailbox")?;
    first.write_to_mailbox("/tmp/mailbox", "this is process 1")?;
    let sender = host.read_mailbox(mailbox)?;
    stage.verify(
        &steps::CREDS_TRANSLATED,
        sender == first.pid() && sender != *own,
        evidence!["sent by", Value::Pid(*own), "and received from", Value::Pid(sender)],
    )?;
    stage.answer(if sender == first.pid() { "the host's number".to_owned() } else { sender.to_string() })
}

/// A child of the container's loses its parent.
fn orphans(stage: &Stage, container: &Actor) -> Result<()> {
    stage.step(&steps::ORPHANS)?;
    stage.say(
        "When a process ends, its children get a new parent: the PID 1 of their namespace, not that of the machine \
         (unless a process in between has asked for them). It has to wait for them in its turn, or they stay as \
         zombies. This is why a container's first program matters, and why docker has --init.",
    );
    let parent = container.fork("parent")?;
    let orphan = parent.fork("orphan")?;
    let before = orphan.remark("its parent lives").getppid()?;
    parent.remark("which never returns").exit()?;
    container.waitpid(parent.pid_for_parent())?;
    let after = orphan.remark("its parent is gone").getppid()?;
    orphan.exit()?;
    let reaped = container.remark("not its own child, and yet").waitpid(orphan.pid_for_parent())?;
    stage.verify(
        &steps::ORPHANS_TO_INIT,
        before == parent.pid_for_parent() && after == 1 && reaped.pid == orphan.pid_for_parent(),
        evidence!["parent before", Value::Pid(before), "and after", Value::Pid(after)],
    )
}

/// The bound on nesting: each level made by the first process of the one before.
fn nesting(stage: &Stage) -> Result<()> {
    /// `MAX_PID_NS_LEVEL` of the kernel.
    const DEEPEST: usize = 32;
    let (made, refused) = stage.host().nest_pid_namespaces()?;
    let levels = made + 1;
    // This machine lies in PID namespaces itself, or has a limit on their number.
    if levels < DEEPEST
        && let Some(errno) = refused
    {
        return Err(Error::refused("clone", args![CLONE_NEWPID, format!("{made} levels down")], errno));
    }
    stage.verify(
        &steps::NESTING_32,
        refused == Some(Errno::ENOSPC) && levels == DEEPEST,
        evidence![made, "more below the stage make", levels, "and then", refused],
    )
}

/// A container without a PID namespace of its own.
fn a_monitor(stage: &Stage) -> Result<()> {
    let host = stage.host();
    let monitor = host.start("monitor")?;
    monitor.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)?;
    let hosts_view = host.processes()?;
    let monitors_view = stage.ps(&monitor)?;
    stage.verify(
        &steps::HOST_SHARED,
        monitors_view == hosts_view && stage.same_namespace(host, &monitor, NamespaceType::Pid)?,
        evidence!["the host lists", hosts_view.len(), "processes, the monitor", monitors_view.len()],
    )
}

/// The container's PID 1 ends.
fn the_end(stage: &Stage, container: &Container) -> Result<()> {
    let host = stage.host();
    let Container { launcher, first, .. } = container;
    stage.ask()?;
    stage.say(
        "PID 1 is the one process that its namespace cannot do without, so the kernel shields it: from inside, only \
         signals that it has a handler for arrive. Not even SIGKILL does. kill(2) returns 0, and nothing happens.",
    );
    let last = first.fork("worker")?;
    last.kill(1, Signal::SIGTERM)?;
    let shot = last.remark("sent, and thrown away").kill(1, Signal::SIGKILL).refusal()?;
    let alive = first.remark("PID 1 is still there").getpid()?;
    stage.say(
        "Against the parent namespace the shield does not hold: a SIGKILL from there arrives. The host ends it, and \
         the kernel ends the rest.",
    );
    host.kill(first.pid(), Signal::SIGKILL)?;
    let end = launcher.waitpid(first.pid_for_parent())?;
    stage.verify(
        &steps::INIT_SHIELD,
        alive == 1 && end.killed_by() == Some(Signal::SIGKILL),
        evidence!["after SIGKILL from inside it answers as", Value::Pid(alive), "· from outside:", end.how()],
    )?;
    let lives = if alive == 1 { "it lives" } else { "it is dead" };
    stage.answer(format!("{}, {lives}", Value::from(shot)))?;
    stage.wait_until_gone(&last);
    let survivors = stage.ps(host)?;
    let refused = launcher.fork("late").refusal()?;
    let listed = lists(&survivors, last.pid());
    stage.verify(
        &steps::INIT_DIES_ALL_DIE,
        !listed && refused == Some(Errno::ENOMEM),
        evidence![
            if listed { "the host still lists" } else { "the host no longer lists" },
            Value::Pid(last.pid()),
            "· fork():",
            refused
        ],
    )
}

fn lists(processes: &[ProcessRow], pid: i32) -> bool {
    processes.iter().any(|process| process.pid == pid)
}

fn row(pid: i32, ppid: i32, command: &str) -> ProcessRow {
    ProcessRow { pid, ppid, command: command.to_owned() }
}

fn commands(processes: &[ProcessRow]) -> Vec<&str> {
    processes.iter().map(|process| process.command.as_str()).collect()
}
