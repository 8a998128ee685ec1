//! Every system call can fail at any time. Whichever one does: the program says what it means and how it ends, claims
//! nothing that was not, leaves nothing behind, and comes to an end.
//!
//! strace's injection counts the calls of each process anew, and so never reaches those of the later ones. Here they are
//! counted over the whole lesson, by the supervisor.
//!
//! A test run tries as many faults as ever, however many lessons there are: it draws among the [places](census::Place)
//! that all of them have, for the same call of the same verb fails the same way in each. `every_kind_of_call` tries each
//! kind of call of each lesson; `.ci/soak` runs it.

mod census;
mod judgement;
mod plan;
mod shell;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use syscalls::Sysno;

use self::census::Census;
use self::judgement::Told;
use crate::moments::{processes_of, wait_until_none_runs};
use crate::supervisor::{Call, Verdict, can_play, supervise};
use crate::support::{Lab, Run, Who, everybody, lab, stage};

const ERRNOS: [Errno; 4] = [Errno::EPERM, Errno::ENOMEM, Errno::EINTR, Errno::ENOSPC];

/// How many faults are tried where they are drawn.
const FAULTS: usize = 400;

/// How long a lesson may take that meets a fault: less than its own patience with a stage that says nothing, for to wait
/// for that is to hang.
const PATIENCE: Duration = Duration::from_secs(15);

/// How many lessons are told at once: a lesson keeps one CPU busy, and these are of a machine that has two.
const WORKERS: usize = 2;

/// Calls that do not return, and calls that cannot fail: the kernel lets go of a descriptor whatever close(2) says, and
/// has each process's numbers at hand.
const LEFT_OUT: [Sysno; 12] = [
    Sysno::close,
    Sysno::execve,
    Sysno::exit,
    Sysno::exit_group,
    Sysno::getegid,
    Sysno::geteuid,
    Sysno::getgid,
    Sysno::getpid,
    Sysno::getppid,
    Sysno::gettid,
    Sysno::getuid,
    Sysno::rt_sigreturn,
];

/// Calls for more memory.
const MEMORY: [Sysno; 3] = [Sysno::brk, Sysno::mmap, Sysno::mremap];

/// A call that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fault {
    sysno: Sysno,
    errno: Errno,
    /// Which of the calls of this kind, from 1.
    which: usize,
    /// Whether all later ones fail as well.
    lasting: bool,
}

impl Fault {
    /// Whether it is about calls of this kind. Where there is no memory, there is none by any call.
    fn concerns(self, sysno: Sysno) -> bool {
        sysno == self.sysno || self.lasting && [self.sysno, sysno].iter().all(|call| MEMORY.contains(call))
    }

    fn hits(self, number: usize) -> bool {
        number == self.which || self.lasting && number > self.which
    }

    fn verdict(self, sysno: Sysno) -> Verdict {
        match sysno {
            // This one has no errno: it says where the end of the heap is, be it not where it was to be.
            Sysno::brk => Verdict::Return(0),
            _ => Verdict::Refuse(self.errno),
        }
    }
}

/// Waits for the program's own first call: what the loader and the C library do before is not the program's to answer for.
#[derive(Default)]
struct Start(bool);

impl Start {
    fn is_past(&mut self, call: &Call<'_>) -> bool {
        let [fd, command, ..] = call.args;
        self.0 |= call.sysno == Sysno::fcntl && fd == 0 && command == u64::from(libc::F_GETFD.unsigned_abs());
        self.0
    }
}

/// A lesson, told under the supervisor.
fn tell(run: &Run, watched: &[Sysno], judge: impl FnMut(&Call<'_>) -> Verdict + Send) -> Told {
    let (output, late) = supervise(watched, PATIENCE, judge, |bench| {
        let mut command = run.command();
        bench.put_before(&mut command);
        command.output().expect("the program starts")
    });
    Told::new(&output, late)
}

/// A lesson without a fault, and the calls that it makes.
fn undisturbed(run: &Run) -> (Census, Told) {
    let all: Vec<Sysno> = Sysno::iter().filter(|call| !LEFT_OUT.contains(call)).collect();
    let (mut census, mut start) = (Census::default(), Start::default());
    let told = tell(run, &all, |call| {
        if start.is_past(call) {
            census.count(call);
        }
        Verdict::Continue
    });
    assert_eq!(told.code, 0, "without a fault: {told:?}");
    (census, told)
}

fn disturbed(run: &Run, fault: Fault) -> Told {
    let watched: Vec<Sysno> = Sysno::iter().filter(|sysno| *sysno == Sysno::fcntl || fault.concerns(*sysno)).collect();
    let (mut start, mut number) = (Start::default(), 0);
    tell(run, &watched, |call| {
        if !start.is_past(call) || !fault.concerns(call.sysno) {
            return Verdict::Continue;
        }
        number += 1;
        if fault.hits(number) { fault.verdict(call.sysno) } else { Verdict::Continue }
    })
}

/// Tells the lesson with the fault, and makes sure that nothing is left: what is to be complained of.
fn try_out(run: &Run, program: &Path, fault: Fault, truth: &Told) -> Option<String> {
    let before = judgement::mounts();
    let told = disturbed(run, fault);
    if told.late {
        for pid in processes_of(program) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
    wait_until_none_runs(program);
    let mounts = judgement::mounts_of_nslearns(&before);
    let complaint = if mounts.is_empty() { told.complaint(truth, fault) } else { Some(format!("it left {mounts:?}")) };
    complaint.map(|complaint| format!("{fault:?}: {complaint}\n    {}, and it said:\n{}", told.code, told.stderr))
}

/// A lesson as it is told to somebody.
struct Telling {
    lesson: String,
    who: Who,
    census: Census,
    truth: Told,
}

impl Telling {
    fn new(lab: &Lab, lesson: &str, who: Who) -> Telling {
        let (census, truth) = undisturbed(&run(lab, &lab.program(), lesson, who));
        Telling { lesson: lesson.to_owned(), who, census, truth }
    }
}

fn run(lab: &Lab, program: &Path, lesson: &str, who: Who) -> Run {
    let args = ["lesson", lesson, "--format", "json", "--scrub"];
    lab.run(Vec::<&str>::new()).instead(program.to_str().unwrap(), &args).by(who)
}

fn tellings(lab: &Lab, lesson: &str) -> Vec<Telling> {
    everybody().iter().map(|who| Telling::new(lab, lesson, *who)).collect()
}

/// Tries out faults, each in one of the tellings: all complaints.
fn try_all(lab: &Lab, plan: &[(&Telling, Fault)]) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let programs: Vec<PathBuf> = (0..WORKERS).map(|number| lab.link(number)).collect();
    thread::scope(|scope| {
        let work = |program: &Path| {
            let mut complaints = Vec::new();
            while let Some((telling, fault)) = plan.get(next.fetch_add(1, Ordering::Relaxed)) {
                let Telling { lesson, who, truth, .. } = telling;
                let complaint = try_out(&run(lab, program, lesson, *who), program, *fault, truth);
                complaints.extend(complaint.map(|complaint| format!("lesson {lesson} as {who:?}: {complaint}")));
            }
            complaints
        };
        let workers: Vec<_> = programs.iter().map(|program| scope.spawn(move || work(program))).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker ends")).collect()
    })
}

#[test]
fn a_system_call_that_fails_is_told_and_harms_nothing() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    let tellings: Vec<Telling> = lab.ids().iter().flat_map(|id| tellings(&lab, id)).collect();
    let plan = plan::drawn(&tellings, FAULTS);
    let complaints = try_all(&lab, &plan);
    assert!(complaints.is_empty(), "{}\n{} of {} in all", complaints.join("\n"), complaints.len(), plan.len());
}

#[test]
#[ignore = "some thousand faults"]
fn every_kind_of_call_that_fails_in_a_lesson_is_told_and_harms_nothing() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    for id in lab.ids() {
        let tellings = tellings(&lab, &id);
        let complaints = try_all(&lab, &plan::whole(&tellings));
        assert!(complaints.is_empty(), "lesson {id}:\n{}\n{} in all", complaints.join("\n"), complaints.len());
    }
}

#[test]
fn with_too_little_memory_the_program_says_so() {
    let lab = lab();
    let list = |kib: u32| lab.shell(&format!("ulimit -v {kib} && exec \"$0\" list")).end();
    // The most that is not enough. With less, the loader has no room for the program, and says so in its own words.
    let (mut too_little, mut enough) = (1 << 10, 1 << 20);
    let mut last = list(too_little);
    list(enough).must_be(0);
    while enough - too_little > 4 {
        let middle = too_little.midpoint(enough);
        let end = list(middle);
        if end.code() == 0 {
            enough = middle;
        } else {
            (too_little, last) = (middle, end);
        }
    }
    // At the very edge it is a page of the stack that the kernel has no room for, and that nobody can be told of.
    let end = if last.code() == 128 + libc::SIGSEGV { list(too_little - 8) } else { last }.must_be(3);
    assert!(["out of memory", "ulimit -v", "what to do:"].iter().all(|word| end.stderr.contains(word)), "{end:?}");
}
