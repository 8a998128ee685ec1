//! chroot(2): what it does not isolate, and what does.

mod steps;

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::actors::Actor;
use crate::error::{Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::stage::Stage;
use crate::transcript::{
    CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, NamespaceType, Value,
};

/// The lesson's card.
pub(super) static LESSON: Lesson = Lesson {
    id: "chroot",
    title: "chroot",
    subtitle: "a jail without walls",
    question: "A process cannot see any file outside of its directory. Is it locked in?",
    man: &["chroot(2)", "namespaces(7)", "pivot_root(2)", "unshare(1)"],
    steps: &[
        &steps::A_JAIL,
        &steps::LISTS_PROCESSES,
        &steps::ENDS_THEM,
        &steps::SETS_A_NAME,
        &steps::NOTHING_ELSE,
        &steps::TWICE,
        &steps::WITH_NAMESPACES,
        &steps::A_ROOT_THAT_HOLDS,
    ],
    play,
};

const LOG: &str = "/tmp/app.log";
const JAIL: &str = "/tmp/jail";

fn play(stage: &Stage) -> Result<()> {
    let host = stage.host();

    stage.step(&steps::A_JAIL)?;
    stage.say(
        "chroot(2) is decades older than namespaces, and was the first thing that people locked programs up with: it \
         makes a directory the root of everything that the process can name. The host prepares such a directory, with \
         a /proc in it, as most programs want one.",
    );
    host.put(&format!("{JAIL}/etc/motd"), "welcome to the jail")?;
    host.mkdir(&format!("{JAIL}/proc"))?;
    host.mount_proc(&format!("{JAIL}/proc"))?;
    let prisoner = host.fork("prisoner")?;
    prisoner.chroot(JAIL)?;
    prisoner.remark("or it would still stand outside").chdir("/")?;
    stage.ls(host, "/tmp")?;
    stage.ls(&prisoner, "/")?;
    stage.say(
        "So far, so good: from its root on, directory by directory, the prisoner comes to none of the host's files.",
    );

    stage.part(&[&steps::LISTS_PROCESSES, &steps::ENDS_THEM], || somebody_elses_process(stage, &prisoner))?;

    the_hosts_name(stage, &prisoner)?;
    nothing_else_changed(stage, &prisoner)?;
    let top = the_way_out(stage, &prisoner)?;

    stage.step(&steps::WITH_NAMESPACES)?;
    stage.or_skip(steps::WITH_NAMESPACES.facts, || the_same_with_namespaces(stage, &prisoner))?;

    stage.step(&steps::A_ROOT_THAT_HOLDS)?;
    stage.or_skip(steps::A_ROOT_THAT_HOLDS.facts, || a_root_that_holds(stage, &top))?;
    stage.say("This is how container engines change the root: namespaces first, then pivot_root(2).");
    Ok(())
}

/// The prisoner meets a process that is none of its own.
fn somebody_elses_process(stage: &Stage, prisoner: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::LISTS_PROCESSES)?;
    stage.ask()?;
    stage.say("Elsewhere on the host, tail follows a log, as somebody may do right now to watch a server.");
    host.put(LOG, "server started")?;
    let tail = host.fork("tail")?;
    tail.begin_tail(LOG)?;
    tail.printed_line()?;
    host.put(LOG, "GET /index.html")?;
    tail.printed_line()?;
    stage.say("Files are not all that there is. The prisoner lists the processes:");
    let seen = stage.ps(prisoner)?;
    let tail_is_seen = seen.iter().find(|process| process.command == "tail");
    stage.verify(
        &steps::SEES_PIDS,
        tail_is_seen.is_some_and(|process| process.pid == tail.pid()),
        evidence![seen.len(), "processes, among them tail with number", Value::Pid(tail.pid())],
    )?;
    // A reader may have left a process on the stage, so the host is asked what there is.
    let listed: Vec<&str> = seen.iter().map(|process| process.command.as_str()).collect();
    stage.answer(if seen == host.processes()? { "what the host lists".to_owned() } else { listed.join(", ") })?;

    stage.step(&steps::ENDS_THEM)?;
    stage.say("What has a number can be sent a signal. The prisoner is root, in or out of a chroot, so it may.");
    prisoner.kill(tail.pid(), Signal::SIGTERM)?;
    let end = host.waitpid(tail.pid())?;
    stage.verify(
        &steps::KILLS_HOST,
        end.pid == tail.pid() && end.killed_by() == Some(Signal::SIGTERM),
        evidence!["the host, its parent, learns of tail:", end.how()],
    )
}

/// The prisoner names itself, and so the host.
fn the_hosts_name(stage: &Stage, prisoner: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::SETS_A_NAME)?;
    stage.ask()?;
    stage.say("The hostname is no file either. Inside of the jail, somebody calls sethostname(2).");
    let before = stage.hostnames(&[host, prisoner])?;
    prisoner.sethostname("pwned")?;
    let after = stage.hostnames(&[host, prisoner])?;
    stage.compare("hostname", before.clone(), after.clone());
    stage.verify(
        &steps::RENAMES_HOST,
        before["host"] != after["host"] && after["host"] == Value::Name("pwned".into()),
        evidence!["the host was", before["host"], "and is", after["host"]],
    )?;
    let has_it = |actor: &str| after[actor] == Value::Name("pwned".into());
    stage.answer(match (has_it("prisoner"), has_it("host")) {
        (true, true) => "both",
        (true, false) => "the prisoner",
        (false, true) => "the host",
        (false, false) => "nobody",
    })?;
    host.remark("the host puts it right").sethostname("workshop")
}

/// What chroot(2) leaves as it was, and the one thing that it forbids.
fn nothing_else_changed(stage: &Stage, prisoner: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::NOTHING_ELSE)?;
    stage.say(
        "A process is in eight namespaces: they decide which processes, names, mounts and networks it sees. chroot(2) \
         is not about any of them. It sets one pointer, where a path that begins with / starts.",
    );
    stage.who_is_where(&[host, prisoner])?;
    let same = stage.membership(host)?.namespaces == stage.membership(prisoner)?.namespaces;
    stage.verify(&steps::SAME_NAMESPACES, same, evidence![if same { "no row differs" } else { "a row differs" }])?;
    stage.say(
        "One thing is forbidden in there. A user namespace would hand everybody the capability to break out of the \
         chroot, so the kernel makes none for a process that is inside of one.",
    );
    stage.or_skip(&[&steps::NO_USERNS], || {
        // A limit on user namespaces is looked at before the root is.
        let refused = prisoner.unshare(CLONE_NEWUSER).refusal_but(Errno::ENOSPC)?;
        stage.verify(&steps::NO_USERNS, refused == Some(Errno::EPERM), evidence!["unshare(CLONE_NEWUSER):", refused])
    })?;
    Ok(())
}

/// The prisoner breaks out. Returns the host's root.
fn the_way_out(stage: &Stage, prisoner: &Actor) -> Result<Value> {
    let host = stage.host();
    stage.step(&steps::TWICE)?;
    stage.ask()?;
    stage.say(
        "The one wall that there is has a door. chroot(2) does not move the caller's working directory. A second \
         chroot, into a directory below, leaves the prisoner outside of its own root; and from there .. leads all the \
         way up, because the kernel stops only where it meets the caller's root, or the top of all mounts.",
    );
    let jail = prisoner.inode("/")?;
    let top = host.inode("/")?;
    escape(prisoner, "/x")?;
    let now = prisoner.inode("/")?;
    stage.ls(prisoner, "/tmp")?;
    stage.verify(
        &steps::ESCAPE,
        jail != top && now == top,
        evidence!["its root was", jail, "and is now", now, "and the host's is", top],
    )?;
    stage.answer(match (now == top, now == jail) {
        (true, false) => "the host's root",
        (false, true) => "the jail's root",
        (false, false) => "another directory",
        (true, true) => "the one root that there was",
    })?;
    Ok(top)
}

/// A jail as an engine makes it.
fn the_same_with_namespaces(stage: &Stage, prisoner: &Actor) -> Result<()> {
    let host = stage.host();
    stage.ask()?;
    stage.say(
        "Now the same again, but first a jailer moves into new namespaces of six types. It forks the prisoner there, as \
         process 1, and leaves.",
    );
    let jailer = host.start("jailer")?;
    jailer.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)?;
    jailer.map_root()?;
    let inmate = jailer.fork("inmate")?;
    jailer.leave()?;
    inmate.mount_private()?;
    inmate.remark("a proc that shows its own PID namespace").mount_proc(&format!("{JAIL}/proc"))?;
    inmate.chroot(JAIL)?;
    inmate.chdir("/")?;
    stage.say("It tries what the prisoner did. It sees only itself, and for the host's processes it has no number:");
    let own = stage.ps(&inmate)?;
    let kill = inmate.kill(prisoner.pid(), Signal::SIGTERM).refusal()?;
    let before = stage.hostnames(&[host, &inmate])?;
    inmate.sethostname("pwned")?;
    let after = stage.hostnames(&[host, &inmate])?;
    stage.compare("hostname", before.clone(), after.clone());
    stage.who_is_where(&[host, &inmate])?;
    let shared = shared_types(stage, host, &inmate)?;
    stage.verify(
        &steps::UNSHARE_FIXES,
        own.len() == 1
            && own[0].pid == 1
            && kill == Some(Errno::ESRCH)
            && before["host"] == after["host"]
            && after["inmate"] == Value::Name("pwned".into())
            && shared.iter().all(|kind| matches!(kind, NamespaceType::Cgroup | NamespaceType::Time)),
        evidence!["still shared:", shared.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" and ")],
    )?;
    stage.answer(kill)
}

/// pivot_root(2) instead of chroot(2).
fn a_root_that_holds(stage: &Stage, top: &Value) -> Result<()> {
    let host = stage.host();
    stage.say(
        "One door is still open: .. leads up as before, for chroot(2) leaves the old root in place. pivot_root(2) does \
         not. In a mount namespace of its own, it makes the directory the root of the whole tree of mounts, and then \
         the old root is taken off. There is nothing left above to go up to.",
    );
    let settler = host.fork("settler")?;
    settler.unshare(CLONE_NEWNS)?;
    settler.mount_private()?;
    settler.remark("a new root must be a mount point").mount_bind(JAIL, JAIL)?;
    settler.chdir(JAIL)?;
    settler.pivot_root()?;
    settler.remark("the old root, on top of the new one").umount_detached()?;
    let settled = settler.inode("/")?;
    escape(&settler, "/y")?;
    let now = settler.inode("/")?;
    stage.ls(&settler, "/")?;
    stage.verify(
        &steps::PIVOT_ROOT_HOLDS,
        settled == now && now != *top,
        evidence!["its root was", settled, "and is", now],
    )
}

/// The classic way out of a chroot.
fn escape(actor: &Actor, below: &str) -> Result<()> {
    actor.mkdir(below)?;
    actor.remark("the working directory stays where it is").chroot(below)?;
    actor.chdir("../../../..")?;
    actor.chroot(".")
}

/// The types of namespaces that two actors share.
fn shared_types(stage: &Stage, one: &Actor, other: &Actor) -> Result<Vec<NamespaceType>> {
    let (one, other) = (stage.membership(one)?.namespaces, stage.membership(other)?.namespaces);
    Ok(one.iter().filter(|id| other.contains(id)).map(|id| id.kind).collect())
}
