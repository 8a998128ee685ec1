//! Names are bytes. On a machine of somebody else's some are no text: a mount's, the program's own, what is in
//! the environment and on the command line. None of them stops a lesson, and what is told of them is text.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Stdio;

use crate::paths;
use crate::support::{Lab, Run, Who, everybody, has_tool, lab, stage};

/// As an argument.
fn bytes(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// The program by a shell script, which has a mount namespace to itself.
fn with_mounts(lab: &Lab, who: Who, script: &str) -> Run {
    let root = who == Who::Me && nix::unistd::geteuid().is_root();
    let own: &[&str] = if root { &["unshare", "--mount"] } else { &["unshare", "--map-root-user", "--mount"] };
    lab.shell(script).under(own).by(who)
}

/// What a command says on standard error that works: the tests' working directory is below /tmp, and that of a stage is
/// another one.
fn complaints(command: &str) -> &'static str {
    match command {
        "shell -c true" => {
            "nslearn: your working directory is not on the stage (ENOENT: No such file or directory), so this is /\n"
        }
        _ => "",
    }
}

#[test]
fn a_mount_whose_names_are_no_text_is_nobodys_business() {
    let Some(lab) = stage().filter(|_| has_tool("unshare")) else { return };
    for &who in everybody() {
        let place = lab.directory(who);
        let mount = format!(
            "d=\"{}/$(printf 'h\\377 \\n')\" && mkdir \"$d\" && mount -t tmpfs \"$(printf 's\\376')\" \"$d\" && exec \"$0\"",
            place.display()
        );
        for command in ["lesson uts", "lesson chroot", "doctor", "shell -c true", "shell uts -c true"] {
            let end = with_mounts(&lab, who, &format!("{mount} {command}")).end().must_be(0);
            assert_eq!(end.stderr, complaints(command), "{command} as {who:?}");
            assert!(!command.starts_with("lesson") || end.stdout.contains("nothing left behind"), "{}", end.stdout);
            let _ = fs::remove_dir(place.join(bytes(b"h\xff ")));
        }
    }
}

#[test]
fn a_word_that_is_no_text_is_answered_as_any_other() {
    let lab = lab();
    for command in ["lesson", "notes", "shell"] {
        let end = lab.run([bytes(command.as_bytes()), bytes(b"ut\xff")]).end().must_be(2);
        assert!(end.stderr.contains("there is no lesson 'ut\u{fffd}'"), "{command}: {}", end.stderr);
        assert!(end.stderr.contains("did you mean uts?"), "{command}: {}", end.stderr);
    }
    let end = lab.run([bytes(b"shell"), bytes(b"uts"), bytes(b"--as"), bytes(b"\xff"), bytes(b"-c"), bytes(b"true")]);
    end.end().must_be(2);
}

#[test]
fn a_command_for_a_shell_may_be_any_bytes() {
    let Some(lab) = stage() else { return };
    let command = bytes(b"printf %s 'h\xff' | od -An -tx1");
    for words in [&[bytes(b"shell")][..], &[bytes(b"shell"), bytes(b"uts"), bytes(b"--as"), bytes(b"tenant")]] {
        let words = words.iter().copied().chain([bytes(b"-c"), command]);
        assert_eq!(lab.run(words).end().must_be(0).stdout.trim(), "68 ff");
    }
}

#[test]
fn variables_that_are_no_text_do_not_matter() {
    let Some(lab) = stage() else { return };
    let usual = lab.run(["lesson", "uts", "--scrub", "--format", "json"]).end().must_be(0).stdout;
    let names =
        ["HOME", "XDG_STATE_HOME", "SHELL", "TERM", "COLUMNS", "LANG", "LC_ALL", "NSLEARN_SILENCE_MS", "NO_COLOR"];
    let variables: String = names.iter().map(|name| format!("{name}=\"/$(printf '\\377')\" ")).collect();
    for &who in everybody() {
        let run = |command: &str| lab.shell(&format!("{variables} exec \"$0\" {command}")).by(who).end().must_be(0);
        assert_eq!(run("lesson uts --scrub --format json").stdout, usual, "as {who:?}");
        for command in ["list", "doctor", "shell -c true", "reset"] {
            let end = run(command);
            assert_eq!(end.stderr, complaints(command), "{command} as {who:?}");
        }
    }
}

#[test]
fn a_program_and_a_working_directory_whose_names_are_no_text_are_as_good_as_others() {
    let Some(lab) = stage() else { return };
    for &who in everybody() {
        let place = lab.directory(who);
        let go = format!(
            "cd {} && mkdir -p \"$(printf 'd\\377')\" && cd \"$(printf 'd\\377')\" && \
             name=\"./$(printf 'a) R 1 (\\377\\nb:')\" && cp \"$0\" \"$name\" && exec \"$name\"",
            place.display()
        );
        for command in ["lesson pid", "doctor", "shell uts -c true", "shell -c true", "list", "--help"] {
            let end = lab.shell(&format!("{go} {command}")).by(who).end().must_be(0);
            assert_eq!(end.stderr, complaints(command), "{command} as {who:?}");
        }
    }
}

#[test]
fn a_shell_whose_path_is_no_text_is_opened() {
    let Some(lab) = stage() else { return };
    // Not below /tmp, which is another one on the stage.
    let place = paths::scratch().join(OsString::from_vec(format!("bytes{}", std::process::id()).into_bytes()));
    fs::create_dir_all(&place).unwrap();
    let shell = place.join(bytes(b"s\xffh"));
    fs::copy("/bin/sh", &shell).unwrap();
    let mut command = lab.run(["shell", "uts"]).command();
    let mut child = command.env("SHELL", &shell).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"readlink /proc/$$/exe | od -An -v -tx1 | tr -d '\\n'\n").unwrap();
    let end = lab.run(["shell", "uts"]).end_of_child(child);
    fs::remove_dir_all(&place).unwrap();
    assert!(end.must_be(0).stdout.contains("2f 73 ff 68 0a"), "it was another shell");
}

#[test]
fn a_recording_may_have_any_name() {
    let Some(lab) = stage() else { return };
    let directory = lab.directory(Who::Me);
    let film = directory.join(bytes(b"h\xff.cast"));
    let words = |film: &OsStr| [bytes(b"lesson"), bytes(b"uts"), bytes(b"--record"), film].map(OsStr::to_owned);
    lab.run(words(film.as_os_str())).end().must_be(0);
    assert!(fs::read(&film).unwrap().starts_with(b"{\"version\":"));
    let nowhere = directory.join(bytes(b"no\xff/film.cast"));
    let end = lab.run(words(nowhere.as_os_str())).end().must_be(1);
    assert!(end.stderr.contains("no\u{fffd}/film.cast"), "{}", end.stderr);
}

#[test]
fn a_web_server_answers_a_request_with_any_bytes_in_it() {
    let Some(lab) = stage().filter(|_| has_tool("bash")) else { return };
    let request =
        "exec 3<>/dev/tcp/127.0.0.1/80 && printf 'GET / HTTP/1.1\\r\\nCookie: \\377\\r\\n\\r\\n' >&3 && cat <&3";
    let command = format!("bash -c \"{}\"", request.replace('\\', "\\\\"));
    let end = lab.run(["shell", "shared-net", "--step", "2", "--as", "master", "-c", &command]).end().must_be(0);
    assert!(end.stdout.contains("Welcome to the web container"), "{end:?}");
}
