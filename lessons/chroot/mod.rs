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
    question: "chroot(2) gives a process another root directory. Is the process locked in?",
    man: &["chroot(2)", "namespaces(7)", "pivot_root(2)", "unshare(1)"],
    steps: &[
        &steps::A_JAIL,
        &steps::LISTS_PROCESSES,
        &steps::ENDS_THEM,
        &steps::SETS_A_NAME,
        &steps::NOTHING_ELSE,
        &steps::TWICE,
        &steps::WITH_NAMESPACES,
        &steps::NOTHING_ABOVE,
    ],
    play,
};

const LOG: &str = "/tmp/app.log";
const JAIL: &str = "/tmp/jail";

/// The two directories that a process of this lesson can have as its root.
struct Roots {
    host: Value,
    jail: Value,
}

fn play(stage: &Stage) -> Result<()> {
    let prisoner = into_the_jail(stage)?;

    stage.part(&[&steps::LISTS_PROCESSES, &steps::ENDS_THEM], || somebody_elses_process(stage, &prisoner))?;

    the_hosts_name(stage, &prisoner)?;
    nothing_else_changed(stage, &prisoner)?;
    let roots = two_ways_out(stage, &prisoner)?;

    stage.step(&steps::WITH_NAMESPACES)?;
    stage.or_skip(steps::WITH_NAMESPACES.facts, || the_same_with_namespaces(stage, &prisoner, &roots))?.ok();

    stage.step(&steps::NOTHING_ABOVE)?;
    stage.or_skip(steps::NOTHING_ABOVE.facts, || nothing_above(stage, &roots))?.ok();
    stage.say(
        "Container engines do the same: new namespaces, a proc of the container's own, and pivot_root(2). Docker makes a \
         user namespace only if asked. In a proc that shows a process outside, /proc/PID/root still leads out for whoever \
         may trace that process (ptrace(2)). Root of a child user namespace may not.",
    );
    stage.say(
        "In the command by hand, /mnt is a second view of your files, and becomes the root. Inside of it, nothing is at \
         /mnt. So ls would find /mnt/usr only if perl had come out.",
    );
    Ok(())
}

/// The prisoner goes into the jail.
fn into_the_jail(stage: &Stage) -> Result<Actor> {
    let host = stage.host();
    stage.step(&steps::A_JAIL)?;
    stage.say(
        "chroot(2) is a system call (the 2 is the section of the manual). It gives \
         a process another root directory: from then on, every path that begins with / is looked up from there. \
         People have used it to lock programs up.",
    );
    stage.say(
        "Two processes are on stage, and both run as root. The host plays the machine. It prepares a directory, which we \
         call the jail, and mounts a proc in it: the file system that shows the processes, and that programs expect at \
         /proc. Then the host makes a child process, the prisoner, which goes into the jail. There are no programs in it: \
         where you see ls, nslearn reads the directory, and prints it as ls does.",
    );
    host.put(&format!("{JAIL}/etc/motd"), "welcome to the jail")?;
    host.mkdir(&format!("{JAIL}/proc"))?;
    host.mount_proc(&format!("{JAIL}/proc"))?;
    let prisoner = host.remark("the prisoner's process number").fork("prisoner")?;
    prisoner.chroot(JAIL)?;
    prisoner.remark("chroot(2) has left the prisoner's working directory outside").chdir("/")?;
    stage.ls(host, "/tmp")?;
    stage.ls(&prisoner, "/")?;
    stage.say("So far the prisoner looks locked in.");
    stage.say(
        "In commands by hand, unshare --root calls chroot(2), which takes the rights of root. The options --user and \
         --map-root-user make you root in a \
         user namespace of your own. The sign ! before a command means that it should fail.",
    );
    Ok(prisoner)
}

/// The prisoner meets a process that is none of its own.
fn somebody_elses_process(stage: &Stage, prisoner: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::LISTS_PROCESSES)?;
    stage.say("Another child of the host, tail, stays outside of the jail. It follows a log file.");
    host.put(LOG, "server started")?;
    let tail = host.fork("tail")?;
    tail.begin_tail(LOG)?;
    stage.printed_line(&tail)?;
    host.put(LOG, "GET /index.html")?;
    stage.printed_line(&tail)?;
    stage.say(
        "Programs such as ps find the processes in /proc. Now the prisoner looks into its /proc: the proc that the host \
         has mounted in the jail. The host is process 1, and is called init there.",
    );
    stage.ask()?;
    let seen = stage.list_proc(prisoner)?;
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
    stage.say(
        "kill(2) sends a signal to a process, by its number; SIGTERM asks it to end. The kernel looks at the \
         sender's rights, not at its root directory. chroot(2) has not changed these: the prisoner is still root.",
    );
    prisoner.kill(tail.pid(), Signal::SIGTERM)?;
    let end = host.waitpid(tail.pid())?;
    stage.verify(
        &steps::KILLS_HOST,
        end.pid == tail.pid() && end.killed_by() == Some(Signal::SIGTERM),
        evidence!["waitpid(2) tells the host how tail ended:", end.how()],
    )?;
    stage.say(
        "By hand, it works because both processes belong to you. A shell reports an end by a signal as 128 plus the \
         signal's number. SIGTERM is 15, so it prints 143.",
    );
    Ok(())
}

/// The prisoner names itself, and so the host.
fn the_hosts_name(stage: &Stage, prisoner: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::SETS_A_NAME)?;
    stage.say(
        "The kernel keeps the machine's hostname in its memory, not in a file. Root may change it with \
         sethostname(2), and the prisoner is root.",
    );
    stage.ask()?;
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
    host.remark("the host takes its old name back").sethostname("workshop")
}

/// What chroot(2) leaves as it was, and what the kernel refuses in a chroot.
fn nothing_else_changed(stage: &Stage, prisoner: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::NOTHING_ELSE)?;
    stage.say(
        "A namespace holds one part of what processes see, such as the process numbers, the hostname or the \
         mounts. There are eight types, and a process is in one namespace of each. In the table, the same letter \
         means the same namespace.",
    );
    stage.who_is_where(&[host, prisoner])?;
    let same = stage.membership(host)?.namespaces == stage.membership(prisoner)?.namespaces;
    stage.verify(&steps::SAME_NAMESPACES, same, evidence![if same { "no row differs" } else { "a row differs" }])?;
    stage.say(
        "So chroot(2) has changed no namespace. But the kernel refuses some calls in a chroot. \
         unshare(CLONE_NEWUSER) makes a user namespace. On most systems a plain user may do that, and gets all \
         capabilities in there: the rights of root. One of them, CAP_SYS_CHROOT, is enough to leave a chroot, as step 6 \
         shows. So the kernel refuses unshare(CLONE_NEWUSER) to a caller whose root is not the root of its mount \
         namespace. A bystander makes the same call outside of the jail.",
    );
    stage.or_skip(&[&steps::NO_USERNS], || {
        let bystander = host.fork("bystander")?;
        // A limit on user namespaces is looked at before the root is.
        let outside = bystander.unshare(CLONE_NEWUSER).refusal_but(Errno::ENOSPC)?;
        let refused = prisoner.unshare(CLONE_NEWUSER).refusal_but(Errno::ENOSPC)?;
        stage.verify(
            &steps::NO_USERNS,
            refused == Some(Errno::EPERM) && outside.is_none(),
            evidence!["outside of the jail:", outside, "· inside:", refused],
        )
    })?;
    stage.say(
        "Two calls about mounts fail as well. A mount is a file system at its place in the tree of files. The first call \
         would stop mounts from spreading to other namespaces. The second, pivot_root(2), makes another mount the root. \
         Both calls need a / that is a mount, and the prisoner's / is a plain directory.",
    );
    prisoner.remark("the kernel does this only where / is a mount").mount_private().refusal()?;
    prisoner.remark("a mount, the one that is to become the root").chdir("/proc")?;
    prisoner.pivot_root().refusal()?;
    prisoner.chdir("/")
}

/// Where /tmp is. On some machines it is a link, and whoever follows one from the jail looks its path up from there.
fn tmp() -> String {
    std::fs::canonicalize("/tmp").map_or_else(|_| "/tmp".to_owned(), |tmp| tmp.display().to_string())
}

/// The prisoner breaks out. Returns the root that it had, and the host's.
fn two_ways_out(stage: &Stage, prisoner: &Actor) -> Result<Roots> {
    let host = stage.host();
    stage.step(&steps::TWICE)?;
    stage.say(
        "Here are two ways out of the jail. The first is the proc in it. For each process it has a link, /proc/PID/root, \
         to the root directory of that process. Process 1 is the host, outside of the jail. So the prisoner can list the \
         host's files. The cellmate, a child of the prisoner, goes on: it makes the host's root its own, by chroot(2).",
    );
    stage.say(
        "stat(2) tells which directory a path leads to. Two paths lead to the same one if both the inode number and the \
         device (two numbers with a colon) are the same.",
    );
    let roots = Roots { jail: prisoner.inode("/")?, host: host.inode("/")? };
    stage.ls(prisoner, &format!("/proc/1/root{}", tmp()))?;
    let cellmate = prisoner.fork("cellmate")?;
    cellmate.chroot("/proc/1/root")?;
    let by_proc = cellmate.inode("/")?;
    stage.say(
        "The second way needs no /proc. chroot(2) changes its caller's root directory, but not the working \
         directory, where relative paths begin. The prisoner's working directory is the top of the jail. In a \
         path, .. is the directory above. At the caller's root directory, .. stays where it is.",
    );
    stage.ask()?;
    let now = escape(prisoner, "/x")?;
    stage.verify(
        &steps::ESCAPE,
        roots.jail != roots.host && now == roots.host && by_proc == roots.host,
        evidence!["host:", roots.host, "· cellmate:", by_proc, "· prisoner:", now],
    )?;
    stage.answer(match (now == roots.host, now == roots.jail) {
        (true, false) => "the host's root",
        (false, true) => "the jail's root",
        (false, false) => "another directory",
        (true, true) => "the one root that there was",
    })?;
    Ok(roots)
}

/// A jail as an engine makes it, and what is still open.
fn the_same_with_namespaces(stage: &Stage, prisoner: &Actor, roots: &Roots) -> Result<()> {
    let host = stage.host();
    let inmate = an_inmate(stage)?;
    stage.say("The inmate lists the processes, and looks where /proc/1/root leads.");
    let own = stage.list_proc(&inmate)?;
    let by_proc = inmate.inode("/proc/1/root")?;
    let jailed = inmate.inode("/")?;
    let alone = matches!(&own[..], [only] if only.pid == 1) && by_proc == jailed && jailed == roots.jail;
    let apart = signals_by_number(stage, &inmate, prisoner)?;

    stage.say("Then the inmate sets the hostname.");
    let before = stage.hostnames(&[host, &inmate])?;
    inmate.sethostname("pwned")?;
    let after = stage.hostnames(&[host, &inmate])?;
    stage.who_is_where(&[host, &inmate])?;
    let shared = shared_types(stage, host, &inmate)?;

    stage.say(
        "The second way out is still open. A new mount namespace starts as a copy of all mounts, the host's root among them. \
         The climber, a child of the inmate, does what the prisoner did in step 6: it calls chroot(2) a second time.",
    );
    let climber = inmate.fork("climber")?;
    let escaped = escape(&climber, "/y")?;
    stage.verify(
        &steps::UNSHARE_FIXES,
        alone
            && apart
            && before["host"] == after["host"]
            && after["inmate"] == Value::Name("pwned".into())
            && shared.iter().all(|kind| matches!(kind, NamespaceType::Cgroup | NamespaceType::Time))
            && escaped == roots.host,
        evidence![
            "still shared:",
            shared.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" and "),
            "· climber's root:",
            escaped
        ],
    )
}

/// The jail's second tenant, in namespaces of six types.
fn an_inmate(stage: &Stage) -> Result<Actor> {
    stage.say(
        "The same jail again, with namespaces. A jailer makes new namespaces of six types, and three writes make \
         it root in the new user namespace. Its first child, the inmate, is process 1 in the new PID namespace, \
         which has process numbers of its own. Then the jailer ends. The inmate mounts a proc of its own, and goes into the \
         jail.",
    );
    let jailer = stage.host().fork("jailer")?;
    jailer.unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET)?;
    jailer.map_root()?;
    let inmate = jailer.fork("inmate")?;
    jailer.leave()?;
    inmate.mount_private()?;
    inmate.remark("it shows the inmate's PID namespace").mount_proc(&format!("{JAIL}/proc"))?;
    inmate.chroot(JAIL)?;
    inmate.chdir("/")?;
    Ok(inmate)
}

/// Whether the inmate finds no process by the number that is the prisoner's for the host.
fn signals_by_number(stage: &Stage, inmate: &Actor, prisoner: &Actor) -> Result<bool> {
    let host = stage.host();
    stage.say("It finds only itself, and /proc/1/root is the jail. The prisoner still runs, in the host's namespaces.");
    stage.ask()?;
    let answer = inmate.kill(prisoner.pid(), Signal::SIGTERM).refusal()?;
    stage.say("The host makes the same call. For the host, the number is the prisoner's.");
    let outside = host.kill(prisoner.pid(), Signal::SIGTERM).refusal()?;
    if outside.is_none() {
        host.waitpid(prisoner.pid())?;
    }
    stage.answer(answer)?;
    Ok(answer == Some(Errno::ESRCH) && outside.is_none())
}

/// pivot_root(2) instead of chroot(2).
fn nothing_above(stage: &Stage, roots: &Roots) -> Result<()> {
    let host = stage.host();
    stage.say(
        "In step 7, the inmate's own proc hid the first way out, and the user namespace closed it. pivot_root(2) closes \
         the second. To show this alone, a settler makes a mount \
         namespace and no other. There, pivot_root(2) makes the jail the root of the tree of mounts, and umount2(2) \
         removes the old root. Nothing is above the jail then, so a second chroot(2) does not lead out.",
    );
    let settler = host.fork("settler")?;
    settler.unshare(CLONE_NEWNS)?;
    settler.mount_private()?;
    settler.remark("the new root must be a mount: so the jail is mounted on itself").mount_bind(JAIL, JAIL)?;
    settler.chdir(JAIL)?;
    settler.pivot_root()?;
    settler.remark("pivot_root(2) has put the old root on top of the new one").umount_detached()?;
    let settled = settler.inode("/")?;
    let now = escape(&settler, "/z")?;
    stage.verify(
        &steps::PIVOT_ROOT_HOLDS,
        settled == roots.jail && now == roots.jail && now != roots.host,
        evidence!["root before:", settled, "· after:", now, "· of the host:", roots.host],
    )
}

/// The second way out of step 6. Returns the root that the actor has then.
fn escape(actor: &Actor, below: &str) -> Result<Value> {
    actor.mkdir(below)?;
    actor.chroot(below)?;
    actor.chdir("../../../..")?;
    actor.remark("where it stands now becomes its root").chroot(".")?;
    actor.inode("/")
}

/// The types of namespaces that two actors share.
fn shared_types(stage: &Stage, one: &Actor, other: &Actor) -> Result<Vec<NamespaceType>> {
    let (one, other) = (stage.membership(one)?.namespaces, stage.membership(other)?.namespaces);
    Ok(one.iter().filter(|id| other.contains(id)).map(|id| id.kind).collect())
}
