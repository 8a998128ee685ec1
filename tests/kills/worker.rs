//! The one who kills: starts a lesson, waits for its moment, ends somebody, and looks at what is left.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeSpec;
use nix::unistd::{Pid, getppid};
use rustix::process::{PidfdFlags, pidfd_open};
use serde_json::Value;

use super::MOMENTS;
use crate::isolation;
use crate::moments::{ends_before, is_gone, parent_of, processes_of};
use crate::support::{Lab, Who, everybody, of_kind};
use crate::untouched::{Change, fingerprint, quick_fingerprint};

/// How soon after it everything is gone.
const PROMISE: Duration = Duration::from_secs(2);

/// After how many kills all that a lesson could change is looked at, and not the likeliest part alone.
const THOROUGH: u32 = 20;

/// Who is killed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Victim {
    /// The program, by this signal.
    Program(Signal),
    /// The stage's first process.
    First,
    /// Of the other processes on the stage, in the order of their numbers, this one.
    Actor(usize),
}

/// One moment of one lesson.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) lesson: String,
    pub(super) who: Who,
    pub(super) number: u32,
}

/// What came of a kill.
pub(super) struct End {
    what: String,
    status: ExitStatus,
    events: Vec<Value>,
    stderr: String,
    /// The name that the killed process had, and its parent's.
    pub(super) names: [String; 2],
    /// How many actors there were.
    pub(super) actors: usize,
}

/// A process that is ended where a test fails: it must not be there for the next one.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One of those who kill: with a path of the program whose processes are its own.
pub(super) struct Worker<'a> {
    lab: &'a Lab,
    program: PathBuf,
    /// How long each lesson takes.
    took: BTreeMap<(String, bool), Duration>,
    kills: u32,
}

impl<'a> Worker<'a> {
    pub(super) fn new(lab: &'a Lab, number: usize, lessons: &[String]) -> Worker<'a> {
        let mut worker = Worker { lab, program: lab.link(number), took: BTreeMap::new(), kills: 0 };
        for lesson in lessons {
            for &who in everybody() {
                let mut took: Vec<Duration> = (0..3).map(|_| worker.time(lesson, who)).collect();
                took.sort();
                worker.took.insert((lesson.clone(), who == Who::Me), took[1]);
            }
        }
        worker
    }

    fn time(&self, lesson: &str, who: Who) -> Duration {
        let start = Instant::now();
        self.lab.run(["lesson", lesson, "--format", "json"]).of(&self.program).by(who).end().must_be(0);
        start.elapsed()
    }

    /// Kills somebody at a moment; `None` where there is nobody of that kind then.
    pub(super) fn kill(&mut self, moment: &Moment, victim: Victim) -> Option<End> {
        // Clocks are no good at this: the lesson may be over before its usual time.
        const TRIES: usize = 50;
        for _ in 0..TRIES {
            match self.try_to_kill(moment, victim) {
                Tried::Done(end) => return Some(end),
                Tried::Nobody => return None,
                Tried::Over => {
                    let took = self.took.get_mut(&(moment.lesson.clone(), moment.who == Who::Me)).unwrap();
                    *took = took.mul_f64(0.97);
                }
            }
        }
        panic!("{victim:?} at {moment:?} was never there to be killed");
    }

    fn try_to_kill(&mut self, moment: &Moment, victim: Victim) -> Tried {
        // Of a try that came to nothing.
        self.nothing_runs(&BTreeSet::new(), Instant::now() + PROMISE, &format!("before {victim:?} at {moment:?}"));
        self.kills += 1;
        let look =
            |me: &Self| if me.kills.is_multiple_of(THOROUGH) { fingerprint(&me.program) } else { quick_fingerprint() };
        let before = look(self);
        let signal = if let Victim::Program(signal) = victim { signal } else { Signal::SIGKILL };
        let run = self.lab.run(["lesson", &moment.lesson, "--format", "json"]).of(&self.program).by(moment.who);
        let mut child = Running(run.command().stdout(Stdio::piped()).spawn().unwrap());
        // Room for all that it says: it never waits for its reader.
        fcntl(child.0.stdout.as_ref().unwrap(), FcntlArg::F_SETPIPE_SZ(1 << 20)).unwrap();
        let program = i32::try_from(child.0.id()).unwrap();
        if !self.wait_for(moment, &child) {
            return Tried::Over;
        }
        let Some((first, actors)) = self.stage_of(program) else { return Tried::Over };
        let namespaces = namespaces_of(first);
        let found = match victim {
            Victim::Program(_) => program,
            Victim::First => first,
            Victim::Actor(place) => match actors.get(place) {
                None => return Tried::Nobody,
                Some(actor) => *actor,
            },
        };
        let names = [found, parent_of(found).unwrap_or_default()].map(name_of);
        let what = format!("{signal} for {} (process {found}, {victim:?}) at {moment:?}", names[0]);
        if is_gone(found) || kill(Pid::from_raw(found), signal).is_err() {
            return Tried::Over;
        }
        let deadline = Instant::now() + PROMISE;
        let status = end_of(&mut child, deadline, &what);
        self.nothing_runs(&namespaces, deadline, &what);
        let after = look(self);
        let changes = Change::between(&before, &after);
        assert!(!changes.iter().any(Change::is_nslearns), "{what}: the machine has changed: {changes:#?}");
        let (stdout, stderr) = (text(child.0.stdout.take()), text(child.0.stderr.take()));
        // Whoever is ended in the middle of a line has not said it.
        let events = stdout.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let events = events.map(|line| serde_json::from_str(line).unwrap()).collect();
        let end = End { what, status, events, stderr, names, actors: actors.len() };
        // At its very end the program outruns the signal.
        if matches!(victim, Victim::Program(_)) && end.status.code() == Some(0) {
            Tried::Over
        } else {
            Tried::Done(end)
        }
    }

    /// Waits until the moment has come; `false` if the program has ended before.
    fn wait_for(&self, moment: &Moment, child: &Running) -> bool {
        let took = self.took[&(moment.lesson.clone(), moment.who == Who::Me)];
        let wait = took * moment.number / MOMENTS;
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.0.id()).unwrap()).unwrap();
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).unwrap();
        ppoll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], Some(TimeSpec::from(wait)), None).unwrap() == 0
    }

    /// The first process of a program's stage, and the actors; waits until there is one. `None`: the program has ended.
    fn stage_of(&self, program: i32) -> Option<(i32, Vec<i32>)> {
        while !is_gone(program) {
            let stage = processes_of(&self.program).into_iter().filter(|pid| *pid != program);
            let (first, actors): (Vec<i32>, Vec<i32>) = stage.partition(|pid| parent_of(*pid) == Some(program));
            if let [first, ..] = first[..] {
                return Some((first, actors));
            }
            std::thread::yield_now();
        }
        None
    }

    /// Waits until no process of the program lives, and none at all lives in these namespaces.
    #[track_caller]
    fn nothing_runs(&self, namespaces: &BTreeSet<PathBuf>, deadline: Instant, what: &str) {
        while let Some(pid) = processes_of(&self.program).into_iter().next().or_else(|| self.somebody_in(namespaces)) {
            assert!(ends_before(pid, deadline), "{what}: process {pid}, {}, lives on after {PROMISE:?}", name_of(pid));
        }
    }

    /// A process that lives in one of these namespaces, whatever it runs. The dead are not counted: how long those of a
    /// program that was killed stay in the list is for the machine's init to say. Nor are those of other tests: the kernel
    /// may have given the numbers of namespaces that are gone to their stages.
    fn somebody_in(&self, namespaces: &BTreeSet<PathBuf>) -> Option<i32> {
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let mut processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        processes.find(|pid| {
            let is_in =
                ["mnt", "net", "user"].iter().any(|kind| namespaces.contains(&link(*pid, &format!("ns/{kind}"))));
            is_in && !self.is_anothers(*pid) && !is_gone(*pid)
        })
    }

    /// Whether a process, or one that it descends from, runs the program of another worker or of another test, or has
    /// nothing to do with this test run: what that has lost comes to the process [outside](isolation).
    fn is_anothers(&self, pid: i32) -> bool {
        let exe = link(pid, "exe");
        if exe != self.program && exe.starts_with(isolation::directory()) {
            return true;
        }
        match parent_of(pid) {
            Some(parent) if parent == getppid().as_raw() => false,
            Some(parent) => parent <= 1 || self.is_anothers(parent),
            None => true,
        }
    }
}

/// What one of a process's files in /proc leads to.
fn link(pid: i32, file: &str) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/{file}")).unwrap_or_default()
}

enum Tried {
    Done(End),
    /// There is no such process at this moment.
    Nobody,
    /// The moment was too late.
    Over,
}

/// The program's end, which must come in time.
#[track_caller]
fn end_of(child: &mut Running, deadline: Instant, what: &str) -> ExitStatus {
    assert!(
        ends_before(i32::try_from(child.0.id()).unwrap(), deadline),
        "{what}: the program goes on after {PROMISE:?}"
    );
    child.0.wait().unwrap()
}

fn name_of(pid: i32) -> String {
    crate::support::read_text(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// The namespaces of a process, but for those of this one.
fn namespaces_of(pid: i32) -> BTreeSet<PathBuf> {
    let of = |process: &str| -> BTreeSet<PathBuf> {
        let links = fs::read_dir(format!("/proc/{process}/ns")).into_iter().flatten().flatten();
        links.filter_map(|link| fs::read_link(link.path()).ok()).collect()
    };
    &of(&pid.to_string()) - &of("self")
}

fn text(stream: Option<impl Read>) -> String {
    let mut bytes = Vec::new();
    stream.unwrap().read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

impl End {
    #[track_caller]
    pub(super) fn must_be_by(&self, signal: Signal) {
        assert_eq!(self.status.signal(), Some(signal as i32), "{}: it ended otherwise: {}", self.what, self.stderr);
        assert!(self.stderr.is_empty(), "{}: it said {}", self.what, self.stderr);
    }

    /// Whether the lesson has gone on to its end, with all that it is to show.
    #[track_caller]
    pub(super) fn is_whole(&self, facts: usize) -> bool {
        let claims = of_kind(&self.events, "verified");
        let wrong = claims.iter().find(|claim| claim["held"] != true);
        assert_eq!(wrong, None, "{}: a claim was told that did not hold", self.what);
        let skipped = of_kind(&self.events, "skipped");
        assert_eq!(skipped.first(), None, "{}: a fact was skipped as if the machine could not show it", self.what);
        if self.status.code() == Some(0) {
            assert_eq!(claims.len(), facts, "{}: not all was told", self.what);
        }
        self.status.code() == Some(0)
    }

    #[track_caller]
    pub(super) fn must_say(&self, words: &[&str]) {
        assert_eq!(self.status.code(), Some(1), "{}: {}", self.what, self.stderr);
        for word in words {
            let said = self.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(said.contains(word), "{}: it does not say '{word}':\n{}", self.what, self.stderr);
        }
    }
}
