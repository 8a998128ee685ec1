//! What is finished is kept from day to day: shown by `list`, forgotten by `reset`; and whatever stands in the file's
//! place is told in one line and harms nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::geteuid;
use serde_json::json;
use syscalls::Sysno;
use unicode_width::UnicodeWidthStr;

use crate::supervisor::{Call, Filter, Verdict, can_play, judged};
use crate::support::{End, Lab, Run, Who, has_tool, lab, stage};
use crate::terminal::{Terminal, on_a_terminal};

/// A state directory of the user's, with a file as a walk would have written it.
fn state_with(lab: &Lab, who: Who, text: impl AsRef<[u8]>) -> (PathBuf, PathBuf) {
    let state = lab.directory(who);
    let file = state.join("nslearn/progress.json");
    fs::create_dir(state.join("nslearn")).unwrap();
    fs::write(&file, text).unwrap();
    if geteuid().is_root() {
        // As whoever the state directory belongs to.
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&state).unwrap());
        chown(state.join("nslearn"), Some(owner), None).unwrap();
        chown(&file, Some(owner), None).unwrap();
    }
    (state, file)
}

fn two_finished() -> String {
    json!({"version": 1, "lessons": {"pid": {"right": 2, "of": 3}, "chroot": {"right": 0, "of": 0}}}).to_string()
}

fn with_state(lab: &Lab, state: &Path, args: &[&str]) -> Run {
    lab.run(args).env("XDG_STATE_HOME", state.to_str().unwrap())
}

/// The list tells of no progress, and in one line why.
#[track_caller]
fn complains(end: End, usual: &str, word: &str) {
    let end = end.must_be(0);
    assert_eq!(end.stdout, usual);
    is_one_line(&end.stderr, word);
}

#[track_caller]
fn is_one_line(told: &str, word: &str) {
    assert!(told.starts_with("nslearn: ") && told.contains(word), "no '{word}' in: {told}");
    assert!(told.ends_with('\n') && !told.trim_end().contains(char::is_control), "one line, and no escape: {told:?}");
}

#[test]
fn the_list_marks_the_lessons_that_are_finished_and_tells_how_the_questions_were_answered() {
    let lab = lab();
    let (state, _) = state_with(&lab, Who::Me, two_finished());
    let end = with_state(&lab, &state, &["list"]).end().must_be(0);
    assert_eq!(end.stderr, "");
    let expected = "\
✔ chroot      chroot · a jail without walls (13 min)
✔ pid         PID namespaces · one process, several numbers (18 min)
              2 of 3 questions right
  uts         UTS namespaces · one machine, two names (12 min)
";
    assert!(end.stdout.starts_with(expected), "{}", end.stdout);
    assert_eq!(end.stdout.matches('✔').count(), 2, "{}", end.stdout);
    let wide = with_state(&lab, &state, &["list"]).env("COLUMNS", "100").end().must_be(0).stdout;
    assert!(wide.contains("several numbers (18 min) · 2 of 3 questions right\n"), "{wide}");
}

#[test]
fn programs_are_told_what_is_finished() {
    let lab = lab();
    let (state, _) = state_with(&lab, Who::Me, two_finished());
    let cards = with_state(&lab, &state, &["list", "--format", "json"]).end().must_be(0).events();
    let finished = |id: &str| cards.iter().find(|card| card["id"] == id).unwrap().get("finished").unwrap();
    assert_eq!(finished("pid"), &json!({"right": 2, "of": 3}));
    assert_eq!(finished("chroot"), &json!({"right": 0, "of": 0}));
    assert_eq!(finished("uts"), &json!(null));
}

#[test]
fn progress_is_found_below_home_where_no_other_place_is_named() {
    let lab = lab();
    let home = lab.directory(Who::Me);
    let directory = home.join(".local/state/nslearn");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("progress.json"), two_finished()).unwrap();
    // A relative path is none: the specification says so.
    for state in ["", "relative/path"] {
        let list = lab.run(["list"]).env("HOME", home.to_str().unwrap()).env("XDG_STATE_HOME", state);
        assert!(list.end().must_be(0).stdout.contains("2 of 3 questions right"));
    }
}

#[test]
fn no_line_of_a_list_with_progress_is_wider_than_the_terminal() {
    let lab = lab();
    for (right, of) in [(2_u64, 3_u64), (1, 1), (u64::MAX, u64::MAX)] {
        let lessons: serde_json::Map<_, _> =
            lab.ids().into_iter().map(|id| (id, json!({"right": right, "of": of}))).collect();
        let (state, _) = state_with(&lab, Who::Me, json!({"version": 1, "lessons": lessons}).to_string());
        for columns in [40, 60, 80, 100] {
            let run = with_state(&lab, &state, &["list"]).env("COLUMNS", &columns.to_string());
            let text = run.end().must_be(0).stdout;
            let wide: Vec<_> = text.lines().filter(|line| line.width() > columns).collect();
            assert!(wide.is_empty(), "{columns} columns: {wide:?}");
            assert_eq!(text.matches('✔').count(), lessons.len(), "{text}");
        }
    }
}

#[test]
fn where_nothing_is_kept_the_list_is_as_ever_and_nothing_is_made() {
    let lab = lab();
    let usual = lab.run(["list"]).end().must_be(0);
    assert_eq!(usual.stderr, "", "no HOME at all");
    let state = lab.directory(Who::Me);
    let end = with_state(&lab, &state, &["list"]).end().must_be(0);
    assert_eq!((end.stdout, end.stderr), (usual.stdout, String::new()));
    assert_eq!(fs::read_dir(state).unwrap().count(), 0);
}

#[test]
fn a_lesson_keeps_nothing() {
    let Some(lab) = stage() else { return };
    let state = lab.directory(Who::PlainUser);
    let lesson = with_state(&lab, &state, &["lesson", "uts"]).env("HOME", state.to_str().unwrap());
    lesson.by(Who::PlainUser).end().must_be(0);
    assert_eq!(fs::read_dir(state).unwrap().count(), 0);
}

#[test]
fn reset_forgets_and_says_what_it_did() {
    let lab = lab();
    let usual = lab.run(["list"]).end().stdout;
    let (state, file) = state_with(&lab, Who::Me, two_finished());
    let end = with_state(&lab, &state, &["reset"]).env("COLUMNS", "100").end().must_be(0);
    assert!(end.stdout.starts_with("nslearn has forgotten") && end.stderr.is_empty(), "{end:?}");
    assert!(!file.exists());
    assert_eq!(with_state(&lab, &state, &["list"]).end().must_be(0).stdout, usual);
    for reset in [with_state(&lab, &state, &["reset"]), lab.run(["reset"])] {
        let again = reset.end().must_be(0);
        assert!(again.stdout.starts_with("There was nothing to forget") && again.stderr.is_empty(), "{again:?}");
    }
    let told = with_state(&lab, &state, &["reset", "--format", "json"]).end().must_be(0).events();
    assert_eq!(told[0]["forgotten"], false);
}

#[test]
fn a_broken_file_is_told_and_reset_removes_it() {
    let lab = lab();
    let usual = lab.run(["list"]).end().stdout;
    let large = format!("{{\"version\": 1, \"lessons\": {{}}, \"more\": \"{}\"}}", "x".repeat(10_000_000));
    let texts: [(&[u8], &str); 6] = [
        (b"", "line 1"),
        (b"{\"version\": 1, \"lessons\": {\"pid\": {\"right\": 2", "line 1"),
        (b"{\"version\": 1, \"lessons\": {\"\x1b[31m\x07\": {\"right\": \"\x1b]0;red\x07\"}}}", "line 1"),
        (b"\xff\xfe\x00", "line 1"),
        (b"{\"version\": 99}", "version 99"),
        (large.as_bytes(), "larger than 64 KiB"),
    ];
    for (text, word) in texts {
        let (state, file) = state_with(&lab, Who::Me, text);
        complains(with_state(&lab, &state, &["list"]).end(), &usual, word);
        assert_eq!(fs::read(&file).unwrap(), text);
        with_state(&lab, &state, &["reset"]).end().must_be(0);
        assert!(!file.exists());
    }
}

#[test]
fn names_in_the_file_and_the_files_own_name_do_not_reach_the_terminal_as_they_are() {
    let lab = lab();
    let text = json!({"version": 1, "\u{1b}[31m": 1, "lessons": {"\u{1b}[31mred": {"right": 1, "of": 1}}}).to_string();
    let (state, file) = state_with(&lab, Who::Me, text);
    let end = with_state(&lab, &state, &["list"]).end().must_be(0);
    assert!(!end.stdout.contains('\u{1b}') && end.stderr.is_empty(), "{end:?}");
    let red = state.join("\u{1b}[31m\nred");
    fs::create_dir_all(red.join("nslearn")).unwrap();
    fs::write(red.join("nslearn/progress.json"), "broken").unwrap();
    is_one_line(&with_state(&lab, &red, &["list"]).end().must_be(0).stderr, "[31m");
    let end = with_state(&lab, &red, &["reset"]).end().must_be(0);
    assert!(!end.stdout.contains('\u{1b}'), "{end:?}");
    assert!(file.exists());
}

#[test]
fn a_directory_a_link_or_a_pipe_in_the_files_place_is_told_and_stays() {
    let lab = lab();
    let usual = lab.run(["list"]).end().stdout;
    let (state, file) = state_with(&lab, Who::Me, two_finished());
    let elsewhere = state.join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    let makers: [(&dyn Fn(), &str); 3] = [
        (&|| symlink(&elsewhere, &file).unwrap(), "symbolic link"),
        (&|| nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap(), "special file"),
        (&|| fs::create_dir(&file).unwrap(), "directory"),
    ];
    for (make, word) in makers {
        make();
        complains(with_state(&lab, &state, &["list"]).end(), &usual, word);
        let reset = with_state(&lab, &state, &["reset"]).end().must_be(1);
        is_one_line(&reset.stderr, word);
        assert_eq!(reset.stdout, "");
        assert!(fs::symlink_metadata(&file).is_ok() && elsewhere.exists());
        let _ = fs::remove_file(&file);
    }
}

#[test]
fn a_file_of_another_user_is_told_and_stays() {
    let lab = lab();
    if !geteuid().is_root() {
        eprintln!("SKIPPED: only root can give a file away");
        return;
    }
    let usual = lab.run(["list"]).end().stdout;
    // Root in a plain user's state directory, and a plain user with a file of root's.
    let (theirs, file) = state_with(&lab, Who::PlainUser, two_finished());
    complains(with_state(&lab, &theirs, &["list"]).end(), &usual, "belongs to another user");
    is_one_line(&with_state(&lab, &theirs, &["reset"]).end().must_be(1).stderr, "belongs to another user");
    chown(&file, Some(0), Some(0)).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    complains(with_state(&lab, &theirs, &["list"]).by(Who::PlainUser).end(), &usual, "belongs to another user (uid 0)");
    // The file is root's now, but the directory is not: root removes nothing there either.
    is_one_line(&with_state(&lab, &theirs, &["reset"]).end().must_be(1).stderr, "belongs to another user");
    assert!(file.exists());
}

#[test]
fn a_file_that_cannot_be_read_or_removed_is_told() {
    let lab = lab();
    let usual = lab.run(["list"]).end().stdout;
    let (state, file) = state_with(&lab, Who::PlainUser, two_finished());
    let as_user = |command: &str| with_state(&lab, &state, &[command]).by(Who::PlainUser).end();
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    complains(as_user("list"), &usual, "EACCES");
    let directory = state.join("nslearn");
    fs::set_permissions(&directory, Permissions::from_mode(0o500)).unwrap();
    is_one_line(&as_user("reset").must_be(1).stderr, "unlink(");
    fs::set_permissions(&directory, Permissions::from_mode(0o000)).unwrap();
    complains(as_user("list"), &usual, "EACCES");
    fs::set_permissions(&directory, Permissions::from_mode(0o700)).unwrap();
    as_user("reset").must_be(0);
    assert!(!file.exists());
}

#[test]
fn a_state_directory_that_is_none_is_told() {
    let lab = lab();
    let usual = lab.run(["list"]).end().stdout;
    complains(lab.run(["list"]).env("XDG_STATE_HOME", "/dev/null").end(), &usual, "ENOTDIR");
    is_one_line(&lab.run(["reset"]).env("XDG_STATE_HOME", "/dev/null").end().must_be(1).stderr, "ENOTDIR");
}

/// A walk through a whole lesson on a terminal, which is to be kept in this state directory.
fn walk_of(lab: &Lab, state: &Path) -> Option<Run> {
    let run = on_a_terminal(lab, &["lesson", "uts", "--no-questions", "--auto", "1ms"])?;
    Some(run.env("XDG_STATE_HOME", state.to_str().unwrap()))
}

/// Walks to the end: what was said there.
fn walk_through(mut terminal: Terminal) -> String {
    terminal.wait_for("What this lesson showed");
    assert!(terminal.end().success());
    terminal.said.clone()
}

fn is_kept(lab: &Lab, state: &Path) -> bool {
    with_state(lab, state, &["list"]).end().must_be(0).stdout.contains('✔')
}

#[test]
fn a_walk_is_kept_where_the_file_system_knows_neither_fsync_nor_locks() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    for (fsync, flock) in
        [(Errno::EINVAL, Errno::ENOLCK), (Errno::EOPNOTSUPP, Errno::EBADF), (Errno::ENOSYS, Errno::ENOSYS)]
    {
        let state = lab.directory(Who::Me);
        let Some(run) = walk_of(&lab, &state) else { return };
        let run = run.behind(Filter::allowing().refuse(&[Sysno::fsync], fsync).refuse(&[Sysno::flock], flock));
        let said = walk_through(Terminal::start(&run, (80, 24)));
        assert!(!said.contains("progress"), "{fsync}, {flock}: {said}");
        assert!(is_kept(&lab, &state), "{fsync}, {flock}");
    }
}

#[test]
fn what_is_kept_is_not_said_to_be_lost_where_the_disk_fails_only_then() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    let state = lab.directory(Who::Me);
    let Some(run) = walk_of(&lab, &state) else { return };
    let directory = state.join("nslearn");
    let judge = |call: &Call<'_>| match call.fd_target(call.args[0]) {
        Some(place) if place == directory => Verdict::Refuse(Errno::EIO),
        _ => Verdict::Continue,
    };
    let said = judged(&[Sysno::fsync], judge, |bench| {
        let mut command = run.command();
        bench.put_before(&mut command);
        walk_through(Terminal::start_of(command, (200, 24)))
    });
    assert!(said.contains("progress is kept, but a power cut could still undo that: fsync("), "{said}");
    assert!(said.contains("EIO") && !said.contains("not kept"), "{said}");
    assert!(is_kept(&lab, &state));
}

#[test]
fn a_disk_that_takes_nothing_more_is_told_and_nothing_is_left_on_it() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    let state = lab.directory(Who::PlainUser);
    let full = "mount -t tmpfs -o size=4k x $1 && head -c 4096 /dev/zero > $1/full";
    let read_only = "mount -t tmpfs -o ro x $1";
    for (machine, word) in [(full, "ENOSPC"), (read_only, "EROFS")] {
        let walk = "XDG_STATE_HOME=$1 \"$0\" lesson uts --no-questions --auto 1ms; echo \"status $?\"; find $1 -type f";
        let run = lab.shell(&format!("set -- {}; {machine} && {walk}", state.display()));
        let run =
            run.by(Who::PlainUser).under(&["setsid", "--ctty", "--wait", "unshare", "--map-root-user", "--mount"]);
        let mut terminal = Terminal::start(&run.env("TERM", "xterm"), (200, 24));
        terminal.wait_for("progress is not kept: ");
        terminal.wait_for(word);
        terminal.wait_for("status 0\n");
        assert!(terminal.end().success());
        let left: Vec<&str> = terminal.said.lines().filter(|line| !line.ends_with("/full")).collect();
        assert_eq!(left, [""; 0]);
    }
}
