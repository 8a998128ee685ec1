//! A machine that does not allow it, played in a user namespace of a plain user: nothing is printed as if it had worked,
//! and the message says what, why and what to do.

use std::time::{Duration, Instant};

use crate::support::{End, Lab, Run, Who, has_tool, stage, stage_alone};

/// Runs a script as root of a new user namespace, with a new mount namespace. `"$0"` is the program.
pub fn as_root_of_nothing(lab: &Lab, script: &str) -> Run {
    lab.shell(script).under(&["unshare", "--map-root-user", "--mount"]).by(Who::PlainUser)
}

/// Where there can be no UTS namespace more.
pub const NO_UTS: &str = "echo 0 > /proc/sys/user/max_uts_namespaces && exec \"$0\"";

/// Where the root is a directory like any other: one with the machine's programs in it, after what else is done there.
macro_rules! jail {
    ($first:literal) => {
        concat!(
            "mount -t tmpfs jail /mnt && mkdir /mnt/root && cd /mnt/root && mkdir tmp && ",
            $first,
            "for d in bin lib lib64 usr proc dev; do [ -d /$d ] && mkdir $d && mount --rbind /$d $d; done; \
             mkdir -p \".${0%/*}\" && mount --rbind \"${0%/*}\" \".${0%/*}\" && exec chroot /mnt/root \"$0\""
        )
    };
}

pub const JAIL: &str = jail!("");

/// The same, with a mount whose source is no UTF-8.
pub const STRANGE_JAIL: &str = jail!("mount -t tmpfs \"$(printf 'h\\377')\" tmp && ");

/// Where the root is a directory on which the machine's root is mounted once more.
pub const MOUNTED_JAIL: &str = "mount --rbind / /mnt && exec chroot /mnt \"$0\"";

#[track_caller]
fn refuses(end: End, words: &[&str]) {
    let end = end.must_be(3);
    assert_eq!(end.stdout, "", "nothing must look as if it had worked");
    let told = end.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    for word in words {
        assert!(told.contains(word), "the message does not say '{word}':\n{}", end.stderr);
    }
}

#[test]
fn a_limit_that_is_used_up_is_told_with_its_name_and_the_remedy() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let end = as_root_of_nothing(&lab, &format!("{NO_UTS} lesson uts")).end();
    refuses(end, &["ENOSPC", "user.max_uts_namespaces", "what to do:", "sysctl"]);
}

#[test]
fn a_lesson_inside_of_a_chroot_says_so() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    refuses(
        as_root_of_nothing(&lab, &format!("{JAIL} lesson pid")).end(),
        &["EPERM", "inside a chroot", "what to do:"],
    );
}

#[test]
fn a_lesson_inside_of_a_chroot_on_a_mount_point_says_so() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let end = as_root_of_nothing(&lab, &format!("{MOUNTED_JAIL} lesson pid")).end();
    refuses(end, &["EPERM", "inside a chroot", "what to do:"]);
}

#[test]
fn the_doctor_says_what_ails_such_machines() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    for (machine, word) in [(NO_UTS, "user.max_uts_namespaces"), (JAIL, "inside a chroot")] {
        let told = as_root_of_nothing(&lab, &format!("{machine} doctor")).end().must_be(3);
        let words = told.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(word), "no '{word}' in:\n{}", told.stdout);
        assert!(words.contains("what to do:"), "no remedy in:\n{}", told.stdout);
    }
}

#[test]
fn the_doctor_tells_programs_what_ails_such_machines() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let cards = as_root_of_nothing(&lab, &format!("{NO_UTS} doctor --format json")).end().must_be(3).events();
    let ailment = &cards.iter().find(|card| card["effect"] == "uts").unwrap()["ailment"];
    assert_eq!((&ailment["errno"], &ailment["cause"]), (&"ENOSPC".into(), &"limit".into()), "{ailment}");
    assert_eq!(ailment["tried"], "unshare(CLONE_NEWUTS)");
    for card in cards.iter().filter(|card| !card["lesson"].is_null()) {
        assert_eq!(card["runs"], false, "{card}");
        assert!(card["lacks"][0]["reason"].as_str().unwrap().contains("user.max_uts_namespaces"), "{card}");
        assert!(card["lacks"][0]["remedy"].as_str().unwrap().contains("sysctl"), "{card}");
    }
}

#[test]
fn the_doctor_finds_nothing_where_all_lessons_run() {
    let Some(lab) = stage() else { return };
    lab.run(["doctor"]).end().must_be(0);
    let cards = lab.run(["doctor", "--format", "json"]).end().must_be(0).events();
    let lessons: Vec<_> = cards.iter().filter_map(|card| card["lesson"].as_str()).collect();
    assert_eq!(lessons, lab.ids());
    assert!(cards.iter().all(|card| card["effect"].is_string() || card["runs"] == true), "{cards:?}");
    let effects = || cards.iter().filter(|card| card["effect"].is_string());
    assert!(effects().count() >= 25 && effects().all(|card| card["works"] == true), "{cards:?}");
}

/// Where there can be a few PID namespaces more, but not 31.
const FEW_PIDS: &str = "echo 12 > /proc/sys/user/max_pid_namespaces && exec \"$0\"";

#[test]
fn a_fact_that_cannot_be_shown_is_skipped_with_its_reason_and_the_others_are_told() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let end = as_root_of_nothing(&lab, &format!("{FEW_PIDS} lesson pid --format json")).end().must_be(0);
    let skipped: Vec<&str> = end.stdout.lines().filter(|line| line.contains(r#""event":"skipped""#)).collect();
    assert_eq!(skipped.len(), 1, "{skipped:?}");
    assert!(
        skipped[0].contains("pid-nesting-32") && skipped[0].contains("The limit user.max_pid_namespaces is 12 here"),
        "{skipped:?}"
    );
    assert!(end.stdout.contains(r#""held":14,"failed":0,"skipped":1,"left_behind":[]"#), "{}", end.stdout);
}

#[test]
fn the_doctor_answers_at_once() {
    const AT_ONCE: Duration = Duration::from_millis(150);
    let Some(lab) = stage_alone() else { return };
    let time = || {
        let begin = Instant::now();
        lab.run(["doctor"]).end().must_be(0);
        begin.elapsed()
    };
    // The quickest of some: the machine may have other things to do.
    let best = (0..10).map(|_| time()).min().unwrap();
    assert!(best <= AT_ONCE, "it took {best:?}");
}
