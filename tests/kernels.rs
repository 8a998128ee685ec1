//! Other kernels than the one that runs the tests: Debian's 6.1 and 6.12, each in a machine of its own, with nothing in it
//! but busybox and the program. `tests/kernels/fetch` puts the kernels into target/kernels; the tests themselves download
//! nothing.

use std::fs::{self, Permissions};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::{Value, json};

use crate::machines::Checkup;
use crate::paths;
use crate::support::{End, available, has_tool, of_kind};

const KERNELS: [&str; 2] = ["6.1", "6.12"];

/// Who runs the lessons in the machine: init's words for root and for a plain user.
const USERS: [&str; 2] = ["root", "learner"];

/// How long an accelerated machine may take until its kernel says a first word. /dev/kvm may be there, and yet not be
/// able to run these kernels.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// How long a machine may take from its start to its end. Accelerated it takes some seconds, emulated some more, and the
/// processors may be busy with other tests.
const LIFE: Duration = Duration::from_secs(300);

/// Where `tests/kernels/fetch` puts a kernel and its modules.
fn fetched(version: &str) -> PathBuf {
    paths::scratch().with_file_name("kernels").join(version)
}

/// Whether machines can be started here; if not, says so loudly.
fn has_machines() -> bool {
    let busybox = || {
        let dynamic = Command::new("ldd").arg(busybox()).output().is_ok_and(|told| told.status.success());
        available(!dynamic, "busybox is not linked statically, as Debian's busybox-static is")
    };
    let kernel = |version: &str| {
        let lack = format!("there is no kernel {version} in target/kernels: tests/kernels/fetch puts it there");
        available(fetched(version).join("vmlinuz").exists(), &lack)
    };
    has_tool("qemu-system-x86_64") && has_tool("busybox") && busybox() && KERNELS.into_iter().all(kernel)
}

fn busybox() -> &'static Path {
    let usual = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
    usual.into_iter().find(|path| path.exists()).unwrap_or(usual[0])
}

/// The program without any library beside it, as a machine without a C library needs it. `None`, loudly, where it cannot
/// be linked.
fn program() -> Option<&'static Path> {
    static BUILT: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
        const TARGET: &str = "x86_64-unknown-linux-gnu";
        let directory = paths::scratch().with_file_name("static");
        // With --target, so that the flag is not one of build scripts and macros, which cannot do with it.
        let build = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--offline", "--target", TARGET, "--target-dir"])
            .arg(&directory)
            .env("RUSTFLAGS", "-Ctarget-feature=+crt-static")
            .env("CARGO_PROFILE_DEV_DEBUG", "false")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .current_dir(paths::tree())
            .output()
            .map_err(|why| why.to_string())?;
        let program = directory.join(TARGET).join("debug/nslearn");
        if build.status.success() { Ok(program) } else { Err(String::from_utf8_lossy(&build.stderr).into_owned()) }
    });
    let lack = BUILT.as_ref().err().map(|why| format!("a static nslearn cannot be built: {why}")).unwrap_or_default();
    available(BUILT.is_ok(), &lack).then(|| BUILT.as_ref().unwrap().as_path())
}

/// A machine that is switched off. What it is made of goes with it.
struct Machine {
    kernel: PathBuf,
    files: tempfile::TempDir,
}

impl Machine {
    /// With this kernel and its modules.
    fn new(version: &str, program: &Path) -> Machine {
        let files = tempfile::tempdir_in(paths::scratch()).unwrap();
        let kernel = fetched(version);
        let root = files.path().join("root");
        for directory in ["bin", "etc", "mnt", "modules"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::copy(busybox(), root.join("bin/busybox")).unwrap();
        fs::copy(program, root.join("bin/nslearn")).unwrap();
        fs::write(root.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nlearner:x:1000:1000::/tmp:/bin/sh\n").unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nlearner:x:1000:\n").unwrap();
        fs::write(root.join("init"), include_str!("kernels/init")).unwrap();
        fs::set_permissions(root.join("init"), Permissions::from_mode(0o755)).unwrap();
        for module in fs::read_dir(kernel.join("modules")).unwrap().flatten() {
            fs::copy(module.path(), root.join("modules").join(module.file_name())).unwrap();
        }
        pack(&root, &files.path().join("initramfs"));
        Machine { kernel: kernel.join("vmlinuz"), files }
    }

    /// Switches it on, and waits until it has switched itself off: what the program said in it.
    fn run(&self) -> Results {
        /// What the first machine ran by; KVM where that works.
        static ACCELERATOR: OnceLock<&str> = OnceLock::new();
        for accelerator in ACCELERATOR.get().map_or_else(|| vec!["kvm", "tcg"], |known| vec![*known]) {
            let mut running = self.start(accelerator);
            if running.first_word(if accelerator == "kvm" { FIRST_WORD } else { LIFE }) {
                let _ = ACCELERATOR.set(accelerator);
                running.wait_for_the_end();
                return self.results(&running.said);
            }
            let said = crate::support::read_text(self.files.path().join("qemu")).unwrap();
            eprintln!("no machine can be run by {accelerator} here: {}", said.trim());
        }
        panic!("no machine can be run here");
    }

    fn start(&self, accelerator: &str) -> Running {
        let file = |name: &str| self.files.path().join(name).display().to_string();
        let mut qemu = Command::new("qemu-system-x86_64")
            .args(["-accel", accelerator, "-smp", "2", "-m", "1024"])
            .args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"])
            // One line for the kernel's words, and one for the results.
            .args(["-serial", "stdio", "-serial", &format!("file:{}", file("results"))])
            .args(["-kernel", &self.kernel.display().to_string(), "-initrd", &file("initramfs")])
            // A machine that is lost ends by -no-reboot.
            .args(["-append", "console=ttyS0 panic=-1"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(file("qemu")).unwrap())
            .spawn()
            .unwrap();
        let console = qemu.stdout.take().unwrap();
        Running { qemu, console, said: Vec::new() }
    }

    /// Unpacks what init sent.
    fn results(&self, said: &[u8]) -> Results {
        let directory = self.files.path().join("said");
        fs::create_dir(&directory).unwrap();
        let unpacked = Command::new(busybox())
            .args(["tar", "-xzf", "../results"])
            .current_dir(&directory)
            .stderr(Stdio::null())
            .status()
            .unwrap();
        let last = String::from_utf8_lossy(&said[said.len().saturating_sub(4096)..]);
        assert!(unpacked.success(), "the machine ended without results; it said last:\n{last}");
        Results(directory)
    }
}

/// Packs a directory for the kernel: an archive of files that belong to root.
fn pack(root: &Path, archive: &Path) {
    const PACK: &str = "cd \"$1\" && \"$0\" find . | \"$0\" cpio -o -H newc -R 0:0";
    let packed = Command::new("sh")
        .args(["-c", PACK])
        .args([busybox(), root])
        .stdout(fs::File::create(archive).unwrap())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(packed.success(), "{archive:?} cannot be packed");
}

/// A machine that is switched on; it is switched off at the latest when this goes.
struct Running {
    qemu: Child,
    console: ChildStdout,
    said: Vec<u8>,
}

impl Running {
    /// Waits until the kernel says something: whether it does in this time.
    fn first_word(&mut self, time: Duration) -> bool {
        self.listen(Instant::now() + time)
    }

    /// Listens until the machine is off, or its time is over.
    fn wait_for_the_end(&mut self) {
        let until = Instant::now() + LIFE;
        while self.listen(until) {}
    }

    /// Whether the kernel said something more before this moment.
    fn listen(&mut self, until: Instant) -> bool {
        let left = PollTimeout::try_from(until.saturating_duration_since(Instant::now())).unwrap();
        let mut ready = [PollFd::new(self.console.as_fd(), PollFlags::POLLIN)];
        let mut words = [0; 4096];
        let length = if poll(&mut ready, left).unwrap() == 0 { 0 } else { self.console.read(&mut words).unwrap() };
        self.said.extend(&words[..length]);
        length > 0
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// What the program said in a machine.
struct Results(PathBuf);

impl Results {
    /// How one of init's runs ended.
    fn end(&self, user: &str, run: &str) -> End {
        let text = |kind: &str| crate::support::read_text(self.0.join(format!("{user}.{run}.{kind}"))).unwrap();
        let status: i32 = text("status").trim().parse().unwrap();
        let what = format!("{run} by {user}");
        // As wait(2) has it: the status above the signal.
        End { what, status: ExitStatus::from_raw(status << 8), stdout: text("stdout"), stderr: text("stderr") }
    }

    /// What did not hold, and what was said beside the lessons.
    fn trouble(&self, user: &str, lessons: &str) -> String {
        let end = self.end(user, lessons);
        let signs = [r#""event":"skipped""#, r#""held":false"#, r#""event":"ended""#];
        let lines = end.stdout.lines().filter(|line| signs.iter().any(|sign| line.contains(sign)));
        lines.chain(end.stderr.lines()).collect::<Vec<_>>().join("\n")
    }

    /// The ends of the lessons; all of them were told.
    #[track_caller]
    fn ended(&self, user: &str, lessons: &str) -> Vec<Value> {
        let events = self.end(user, lessons).events();
        let told: Vec<&Value> = of_kind(&events, "lesson").iter().map(|lesson| &lesson["id"]).collect();
        let cards = self.end(user, "list").must_be(0).events();
        assert_eq!(told, cards.iter().map(|card| &card["id"]).collect::<Vec<_>>());
        let ended: Vec<Value> = of_kind(&events, "ended").into_iter().cloned().collect();
        assert_eq!(ended.len(), told.len(), "{ended:?}");
        ended
    }

    fn all_facts_hold(&self, user: &str) {
        let doctor = self.end(user, "doctor");
        assert_eq!((doctor.code(), doctor.stderr.as_str()), (0, ""), "{}", doctor.stdout);
        for end in self.ended(user, "lessons") {
            let came_to = (&end["failed"], &end["skipped"], &end["left_behind"]);
            assert_eq!(came_to, (&json!(0), &json!(0), &json!([])), "{}", self.trouble(user, "lessons"));
        }
        let lessons = self.end(user, "lessons");
        assert_eq!((lessons.code(), lessons.stderr.as_str()), (0, ""));
    }

    /// Without veth and nftables.
    fn facts_are_skipped_with_a_reason(&self, user: &str) {
        const LESSONS: &str = "lessons-bare";
        for run in ["doctor-bare", LESSONS] {
            let end = self.end(user, run);
            assert!(!end.stdout.contains("panicked") && !end.stderr.contains("panicked"), "{}", end.stderr);
            let trouble = self.trouble(user, LESSONS);
            assert!([0, 3].contains(&end.code()), "{run} by {user}: {}\n{trouble}", end.code());
        }
        for end in self.ended(user, LESSONS) {
            let came_to = (&end["failed"], &end["left_behind"]);
            assert_eq!(came_to, (&json!(0), &json!([])), "{}", self.trouble(user, LESSONS));
        }
        let events = self.end(user, LESSONS).events();
        let skipped = of_kind(&events, "skipped");
        assert!(skipped.iter().any(|fact| fact["id"] == "net-veth"), "{skipped:?}");
        assert!(skipped.iter().all(|fact| fact["reason"].as_str().is_some_and(|reason| !reason.is_empty())));
    }

    /// Something is in the way: the doctor finds its cause, and a lesson claims nothing that does not hold.
    fn causes_are_found(&self, user: &str, run: &str, causes: &[&str]) {
        let checkup = Checkup::of(&self.end(user, &format!("doctor-{run}")).must_be(3));
        assert_eq!(checkup.causes(), causes.iter().copied().collect(), "{user}: {}", checkup.words());
        let lessons = format!("lessons-{run}");
        let end = self.end(user, &lessons);
        assert!([0, 3].contains(&end.code()), "{user}: {end:?}");
        assert!(!end.stdout.contains(r#""held":false"#), "{user}: {}", self.trouble(user, &lessons));
        assert!(end.stderr.contains("what to do:") || end.stdout.contains(r#""remedy":"#), "{user}: {end:?}");
    }
}

/// Runs a machine with this kernel: once, for it has no modules at first, and then it has.
fn lessons_do_what_they_can_on(version: &str) {
    let Some(program) = has_machines().then(program).flatten() else { return };
    let machine = Machine::new(version, program);
    let results = machine.run();
    for user in USERS {
        let kernel = &results.end(user, "lessons").events()[0]["kernel"];
        assert!(kernel.as_str().unwrap().starts_with(&format!("{version}.")), "{kernel}");
        results.facts_are_skipped_with_a_reason(user);
        results.all_facts_hold(user);
        // There the modules are not loaded yet.
        results.causes_are_found(user, "initramfs", &["initramfs", "module"]);
        results.causes_are_found(user, "arp", &["arp-ignore"]);
    }
}

#[test]
fn on_linux_6_1_all_facts_hold_and_without_modules_some_are_skipped_with_a_reason() {
    lessons_do_what_they_can_on("6.1");
}

#[test]
fn on_linux_6_12_all_facts_hold_and_without_modules_some_are_skipped_with_a_reason() {
    lessons_do_what_they_can_on("6.12");
}
