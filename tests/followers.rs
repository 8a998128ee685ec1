//! `nslearn notes` follows a walk by a socket whose name everybody on the machine can bind, and connect to. Neither side
//! takes somebody else for the user.

use std::io::{BufRead, BufReader};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Child, ChildStdin, Stdio};

use nix::unistd::geteuid;

use crate::support::{Lab, Who, has_tool, read_text, stage_alone};
use crate::terminal::{Terminal, on_a_terminal};

/// A name that comes before those of all walks of the user who runs the tests: no process has a larger number.
const LAST: &str = "4194304";

/// Somebody else, in a program of theirs. They live until this goes.
struct Other(Child, Option<ChildStdin>);

impl Other {
    /// Runs a script in Perl, up to the line that it prints.
    fn runs(lab: &Lab, script: &str, args: &[&str]) -> (Other, String) {
        let script = format!("use Socket; $| = 1; alarm 60; {script}");
        let words: Vec<&str> = ["-e", &script].iter().chain(args).copied().collect();
        let run = lab.run([""; 0]).instead("perl", &words).by(Who::PlainUser);
        let mut child = run.command().stdin(Stdio::piped()).spawn().unwrap();
        let mut line = Vec::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_until(b'\n', &mut line).unwrap();
        let stdin = child.stdin.take();
        (Other(child, stdin), String::from_utf8(line).unwrap())
    }

    /// Listens under a name of the user's walks, and then does as `with_each` says with each that comes.
    fn listens(lab: &Lab, process: &str, with_each: &str) -> Other {
        let name = format!("nslearn/{}/uts/{process}", geteuid());
        let script = format!(
            "socket(S, PF_UNIX, SOCK_STREAM, 0) && bind(S, pack_sockaddr_un(\"\\0$ARGV[0]\")) && listen(S, 0) or die $!; \
             print \"here\\n\"; {with_each}"
        );
        let (other, said) = Other::runs(lab, &script, &[&name]);
        assert_eq!(said, "here\n");
        other
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        drop(self.1.take());
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says that the walk is at the last step, and says no more.
const LIES: &str =
    "while (accept(C, S)) { syswrite(C, qq({\"lesson\":\"uts\",\"step\":6,\"seconds\":0}\\n)); push @all, *C{IO}; }";
/// Says nothing, and holds the line.
const IS_MUTE: &str = "while (accept(C, S)) { push @all, *C{IO}; }";
/// Lets nobody in, and has as many before the door as there is room for.
const IS_FULL: &str = "for (1..9) { socket($all[$_], PF_UNIX, SOCK_STREAM, 0); use Fcntl; \
    fcntl($all[$_], F_SETFL, O_NONBLOCK); connect($all[$_], getsockname(S)); } <STDIN>;";

/// A place for two users, of whom one user alone cannot play the other: root plays both.
fn for_two() -> Option<Lab> {
    stage_alone().filter(|_| geteuid().is_root() && has_tool("perl"))
}

/// The notes follow a walk that is at its first step.
fn notes_follow(notes: &mut Terminal) {
    notes.wait_for("1/6 ");
    notes.wait_for("min planned up to here");
}

/// The walk ends, and the notes with it.
fn are_over(walk: &mut Terminal, notes: &mut Terminal) {
    walk.press("q");
    notes.wait_for("the lesson is over");
    assert!(walk.end().success() && notes.end().success());
}

fn on_its_terminal(lab: &Lab, args: &[&str]) -> Option<Terminal> {
    Some(Terminal::start(&on_a_terminal(lab, args)?, (80, 24)))
}

#[test]
fn the_notes_follow_the_users_own_walk_whoever_else_says_to_be_one() {
    let Some(lab) = for_two() else { return };
    for other in [LIES, IS_MUTE, IS_FULL] {
        let Some(mut walk) = on_its_terminal(&lab, &["lesson", "uts", "--no-questions"]) else { return };
        walk.wait_for_step(1, 6);
        let other = Other::listens(&lab, LAST, other);
        let Some(mut notes) = on_its_terminal(&lab, &["notes", "uts"]) else { return };
        notes_follow(&mut notes);
        walk.press("\r");
        notes.wait_for("2/6 ");
        walk.wait_for_step(2, 6);
        are_over(&mut walk, &mut notes);
        drop(other);
    }
}

#[test]
fn where_somebody_else_alone_says_to_walk_the_notes_are_printed() {
    let Some(lab) = for_two() else { return };
    for other in [LIES, IS_MUTE, IS_FULL] {
        let other = Other::listens(&lab, LAST, other);
        let Some(mut notes) = on_its_terminal(&lab, &["notes", "uts"]) else { return };
        for step in 1..=6 {
            notes.wait_for(&format!("{step}/6 "));
        }
        assert!(notes.end().success());
        assert!(!notes.said.contains("the lesson is over"), "{}", notes.said);
        drop(other);
    }
}

#[test]
fn a_walk_whose_name_somebody_else_has_taken_beforehand_is_followed() {
    let Some(lab) = for_two() else { return };
    let script = "echo \"pid $$ \" && read -r line && exec \"$0\" lesson uts --no-questions";
    let walk = lab.shell(script).under(&["setsid", "--ctty", "--wait"]).env("TERM", "xterm-256color");
    let mut walk = Terminal::start(&walk, (80, 24));
    walk.wait_for("pid ");
    walk.wait_for(" ");
    let other = Other::listens(&lab, &walk.last, IS_MUTE);
    walk.press("\r");
    walk.wait_for_step(1, 6);
    let Some(mut notes) = on_its_terminal(&lab, &["notes", "uts"]) else { return };
    notes_follow(&mut notes);
    are_over(&mut walk, &mut notes);
    drop(other);
}

#[test]
fn a_walk_tells_nobody_else_where_it_is() {
    let Some(lab) = for_two() else { return };
    let Some(mut walk) = on_its_terminal(&lab, &["lesson", "uts", "--no-questions"]) else { return };
    walk.wait_for_step(1, 6);
    let prefix = format!("@nslearn/{}/uts/", geteuid());
    let sockets = read_text("/proc/net/unix").unwrap();
    let name = sockets.lines().find_map(|line| line.split(' ').find(|field| field.starts_with(&prefix)));
    let name = name.unwrap_or_else(|| panic!("the walk has no door:\n{sockets}"));
    let script = "socket(S, PF_UNIX, SOCK_STREAM, 0) && connect(S, pack_sockaddr_un(\"\\0$ARGV[0]\")) or die $!; \
                  print 'heard:', scalar(<S>), \"\\n\";";
    let (_other, heard) = Other::runs(&lab, script, &[&name[1..]]);
    assert_eq!(heard, "heard:\n");
    walk.press("q");
    assert!(walk.end().success());
}

#[test]
fn a_walk_is_found_among_socket_names_that_are_no_text() {
    let Some(lab) = stage_alone() else { return };
    let strange = [&b"\xff\xfe"[..], b"a b \xff", b"two\nlines", b" @", b"@nslearn/\xff/uts/1", b"nslearn/0/uts/\xff"];
    let listeners =
        strange.map(|name| UnixListener::bind_addr(&SocketAddr::from_abstract_name(name).unwrap()).unwrap());
    let Some(mut walk) = on_its_terminal(&lab, &["lesson", "uts", "--no-questions"]) else { return };
    walk.wait_for_step(1, 6);
    let Some(mut notes) = on_its_terminal(&lab, &["notes", "uts"]) else { return };
    notes.wait_for("1/6 ");
    notes.wait_for("min planned up to here");
    walk.press("q");
    notes.wait_for("the lesson is over");
    assert!(walk.end().success() && notes.end().success());
    drop(listeners);
}
