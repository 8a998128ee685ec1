//! Starting the program: as whom, with what around it, and what came of it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use nix::unistd::geteuid;
use serde_json::Value;
use syscalls::Sysno;

use crate::supervisor::{self, Call, Filter, Verdict};

/// The id of a user who has nothing and may do nothing.
pub const NOBODY: u32 = 65534;

/// The directories of this test run's own under /tmp begin so.
pub const DIRECTORY_PREFIX: &str = "nslearn-test-";

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

/// A directory with a copy of the program in it that everybody may run: the one in `target` may be out of a plain
/// user's reach, and the processes of this copy can be told from those of any other. It goes with the last test.
struct Arena(PathBuf);

impl Arena {
    fn get() -> Arc<Arena> {
        static LAST: Mutex<Weak<Arena>> = Mutex::new(Weak::new());
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(arena) = last.upgrade() {
            return arena;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("{DIRECTORY_PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a directory of the tests' own");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        let program = path.join("nslearn");
        fs::copy(env!("CARGO_BIN_EXE_nslearn"), &program).expect("a copy of the program");
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        let arena = Arc::new(Arena(path));
        *last = Arc::downgrade(&arena);
        arena
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The one place in which tests run the program: one test at a time, so that each can tell what is its own.
pub struct House {
    // In the order in which they go: the next test may begin when this one's files are accounted for.
    arena: Arc<Arena>,
    _alone: MutexGuard<'static, ()>,
}

/// Waits until no other test runs the program.
pub fn house() -> House {
    static ONE: Mutex<()> = Mutex::new(());
    // Before the wait: so the copy of the program passes from test to test.
    let arena = Arena::get();
    House { arena, _alone: ONE.lock().unwrap_or_else(PoisonError::into_inner) }
}

/// The same, where the machine has what lessons need; else `None`, loudly.
pub fn stage() -> Option<House> {
    let house = house();
    static RUNS: OnceLock<bool> = OnceLock::new();
    let runs =
        *RUNS.get_or_init(|| everybody().iter().all(|who| house.run(["doctor"]).by(*who).end().status.success()));
    available(runs, "this machine does not let nslearn make its namespaces (see `nslearn doctor`)").then_some(house)
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

impl House {
    /// The program with these arguments, not yet started.
    pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> Run {
        let mut words = vec![self.program().into_os_string()];
        words.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        let env = [("LANG", "C.UTF-8"), ("PATH", SEARCHED)].map(|(name, value)| (name.to_owned(), value.to_owned()));
        Run { words, who: Who::Me, env: env.into(), cwd: self.arena.0.clone(), stdout: Stdio::piped, filter: None }
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
        self.arena.0.join("nslearn")
    }

    /// Another path of it, for what runs at the same time: the processes of each can be told from those of the others.
    pub fn link(&self, number: usize) -> PathBuf {
        let link = self.arena.0.join(format!("nslearn-{number}"));
        // Another test may have made it.
        if !link.exists() {
            fs::hard_link(self.program(), &link).unwrap();
        }
        link
    }

    /// A new directory that the user may write to; it goes with the last test.
    pub fn directory(&self, who: Who) -> PathBuf {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let path = self.arena.0.join(format!("directory{}", COUNT.fetch_add(1, Ordering::Relaxed)));
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

    /// The lessons' names.
    pub fn ids(&self) -> Vec<String> {
        self.lessons().iter().map(|lesson| lesson["id"].as_str().unwrap().to_owned()).collect()
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

/// The events of one kind.
pub fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event["event"] == kind).collect()
}
