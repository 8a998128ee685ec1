//! Starting the program: as whom, with what around it, and what came of it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use nix::unistd::geteuid;
use serde_json::Value;
use syscalls::Sysno;

use crate::isolation;
use crate::supervisor::{self, Call, Filter, Verdict};

/// The id of a user who has nothing and may do nothing.
pub const NOBODY: u32 = 65534;

/// As whom the program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// As whoever runs the tests.
    Me,
    /// As a plain user: nobody, if root runs the tests; else that is the same as `Me`.
    PlainUser,
    /// As the plain user with this id, if root runs the tests; else that is the same as `Me`.
    Id(u32),
}

/// Everybody as whom a lesson must run alike: root and a plain user, if root runs the tests; else the plain user alone.
pub fn everybody() -> &'static [Who] {
    if geteuid().is_root() { &[Who::Me, Who::PlainUser] } else { &[Who::PlainUser] }
}

/// The place of one test, or of a part of one: with a directory and a path of the program that are its own, so that the
/// processes in it can be told from those of tests that run at the same time. The directory goes with it.
pub struct Lab {
    directory: PathBuf,
    /// Whether others run at the same time.
    _turn: Turn,
}

/// Tests run side by side, but for those that measure the machine.
#[expect(dead_code, reason = "they are held, and not looked at")]
enum Turn {
    Shared(RwLockReadGuard<'static, ()>),
    Alone(RwLockWriteGuard<'static, ()>),
}

static MACHINE: RwLock<()> = RwLock::new(());

/// A place to run the program in.
pub fn lab() -> Lab {
    Lab::new(Turn::Shared(MACHINE.read().unwrap_or_else(PoisonError::into_inner)))
}

/// The same, where the machine has what lessons need; else `None`, loudly.
pub fn stage() -> Option<Lab> {
    has_stages(lab())
}

/// The same, when no other test runs the program: for those that take the time, or count what is left of the machine.
pub fn stage_alone() -> Option<Lab> {
    has_stages(Lab::new(Turn::Alone(MACHINE.write().unwrap_or_else(PoisonError::into_inner))))
}

fn has_stages(lab: Lab) -> Option<Lab> {
    static RUNS: OnceLock<bool> = OnceLock::new();
    let runs = *RUNS.get_or_init(|| everybody().iter().all(|who| lab.run(["doctor"]).by(*who).end().status.success()));
    available(runs, "this machine does not let nslearn make its namespaces (see `nslearn doctor`)").then_some(lab)
}

/// Whether a tool that a test needs is there; if not, says so loudly.
pub fn has_tool(name: &str) -> bool {
    let there = SEARCHED.split(':').any(|directory| Path::new(directory).join(name).exists());
    available(there, &format!("the tool {name} is not installed"))
}

pub fn available(there: bool, lack: &str) -> bool {
    if !there {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        assert!(std::env::var("NSLEARN_MUST_RUN").as_deref() != Ok("1"), "{test} must run here, but {lack}");
        eprintln!("SKIPPED: {test}: {lack}");
    }
    there
}

const SEARCHED: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Lab {
    fn new(turn: Turn) -> Lab {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed).to_string();
        let lab = Lab { directory: isolation::directory().join(number), _turn: turn };
        fs::create_dir(&lab.directory).expect("a directory of the test's own");
        fs::set_permissions(&lab.directory, Permissions::from_mode(0o755)).unwrap();
        // A link, and no copy: whoever writes to a program while another thread forks cannot start it.
        fs::hard_link(isolation::directory().join("nslearn"), lab.program()).expect("a path of the program");
        lab
    }

    /// The program with these arguments, not yet started.
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Run {
        let mut words = vec![self.program().into_os_string()];
        words.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        let env = [("LANG", "C.UTF-8"), ("PATH", SEARCHED)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Run { words, who: Who::Me, env: env.into(), cwd: self.directory.clone(), stdout: Stdio::piped, filter: None }
    }

    /// A shell script in which `"$0"` is the program.
    pub fn shell(&self, script: &str) -> Run {
        let mut run = self.run(Vec::<&str>::new());
        run.words = ["sh", "-c", script].map(OsString::from).into();
        run.words.push(self.program().into());
        run
    }

    /// Where the program that is tested lies.
    pub fn program(&self) -> PathBuf {
        self.directory.join("nslearn")
    }

    /// Another path of it, for what runs at the same time: the processes of each can be told from those of the others.
    pub fn link(&self, number: usize) -> PathBuf {
        let link = self.directory.join(format!("nslearn-{number}"));
        if !link.exists() {
            fs::hard_link(self.program(), &link).unwrap();
        }
        link
    }

    /// A new directory that the user may write to.
    pub fn directory(&self, who: Who) -> PathBuf {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let path = self.directory.join(format!("directory{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&path).unwrap();
        if who == Who::PlainUser && geteuid().is_root() {
            chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        path
    }

    /// The lessons, as `nslearn list` tells of them.
    pub fn lessons(&self) -> Vec<Value> {
        self.run(["list", "--format", "json"]).end().must_be(0).events()
    }

    /// What `nslearn list` tells of one of them.
    pub fn lesson(&self, id: &str) -> Value {
        let found = self.lessons().into_iter().find(|lesson| lesson["id"] == id);
        found.unwrap_or_else(|| panic!("there is no lesson {id}: add it to ALL in lessons/mod.rs"))
    }

    /// The lessons' names.
    pub fn ids(&self) -> Vec<String> {
        self.lessons().iter().map(|lesson| lesson["id"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// The program, about to be run. Without another word: as whoever runs the tests, with nothing on standard input, in a
/// UTF-8 locale, and with nothing else in its environment.
pub struct Run {
    words: Vec<OsString>,
    who: Who,
    env: Vec<(String, String)>,
    cwd: PathBuf,
    stdout: fn() -> Stdio,
    filter: Option<Filter>,
}

impl Run {
    /// As somebody.
    pub fn by(mut self, who: Who) -> Self {
        self.who = who;
        self
    }

    /// With more arguments.
    pub fn with(mut self, args: &[&str]) -> Self {
        self.words.extend(args.iter().map(OsString::from));
        self
    }

    /// By way of another program: `strace -f`, say.
    pub fn under<S: AsRef<OsStr>>(mut self, program: &[S]) -> Self {
        self.words.splice(0..0, program.iter().map(|word| word.as_ref().to_owned()));
        self
    }

    /// Of a copy of the program.
    pub fn of(mut self, program: &Path) -> Self {
        self.words[0] = program.into();
        self
    }

    /// Another program instead.
    pub fn instead(mut self, program: &str, args: &[&str]) -> Self {
        self.words = [program].iter().chain(args).map(|word| OsString::from(*word)).collect();
        self
    }

    /// With a variable in the environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With an empty environment.
    pub fn without_env(mut self) -> Self {
        self.env.clear();
        self
    }

    /// With something else than a pipe for standard output.
    pub fn stdout(mut self, stdout: fn() -> Stdio) -> Self {
        self.stdout = stdout;
        self
    }

    /// Behind a seccomp filter, which plays another machine.
    pub fn behind(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// As a command to start by hand.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.words[0]);
        command.args(&self.words[1..]).env_clear().envs(self.env.iter().cloned()).current_dir(&self.cwd);
        command.stdin(Stdio::null()).stdout((self.stdout)()).stderr(Stdio::piped());
        let id = match self.who {
            Who::Me => None,
            Who::PlainUser => Some(NOBODY),
            Who::Id(id) => Some(id),
        };
        if let Some(id) = id.filter(|_| geteuid().is_root()) {
            command.uid(id).gid(id);
        }
        if let Some(filter) = &self.filter {
            supervisor::put_behind(&mut command, filter);
        }
        command
    }

    /// Runs it to its end.
    pub fn end(&self) -> End {
        self.end_of(self.command())
    }

    /// Runs it to its end, and has these system calls of all its processes judged, each before the kernel makes it.
    #[track_caller]
    pub fn judged(&self, watched: &[Sysno], judge: impl FnMut(&Call<'_>) -> Verdict + Send) -> End {
        supervisor::judged(watched, judge, |bench| {
            let mut command = self.command();
            bench.put_before(&mut command);
            self.end_of(command)
        })
    }

    /// Runs a command that was made of this to its end.
    pub fn end_of(&self, mut command: Command) -> End {
        self.end_of_child(command.spawn().unwrap_or_else(|why| panic!("{:?} does not start: {why}", self.words)))
    }

    /// Waits for the end of what was started by hand.
    pub fn end_of_child(&self, child: Child) -> End {
        let what = format!("{:?}", self.words);
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program speaks UTF-8");
        let end = End { what, status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) };
        // Whatever else a test is about: this must never be seen.
        assert!(!end.stderr.contains("panicked") && !end.stdout.contains("panicked"), "a panic: {end:?}");
        end
    }
}

/// How the program ended.
#[derive(Debug)]
pub struct End {
    pub what: String,
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl End {
    /// Makes sure of the exit status.
    #[track_caller]
    pub fn must_be(self, status: i32) -> Self {
        assert_eq!(self.code(), status, "the exit status of {}\n{}\n{}", self.what, self.stdout, self.stderr);
        self
    }

    /// The exit status, as a shell tells it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    /// Standard output, as JSON lines.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}"));
        self.stdout.lines().map(parse).collect()
    }
}

/// What a file says. Files of /proc are bytes: what is no text in them is replaced.
pub fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The events of one kind.
pub fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}
