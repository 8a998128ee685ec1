//! Time namespaces: ten days older.

mod steps;

use nix::errno::Errno;

use crate::actors::Actor;
use crate::error::{Refusal, Result};
use crate::evidence;
use crate::lesson::Lesson;
use crate::stage::Stage;
use crate::transcript::{Ahead, CLONE_NEWTIME, NamespaceType, Value};

/// The lesson's card.
pub(super) static LESSON: Lesson = Lesson {
    id: "time",
    title: "Time namespaces",
    subtitle: "ten days older",
    question: "Can a machine that was booted an hour ago look ten days older to one of its processes?",
    man: &["time_namespaces(7)", "clock_gettime(2)", "unshare(2)", "execve(2)"],
    steps: &[&steps::THREE_CLOCKS, &steps::CHILDREN, &steps::TWO_CLOCKS, &steps::BOOT, &steps::LIMITS, &steps::EXEC],
    play,
};

const DAY: i64 = 86_400;
const TEN_DAYS: i64 = 10 * DAY;

/// Longer than any machine has been up, and less than the kernel allows: 31 years.
const LONG: i64 = 1_000_000_000;

fn play(stage: &Stage) -> Result<()> {
    let host = stage.host();

    stage.step(&steps::THREE_CLOCKS)?;
    stage.say(
        "A kernel keeps several clocks, and three of them matter here. CLOCK_REALTIME is the date and the time of day, \
         in seconds since 1970. CLOCK_MONOTONIC counts the seconds since the machine was booted, and nobody can set \
         it. CLOCK_BOOTTIME does the same, but goes on while the machine is suspended. clock_gettime(2) reads them.",
    );
    stage.clocks(host)?;
    stage.say(
        "A time namespace holds offsets: numbers of seconds that the kernel adds to a clock before it answers a \
         process in there. The host forks a traveller. It will make such a namespace by the system call unshare(2), \
         and write the offsets to the file /proc/self/timens_offsets.",
    );
    let traveller = host.fork("traveller")?;

    let all = [&steps::CHILDREN, &steps::TWO_CLOCKS, &steps::BOOT, &steps::LIMITS, &steps::EXEC];
    stage.part(&all, || {
        let child = the_children_move_in(stage, &traveller)?;
        two_clocks(stage, &child)?;
        a_boot_in_the_past(stage, &child)?;
        too_late(stage, &traveller, &child)?;
        execve_enters(stage, &traveller)
    })?;
    Ok(())
}

/// The traveller stays behind; its child is the first one in the new namespace.
fn the_children_move_in(stage: &Stage, traveller: &Actor) -> Result<Actor> {
    let host = stage.host();
    stage.step(&steps::CHILDREN)?;
    stage.ask()?;
    stage.say(
        "The link /proc/self/ns/time shows by a number which time namespace a process is in. The link \
         time_for_children shows in which one its children will be.",
    );
    traveller.unshare(CLONE_NEWTIME)?;
    let home = host.readlink_ns("time")?;
    let own = traveller.remark("where it is: no change").readlink_ns("time")?;
    let chosen = traveller.remark("where its children will be").readlink_ns("time_for_children")?;
    traveller.remark("seconds and nanoseconds").write_offset("monotonic", TEN_DAYS)?;
    traveller.write_offset("boottime", TEN_DAYS)?;
    let (hosts, travellers) = (stage.clocks(host)?, stage.clocks(traveller)?);
    let monotonic = travellers.monotonic.ahead_of(hosts.monotonic);
    let boottime = travellers.boottime.ahead_of(hosts.boottime);
    stage.answer(format!("{monotonic}, {boottime}"))?;
    stage.say("A child that is born now is in the new namespace from its first moment on.");
    let child = traveller.fork("child")?;
    let childs = child.readlink_ns("time")?;
    stage.verify(
        &steps::CHILDREN_ONLY,
        own == home && chosen != home && childs == chosen && (monotonic, boottime) == (Ahead::NONE, Ahead::NONE),
        evidence!["the traveller is in", own, "and its child in", childs],
    )?;
    stage.who_is_where(&[host, traveller, &child])?;
    stage.say(
        "From now on the child lives by the clocks of its own namespace. It will read all three of them at the same \
         moment as the host, and the file /proc/uptime, whose first number is the time since the boot.",
    );
    Ok(child)
}

/// The host and the child read their clocks.
fn two_clocks(stage: &Stage, child: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::TWO_CLOCKS)?;
    stage.ask()?;
    stage.say("One machine, one moment: the same four questions to the kernel from two processes.");
    let (hosts, childs) = (stage.clocks(host)?, stage.clocks(child)?);
    let (hosts_uptime, childs_uptime) = (stage.uptime(host)?, stage.uptime(child)?);
    let realtime = childs.realtime.ahead_of(hosts.realtime);
    let monotonic = childs.monotonic.ahead_of(hosts.monotonic);
    let boottime = childs.boottime.ahead_of(hosts.boottime);
    let uptime = childs_uptime.ahead_of(hosts_uptime);
    let ten = Ahead::days(10);
    stage.verify(
        &steps::TWO_CLOCKS_NOT_THE_THIRD,
        (realtime, monotonic, boottime, uptime) == (Ahead::NONE, ten, ten, ten),
        evidence![
            "the child is ahead by",
            format!("{monotonic} (CLOCK_MONOTONIC), {boottime} (CLOCK_BOOTTIME), {uptime} (/proc/uptime)"),
            format!("and {realtime} (CLOCK_REALTIME)")
        ],
    )?;
    stage.answer(realtime)?;
    stage.say(
        "What is it for? A container can be frozen, carried to another machine and thawed there: CRIU does that. The \
         other machine was booted at another time, so without offsets the clocks would leap. Docker and Podman make no \
         time namespace, so this lesson has no docker command.",
    );
    stage.say(
        "One date is left: that of the boot. It is stored nowhere. The kernel computes it for the line btime in \
         /proc/stat, and the tool uptime does for its option -s: the date, minus the time since the boot.",
    );
    Ok(())
}

/// The date of the boot, which is computed.
fn a_boot_in_the_past(stage: &Stage, child: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::BOOT)?;
    stage.ask()?;
    stage.say("First btime, in seconds since 1970. Then the same as a date, in UTC, and the date of today.");
    let btime = [stage.btime(host)?, stage.btime(child)?];
    let since = [stage.uptime_since(host)?, stage.uptime_since(child)?];
    let date = [stage.date(host)?, stage.date(child)?];
    let [btime, since, date] = [btime, since, date].map(|[hosts, childs]| childs.ahead_of(hosts));
    let earlier = Ahead::days(-10);
    stage.verify(
        &steps::BOOT_DATE,
        (btime, since, date) == (earlier, earlier, Ahead::NONE),
        evidence!["the child against the host: btime", btime, "and uptime -s", since, "but date", date],
    )?;
    stage.answer(since)?;
    stage.say(
        "The traveller still has its file with the offsets. They are those of the namespace for its children, in which \
         the child lives by now.",
    );
    Ok(())
}

/// What cannot be written to the file with the offsets.
fn too_late(stage: &Stage, traveller: &Actor, child: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::LIMITS)?;
    stage.ask()?;
    let late = traveller.write_offset("boottime", DAY).refusal()?;
    let (hosts, childs) = (stage.uptime(host)?, stage.uptime(child)?);
    let ahead = childs.ahead_of(hosts);
    stage.answer(format!("{}, {ahead}", Value::from(late)))?;
    stage.say(
        "For other offsets it takes another namespace. The traveller makes a second one, in which nobody is yet. There \
         it may write as often as it likes: one second back, 31 years ahead. 31 years back is too much: the machine was \
         booted later than that.",
    );
    traveller.unshare(CLONE_NEWTIME)?;
    traveller.write_offset("boottime", -1)?;
    traveller.write_offset("boottime", LONG)?;
    let below = traveller.write_offset("boottime", -LONG).refusal()?;
    stage.verify(
        &steps::BOUNDS,
        late == Some(Errno::EACCES) && below == Some(Errno::ERANGE),
        evidence!["with the child in there:", late, "and with nobody, 31 years back:", below, "but one second back: 0"],
    )?;
    Ok(())
}

/// The traveller becomes another program, and is in.
fn execve_enters(stage: &Stage, traveller: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::EXEC)?;
    stage.say(
        "The second namespace is still empty. Since Linux 6.2 there is a way in for the traveller itself. execve(2) \
         puts another program into the calling process, which keeps its number. The memory is new, so nothing in it \
         has seen the old clocks. The traveller becomes the program cat: it prints /proc/uptime, and then waits.",
    );
    traveller.write_offset("boottime", TEN_DAYS)?;
    let old = traveller.readlink_ns("time")?;
    let chosen = traveller.readlink_ns("time_for_children")?;
    stage.or_skip(steps::EXEC.facts, || {
        let release = host.uname_release()?;
        // It prints the uptime, and then waits for its standard input.
        let printed = stage.execve(traveller, "/bin/cat", &["cat", "/proc/uptime", "-"])?;
        let (hosts, programs) = (stage.uptime(host)?, stage.printed_uptime(traveller, &printed)?);
        let ahead = programs.ahead_of(hosts);
        let now = host.remark("the same process").readlink_ns_of(traveller, NamespaceType::Time)?;
        let entered = old != chosen && now == chosen && ahead == Ahead::days(10);
        let stayed = old != chosen && now == old && ahead == Ahead::NONE;
        stage.verify(
            &steps::EXEC_ENTERS,
            entered || stayed && is_before_6_2(&release),
            evidence!["before execve in", old, "and after it in", now, "and", ahead, "ahead, on Linux", release],
        )
    })?;
    Ok(())
}

/// Whether a kernel of this release leaves the caller of execve(2) where it is.
fn is_before_6_2(release: &Value) -> bool {
    let release = release.to_string();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) < (Some(6), Some(2))
}
