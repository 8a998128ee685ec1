//! What is kept, without the program around it: no test may change this process's environment.

use std::os::unix::fs::{PermissionsExt, chown, symlink};

use serde_json::json;
use tempfile::TempDir;

use super::*;

/// Somebody who is not the one who runs the tests.
const SOMEBODY_ELSE: u32 = 4242;

/// A state directory that goes with the test, and the file that would be in it.
fn state() -> (TempDir, PathBuf) {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("nslearn/progress.json");
    (state, file)
}

/// The same with a file of this text in it.
fn state_with(text: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let (state, file) = state();
    fs::create_dir(file.parent().unwrap()).unwrap();
    fs::write(&file, text).unwrap();
    (state, file)
}

/// A walk to the end of a lesson: what it says if nothing can be kept.
fn walk(file: &Path, lesson: &str, right: usize, of: usize) -> Result<(), String> {
    let (mut progress, _) = Progress::load_from(Some(file.to_owned()));
    progress.finished(lesson, right, of);
    progress.save()
}

fn kept(file: &Path, lesson: &str) -> Option<(usize, usize)> {
    let (progress, complaint) = Progress::load_from(Some(file.to_owned()));
    assert_eq!(complaint, None);
    progress.of(lesson).map(|done| (done.right, done.of))
}

#[track_caller]
fn is_one_line(message: &str, word: &str) {
    assert!(message.contains(word), "no '{word}' in: {message}");
    assert!(!message.contains(char::is_control), "{message:?}");
}

#[test]
fn the_better_of_two_results_stays() {
    let (_state, file) = state();
    for (result, best) in
        [((0, 0), (0, 0)), ((0, 3), (0, 3)), ((0, 0), (0, 3)), ((2, 3), (2, 3)), ((1, 3), (2, 3)), ((0, 0), (2, 3))]
    {
        walk(&file, "pid", result.0, result.1).unwrap();
        assert_eq!(kept(&file, "pid"), Some(best), "after {result:?}");
    }
    walk(&file, "pid", 3, 3).unwrap();
    assert_eq!((kept(&file, "pid"), kept(&file, "uts")), (Some((3, 3)), None));
}

#[test]
fn the_file_is_the_users_alone_and_nothing_else_is_left_beside_it() {
    let (state, file) = state();
    walk(&file, "pid", 2, 3).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let directory = state.path().join("nslearn");
    assert_eq!((mode(&file), mode(&directory)), (0o600, 0o700));
    assert_eq!(fs::read_dir(directory).unwrap().count(), 1);
    let text: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(text, json!({"version": 1, "lessons": {"pid": {"right": 2, "of": 3}}}));
}

#[test]
fn whoever_reads_the_file_while_it_is_replaced_has_the_old_one() {
    let (_state, file) = state();
    walk(&file, "pid", 1, 3).unwrap();
    let before = fs::read(&file).unwrap();
    let mut reader = fs::File::open(&file).unwrap();
    walk(&file, "pid", 3, 3).unwrap();
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert_eq!(read, before);
}

#[test]
fn what_this_version_does_not_know_stays_in_the_file() {
    let text = json!({
        "version": 1, "theme": {"dark": true},
        "lessons": {"time": {"right": 1, "of": 2, "when": "later"}, "pid": {"right": 0, "of": 3, "took": 9.5}},
    });
    let (_state, file) = state_with(text.to_string());
    walk(&file, "pid", 2, 3).unwrap();
    let mut expected = text;
    expected["lessons"]["pid"]["right"] = json!(2);
    let now: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert_eq!(now, expected);
}

#[test]
fn two_walks_at_the_same_time_keep_what_both_finished() {
    let (_state, file) = state();
    let mut walks = ["pid", "uts"].map(|lesson| (lesson, Progress::load_from(Some(file.clone())).0));
    for (lesson, progress) in &mut walks {
        progress.finished(lesson, 3, 3);
        progress.save().unwrap();
    }
    assert_eq!((kept(&file, "pid"), kept(&file, "uts")), (Some((3, 3)), Some((3, 3))));
    // And what was forgotten meanwhile does not come back.
    let (mut progress, _) = Progress::load_from(Some(file.clone()));
    assert!(forget(&file).unwrap());
    progress.finished("net", 1, 3);
    progress.save().unwrap();
    assert_eq!((kept(&file, "pid"), kept(&file, "net")), (None, Some((1, 3))));
}

#[test]
fn of_many_walks_that_end_at_once_all_are_kept() {
    const WALKS: usize = 16;
    for _ in 0..8 {
        let (state, file) = state();
        let begin = std::sync::Barrier::new(WALKS);
        std::thread::scope(|scope| {
            for number in 0..WALKS {
                let (begin, file) = (&begin, &file);
                scope.spawn(move || {
                    begin.wait();
                    walk(file, &format!("lesson{number}"), 3, 3).unwrap();
                });
            }
        });
        let (progress, complaint) = Progress::load_from(Some(file));
        assert_eq!(complaint, None);
        let lost: Vec<usize> = (0..WALKS).filter(|number| progress.of(&format!("lesson{number}")).is_none()).collect();
        assert_eq!(lost, [0; 0]);
        assert_eq!(fs::read_dir(state.path().join("nslearn")).unwrap().count(), 1);
    }
}

#[test]
fn what_a_writer_has_left_that_was_killed_goes_with_the_next_walk_and_with_the_file() {
    let (state, file) = state();
    let directory = state.path().join("nslearn");
    let leave = || fs::write(directory.join(".progress.aB3xyz"), "{\"version\"").unwrap();
    walk(&file, "pid", 1, 3).unwrap();
    fs::write(directory.join("something else"), "").unwrap();
    leave();
    walk(&file, "pid", 2, 3).unwrap();
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);
    leave();
    assert!(forget(&file).unwrap());
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
}

#[test]
fn nobody_who_can_only_look_into_the_directory_holds_a_walk_up() {
    let (_state, file) = state_with(json!({"version": 1}).to_string());
    let directory = file.parent().unwrap();
    fs::set_permissions(directory, PermissionsExt::from_mode(0o755)).unwrap();
    let held = nix::fcntl::Flock::lock(fs::File::open(directory).unwrap(), nix::fcntl::FlockArg::LockExclusive);
    let held = held.map_err(|(_, errno)| errno).unwrap();
    walk(&file, "pid", 1, 3).unwrap();
    assert_eq!(kept(&file, "pid"), Some((1, 3)));
    drop(held);
}

#[test]
fn nothing_is_written_where_nothing_was_finished_and_nothing_kept_where_there_is_no_place() {
    let (state, file) = state();
    Progress::load_from(Some(file)).0.save().unwrap();
    assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0);
    let (mut progress, complaint) = Progress::load_from(None);
    assert_eq!(complaint, None);
    progress.finished("pid", 3, 3);
    is_one_line(&progress.save().unwrap_err(), "HOME");
}

#[test]
fn a_file_that_is_not_understood_is_left_as_it_is_until_it_is_forgotten() {
    let large = json!({"version": 1, "lessons": {}, "more": "x".repeat(70_000)}).to_string();
    let texts = [
        ("", "line 1, column 0"),
        ("{\"version\": 1, \"lessons\": {\"pid\"", "line 1"),
        ("[1]\u{1b}[31m", "line 1"),
        ("{}", "is not a progress file of nslearn"),
        ("{\"version\": 2, \"lessons\": []}", "version 2"),
        ("{\"version\": 1, \"lessons\": {\"pid\": true}}", "is not a progress file of nslearn"),
        ("{\"version\": 1, \"lessons\": {\"\u{7f}\": {\"right\": \"\\u001b[31m\", \"of\": 3}}}", "line 1"),
        ("{\"version\": 1, \"lessons\": {\"pid\": {\"right\": 4, \"of\": 3}}}", "more right answers"),
        (&large, "larger than 64 KiB"),
    ];
    for (text, word) in texts {
        let (_state, file) = state_with(text);
        let (progress, complaint) = Progress::load_from(Some(file.clone()));
        assert!(progress.of("pid").is_none());
        is_one_line(&complaint.unwrap(), word);
        is_one_line(&walk(&file, "pid", 3, 3).unwrap_err(), word);
        assert_eq!(fs::read(&file).unwrap(), text.as_bytes());
        assert!(forget(&file).unwrap());
        walk(&file, "pid", 3, 3).unwrap();
    }
}

#[test]
fn no_file_is_made_that_would_be_too_large_to_be_read_again() {
    let (_state, file) = state_with(json!({"version": 1, "more": vec![1; 20_000]}).to_string());
    let before = fs::read(&file).unwrap();
    is_one_line(&walk(&file, "pid", 3, 3).unwrap_err(), "would be larger");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn what_is_no_file_is_neither_used_nor_replaced_nor_removed() {
    let (state, file) = state_with("");
    let elsewhere = state.path().join("elsewhere");
    fs::write(&elsewhere, json!({"version": 1, "lessons": {"pid": {"right": 3, "of": 3}}}).to_string()).unwrap();
    let makers: [(&dyn Fn(), &str); 3] = [
        (&|| symlink(&elsewhere, &file).unwrap(), "symbolic link"),
        (&|| nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap(), "special file"),
        (&|| fs::create_dir(&file).unwrap(), "directory"),
    ];
    let before = fs::read(&elsewhere).unwrap();
    for (make, word) in makers {
        fs::remove_file(&file).unwrap();
        make();
        let (progress, complaint) = Progress::load_from(Some(file.clone()));
        assert!(progress.of("pid").is_none());
        is_one_line(&complaint.unwrap(), word);
        is_one_line(&walk(&file, "pid", 1, 3).unwrap_err(), word);
        is_one_line(&forget(&file).unwrap_err().to_string(), word);
        assert!(fs::symlink_metadata(&file).is_ok());
    }
    assert_eq!(fs::read(&elsewhere).unwrap(), before);
}

#[test]
fn root_writes_nothing_into_a_directory_that_another_user_has_or_has_put_a_link_into() {
    if !geteuid().is_root() {
        eprintln!("SKIPPED: only root can give a directory away");
        return;
    }
    let (state, file) = state();
    let home = state.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::create_dir(state.path().join("roots")).unwrap();
    symlink(state.path().join("roots"), home.join("link")).unwrap();
    chown(&home, Some(SOMEBODY_ELSE), Some(SOMEBODY_ELSE)).unwrap();
    for file in ["home/nslearn/progress.json", "home/.local/state/nslearn/progress.json", "home/link/progress.json"] {
        is_one_line(&walk(&state.path().join(file), "pid", 3, 3).unwrap_err(), "belongs to another user (uid 4242)");
    }
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
    assert_eq!(fs::read_dir(state.path().join("roots")).unwrap().count(), 0);
    // Nor is anything removed from there, and nothing of another user's replaced in a directory of one's own.
    let theirs = home.join("progress.json");
    fs::write(&theirs, "{}").unwrap();
    is_one_line(&forget(&theirs).unwrap_err().to_string(), "another user");
    walk(&file, "pid", 3, 3).unwrap();
    chown(&file, Some(SOMEBODY_ELSE), None).unwrap();
    is_one_line(&walk(&file, "uts", 3, 3).unwrap_err(), "another user");
    assert!(theirs.exists() && file.exists());
}

#[test]
fn a_place_that_cannot_be_written_to_is_told() {
    let (state, file) = state();
    fs::write(state.path().join("nslearn"), "a file where the directory would be").unwrap();
    is_one_line(&walk(&file, "pid", 3, 3).unwrap_err(), "ENOTDIR");
    fs::remove_file(state.path().join("nslearn")).unwrap();
    if geteuid().is_root() {
        return; // May write everywhere.
    }
    fs::set_permissions(state.path(), PermissionsExt::from_mode(0o500)).unwrap();
    is_one_line(&walk(&file, "pid", 3, 3).unwrap_err(), "EACCES");
}

#[test]
fn no_bytes_make_the_reader_panic_and_what_it_understands_it_can_write() {
    let good =
        json!({"version": 1, "lessons": {"pid": {"right": 2, "of": 3, "more": [null, 1.5]}}, "more": {"a": "é\u{1b}"}});
    let good = good.to_string().into_bytes();
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut random = |below: usize| {
        // xorshift64: the same bytes at each run.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..20_000 {
        let mut bytes = if round % 4 == 0 { vec![0; random(200)] } else { good.clone() };
        for _ in 0..=random(6) {
            let at = random(bytes.len() + 1);
            match random(4) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at, b"{}[]\",:01-e\\u\x1b\xff"[random(15)]),
                2 => bytes.splice(at.., good[random(good.len())..].to_vec()).for_each(drop),
                _ => bytes.iter_mut().skip(at).take(3).for_each(|byte| *byte = random(256) as u8),
            }
        }
        match Kept::parse(&bytes) {
            Ok(kept) => assert!(Kept::parse(&serde_json::to_vec_pretty(&kept).unwrap()).is_ok()),
            Err(why) => is_one_line(&why, "is "),
        }
    }
    assert!(Kept::parse("[".repeat(60_000).as_bytes()).is_err());
}

/// Files that are nearly what nslearn writes.
fn nearly() -> impl proptest::strategy::Strategy<Value = String> {
    let number = "[0-9]{1,3}|-1|1e9|null|99999999999999999999";
    let shape = (number, number, number, "[a-z\"\\\\{}:,\u{1b}]{0,12}");
    proptest::strategy::Strategy::prop_map(shape, |(version, right, of, other)| {
        format!(r#"{{"version": {version}, "lessons": {{"uts": {{"right": {right}, "of": {of}}}}}, "x": "{other}"}}"#)
    })
}

proptest::proptest! {
    #[test]
    fn no_file_is_too_strange_to_be_read(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        if let Err(why) = Kept::parse(&bytes) {
            proptest::prop_assert!(!why.contains(char::is_control), "{why:?}");
        }
    }

    #[test]
    fn what_is_read_is_written_and_read_again(text in nearly()) {
        match Kept::parse(text.as_bytes()) {
            Ok(kept) => {
                let written = serde_json::to_vec(&kept).unwrap();
                let again = Kept::parse(&written).unwrap();
                proptest::prop_assert_eq!(written, serde_json::to_vec(&again).unwrap());
            }
            Err(why) => proptest::prop_assert!(!why.contains(char::is_control), "{why:?}"),
        }
    }
}
