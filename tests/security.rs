//! What a stage must not have, and what it must not reach: by whatever is started there, as root or as a plain user.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use nix::unistd::geteuid;

use crate::moments::{processes_of, wait_until_none_runs};
use crate::support::{Lab, Run, Who, everybody, has_tool, lab, stage};

/// A lesson that stands still at the end of a step, with a shell on the stage, until it is told to go.
struct Standing(Child);

impl Standing {
    fn at(run: &Run) -> Standing {
        let mut child = run.command().stdin(Stdio::piped()).spawn().unwrap();
        let mut said = Vec::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_until(b'\n', &mut said).unwrap();
        assert_eq!(said, b"here\n", "it stands nowhere");
        Standing(child)
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// What the words say that make a lesson stand still.
fn words(lesson: &str, step: u64) -> String {
    format!("shell {lesson} --step {step} -c 'echo here; read word'")
}

fn fds_of(pid: i32) -> Vec<PathBuf> {
    let fds = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    fds.filter_map(|fd| fs::read_link(fd.path()).ok()).collect()
}

pub fn has_nothing_on_its_stage_that_the_program_has_inherited(id: &str) {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let private = lab.directory(who);
        let files = ["read", "written", "high"].map(|name| private.join(name));
        fs::write(&files[0], "private").unwrap();
        // As a shell, an editor or a login leaves them open: below ten, dash(1) knows no others.
        let with_fds = |words: &str| {
            let [read, written, high] = files.each_ref().map(|file| file.display());
            lab.shell(&format!("exec 7<{read} 8>{written} 9>>{high}; exec \"$0\" {words}")).by(who)
        };
        let lesson = lab.lesson(id);
        for step in 1..=lesson["steps"].as_u64().unwrap() {
            let standing = Standing::at(&with_fds(&words(id, step)));
            let program = i32::try_from(standing.0.id()).unwrap();
            assert!(fds_of(program).contains(&files[0]), "the program itself has not inherited anything");
            let stage: Vec<i32> = processes_of(&lab.program()).into_iter().filter(|pid| *pid != program).collect();
            assert!(!stage.is_empty());
            for pid in stage {
                let leaked = fds_of(pid).into_iter().find(|fd| fd.starts_with(&private));
                assert_eq!(leaked, None, "process {pid} of lesson {id}, step {step}, as {who:?}");
            }
        }
        let listed = with_fds("shell -c 'ls -l /proc/self/fd'").end().must_be(0).stdout;
        assert!(!listed.contains(private.to_str().unwrap()) && listed.lines().count() == 5, "{who:?}: {listed}");
        wait_until_none_runs(&lab.program());
    }
}

/// The sockets of these processes that the machine's network knows: `socket:[INODE]` in /proc/PID/fd, as /proc/net has it.
fn sockets_on_the_machine(pids: &[i32]) -> Vec<String> {
    let inode = |fd: PathBuf| Some(fd.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    let inodes: BTreeSet<String> = pids.iter().flat_map(|pid| fds_of(*pid)).filter_map(inode).collect();
    let table = |name: &str| crate::support::read_text(format!("/proc/net/{name}")).unwrap_or_default();
    let mut found = Vec::new();
    for name in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        let of_ours = |line: &&str| line.split_whitespace().nth(9).is_some_and(|inode| inodes.contains(inode));
        found.extend(table(name).lines().filter(of_ours).map(str::to_owned));
    }
    // A name comes behind the inode, and a state before it. The kernel names also a socket that sends who it is, but
    // one that is connected (3) is connected for good.
    let named = |line: &&str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [_, _, _, _, _, state, inode, _, ..] => state != "03" && inodes.contains(inode),
        _ => false,
    };
    found.extend(table("unix").lines().filter(named).map(str::to_owned));
    found
}

#[test]
fn a_server_on_the_stage_is_reachable_from_nowhere_else() {
    let Some(lab) = stage() else { return };
    let knock = || TcpStream::connect(("127.0.0.1", 80)).map(drop).map_err(|why| why.kind());
    let before = knock();
    for &who in everybody() {
        for (lesson, steps) in [("shared-net", 5), ("net", 8), ("pid", 8)] {
            for step in 1..=steps {
                let _standing = Standing::at(&lab.shell(&format!("exec \"$0\" {}", words(lesson, step))).by(who));
                let processes = processes_of(&lab.program());
                assert_eq!(knock(), before, "{lesson} step {step}: port 80 of the machine");
                assert_eq!(sockets_on_the_machine(&processes), [""; 0], "{lesson} step {step} as {who:?}");
            }
        }
    }
    wait_until_none_runs(&lab.program());
}

/// Tries something on a stage as each user, which must come to nothing: what it says.
#[track_caller]
fn comes_to_nothing(lab: &Lab, script: &str) {
    for &who in everybody() {
        let end = lab.run(["shell", "-c", script]).by(who).end();
        assert_eq!(end.stdout, "", "as {who:?}: {script}\n{}", end.stderr);
    }
}

#[test]
fn the_stages_root_reads_nothing_that_is_the_machines_roots_alone() {
    let Some(lab) = stage() else { return };
    comes_to_nothing(&lab, "cat /etc/shadow /etc/gshadow 2>/dev/null; ls /root/.ssh 2>/dev/null; true");
}

#[test]
fn the_stages_root_makes_no_cgroup() {
    let Some(lab) = stage() else { return };
    let make = "find /sys/fs/cgroup -maxdepth 3 -type d 2>/dev/null | while read d; do \
                mkdir \"$d/nslearn-was-here\" 2>/dev/null && echo \"$d\"; done; true";
    comes_to_nothing(&lab, make);
    // Whoever is root of the mounts may also have them written to again; then the files' owners are what counts.
    let again = format!(
        "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,bind,rw \"$d\" 2>/dev/null; done; {make}"
    );
    if geteuid().is_root() {
        let end = lab.run(["shell", "-c", &again]).end();
        assert_eq!(end.stdout, "", "{}", end.stderr);
    }
}

#[test]
fn the_stages_root_makes_and_opens_no_device() {
    let Some(lab) = stage() else { return };
    comes_to_nothing(
        &lab,
        "for d in 'c 1 1' 'c 1 3' 'b 254 0' 'b 8 0'; do mknod /tmp/node $d 2>/dev/null && echo \"$d\"; done; \
         for d in mem port kmem nvram; do [ -e /dev/$d ] && head -c 1 /dev/$d 2>/dev/null; done; \
         (echo nslearn was here > /dev/kmsg) 2>/dev/null && echo /dev/kmsg; true",
    );
    comes_to_nothing(
        &lab,
        "find /dev -type b 2>/dev/null | while read d; do \
         head -c 1 \"$d\" > /dev/null 2>&1 && echo \"$d\"; (: >> \"$d\") 2>/dev/null && echo \"$d\"; done; true",
    );
}

#[test]
fn the_stages_root_loads_no_module() {
    let Some(lab) = stage() else { return };
    if !has_tool("perl") || !cfg!(target_arch = "x86_64") {
        return;
    }
    // init_module(2) and finit_module(2) with nothing to load: whoever may load would hear of that, and not
    // EPERM; ENOSYS is a kernel that has no modules.
    comes_to_nothing(
        &lab,
        "perl -e 'open F, q(</dev/null); for ([175, 0, 0, q()], [313, fileno F, q(), 0]) { \
         $r = syscall($_->[0], $_->[1], $_->[2], $_->[3]); print qq($_->[0]: $r, $!\\n) if $r != -1 || $! != 1 && $! != 38 }'",
    );
}

#[test]
fn of_the_kernels_settings_the_stages_root_has_only_those_of_its_namespaces() {
    let Some(lab) = stage() else { return };
    // What belongs to an IPC or a PID namespace: ipc_namespaces(7), pid_namespaces(7).
    const OF_A_NAMESPACE: [&str; 16] = [
        "auto_msgmni",
        "msg_next_id",
        "msgmax",
        "msgmnb",
        "msgmni",
        "ns_last_pid",
        "pid_max",
        "sem",
        "sem_next_id",
        "shm_next_id",
        "shm_rmid_forced",
        "shmall",
        "shmmax",
        "shmmni",
        "hostname",
        "domainname",
    ];
    for &who in everybody() {
        let script = "find /proc/sys/kernel /proc/sys/vm /proc/sys/fs/binfmt_misc /proc/sysrq-trigger -type f \
                      2>/dev/null | while read f; do (: >> $f) 2>/dev/null && echo ${f#/proc/sys/kernel/}; done; true";
        let open = lab.run(["shell", "-c", script]).by(who).end().must_be(0).stdout;
        let others: Vec<&str> = open.lines().filter(|name| !OF_A_NAMESPACE.contains(name)).collect();
        assert_eq!(others, [""; 0], "as {who:?}");
    }
}

#[test]
fn every_mount_of_the_machines_is_read_only_on_the_stage() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let mounts = lab.run(["shell", "-c", "cat /proc/self/mountinfo"]).by(who).end().must_be(0).stdout;
        let fields = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        // The stage's own: two tmpfs, and a proc of its PID namespace over the machine's.
        let own = |line: &&str| line.contains(" nslearn-stage ") || line.contains(" /proc rw,nosuid,nodev,noexec");
        let writable = mounts.lines().filter(|line| !own(line) && !fields(line)[5].split(',').any(|o| o == "ro"));
        assert_eq!(writable.collect::<Vec<_>>(), [""; 0], "as {who:?}");
        assert_eq!(mounts.lines().filter(own).count(), 3, "{mounts}");
    }
}

/// What a terminal would obey: see src/render/printable.rs.
const OBEYED: &str = "x\u{1b}[31m\u{1b}]0;title\u{7}\u{9b}2J\u{7f}\r\u{8}\u{202e}\u{2066}y";

#[test]
fn what_somebody_else_has_named_reaches_the_terminal_written_out() {
    let lab = lab();
    let directory = lab.directory(Who::Me);
    let nowhere = directory.join(OBEYED).join("film.cast");
    let nowhere = nowhere.to_str().unwrap();
    let runs: Vec<Vec<&str>> = vec![
        vec!["lesson", OBEYED],
        vec!["lesson", "uts", "--record", nowhere],
        vec!["lesson", "uts", "--format", OBEYED],
        vec!["lesson", "uts", "--step", OBEYED],
        vec!["lesson", "uts", "--auto", OBEYED],
        vec!["notes", OBEYED],
        vec!["shell", OBEYED],
        vec!["shell", "uts", "--step", "1", "--as", OBEYED],
        vec!["completions", OBEYED],
        vec![OBEYED],
        vec!["list"],
        vec!["reset"],
    ];
    // A state directory that is a file: it is complained of, by its name.
    let state = directory.join(OBEYED);
    fs::write(&state, "").unwrap();
    for words in runs {
        let end = lab.run(&words).env("XDG_STATE_HOME", state.to_str().unwrap()).end();
        for said in [&end.stdout, &end.stderr] {
            let obeyed = said
                .chars()
                .find(|letter| letter.is_control() && *letter != '\n' || ['\u{202e}', '\u{2066}'].contains(letter));
            assert_eq!(obeyed, None, "{words:?}: {said:?}");
        }
        assert!(words.len() == 1 && end.code() == 0 || end.stderr.contains("\\"), "{words:?} is not named: {end:?}");
    }
}

/// A line of /proc/PID/status.
fn status(pid: i32, field: &str) -> String {
    let status = crate::support::read_text(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

#[test]
fn while_a_stage_stands_the_program_has_given_up_what_it_does_not_need() {
    /// CAP_DAC_OVERRIDE, CAP_SETGID, CAP_SETUID and CAP_SETFCAP: capabilities(7).
    const KEPT: u64 = 1 << 1 | 1 << 6 | 1 << 7 | 1 << 31;
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let standing = Standing::at(&lab.run(["shell", "uts", "-c", "echo here; read word"]).by(who));
        let program = i32::try_from(standing.0.id()).unwrap();
        for pid in processes_of(&lab.program()) {
            assert_eq!(status(pid, "NoNewPrivs"), "1", "process {pid}, as {who:?}");
        }
        let has = |field: &str| u64::from_str_radix(&status(program, field), 16).unwrap();
        let is_root = who == Who::Me && geteuid().is_root();
        for field in ["CapInh", "CapPrm", "CapEff"] {
            assert_eq!(has(field) & !KEPT, 0, "{field} as {who:?}");
        }
        // Who has no capabilities can take none out of what others may win; but no_new_privs lets nobody win any.
        assert!(!is_root || has("CapBnd") & !KEPT == 0, "CapBnd");
        drop(standing);
        wait_until_none_runs(&lab.program());
    }
}

/// What the kernel answers to one call of a program's, on a stage where somebody else's programs run.
fn answers(lab: &Lab, who: Who, stage: &[&str], call: &str, command: &str) -> Vec<String> {
    let traced = format!("strace -f -e trace={call} {command} 2>&1 >/dev/null");
    let args = ["shell"].iter().chain(stage).chain(&["-c", &traced]).copied().collect::<Vec<_>>();
    let said = lab.run(args).by(who).end().stdout;
    said.lines()
        .filter(|line| line.starts_with(call))
        .filter_map(|line| Some(line.rsplit_once(" = ")?.1.to_owned()))
        .collect()
}

/// An empty stage, and one in the middle of a lesson.
const STAGES: [&[&str]; 3] = [&[], &["uts", "--step", "2"], &["uts", "--step", "3", "--as", "tenant"]];

#[test]
fn what_is_mounted_on_a_stage_is_neither_changed_nor_taken_off_by_its_root() {
    let Some(lab) = stage().filter(|_| has_tool("strace")) else { return };
    let refused = |who, stage, call, command: &str, errno: &str| {
        let answers = answers(&lab, who, stage, call, command);
        let all = !answers.is_empty() && answers.iter().all(|answer| answer.starts_with(&format!("-1 {errno}")));
        assert!(all, "as {who:?} on {stage:?}: {command}: {answers:?}");
    };
    for &who in everybody() {
        for stage in STAGES {
            for place in ["/", "/tmp", "/proc"] {
                refused(who, stage, "umount2", &format!("umount {place}"), "EINVAL");
                refused(who, stage, "umount2", &format!("umount --lazy {place}"), "EINVAL");
            }
            refused(who, stage, "mount", "mount -o remount,bind,rw /", "EPERM");
            refused(who, stage, "mount", "mount -o remount,bind,suid,dev /tmp", "EPERM");
            // Nor in a mount namespace of one's own, nor with a user namespace besides.
            refused(who, stage, "umount2", "unshare --mount umount /proc", "EINVAL");
            refused(who, stage, "umount2", "unshare --user --map-root-user --mount umount /tmp", "EINVAL");
        }
        // But to mount something on top, and a proc, is the stage's own affair.
        let script = "mount -t tmpfs none /mnt && touch /mnt/file && umount /mnt && mkdir /tmp/proc && \
            mount -t proc proc /tmp/proc && cmp /proc/self/status /tmp/proc/$$/status >/dev/null 2>&1; \
            ls /tmp/proc/1/status && unshare --mount --fork --pid --mount-proc ps -e -o comm=";
        let end = lab.run(["shell", "-c", script]).by(who).end().must_be(0);
        assert_eq!(end.stdout, "/tmp/proc/1/status\nps\n", "as {who:?}: {}", end.stderr);
    }
}

#[test]
fn the_process_that_holds_a_stage_together_cannot_be_traced_from_there() {
    let Some(lab) = stage().filter(|_| has_tool("strace")) else { return };
    for &who in everybody() {
        for stage in STAGES {
            let command =
                "timeout 5 strace -p 1 2>&1; head -c 1 /proc/1/mem 2>&1; ls /proc/1/fd /proc/1/root/ 2>&1; true";
            let args = ["shell"].iter().chain(stage).chain(&["-c", command]).copied().collect::<Vec<_>>();
            let said = lab.run(args).by(who).end().must_be(0).stdout;
            let refused = said.lines().filter(|line| line.contains("ermi")).count();
            assert!(refused == 4 && said.lines().count() == 4, "as {who:?} on {stage:?}: {said}");
        }
    }
}

#[test]
fn no_file_of_the_learners_is_written_from_a_stage_however_its_root_tries() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let directory = lab.directory(who);
        let leak = directory.join("leak").display().to_string();
        // What covers the machine's own is taken off, and what is below made writable.
        let script = format!(
            "umount /tmp; for d in / /tmp; do mount -o remount,bind,rw $d; done; touch {leak} && echo written; \
             mkdir -p /tmp/m && mount --rbind / /tmp/m && mount -o remount,bind,rw /tmp/m; \
             touch /tmp/m/{leak} && echo below; true"
        );
        let end = lab.run(["shell", "-c", &script]).by(who).end().must_be(0);
        assert_eq!(end.stdout, "", "as {who:?}: {}", end.stderr);
        assert!(!directory.join("leak").exists());
    }
}
