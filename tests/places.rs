//! Ids, places and numbers that are not the same on every machine: whose a stage is, where it is built, which shell there
//! is on it, and which processes a /proc speaks of.

use std::fs;
use std::process::Command;

use nix::unistd::geteuid;

use crate::errors::as_root_of_nothing;
use crate::support::{Lab, Run, Who, has_tool, stage};

/// Runs a script as root of the machine, in a mount namespace of its own. `"$0"` is the program.
fn as_root(lab: &Lab, script: &str) -> Run {
    lab.shell(script).under(&["unshare", "--mount"])
}

/// Whether this is root, and the tools are there.
fn is_root() -> bool {
    geteuid().is_root() && has_tool("unshare")
}

const MAPS: &str = "\"$0\" shell -c 'cat /proc/self/uid_map /proc/self/gid_map'";

/// The first id of root's stage, for users and for groups, and how many there are.
fn ids(run: &Run) -> (u64, u64) {
    let maps = run.end().must_be(0).stdout;
    let maps: Vec<Vec<u64>> =
        maps.lines().map(|line| line.split_whitespace().map(|number| number.parse().unwrap()).collect()).collect();
    assert_eq!(maps[0], maps[1], "the same for users and groups");
    let [0, first, count] = maps[0][..] else { panic!("{maps:?}") };
    (first, count)
}

#[test]
fn roots_stage_has_no_id_that_anybody_has() {
    let Some(lab) = stage().filter(|_| is_root()) else { return };
    let (first, count) = ids(&as_root(&lab, MAPS));
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
        let (others, size) = ids(&as_root(&lab, &format!("{machine} && exec {MAPS}")));
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
    as_root(lab, &format!("{etc} && exec {MAPS}")).env("LD_LIBRARY_PATH", directory.to_str().unwrap())
}

#[test]
fn roots_stage_has_no_id_of_a_user_whom_another_source_knows() {
    let Some(lab) = stage().filter(|_| is_root() && has_tool("cc")) else { return };
    let (first, count) = ids(&as_root(&lab, MAPS));
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

/// The numbers of the container's first process, from the outermost namespace that /proc knows to its own.
fn numbers(run: &Run) -> Vec<i64> {
    let events = run.end().must_be(0).events();
    let saw = events.iter().find(|event| event["event"] == "saw" && event["what"] == "pids").unwrap();
    saw["pids"].as_array().unwrap().iter().map(|number| number.as_i64().unwrap()).collect()
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
