//! `cargo bench`: nslearn side by side with its peers, on this machine and in one go.
//!
//! Only ratios travel from one machine to the next, so ratios of medians are what it prints, as a table for the README.
//! A goal that is missed is reported and no failure; a command that cannot run is one.
//! `cargo bench -- --rounds 50` for fewer rounds.
#![allow(clippy::print_stdout, reason = "the table is what this program is for")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The release binary. `cargo bench` puts one of its own there, which can unwind; [`build`] puts the real one.
const NSLEARN: &str = env!("CARGO_BIN_EXE_nslearn");
const VETH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/veth.sh");
const ROUNDS: usize = 60;
const MIB: f64 = 1024.0 * 1024.0;
const MEMORY_GOAL: f64 = 8.0;
const SIZE_GOAL: f64 = 4.0;

fn main() -> Result<()> {
    let rounds = rounds(std::env::args().skip(1))?;
    build()?;
    let lessons = lessons()?;
    let pairs = pairs(&lessons)?;

    println!("| nslearn | beside it | ratio | goal | met | nslearn, ms | beside it, ms |");
    println!("|---|---|--:|--:|---|--:|--:|");
    for pair in &pairs {
        println!("{}", pair.measure(rounds)?);
    }
    println!();
    println!("| size | MiB | goal | met |");
    println!("|---|--:|--:|---|");
    for lesson in &lessons {
        println!("{}", peak_memory(lesson)?);
    }
    println!("{}", size_row("the release binary", fs::metadata(NSLEARN)?.len() as f64 / MIB, SIZE_GOAL));
    println!();
    let kernel = String::from_utf8(fs::read("/proc/sys/kernel/osrelease")?)?;
    println!(
        "Medians of {rounds} rounds, or of a quarter where the kernel is long at work, each command on a machine at rest; \
         Linux {}.",
        kernel.trim()
    );
    Ok(())
}

fn rounds(mut args: impl Iterator<Item = String>) -> Result<usize> {
    let mut rounds = ROUNDS;
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--bench" => {} // Cargo says it to every benchmark.
            "--rounds" => rounds = args.next().ok_or("--rounds: how many?")?.parse()?,
            _ => return Err(format!("{arg}: the one option is --rounds NUMBER").into()),
        }
    }
    if rounds == 0 {
        return Err("--rounds: at least 1".into());
    }
    Ok(rounds)
}

/// Cargo ignores `panic = "abort"` for what it builds beside a benchmark, and that makes the program larger and slower.
fn build() -> Result<()> {
    let target = Path::new(NSLEARN).ancestors().nth(2).ok_or("no target directory")?;
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--quiet", "--bin", "nslearn", "--target-dir"])
        .arg(target)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()?;
    built.success().then_some(()).ok_or_else(|| format!("cargo build --release: {built}").into())
}

/// The lessons' names, in teaching order.
fn lessons() -> Result<Vec<String>> {
    let listed = json_lines(&["list", "--format", "json"])?;
    Ok(listed.iter().filter_map(|lesson| lesson["id"].as_str()).map(str::to_owned).collect())
}

/// What nslearn says, for a program.
fn json_lines(args: &[&str]) -> Result<Vec<Value>> {
    let out = Command::new(NSLEARN).args(args).stdin(Stdio::null()).output()?;
    if !out.status.success() {
        return Err(format!("nslearn {}: {}", args.join(" "), out.status).into());
    }
    Ok(serde_json::Deserializer::from_slice(&out.stdout).into_iter().collect::<std::result::Result<_, _>>()?)
}

/// All that is measured, and against what.
fn pairs(lessons: &[String]) -> Result<Vec<Pair>> {
    let mut pairs = vec![Pair::new(&["list"], "/bin/true", 1.5)];
    for lesson in lessons {
        let script = by_hand(lesson)?;
        let pair = Pair::new(&["lesson", lesson], &format!("sh {}", script.display()), 0.3);
        pairs.push(pair.called("its commands by hand, in one script").quarter());
    }
    pairs.push(Pair::new(&["lesson", "uts"], "unshare -Uru true", 1.0));
    pairs.push(Pair::new(&["lesson", "pid"], "unshare -Urfp --mount-proc ps aux", 3.0));
    let veth = format!("unshare --user --map-root-user --net --mount --pid --fork --mount-proc sh -e {VETH}");
    pairs.push(Pair::new(&["lesson", "net"], &veth, 0.5).called("the cable as an `ip netns` script").quarter());
    Ok(pairs)
}

/// A lesson's own commands "by hand", those without docker, as one script. Each of them must work.
fn by_hand(lesson: &str) -> Result<PathBuf> {
    let events = json_lines(&["lesson", lesson, "--format", "json"])?;
    let commands = events
        .iter()
        .filter(|event| event["event"] == "by_hand" && event["docker"] == false)
        .filter_map(|event| event["command"].as_str());
    let script = commands.map(|command| format!("{command}\n")).collect::<String>();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("by-hand-{lesson}.sh"));
    fs::write(&path, script)?;
    run("sh", &["-e".as_ref(), path.as_os_str()])?;
    Ok(path)
}

/// Two commands, one after the other, round by round.
struct Pair {
    ours: Vec<String>,
    theirs: Vec<String>,
    /// How the table calls theirs, where it is too long to be named in full.
    called: Option<&'static str>,
    goal: f64,
    rounds_divided_by: usize,
}

impl Pair {
    /// `theirs` is split at its spaces: no shell is started for it.
    fn new(ours: &[&str], theirs: &str, goal: f64) -> Self {
        let ours = ours.iter().map(|&word| word.to_owned()).collect();
        let theirs = theirs.split(' ').map(str::to_owned).collect();
        Pair { ours, theirs, called: None, goal, rounds_divided_by: 1 }
    }

    fn called(self, called: &'static str) -> Self {
        Pair { called: Some(called), ..self }
    }

    fn quarter(self) -> Self {
        Pair { rounds_divided_by: 4, ..self }
    }

    /// Runs both, and gives the row of the table.
    fn measure(&self, rounds: usize) -> Result<String> {
        let rounds = (rounds / self.rounds_divided_by).max(1);
        let warm_up = (rounds / 10).max(2);
        let (program, args) = self.theirs.split_first().ok_or("no command")?;
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 0..warm_up + rounds {
            let (our, their) = (run(NSLEARN, &self.ours)?, run(program, args)?);
            if round >= warm_up {
                ours.push(our);
                theirs.push(their);
            }
        }
        let (ours, theirs) = (median(ours), median(theirs));
        let ratio = ours / theirs;
        let called = self.called.map_or_else(|| format!("`{}`", self.theirs.join(" ")), str::to_owned);
        let met = yes(ratio <= self.goal);
        let words = self.ours.join(" ");
        Ok(format!("| `nslearn {words}` | {called} | {ratio:.2} | ≤ {} | {met} | {ours:.2} | {theirs:.2} |", self.goal))
    }
}

/// Lets the machine come to rest: the kernel takes the networks of the last command apart for a while after that has
/// ended, and holds up whoever configures another meanwhile. People do not type so fast.
#[allow(clippy::disallowed_methods, reason = "nothing is synchronised by it: it only parts two measurements")]
fn settle() {
    std::thread::sleep(Duration::from_millis(150));
}

/// How long a command takes, from its start to its end. It must end well.
fn run(program: &str, args: &[impl AsRef<std::ffi::OsStr>]) -> Result<Duration> {
    settle();
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().map_err(|error| format!("{program}: {error}"))?;
    let took = start.elapsed();
    if status.success() { Ok(took) } else { Err(format!("{command:?}: {status}").into()) }
}

/// In milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    let middle = times.len() / 2;
    let upper = times[middle];
    let lower = if times.len().is_multiple_of(2) { times[middle - 1] } else { upper };
    (lower + upper).as_secs_f64() * 1000.0 / 2.0
}

/// The peak of the largest of a lesson's processes, as GNU time(1) tells it: the standard library has no getrusage(2).
fn peak_memory(lesson: &str) -> Result<String> {
    const TIME: &str = "/usr/bin/time";
    let what = format!("peak memory of `nslearn lesson {lesson}`");
    if !Path::new(TIME).exists() {
        return Ok(format!("| {what} | not measured: it takes GNU time | ≤ {MEMORY_GOAL} | |"));
    }
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peak-memory");
    let mut peak: f64 = 0.0;
    for _ in 0..5 {
        run(
            TIME,
            &[
                "-f".as_ref(),
                "%M".as_ref(),
                "-o".as_ref(),
                report.as_os_str(),
                NSLEARN.as_ref(),
                "lesson".as_ref(),
                lesson.as_ref(),
            ],
        )?;
        peak = peak.max(String::from_utf8(fs::read(&report)?)?.trim().parse::<f64>()? / 1024.0);
    }
    Ok(size_row(&what, peak, MEMORY_GOAL))
}

fn size_row(what: &str, mib: f64, goal: f64) -> String {
    format!("| {what} | {mib:.1} | ≤ {goal} | {} |", yes(mib <= goal))
}

fn yes(met: bool) -> &'static str {
    if met { "yes" } else { "**no**" }
}
