//! chroot(2): what it does not isolate, and what does.

use nix::errno::Errno;
use nix::sys::signal::Signal;

use crate::error::{Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::lessons::notes;
use crate::stage::{
    Actor, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, Effect, Stage,
};
use crate::transcript::{Kind, Value};

/// The lesson's card.
pub(super) const LESSON: Lesson = Lesson {
    id: "chroot",
    title: "chroot",
    subtitle: "a jail without walls",
    question: "A process cannot see any file outside of its directory. Is it locked in?",
    minutes: 12,
    steps: 8,
    needs: &[
        (Effect::Notify, WITH_TAIL),
        (Effect::NestedUser, &["chroot-no-userns", "chroot-unshare-fixes"]),
        (Effect::Mnt, &["chroot-unshare-fixes", "chroot-pivot-root-holds"]),
        (Effect::Pid, &["chroot-unshare-fixes"]),
        (Effect::Uts, &["chroot-unshare-fixes"]),
        (Effect::Ipc, &["chroot-unshare-fixes"]),
        (Effect::Net, &["chroot-unshare-fixes"]),
        (Effect::Proc, &["chroot-unshare-fixes"]),
        (Effect::PivotRoot, &["chroot-pivot-root-holds"]),
        (Effect::Several, &[]),
    ],
    man: &["chroot(2)", "namespaces(7)", "pivot_root(2)", "unshare(1)"],
    facts: &[
        "chroot-sees-pids",
        "chroot-kills-host",
        "chroot-renames-host",
        "chroot-same-namespaces",
        "chroot-no-userns",
        "chroot-escape",
        "chroot-unshare-fixes",
        "chroot-pivot-root-holds",
    ],
    notes: notes::chroot::NOTES,
    play,
};

const LOG: &str = "/tmp/app.log";
const JAIL: &str = "/tmp/jail";

/// The facts about a process that the host runs beside the jail.
const WITH_TAIL: &[&str] = &["chroot-sees-pids", "chroot-kills-host"];

fn play(stage: &Stage) -> Result<()> {
    let host = stage.host();
    stage.has_steps(LESSON.steps);

    stage.step("A jail is built");
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
    prisoner.note("or it would still stand outside").chdir("/")?;
    stage.ls(host, "/tmp")?;
    stage.ls(&prisoner, "/")?;
    stage.say(
        "So far, so good: from its root on, directory by directory, the prisoner comes to none of the host's files.",
    );
    stage.by_hand(
        "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs jail /mnt; cd /mnt; mkdir usr; \
         mount --rbind /usr usr; ln -s usr/bin usr/lib usr/lib64 .; chroot . ls /'",
    );

    stage.or_skip_steps(3, WITH_TAIL, || somebody_elses_process(stage, &prisoner))?;

    stage.step("A name is set in the jail");
    let question = stage.ask(
        "chroot-hostname",
        "The prisoner, which is root, calls sethostname(\"pwned\"). Who has this name then?",
        &["the prisoner and the host", "the prisoner alone", "nobody: a jail has no hostname to set"],
    );
    stage.say("The hostname is no file either. Inside of the jail, somebody calls sethostname(2).");
    let before = stage.hostnames(&[host, &prisoner])?;
    prisoner.sethostname("pwned")?;
    let after = stage.hostnames(&[host, &prisoner])?;
    stage.compare("hostname", before.clone(), after.clone());
    stage.verify(
        "chroot-renames-host",
        "sethostname(2) inside changes the host's name.",
        before["host"] != after["host"] && after["host"] == Value::Name("pwned".into()),
        evidence!["the host was", before["host"], "and is", after["host"]],
    );
    let has_it = |actor: &str| after[actor] == Value::Name("pwned".into());
    stage.answer(
        question,
        &[has_it("prisoner") && has_it("host"), has_it("prisoner") && !has_it("host"), !has_it("prisoner")],
        "There is one hostname for the two of them, and it is not the content of a file.",
    );
    host.note("the host puts it right").sethostname("workshop")?;
    stage.by_hand("unshare --user --map-root-user --uts sh -c 'chroot / hostname pwned; hostname'");

    stage.step("Why: nothing else changed");
    stage.say(
        "A process is in eight namespaces: they decide which processes, names, mounts and networks it sees. chroot(2) \
         is not about any of them. It sets one pointer, where a path that begins with / starts.",
    );
    stage.who_is_where(&[host, &prisoner])?;
    let same = stage.membership(host)?.namespaces == stage.membership(&prisoner)?.namespaces;
    stage.verify(
        "chroot-same-namespaces",
        "Every namespace is the same inside and outside.",
        same,
        evidence![if same { "no row differs" } else { "a row differs" }],
    );
    stage.say(
        "One thing is forbidden in there. A user namespace would hand everybody the capability to break out of the \
         chroot, so the kernel makes none for a process that is inside of one.",
    );
    stage.or_skip(&["chroot-no-userns"], || {
        // A limit on user namespaces is looked at before the root is.
        let refused = prisoner.unshare(CLONE_NEWUSER).refusal_but(Errno::ENOSPC)?;
        stage.verify(
            "chroot-no-userns",
            "CLONE_NEWUSER from inside a chroot is EPERM.",
            refused == Some(Errno::EPERM),
            evidence!["unshare(CLONE_NEWUSER):", refused],
        );
        Ok(())
    })?;
    stage.by_hand("readlink /proc/self/ns/pid; unshare --user --map-root-user chroot / readlink /proc/self/ns/pid");

    stage.step("A chroot inside of the chroot");
    let question = stage.ask(
        "chroot-twice",
        "The prisoner calls chroot(2) again, on a directory of the jail, and then climbs with \"..\" as often as it \
         can. Where does it arrive?",
        &["in the inner directory, locked in twice", "at the host's root", "at the root of its jail, as before"],
    );
    stage.say(
        "The one wall that there is has a door. chroot(2) does not move the caller's working directory. A second \
         chroot, into a directory below, leaves the prisoner outside of its own root; and from there .. leads all the \
         way up, because the kernel stops only where it meets the caller's root, or the top of all mounts.",
    );
    let jail = prisoner.inode("/")?;
    let top = host.inode("/")?;
    escape(&prisoner, "/x")?;
    let now = prisoner.inode("/")?;
    stage.ls(&prisoner, "/tmp")?;
    stage.verify(
        "chroot-escape",
        "A root process leaves a chroot by a second one.",
        jail != top && now == top,
        evidence!["its root was", jail, "and is now", now, "and the host's is", top],
    );
    stage.answer(
        question,
        &[now != jail && now != top, now == top, now == jail],
        "The second call moved its root to a place below it, so on its way up it never met that root.",
    );
    stage.by_hand(
        "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs jail /tmp; exec perl -e \
         \"chroot q(/tmp); chdir q(/); -e q(/etc) or print qq(no etc here\\n); \
         mkdir q(x); chroot q(x); chdir q(..); chroot q(.); print qx(ls -d /etc)\"'",
    );

    stage.step("The same jail, with namespaces");
    stage.or_skip(&["chroot-unshare-fixes"], || the_same_with_namespaces(stage, &prisoner))?;
    stage.by_hand("unshare --mount --uts --ipc --net --pid --user --fork --map-root-user chroot / hostname");

    stage.step("A root that holds");
    stage.or_skip(&["chroot-pivot-root-holds"], || a_root_that_holds(stage, top))?;
    stage.say("This is how container engines change the root: namespaces first, then pivot_root(2).");
    stage.by_hand(
        "unshare --user --map-root-user --mount sh -c 'mount -t tmpfs root /mnt; cd /mnt; mkdir usr proc old; \
         mount --rbind /usr usr; mount --rbind /proc proc; ln -s usr/bin usr/lib usr/lib64 .; \
         pivot_root . old; umount -l old; ls /'",
    );
    Ok(())
}

/// The prisoner meets a process that is none of its own.
fn somebody_elses_process(stage: &Stage, prisoner: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step("The prisoner lists the processes");
    let question = stage.ask(
        "chroot-processes",
        "The prisoner can name no file outside of its directory. Which processes does its ps list?",
        &["itself and no other", "itself and its parent", "all of the host's"],
    );
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
        "chroot-sees-pids",
        "With /proc mounted inside, the jailed process lists the host's processes.",
        tail_is_seen.is_some_and(|process| process.pid == tail.pid()),
        evidence![seen.len(), "processes, among them tail with number", Value::Pid(tail.pid())],
    );
    let listed: Vec<i32> = seen.iter().map(|process| process.pid).collect();
    stage.answer(
        question,
        &[listed == [prisoner.pid()], listed == [host.pid(), prisoner.pid()], seen == host.processes()?],
        "A process is not in a directory: chroot(2) changes which files it can name, and processes are no files.",
    );
    stage.by_hand("unshare --user --map-root-user chroot / ps -eo pid,ppid,comm | head -n 4");

    stage.step("And can end them");
    stage.say("What has a number can be sent a signal. The prisoner is root, in or out of a chroot, so it may.");
    prisoner.kill(tail.pid(), Signal::SIGTERM)?;
    let end = host.waitpid(tail.pid())?;
    stage.verify(
        "chroot-kills-host",
        "The jailed process kills one of them: the host's tail is gone.",
        end.pid == tail.pid() && end.killed_by.as_deref() == Some("SIGTERM"),
        evidence!["the host, its parent, learns of tail:", end.how()],
    );
    stage.by_hand(
        "sh -c 'sleep 9 & unshare --user --map-root-user chroot / kill -TERM $!; wait $!; echo status $?' 2>/dev/null",
    );

    Ok(())
}

/// A jail as an engine makes it.
fn the_same_with_namespaces(stage: &Stage, prisoner: &Actor) -> Result<()> {
    let host = stage.host();
    let question = stage.ask(
        "chroot-signal",
        "The next inmate is process 1 of a new PID namespace. It sends SIGTERM to the number that the prisoner has on \
         the host. What does kill(2) answer?",
        &["0: an inmate that is root may", "EPERM: it is root in there alone", "ESRCH: there is no such process"],
    );
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
    inmate.note("a proc that shows its own PID namespace").mount_proc(&format!("{JAIL}/proc"))?;
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
        "chroot-unshare-fixes",
        "In new namespaces the same jail has its own PID 1 and its own name, and the host is untouched; shared is only \
         what was not unshared.",
        own.len() == 1
            && own[0].pid == 1
            && kill == Some(Errno::ESRCH)
            && before["host"] == after["host"]
            && after["inmate"] == Value::Name("pwned".into())
            && shared.iter().all(|kind| matches!(kind, Kind::Cgroup | Kind::Time)),
        evidence!["still shared:", shared.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(" and ")],
    );
    stage.answer(
        question,
        &[kill.is_none(), kill == Some(Errno::EPERM), kill == Some(Errno::ESRCH)],
        "A number is looked up in the caller's own PID namespace, and there nobody has it; whether the caller may is not asked.",
    );
    Ok(())
}

/// pivot_root(2) instead of chroot(2).
fn a_root_that_holds(stage: &Stage, top: Value) -> Result<()> {
    let host = stage.host();
    stage.say(
        "One door is still open: .. leads up as before, for chroot(2) leaves the old root in place. pivot_root(2) does \
         not. In a mount namespace of its own, it makes the directory the root of the whole tree of mounts, and then \
         the old root is taken off. There is nothing left above to go up to.",
    );
    let settler = host.fork("settler")?;
    settler.unshare(CLONE_NEWNS)?;
    settler.mount_private()?;
    settler.note("a new root must be a mount point").mount_bind(JAIL, JAIL)?;
    settler.chdir(JAIL)?;
    settler.pivot_root()?;
    settler.note("the old root, on top of the new one").umount_detached()?;
    let settled = settler.inode("/")?;
    escape(&settler, "/y")?;
    let now = settler.inode("/")?;
    stage.ls(&settler, "/")?;
    stage.verify(
        "chroot-pivot-root-holds",
        "After pivot_root(2) and the old root's end, the same escape finds nothing.",
        settled == now && now != top,
        evidence!["its root was", settled, "and is", now],
    );
    Ok(())
}

/// The classic way out of a chroot.
fn escape(actor: &Actor, below: &str) -> Result<()> {
    actor.mkdir(below)?;
    actor.note("the working directory stays where it is").chroot(below)?;
    actor.chdir("../../../..")?;
    actor.chroot(".")
}

/// The types of namespaces that two actors share.
fn shared_types(stage: &Stage, one: &Actor, other: &Actor) -> Result<Vec<Kind>> {
    let (one, other) = (stage.membership(one)?.namespaces, stage.membership(other)?.namespaces);
    Ok(one.iter().filter(|id| other.contains(id)).map(|id| id.kind).collect())
}
