//! Ids, places and numbers that are not the same on every machine: whose a stage is, where it is built, which shell there
//! is on it, and which processes a /proc speaks of.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use nix::unistd::geteuid;

use crate::errors::as_root_of_nothing;
use crate::moments::first_child;
use crate::support::{Lab, Run, Who, everybody, has_tool, of_kind, read_text, stage};
use crate::terminal::{Terminal, on_a_terminal};

/// Runs a script as root of the machine, in a mount namespace of its own. `"$0"` is the program.
fn as_root(lab: &Lab, script: &str) -> Run {
    lab.shell(script).under(&["unshare", "--mount"])
}

/// Whether this is root, and the tools are there.
fn is_root() -> bool {
    geteuid().is_root() && has_tool("unshare")
}

/// A stage to look at from outside.
const LOOKED_AT: &str = "\"$0\" shell -c 'echo here; read word || true'";

/// The first id of root's stage, for users and for groups, and how many there are.
fn ids(run: &Run) -> (u64, u64) {
    let mut child = run.command().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut word = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut word).unwrap();
    assert_eq!(&word, b"here\n");
    let map = |pid, file| read_text(format!("/proc/{pid}/{file}")).unwrap();
    // Whoever reads a map sees it as their own user namespace does; on the stage itself the ids look the same as outside.
    let mut first = child.id();
    while map(first, "uid_map") == map(std::process::id(), "uid_map") {
        first = first_child(first).unsigned_abs();
    }
    let map =
        |file| -> Vec<u64> { map(first, file).split_whitespace().map(|number| number.parse().unwrap()).collect() };
    assert_eq!(map("uid_map"), map("gid_map"), "the same for users and groups");
    let [0, first, count] = map("uid_map")[..] else { panic!("{:?}", map("uid_map")) };
    run.end_of_child(child).must_be(0);
    (first, count)
}

#[test]
fn roots_stage_has_no_id_that_anybody_has() {
    let Some(lab) = stage().filter(|_| is_root()) else { return };
    let (first, count) = ids(&as_root(&lab, LOOKED_AT));
    // What a file or a directory of the machine's says besides, in this mount namespace.
    let besides = |file: &str, line: &str| {
        format!(
            "mount -t tmpfs new /mnt && cp -r /etc /mnt && printf '{line}\\n' >> /mnt/etc/{file} && \
             mount --bind /mnt/etc /etc"
        )
    };
    let last = first + count - 1;
    let machines = [
        (first, besides("passwd", &format!("somebody:x:{first}:100::/:/bin/sh"))),
        (last, besides("passwd", &format!("somebody:x:100:{last}::/:/bin/sh"))),
        (last, besides("group", &format!("some:x:{last}:somebody"))),
        // A name in Latin-1.
        (first, besides("subuid", &format!("M\\374ller:{first}:1"))),
        (last, besides("subgid", &format!("M\\374ller:{last}:65536"))),
        (first, format!("mount -t tmpfs userdb /run && mkdir /run/userdb && ln -s some.user /run/userdb/{first}.user")),
    ];
    for (id, machine) in machines {
        let (others, size) = ids(&as_root(&lab, &format!("{machine} && exec {LOOKED_AT}")));
        assert_eq!(size, count, "{machine}");
        assert!(others + size <= id || id < others, "{id} is in {others} to {}: {machine}", others + size - 1);
    }
}

/// A source of users as LDAP is one, for the C library to ask: nss(5). It knows one user, or never answers.
const SOURCE: &str = r#"
#include <nss.h>
#include <pwd.h>
#include <unistd.h>
static int told;
enum nss_status _nss_elsewhere_setpwent(int stay) { told = 0; return NSS_STATUS_SUCCESS; }
enum nss_status _nss_elsewhere_endpwent(void) { return NSS_STATUS_SUCCESS; }
enum nss_status _nss_elsewhere_getpwent_r(struct passwd *found, char *buffer, size_t length, int *error) {
    if (ID == 0) for (;;) pause();
    if (told++) return NSS_STATUS_NOTFOUND;
    *found = (struct passwd){"somebody", "x", ID, 100, "", "/", "/bin/sh"};
    return NSS_STATUS_SUCCESS;
}
"#;

/// The program on a machine whose users come also from that source.
fn with_source(lab: &Lab, id: u64) -> Run {
    let directory = lab.directory(Who::Me);
    let (code, library) = (directory.join("source.c"), directory.join("libnss_elsewhere.so.2"));
    fs::write(&code, SOURCE).unwrap();
    let define = format!("-DID={id}u");
    let cc = Command::new("cc").args(["-shared", "-fPIC", &define, "-o"]).args([&library, &code]).output().unwrap();
    assert!(cc.status.success(), "{cc:?}");
    let etc = "mount -t tmpfs new /mnt && cp -r /etc /mnt && mount --bind /mnt/etc /etc && \
               printf 'passwd: files elsewhere\\n' > /etc/nsswitch.conf";
    as_root(lab, &format!("{etc} && exec {LOOKED_AT}")).env("LD_LIBRARY_PATH", directory.to_str().unwrap())
}

#[test]
fn roots_stage_has_no_id_of_a_user_whom_another_source_knows() {
    let Some(lab) = stage().filter(|_| is_root() && has_tool("cc")) else { return };
    let (first, count) = ids(&as_root(&lab, LOOKED_AT));
    let (others, size) = ids(&with_source(&lab, first));
    assert_eq!(size, count);
    assert!(others + size <= first || first < others, "{first} is in {others} to {}", others + size - 1);
}

#[test]
fn a_source_of_users_that_never_answers_keeps_no_stage_from_standing() {
    let Some(lab) = stage().filter(|_| is_root() && has_tool("cc")) else { return };
    let (_, count) = ids(&with_source(&lab, 0).under(&["timeout", "--kill-after=1", "20"]));
    assert_eq!(count, 65_536);
}

#[test]
fn root_in_a_new_pid_namespace_with_the_old_proc_has_a_stage() {
    let Some(lab) = stage().filter(|_| is_root()) else { return };
    let run = |words: &str| lab.shell(&format!("exec unshare --pid --fork \"$0\" {words}")).end().must_be(0);
    run("lesson uts");
    assert_eq!(run("shell -c 'id -u; uname -n'").stdout, "0\nworkshop\n");
    let verdict = lab.shell("exec unshare --pid --fork \"$0\" doctor").end().stdout;
    assert!(verdict.starts_with("All lessons run on this machine"), "{verdict}");
}

/// The numbers of the container's first process, from the outermost namespace that the program's /proc knows to its own.
fn numbers(run: &Run) -> Vec<i64> {
    let events = run.end().must_be(0).events();
    let by = |actor: &str| {
        let saw = |event: &&serde_json::Value| event["what"] == "pids" && event["actor"] == actor;
        let pids = events.iter().find(saw).unwrap()["pids"].as_array().unwrap();
        pids.iter().map(|number| number.as_i64().unwrap()).collect::<Vec<_>>()
    };
    let (inside, outside) = (by("container"), by("nslearn"));
    assert!(outside.len() > inside.len() && outside.ends_with(&inside), "{outside:?} and {inside:?}");
    outside
}

#[test]
fn the_look_through_the_curtain_sees_the_actor_and_nobody_else_with_the_old_proc() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let words = "lesson pid --format json";
    let usual = numbers(&lab.shell(&format!("exec \"$0\" {words}")).by(Who::PlainUser));
    let deeper = numbers(&as_root_of_nothing(&lab, &format!("exec unshare --pid --fork \"$0\" {words}")));
    assert_eq!(deeper.len(), usual.len() + 1, "a level more: {deeper:?} and {usual:?}");
    // The last two are the stage's and the container's.
    assert_eq!(deeper[2..], usual[1..]);
}

#[test]
fn a_proc_of_other_processes_is_refused_with_the_reason() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    // That of a PID namespace that is gone.
    let script = "unshare --pid --fork mount -t proc proc /proc && exec \"$0\" lesson uts";
    let mut runs = vec![as_root_of_nothing(&lab, script)];
    if geteuid().is_root() {
        runs.push(as_root(&lab, script));
    }
    for run in runs {
        let end = run.end().must_be(3);
        let told = end.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("PID namespace that you are not in") && told.contains("mount -t proc"), "{told}");
    }
}

/// Changes the root: to a directory of the machine's own, with all that it has but /tmp and /run, which are new. Then does
/// something to that, by the script that comes first, and runs the second one there, with the program as `"$N"`.
const ANOTHER_ROOT: &str = "mount -t tmpfs -o mode=755 root /mnt && cd /mnt && for d in /*; do n=${d#/}; case $n in \
    mnt|tmp|run) ;; *) if [ -L $d ]; then cp -P $d $n; elif [ -d $d ]; then mkdir $n && mount --rbind $d $n; fi ;; \
    esac; done; mkdir -m 1777 tmp && mkdir run nslearn-old-root nslearn-programs && cp \"$0\" nslearn-programs && eval \"$1\" && \
    pivot_root . nslearn-old-root && N=/nslearn-programs/nslearn && export N && \
    exec chroot . sh -c \"umount -l /nslearn-old-root && rmdir /nslearn-old-root && $2\"";

/// The program on such a machine, as root if the tests run as root, and as a plain user who is root of a user namespace.
fn with_root(lab: &Lab, change: &str, script: &str) -> Vec<Run> {
    let as_plain_user = as_root_of_nothing(lab, ANOTHER_ROOT).with(&[change, script]);
    let as_root = is_root().then(|| as_root(lab, ANOTHER_ROOT).with(&[change, script]));
    [as_plain_user].into_iter().chain(as_root).collect()
}

/// What may be in the place of /tmp and /run.
const PLACES: [&str; 13] = [
    ":",
    "rmdir tmp && ln -s /var/tmp tmp",
    "rmdir tmp && ln -s nslearn-programs tmp",
    "rmdir tmp && ln -s / tmp",
    "rmdir tmp && ln -s /nowhere tmp",
    "rmdir tmp && touch tmp",
    "rmdir tmp",
    "rmdir tmp && mkdir run/tmp && ln -s /run/tmp tmp",
    "rmdir tmp && ln -s run tmp",
    "rmdir run && mkdir tmp/run && ln -s /tmp/run run",
    "rmdir run",
    "chmod 700 tmp run",
    "mount -t tmpfs -o noexec,ro none tmp",
];

#[test]
fn wherever_tmp_is_on_the_machine_a_stage_has_one() {
    let Some(lab) = stage().filter(|_| has_tool("unshare") && has_tool("pivot_root")) else { return };
    // It can be written to and run from, by everybody; and it is no file of the machine's.
    let on_the_stage = "cd /tmp && echo echo runs > file && chmod +x file && ./file && stat -c %A /tmp/. && \
                        for d in / /usr /var; do touch $d/new 2>&1; done; \
                        findmnt -no SOURCE --target /tmp | tail -n 1";
    for place in PLACES {
        let script = format!("$N shell -c '{on_the_stage}'; ls -A /tmp/.");
        for run in with_root(&lab, place, &script) {
            let end = run.end();
            let told: Vec<&str> = end.stdout.lines().collect();
            assert_eq!(told[..2], ["runs", "drwxrwxrwt"], "{place}: {end:?}");
            assert_eq!(end.stdout.matches("Read-only file system").count(), 3, "{place}: {end:?}");
            assert!(end.stdout.contains("nslearn-stage\n") && !end.stdout.contains("\nfile\n"), "{place}: {end:?}");
        }
        for run in with_root(&lab, place, "exec $N lesson chroot --format json") {
            let events = run.end().must_be(0).events();
            let balance = ["failed", "skipped", "left_behind"].map(|what| events.last().unwrap()[what].to_string());
            assert_eq!(balance, ["0", "0", "[]"], "{place}: {:?}", of_kind(&events, "skipped"));
        }
    }
}

#[test]
fn without_sys_only_what_needs_it_is_missing() {
    let Some(lab) = stage().filter(|_| has_tool("unshare") && has_tool("pivot_root")) else { return };
    for run in with_root(&lab, "umount -l sys && rmdir sys", "exec $N lesson uts") {
        run.end().must_be(0);
    }
}

#[test]
fn a_root_directory_that_is_roots_alone_is_refused_with_the_reason() {
    let Some(lab) = stage().filter(|_| is_root() && has_tool("pivot_root")) else { return };
    for (command, status) in [("lesson uts", 3), ("shell -c true", 3), ("doctor", 3)] {
        let run = as_root(&lab, ANOTHER_ROOT).with(&["chmod 700 .", &format!("exec $N {command}")]);
        let end = run.end().must_be(status);
        let told = format!("{}{}", end.stdout, end.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("only the owner of / may search it") && told.contains("chmod o+x /"), "{told}");
    }
}

/// A shell of one's own choice, on an empty stage or in the place of an actor: what it says of itself, and what is said of it.
fn shell(run: &Run) -> (String, String) {
    let mut command = run.command();
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"echo \"$0 $SHELL\"\n").unwrap();
    let end = run.end_of_child(child).must_be(0);
    (end.stdout, end.stderr)
}

#[test]
fn a_shell_that_is_not_on_the_stage_gives_way_to_sh_and_that_is_said() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let own = lab.directory(Who::PlainUser);
    fs::copy("/bin/sh", own.join("sh")).unwrap();
    let own = format!("{}/sh", own.display());
    let shells = [
        // On the machine it is there, and runs.
        (own.as_str(), "ENOENT"),
        ("/no/shell", "ENOENT"),
        ("/etc/passwd", "EACCES"),
        ("/usr", "EISDIR"),
        ("sh", "not an absolute path"),
        ("./sh", "not an absolute path"),
        ("$(printf '/a\\377b')", "ENOENT"),
    ];
    for &who in everybody() {
        for words in ["shell", "shell uts", "shell uts --as tenant"] {
            for (path, why) in shells {
                let run = lab.shell(&format!("SHELL={path} exec \"$0\" {words}")).by(who);
                let (said, told) = shell(&run);
                assert_eq!(said, "/bin/sh /bin/sh\n", "{words} with {path}: {told}");
                let line = told.lines().find(|line| line.contains("your shell")).unwrap_or_else(|| panic!("{told}"));
                assert!(line.contains(why) && line.ends_with(", so this is /bin/sh"), "{path}: {line}");
            }
            for path in ["", "/bin/sh"] {
                let (said, told) = shell(&lab.run(words.split(' ')).env("SHELL", path).by(who));
                assert!(said.starts_with("/bin/sh ") && !told.contains("your shell"), "{said} {told}");
            }
        }
    }
}

#[test]
fn a_shell_that_is_roots_alone_gives_way_on_a_stage_whose_root_is_not() {
    let Some(lab) = stage().filter(|_| is_root()) else { return };
    let home = "mount -t tmpfs -o mode=700 home /mnt && cp /bin/sh /mnt && SHELL=/mnt/sh";
    let (said, told) = shell(&as_root(&lab, &format!("{home} exec \"$0\" shell")));
    assert_eq!(said, "/bin/sh /bin/sh\n");
    assert!(told.contains("your shell \"/mnt/sh\" is not on the stage (EACCES: "), "{told}");
}

#[test]
fn where_there_is_no_shell_at_all_that_is_said() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let none = "mount --bind /dev/null /bin/sh && SHELL=/no/shell exec \"$0\"";
    for words in ["shell", "shell -c true", "shell uts", "shell uts --as tenant -c true"] {
        let end = as_root_of_nothing(&lab, &format!("{none} {words}")).end().must_be(3);
        let told = end.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains("\"/bin/sh\" is not on the stage (EACCES: Permission denied)"), "{told}");
        assert!(told.contains("what to do: put a shell at /bin/sh"), "{told}");
        assert!(!told.contains("so this is /bin/sh"), "{told}");
    }
}

/// As NixOS and Guix have them: by a link that is in /run, or in a directory there; and a socket of the machine's besides.
const SYSTEM: &str = "mount -t tmpfs run /run && mkdir -p /mnt /run/wrappers/bin && mount -t tmpfs store /mnt && \
    mkdir -p /mnt/store/bin && ln -s /mnt/store /run/current-system && touch /run/wrappers/secret /run/secret && \
    cp /bin/sh /mnt/store/bin/fancy-sh && cp /bin/sh /run/wrappers/bin/wrapped-sh && \
    PATH=/run/wrappers/bin:/run/nowhere:/run:/run/../run:/run/current-system/bin:$PATH";

#[test]
fn a_shell_and_programs_below_run_stay_in_sight_and_nothing_else_does() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    for path in ["/run/current-system/bin/fancy-sh", "/run/wrappers/bin/wrapped-sh"] {
        let run = |words: &str| {
            as_root_of_nothing(&lab, &format!("{SYSTEM} SHELL={path} && export SHELL && exec \"$0\" {words}"))
        };
        for words in ["shell", "shell uts --as tenant"] {
            let (said, told) = shell(&run(words));
            assert_eq!(said, format!("{path} {path}\n"), "{told}");
        }
        let listed = "shell -c 'fancy-sh -c \"echo found\"; wrapped-sh -c \"echo found\"; ls -A /run /run/wrappers; \
                      touch /run/wrappers/bin/new || touch /run/current-system/bin/new || echo read-only'";
        let end = run(listed).end().must_be(0);
        let told = end.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(told, "found found /run: current-system wrappers /run/wrappers: bin read-only");
    }
}

#[test]
fn the_walks_shell_gives_way_as_well() {
    let Some(lab) = stage() else { return };
    let Some(run) = on_a_terminal(&lab, &["lesson", "uts", "--no-questions"]) else { return };
    let mut terminal = Terminal::start(&run.env("SHELL", "/no/shell"), (80, 24));
    terminal.wait_for_step(1, 6);
    terminal.press("s");
    terminal.wait_for("1 host");
    terminal.press("1");
    terminal.wait_for("your shell \"/no/shell\" is not on the stage (ENOENT: ");
    terminal.wait_for("[uts step 1: host] $");
    terminal.press("exit\r");
    terminal.wait_for("back in the lesson");
    terminal.wait_for_step(1, 6);
    terminal.press("q");
    assert!(terminal.end().success());
}

#[test]
fn a_working_directory_that_is_not_on_the_stage_gives_way_to_the_root() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let pwd = "exec \"$0\" shell -c pwd";
    let mut runs = vec![
        (
            "ENOENT",
            as_root_of_nothing(&lab, &format!("mount -t tmpfs run /run && mkdir /run/here && cd /run/here && {pwd}")),
        ),
        ("ENOENT", lab.shell(&format!("mkdir gone && cd gone && rmdir ../gone && {pwd}"))),
        ("ENOENT", lab.shell(pwd)),
    ];
    if is_root() {
        let private = "mount -t tmpfs -o mode=700 home /mnt && cd /mnt &&";
        runs.push(("EACCES", as_root(&lab, &format!("{private} {pwd}"))));
        runs.push(("EACCES", as_root(&lab, &format!("{private} mkdir -m 755 below && cd below && {pwd}"))));
    }
    for (why, run) in runs {
        let end = run.end().must_be(0);
        assert_eq!(end.stdout, "/\n", "{}", end.stderr);
        assert!(
            end.stderr.starts_with(&format!("nslearn: your working directory is not on the stage ({why}: ")),
            "{end:?}"
        );
        assert_eq!(end.stderr.lines().count(), 1, "{end:?}");
    }
    let end = lab.shell(&format!("cd /usr/bin && {pwd}")).end().must_be(0);
    assert_eq!((end.stdout.as_str(), end.stderr.as_str()), ("/usr/bin\n", ""));
}
