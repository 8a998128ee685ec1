//! PID namespaces: one process, several numbers.

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::error::{Error, Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::lessons::notes;
use crate::stage::{Actor, CLONE_NEWIPC, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUTS, Effect, Stage};
use crate::transcript::{Kind, ProcessRow, Value};

/// The lesson's card.
pub(super) const LESSON: Lesson = Lesson {
    id: "pid",
    title: "PID namespaces",
    subtitle: "one process, several numbers",
    question: "How can every container have a process number 1, when all of them run on one kernel?",
    minutes: 15,
    steps: 8,
    needs: &[
        (Effect::Pid, INSIDE),
        (Effect::Pid, AT_THE_END),
        (Effect::Mnt, &["pid-stale-proc", "pid-host-shared"]),
        (Effect::Uts, &["pid-host-shared"]),
        (Effect::Ipc, &["pid-host-shared"]),
        (Effect::NestedPid, &["pid-nesting-32"]),
        (Effect::Proc, &["pid-stale-proc"]),
        (Effect::Setns, &["pid-one-way"]),
        (Effect::Several, &[]),
    ],
    man: &["pid_namespaces(7)", "unshare(2)", "kill(2)", "proc(5)"],
    facts: &[
        "pid-for-children",
        "pid-one-inside",
        "pid-getpid-not-cached",
        "pid-nspid",
        "pid-parent-sees-child",
        "ns-same-inode",
        "pid-stale-proc",
        "pid-signal-down-only",
        "pid-creds-translated",
        "pid-orphans-to-init",
        "pid-one-way",
        "pid-nesting-32",
        "pid-host-shared",
        "pid-init-shield",
        "pid-init-dies-all-die",
    ],
    notes: notes::pid::NOTES,
    play,
};

/// The facts that take a container with a PID namespace of its own.
const INSIDE: &[&str] = &[
    "pid-for-children",
    "pid-one-inside",
    "pid-getpid-not-cached",
    "pid-nspid",
    "pid-parent-sees-child",
    "ns-same-inode",
    "pid-stale-proc",
    "pid-signal-down-only",
    "pid-creds-translated",
    "pid-orphans-to-init",
    "pid-one-way",
    "pid-nesting-32",
];

/// The facts about the end of that container.
const AT_THE_END: &[&str] = &["pid-init-shield", "pid-init-dies-all-die"];

fn play(stage: &Stage) -> Result<()> {
    stage.has_steps(LESSON.steps);

    let inside = stage.or_skip_steps(6, INSIDE, || a_container(stage))?;
    a_monitor(stage)?;

    stage.step("When PID 1 goes, all go");
    match inside {
        Some((launcher, container)) => stage.or_skip(AT_THE_END, || the_end(stage, &launcher, &container)).map(drop)?,
        None => stage.skip_as_well(AT_THE_END),
    }
    stage.by_hand("unshare --user --map-root-user --pid --fork sh -c 'kill -KILL $$; echo still here'");
    Ok(())
}

/// A container from its first process to its own /proc, its signals and its orphans: who made it, and its first process.
fn a_container(stage: &Stage) -> Result<(Actor, Actor)> {
    let host = stage.host();
    stage.step("Who moves in");
    let question = stage.ask(
        "pid-unshare",
        "A launcher calls unshare(CLONE_NEWPID), and the kernel answers 0. In which PID namespace is the launcher then?",
        &["in the new one, as its process 1", "in the old one, as before", "in the new one, under its old number"],
    );
    stage.say(
        "Programs rely on their process number never changing. So unshare(2) does not move its caller into the new \
         PID namespace: the caller stays, and only its children will be born inside.",
    );
    let launcher = host.fork("launcher")?;
    let outside = launcher.readlink_ns("pid")?;
    launcher.unshare(CLONE_NEWPID)?;
    let pending = launcher.readlink_ns("pid_for_children").refusal()?;
    let stayed = launcher.note("the launcher is where it was").readlink_ns("pid")?;
    let launchers_own = launcher.note("and has the number that it had").getpid()?;
    stage.say(
        "The namespace comes to life with its first process. The launcher forks, and the kernel starts to count anew.",
    );
    let container = launcher.note("its number as the launcher sees it").fork("container")?;
    let for_children = launcher.readlink_ns("pid_for_children")?;
    stage.verify(
        "pid-for-children",
        "unshare(CLONE_NEWPID) leaves the caller where it is; its children go to the new namespace.",
        pending == Some(Errno::ENOENT) && stayed == outside && for_children != outside,
        evidence!["itself", stayed, "its children", for_children],
    );
    stage.answer(
        question,
        &[
            stayed != outside && launchers_own == 1,
            stayed == outside,
            stayed != outside && launchers_own == launcher.pid(),
        ],
        "A process keeps its PID namespace and its numbers for life; what changed is where its children are born.",
    );
    let inside = container.getpid()?;
    let parent = container.note("0: the parent is out of sight").getppid()?;
    stage.verify(
        "pid-one-inside",
        "The first process in a new PID namespace is PID 1 there, and has another number outside.",
        inside == 1 && parent == 0 && container.pid() != 1,
        evidence!["inside", Value::Pid(inside), "outside", Value::Pid(container.pid())],
    );
    let uncached = container.getpid_syscall()?;
    stage.verify(
        "pid-getpid-not-cached",
        "getpid() asks the kernel each time; the C library keeps no copy of the parent's answer.",
        uncached == inside && launchers_own == launcher.pid(),
        evidence!["getpid() says", Value::Pid(inside), "and the bare system call", Value::Pid(uncached)],
    );
    stage.by_hand("unshare --user --map-root-user --pid --fork sh -c 'echo I am process $$'");

    stage.step("One process, a number for each level");
    stage.say(
        "The container's process was not renamed. It has several numbers at once: one in its own namespace, and one in \
         each namespace above. NSpid in /proc/PID/status lists them, from the outermost to the innermost.",
    );
    let numbers = container.nspid()?;
    stage.say(
        "The last is the container's, the one before it the host's. What stands before those is a look through the \
         curtain: the number that your own machine knows this process by, for the stage is a PID namespace itself.",
    );
    stage.verify(
        "pid-nspid",
        "NSpid lists one number for each level.",
        numbers == [container.pid(), inside],
        evidence!["the host knows it as", Value::Pid(container.pid()), "and it knows itself as", Value::Pid(inside)],
    );
    stage.by_hand("unshare --user --map-root-user --pid --fork grep NSpid /proc/self/status");
    stage.say(
        "Seen from above, a process in a container is a process like any other. The host lists it. A second container, \
         started in the same way, is just as visible.",
    );
    let launcher2 = host.start("launcher2")?;
    launcher2.unshare(CLONE_NEWPID)?;
    let neighbour = launcher2.start("neighbour")?;
    let hosts_view = stage.ps(host)?;
    stage.who_is_where(&[host, &launcher, &container, &neighbour])?;
    let across = neighbour.kill(container.pid(), Signal::SIGCONT).refusal()?;
    stage.verify(
        "pid-parent-sees-child",
        "The parent namespace sees the child's processes; siblings do not see each other's.",
        lists(&hosts_view, container.pid()) && lists(&hosts_view, neighbour.pid()) && across == Some(Errno::ESRCH),
        evidence!["the host lists", Value::Pid(container.pid()), "· kill() by the neighbour:", across],
    );
    let shares_pid = stage.same_namespace(host, &launcher, Kind::Pid)?;
    let parted = !stage.same_namespace(host, &container, Kind::Pid)?;
    let shares_uts = stage.same_namespace(host, &container, Kind::Uts)?;
    stage.verify(
        "ns-same-inode",
        "Two processes are in the same namespace exactly when /proc/PID/ns shows the same inode.",
        shares_pid && parted && shares_uts && launchers_own == launcher.pid() && inside != container.pid(),
        evidence![
            "the launcher calls itself",
            Value::Pid(launchers_own),
            "and the host calls it",
            Value::Pid(launcher.pid()),
            "· the container calls itself",
            Value::Pid(inside),
            "and the host calls it",
            Value::Pid(container.pid())
        ],
    );

    stage.step("What ps lists in there");
    let question = stage.ask(
        "pid-ps",
        "The container is process 1 of its own PID namespace. What does its ps list?",
        &[
            "itself alone, as 1",
            "all of the host's, under numbers of its own",
            "all of the host's, under the host's numbers",
        ],
    );
    stage.say(
        "No system call lists processes: ps(1) reads /proc. And /proc is a mount, made by the host, that \
         shows the PID namespace of whoever mounted it. So the container still sees everybody.",
    );
    let stale = stage.ps(&container)?;
    stage.say("It cannot signal them, though. For a number that it reads there, the kernel finds no process in its own namespace:");
    let unreachable = container.kill(launcher.pid(), Signal::SIGTERM).refusal()?;
    stage.or_skip(&["pid-stale-proc"], || {
        stage.say("The cure is a proc of its own, mounted over the old one in a mount namespace of its own.");
        container.unshare(CLONE_NEWNS)?;
        container.note("keep what follows to ourselves").mount_private()?;
        container.mount_proc("/proc")?;
        let fresh = stage.ps(&container)?;
        stage.verify(
            "pid-stale-proc",
            "A new PID namespace with the old /proc still lists the host's processes; a new proc cures that.",
            lists(&stale, launcher.pid()) && fresh == [row(1, 0, "container")],
            evidence![stale.len(), "processes before,", fresh.len(), "after"],
        );
        stage.answer(
            question,
            &[
                stale == [row(1, 0, "container")],
                stale.len() == hosts_view.len() && stale != hosts_view,
                stale == hosts_view,
            ],
            "What ps lists is what /proc lists, and until the container mounted its own, that was the host's.",
        );
        Ok(())
    })?;
    stage.by_hand("unshare --user --map-root-user --pid --fork --mount-proc ps -eo pid,ppid,comm");
    stage.by_hand_with_docker("docker run --rm alpine ps");

    stage.step("Signals go down, never up");
    let question = stage.ask(
        "pid-sender",
        "In this step the container, process 1 to itself, also writes to the host. Which number does the host get for \
         the sender?",
        &[
            "the one that it knows the container by",
            "1, as the container calls itself",
            "0, for a sender from elsewhere",
        ],
    );
    stage.say(
        "A process can signal only what has a number in its own namespace. From above that is everything below; from \
         below, nothing above. The container starts a worker, and the host ends it.",
    );
    let worker = container.fork("worker")?;
    host.note("the worker's number on the host").kill(worker.pid(), Signal::SIGTERM)?;
    let end = container.waitpid(worker.pid_for_parent())?;
    stage.verify(
        "pid-signal-down-only",
        "kill(2) reaches down from the parent namespace; for an outer number it is ESRCH.",
        unreachable == Some(Errno::ESRCH) && end.killed_by.as_deref() == Some("SIGTERM"),
        evidence!["down: the worker was", end.how(), "· up:", unreachable],
    );
    stage.by_hand(
        "unshare --user --map-root-user --pid --fork sh -c \"kill -0 $$ 2>/dev/null || echo no such process\"",
    );
    stage.say(
        "Where a number does cross the border, the kernel translates it. The container writes a letter to the host, \
         and the kernel puts the sender on it, by the number that the reader knows.",
    );
    let mailbox = host.open_mailbox("/tmp/mailbox")?;
    container.write_to_mailbox("/tmp/mailbox", "this is process 1")?;
    let sender = host.read_mailbox(mailbox)?;
    stage.verify(
        "pid-creds-translated",
        "Credentials over a Unix socket carry the sender's number as the receiver's namespace knows it.",
        sender == container.pid() && sender != inside,
        evidence!["sent by", Value::Pid(inside), "and received from", Value::Pid(sender)],
    );
    stage.answer(
        question,
        &[sender == container.pid(), sender == inside, sender == 0],
        "The kernel keeps a reference to the process, and makes a number of it only for the one who reads.",
    );

    stage.step("Orphans come to PID 1");
    stage.say(
        "When a process ends, its children get a new parent: the PID 1 of their namespace, not that of the machine \
         (unless a process in between has asked for them). It has to wait for them in its turn, or they stay as zombies. This is why a container's first program \
         matters, and why docker has --init.",
    );
    let parent = container.fork("parent")?;
    let orphan = parent.fork("orphan")?;
    let before = orphan.note("its parent lives").getppid()?;
    parent.note("which never returns").exit()?;
    container.waitpid(parent.pid_for_parent())?;
    let after = orphan.note("its parent is gone").getppid()?;
    orphan.exit()?;
    let reaped = container.note("not its own child, and yet").waitpid(orphan.pid_for_parent())?;
    stage.verify(
        "pid-orphans-to-init",
        "An orphan is adopted by its namespace's PID 1, which has to reap it.",
        before == parent.pid_for_parent() && after == 1 && reaped.pid == orphan.pid_for_parent(),
        evidence!["parent before", Value::Pid(before), "and after", Value::Pid(after)],
    );
    stage.by_hand("unshare --user --map-root-user --pid --fork --mount-proc sh -c '(sleep 9 &); ps -eo pid,ppid'");

    stage.step("Down, not up, and not for ever");
    stage.say(
        "setns(2) lets a process have its children in another PID namespace. But only in its own or one below: who is \
         inside finds no way out.",
    );
    stage.or_skip(&["pid-one-way"], || {
        let refused = container.join(host, CLONE_NEWPID).refusal()?;
        launcher2.join(&container, CLONE_NEWPID)?;
        stage.verify(
            "pid-one-way",
            "setns(2) into an ancestor's PID namespace is EINVAL.",
            refused == Some(Errno::EINVAL),
            evidence!["up:", refused, "and down:", None::<Errno>],
        );
        Ok(())
    })?;
    stage.by_hand(
        "unshare --user --map-root-user --pid --fork --mount-proc sh -c 'exec 3</proc/self/ns/pid; \
         unshare --pid --fork nsenter --pid=/proc/self/fd/3 true || echo refused'",
    );
    stage.say(
        "Namespaces lie inside of namespaces, and every process has a number on each level, so the kernel sets a \
         bound: 32 levels below the machine's own. One of them is the stage.",
    );
    stage.or_skip(&["pid-nesting-32"], || nesting(stage, host))?;
    stage.by_hand("unshare --user --map-root-user $(yes 'unshare --pid --fork' | head -n 33) true || echo too deep");
    Ok((launcher, container))
}

/// A container without a PID namespace of its own.
fn a_monitor(stage: &Stage) -> Result<()> {
    let host = stage.host();
    stage.step("Sharing it all the same");
    stage.say(
        "Isolation is a choice for each type. A monitor needs to see every process, so it may have its own mounts, \
         names and message queues, and still share the host's PID namespace.",
    );
    stage.or_skip(&["pid-host-shared"], || {
        let monitor = host.start("monitor")?;
        monitor.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)?;
        let hosts_view = host.processes()?;
        let monitors_view = stage.ps(&monitor)?;
        stage.verify(
            "pid-host-shared",
            "A container that shares the host's PID namespace lists every process of the host.",
            monitors_view == hosts_view && stage.same_namespace(host, &monitor, Kind::Pid)?,
            evidence!["the host lists", hosts_view.len(), "processes, the monitor", monitors_view.len()],
        );
        Ok(())
    })?;
    stage.by_hand("unshare --user --map-root-user --mount --uts --ipc ps -eo pid,ppid,comm | head -n 4");
    stage.by_hand_with_docker("docker run --rm --pid=host alpine ps");
    Ok(())
}

/// The container's PID 1 ends.
fn the_end(stage: &Stage, launcher: &Actor, container: &Actor) -> Result<()> {
    let host = stage.host();
    let question = stage.ask(
        "pid-shield",
        "A worker in the container is root there and sends SIGKILL to PID 1 of the container. What comes of it?",
        &["kill(2) returns 0, and PID 1 is dead", "kill(2) returns 0, and PID 1 lives", "kill(2) is refused: EPERM"],
    );
    stage.say(
        "PID 1 is the one process that its namespace cannot do without, so the kernel shields it: from inside, only \
         signals that it has a handler for arrive. Not even SIGKILL does. kill(2) returns 0, and nothing happens.",
    );
    let last = container.fork("worker")?;
    last.kill(1, Signal::SIGTERM)?;
    let shot = last.note("sent, and thrown away").kill(1, Signal::SIGKILL).refusal()?;
    let alive = container.note("PID 1 is still there").getpid()?;
    stage.say("Against the parent namespace the shield does not hold: a SIGKILL from there arrives. The host ends it, and the \
         kernel ends the rest.");
    host.kill(container.pid(), Signal::SIGKILL)?;
    let end = launcher.waitpid(container.pid_for_parent())?;
    stage.verify(
        "pid-init-shield",
        "PID 1 is safe from SIGKILL from inside, and not from outside.",
        alive == 1 && end.killed_by.as_deref() == Some("SIGKILL"),
        evidence!["after SIGKILL from inside it answers as", Value::Pid(alive), "· from outside:", end.how()],
    );
    stage.answer(
        question,
        &[shot.is_none() && alive != 1, shot.is_none() && alive == 1, shot == Some(Errno::EPERM)],
        "The worker may send it, but from inside of its namespace PID 1 gets no signal that it has no handler for.",
    );
    stage.wait_until_gone(&last);
    let survivors = stage.ps(host)?;
    let refused = launcher.fork("late").refusal()?;
    stage.verify(
        "pid-init-dies-all-die",
        "When PID 1 ends, the kernel kills all others in the namespace, and no process can be born there.",
        !lists(&survivors, last.pid()) && refused == Some(Errno::ENOMEM),
        evidence![
            if lists(&survivors, last.pid()) { "the host still lists" } else { "the host no longer lists" },
            Value::Pid(last.pid()),
            "· fork():",
            refused
        ],
    );
    Ok(())
}

/// The bound on nesting: each level made by the first process of the one before.
fn nesting(stage: &Stage, host: &Actor) -> Result<()> {
    /// `MAX_PID_NS_LEVEL` of the kernel.
    const DEEPEST: usize = 32;
    let (made, refused) = host.nest_pid_namespaces()?;
    let levels = made + 1;
    // This machine lies in PID namespaces itself, or has a limit on their number.
    if levels < DEEPEST
        && let Some(errno) = refused
    {
        return Err(Error::refused("clone", format!("clone(CLONE_NEWPID), {made} levels down"), errno));
    }
    stage.verify(
        "pid-nesting-32",
        "PID namespaces nest to a depth of 32; one deeper is ENOSPC.",
        refused == Some(Errno::ENOSPC) && levels == DEEPEST,
        evidence![made, "more below the stage make", levels, "and then", refused],
    );
    Ok(())
}

fn lists(processes: &[ProcessRow], pid: i32) -> bool {
    processes.iter().any(|process| process.pid == pid)
}

fn row(pid: i32, ppid: i32, command: &str) -> ProcessRow {
    ProcessRow { pid, ppid, command: command.to_owned() }
}
