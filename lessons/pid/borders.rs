//! What crosses the border of a PID namespace, and in which direction.

use super::*;

/// Signals in one direction, and the kernel's word of who sent a message.
pub(super) fn signals(stage: &Stage, container: &Container) -> Result<()> {
    let host = stage.host();
    let Container { launcher, first, own } = container;
    stage.step(&steps::SIGNALS_GO_DOWN)?;
    stage.say(
        "kill(2) sends a signal to the process with a certain number. The kernel looks the number up in the PID namespace of \
         the caller. In step 3 the container has read the launcher's number in the host's /proc. It tries to end the launcher \
         with this number (SIGTERM).",
    );
    let unreachable = first.remark("ESRCH: no process has this number in here").kill(launcher.pid(), Signal::SIGTERM);
    let unreachable = unreachable.refusal()?;
    stage.say(
        "So the container can read what the old /proc lists, but it cannot signal by these numbers. Of these, only 1 exists in the \
         container, and there it means the container itself. The other way round it works: each process of the container has a \
         number on the host. The container starts a worker, and the host ends the worker.",
    );
    let worker = first.remark("the worker's number in the container").fork("worker")?;
    host.remark("the worker's number on the host").kill(worker.pid(), Signal::SIGTERM)?;
    let end = first.waitpid(worker.pid_for_parent())?;
    stage.verify(
        &steps::SIGNAL_DOWN_ONLY,
        unreachable == Some(Errno::ESRCH) && end.killed_by() == Some(Signal::SIGTERM),
        evidence!["host to worker:", end.how(), "· container to launcher:", unreachable],
    )?;
    stage.say(
        "Sometimes the kernel itself hands over a process's number. A Unix socket carries messages between processes of one \
         machine. Its owner may ask the kernel to add the sender's number to each message (SO_PASSCRED). The host has \
         opened such a socket at /tmp/mailbox. The container, process 1 to itself, sends a message there.",
    );
    stage.ask()?;
    let mailbox = host.open_mailbox("/tmp/mailbox")?;
    first.write_to_mailbox("/tmp/mailbox", "this is process 1")?;
    let sender = host.read_mailbox(mailbox)?;
    stage.verify(
        &steps::CREDS_TRANSLATED,
        sender == first.pid() && sender != *own,
        evidence!["to itself the sender is", Value::Pid(*own), "· the host received", Value::Pid(sender)],
    )?;
    stage.answer(if sender == first.pid() { "the host's number".to_owned() } else { sender.to_string() })?;
    stage.say("In the command below, kill -0 sends nothing: it only checks the number. The ! marks what should fail.");
    Ok(())
}

/// A child of the container's loses its parent.
pub(super) fn orphans(stage: &Stage, container: &Actor) -> Result<()> {
    stage.step(&steps::ORPHANS)?;
    stage.say(
        "A process that has ended stays in the list of processes, as a zombie, until its parent has waited for it: waitpid(2) \
         tells the parent how its child ended. If the parent ends first, the child is an orphan and gets a new parent. \
         That is PID 1 of the PID namespace that the dead parent was in, unless a process in between has asked for orphans \
         (PR_SET_CHILD_SUBREAPER in prctl(2)).",
    );
    stage.say(
        "The container starts a process called parent, and that one starts a process called orphan. Then parent ends.",
    );
    let parent = container.fork("parent")?;
    let orphan = parent.fork("orphan")?;
    let before = orphan.remark("its parent lives").getppid()?;
    parent.remark("which never returns").exit()?;
    container.waitpid(parent.pid_for_parent())?;
    let after = orphan.remark("its parent is gone").getppid()?;
    orphan.exit()?;
    let reaped = container.remark("the container did not start this one").waitpid(orphan.pid_for_parent())?;
    stage.verify(
        &steps::ORPHANS_TO_INIT,
        before == parent.pid_for_parent() && after == 1 && reaped.pid == orphan.pid_for_parent(),
        evidence!["the orphan's parent before:", Value::Pid(before), "· after:", Value::Pid(after)],
    )?;
    stage.say(
        "So the first program in a container has work that few programs expect: it has to wait for children that it never \
         started. With docker run --init, docker puts a small program there that does this.",
    );
    Ok(())
}

/// Which PID namespaces a process may choose for its children, and how deep they nest.
pub(super) fn down_not_up(stage: &Stage, container: &Container, launcher2: &Actor) -> Result<()> {
    stage.step(&steps::DOWN_NOT_UP)?;
    stage.say(
        "setns(2) joins namespaces that exist, here those of another process. That process is given by a pidfd: a file \
         descriptor that stands for a process. The container has no number for the host, so it cannot open one. The \
         host opens the pidfds and sends them (SCM_RIGHTS).",
    );
    stage.say(
        "With CLONE_NEWPID the caller stays where it is, as with unshare(2): \
         its next children will be in the other PID namespace. The container tries the host's, which lies above. The \
         second launcher, which is in the host's, tries the container's, which lies below.",
    );
    stage.or_skip(&[&steps::ONE_WAY], || {
        let refused = container.first.join(stage.host(), CLONE_NEWPID).refusal()?;
        launcher2.join(&container.first, CLONE_NEWPID)?;
        stage.verify(
            &steps::ONE_WAY,
            refused == Some(Errno::EINVAL),
            evidence!["from the container up:", refused, "· from the host down:", None::<Errno>],
        )
    })?;
    stage.say(
        "PID namespaces are nested, and a process has a number on its own level and on each above. So the kernel sets a limit: 32 levels \
         below the machine's first PID namespace. The stage is one of them. The host tries how many more there can be. With \
         clone(2) it makes a process and a PID namespace for it in one call. That process is level1 here. It makes level2 \
         in the same way, and so on. Each is PID 1 on its level, and its child is 2 there.",
    );
    stage.or_skip(&[&steps::NESTING_32], || nesting(stage))?;
    stage.say(
        "In the commands below, ! marks what should fail. 33 levels are one too many. We take 30 and not 32, because \
         your shell may be a level or two down already.",
    );
    Ok(())
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
        evidence!["the stage and", made, "levels below it are", levels, "· one more:", refused],
    )
}

/// A process with namespaces of its own, but in the host's PID namespace.
pub(super) fn a_monitor(stage: &Stage) -> Result<()> {
    let host = stage.host();
    let monitor = host.fork("monitor")?;
    monitor.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC)?;
    let monitors_list = stage.list_proc(&monitor)?;
    let hosts_list = stage.list_proc(host)?;
    stage.verify(
        &steps::HOST_SHARED,
        monitors_list == hosts_list && stage.same_namespace(host, &monitor, NamespaceType::Pid)?,
        evidence!["the host lists", hosts_list.len(), "processes, the monitor", monitors_list.len()],
    )
}
