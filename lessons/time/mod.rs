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
    question: "Can a machine look ten days older to one of its processes than to the others?",
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
        "Three processes will be on stage. The host plays the machine. It makes a process called traveller, \
         and the traveller makes a child. In the end, some of the child's clocks are ten days ahead of the host's.",
    );
    stage.say(
        "The kernel has several clocks, and three of them matter here. CLOCK_REALTIME is the date and the time of day. \
         CLOCK_MONOTONIC and CLOCK_BOOTTIME begin when the machine boots, and nobody can set them. When a laptop's lid \
         is closed, the machine is suspended: CLOCK_MONOTONIC stops, and CLOCK_BOOTTIME goes on counting. A \
         program reads a clock with clock_gettime(2). (The 2 is the section of the manual in which it is described.)",
    );
    stage.clocks(host)?;
    stage.say(
        "A namespace holds something for the processes in it. There can be several of the same type, and each process \
         is in one of them. A time namespace holds offsets for some of the clocks. An offset is a number of seconds. \
         When a process reads such a clock, it gets what the kernel's clock shows plus the offset.",
    );
    stage.say(
        "The host makes the traveller by clone3(2). That is a system call: a request of a program to the kernel. The \
         traveller will make a time namespace by another system call, unshare(2), and write offsets into the file \
         /proc/self/timens_offsets. In the directory /proc, the kernel shows facts about each process; self stands for \
         the process that asks.",
    );
    let traveller = host.remark("the traveller's process number").fork("traveller")?;

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
    stage.say(
        "The traveller makes a new time namespace by unshare(2). It sets the offsets of CLOCK_MONOTONIC and \
         CLOCK_BOOTTIME there to ten days. Then it reads the clocks itself.",
    );
    stage.ask()?;
    stage.say(
        "The directory /proc/self/ns has two links for time namespaces, and readlink(2) reads a link. The first one, \
         time, shows the namespace that the process is in: the number in brackets stands for that namespace. The other \
         one, time_for_children, shows the namespace that its children will start in. nslearn writes a letter behind \
         each number: the same letter means the same namespace. The answer 0 means that a call has succeeded.",
    );
    traveller.unshare(CLONE_NEWTIME)?;
    let home = host.readlink_ns("time")?;
    let own = traveller.remark("the same: it has not moved").readlink_ns("time")?;
    let chosen = traveller.remark("where its children will start").readlink_ns("time_for_children")?;
    traveller.remark("seconds and nanoseconds").write_offset("monotonic", TEN_DAYS)?;
    traveller.write_offset("boottime", TEN_DAYS)?;
    let (hosts, travellers) = (stage.clocks(host)?, stage.clocks(traveller)?);
    let monotonic = travellers.monotonic.ahead_of(hosts.monotonic);
    let boottime = travellers.boottime.ahead_of(hosts.boottime);
    stage.answer(format!("{monotonic}, {boottime}"))?;
    stage.say("Now the traveller makes a child. It starts in the new namespace.");
    let child = traveller.fork("child")?;
    let childs = child.readlink_ns("time")?;
    stage.verify(
        &steps::CHILDREN_ONLY,
        own == home && chosen != home && childs == chosen && (monotonic, boottime) == (Ahead::NONE, Ahead::NONE),
        evidence!["the traveller is in", own, "and its child in", childs],
    )?;
    stage.say("Linux has eight types of namespace. This table shows in which ones the three processes are.");
    stage.who_is_where(&[host, traveller, &child])?;
    stage.say("Only the child is in the new time namespace.");
    Ok(child)
}

/// The host and the child read their clocks.
fn two_clocks(stage: &Stage, child: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::TWO_CLOCKS)?;
    stage.say(
        "The child is in the new time namespace. The offsets of CLOCK_MONOTONIC and CLOCK_BOOTTIME are ten days there. \
         Now the child reads all three clocks.",
    );
    stage.ask()?;
    stage.say(
        "The host reads its three clocks, and the child reads its own right after that. Then both read the file \
         /proc/uptime. Its first number is the uptime: the seconds since the boot. (They read it without any tool. The \
         line with cut names a command that prints the same.)",
    );
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
        "What are time namespaces for? CRIU is a tool that writes a running container to files, and starts it again \
         from these files, also on another machine. That one was booted at another time, so its clocks show other \
         numbers. With offsets, the clocks of the container go on from where they stopped. Docker has no option for an \
         offset, so this lesson has no docker command.",
    );
    Ok(())
}

/// The date of the boot, which is computed.
fn a_boot_in_the_past(stage: &Stage, child: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::BOOT)?;
    stage.say(
        "There is one more date: that of the boot. No clock shows it. It is computed: the date, minus the time since the \
         boot. The kernel does that for the line btime in the file /proc/stat, and the tool uptime for its option -s.",
    );
    stage.ask()?;
    stage.say(
        "Host and child first read btime, which is in seconds since 1970. Then nslearn computes the date of the boot from \
         what each of them reads, as uptime -s does. Last, both read the date of today. These dates are in UTC. (Here, \
         too, each line names a command that prints the same.)",
    );
    let btime = [stage.btime(host)?, stage.btime(child)?];
    let since = [stage.uptime_since(host)?, stage.uptime_since(child)?];
    let date = [stage.date(host)?, stage.date(child)?];
    let [btime, since, date] = [btime, since, date].map(|[hosts, childs]| childs.ahead_of(hosts));
    let earlier = Ahead::days(-10);
    stage.verify(
        &steps::BOOT_DATE,
        (btime, since, date) == (earlier, earlier, Ahead::NONE),
        evidence!["the child against the host: btime", btime, "and uptime -s", since, "· date", date],
    )?;
    stage.answer(since)?;
    Ok(())
}

/// What cannot be written to the file with the offsets.
fn too_late(stage: &Stage, traveller: &Actor, child: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::LIMITS)?;
    stage.say(
        "The traveller's file /proc/self/timens_offsets holds the offsets of the namespace for its children. The child \
         is in that namespace now, ten days ahead. The traveller writes another offset for CLOCK_BOOTTIME into the \
         file: one day.",
    );
    stage.ask()?;
    stage.say(
        "If the kernel refuses a call, the call answers -1, and an error says why. After the write, host and child read \
         their uptime.",
    );
    let late = traveller.write_offset("boottime", DAY).refusal()?;
    let (hosts, childs) = (stage.uptime(host)?, stage.uptime(child)?);
    let ahead = childs.ahead_of(hosts);
    stage.answer(format!("{}, {ahead}", Value::from(late)))?;
    stage.say(
        "EACCES means \"Permission denied\". For other offsets, the traveller needs another namespace. It makes a \
         second one, which nobody has entered yet.",
    );
    stage.say(
        "There it writes the same line again, and then three others: one second back, 31 years ahead and 31 years back. \
         The last one is refused with ERANGE, \"Numerical result out of range\". The machine has not been up for 31 \
         years, so the clock would show less than zero.",
    );
    traveller.unshare(CLONE_NEWTIME)?;
    let early = traveller.write_offset("boottime", DAY).refusal()?;
    let back = traveller.write_offset("boottime", -1).refusal()?;
    let ahead = traveller.write_offset("boottime", LONG).refusal()?;
    let below = traveller.write_offset("boottime", -LONG).refusal()?;
    stage.verify(
        &steps::BOUNDS,
        late == Some(Errno::EACCES) && [early, back, ahead] == [None; 3] && below == Some(Errno::ERANGE),
        evidence![
            "one day, with the child in there:",
            late,
            "· with nobody in there, one day:",
            early,
            "· one second back:",
            back,
            "· 31 years ahead:",
            ahead,
            "· 31 years back:",
            below
        ],
    )?;
    Ok(())
}

/// The traveller becomes another program, and is in.
fn execve_enters(stage: &Stage, traveller: &Actor) -> Result<()> {
    let host = stage.host();
    stage.step(&steps::EXEC)?;
    stage.say(
        "Nobody has entered the second namespace yet. The traveller could enter it by setns(2). Since Linux \
         6.2 it also enters by execve(2). That is the system call by which a process becomes another program. The process keeps its number and gets new \
         memory. The new program has not read a clock yet, so it sees no clock jump. The traveller becomes the program \
         cat, which prints /proc/uptime and then waits.",
    );
    traveller.write_offset("boottime", TEN_DAYS)?;
    let old = traveller.readlink_ns("time")?;
    let chosen = traveller.readlink_ns("time_for_children")?;
    stage.or_skip(steps::EXEC.facts, || {
        let release = host.remark("the kernel's release").uname_release()?;
        // It prints the uptime, and then waits for its standard input.
        let printed = stage.execve(traveller, "/bin/cat", &["cat", "/proc/uptime", "-"])?;
        let (hosts, programs) = (stage.uptime(host)?, stage.printed_uptime(traveller, &printed)?);
        let ahead = programs.ahead_of(hosts);
        let now = host
            .remark("the traveller's number, as before: it is the same process")
            .readlink_ns_of(traveller, NamespaceType::Time)?;
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
