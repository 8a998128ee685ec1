//! That the machines which are played are what they seem.

use std::collections::BTreeMap;

use nix::errno::Errno;
use syscalls::Sysno;

use super::filter::{Filter, Test, docker};
use super::{Verdict, can_play};
use crate::errors::as_root_of_nothing;
use crate::support::{everybody, has_tool, of_kind, stage};

#[test]
fn the_judge_sees_the_calls_of_all_processes_with_their_arguments() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    for &who in everybody() {
        let mut names = Vec::new();
        let mut makers = BTreeMap::new();
        let run = lab.run(["lesson", "uts", "--format", "json"]).by(who);
        let end = run.judged(&[Sysno::sethostname, Sysno::mount], |call| {
            assert_eq!(call.exe(), Some(lab.program()));
            *makers.entry(call.pid).or_insert(0) += 1;
            if call.sysno == Sysno::sethostname {
                let length = usize::try_from(call.args[1]).unwrap();
                names.push(String::from_utf8(call.read(call.args[0], length).unwrap()).unwrap());
            } else if call.args[2] != 0 {
                names.push(call.read_string(call.args[2]).unwrap());
            }
            Verdict::Continue
        });
        assert_eq!(end.must_be(0).events().len(), run.end().events().len(), "as if nobody had looked");
        let told = ["proc", "tmpfs", "tmpfs", "workshop", "tenant"].map(str::to_owned);
        assert_eq!(names[..5], told);
        assert_eq!(names.last().unwrap(), "mine");
        assert_eq!(makers.len(), 2, "the stage's first process and the tenant");
    }
}

#[test]
fn what_the_judge_refuses_fails_so_and_is_not_done() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    for &who in everybody() {
        let mut count = 0;
        let run = lab.run(["lesson", "uts", "--format", "json"]).by(who);
        let end = run.judged(&[Sysno::sethostname], |_| {
            count += 1;
            if count == 2 { Verdict::Refuse(Errno::EXDEV) } else { Verdict::Continue }
        });
        assert!(end.stdout.contains(r#""args":["tenant"],"errno":"EXDEV""#), "{end:?}");
    }
}

#[test]
fn the_judge_can_pretend_and_the_lesson_is_not_fooled() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    for &who in everybody() {
        let mut written = Vec::new();
        let run = lab.run(["lesson", "uts"]).by(who);
        let end = run.judged(&[Sysno::sethostname, Sysno::write], |call| {
            if call.sysno == Sysno::sethostname {
                return Verdict::Return(0);
            }
            written.extend(call.fd_target(call.args[0]).filter(|target| target.starts_with("/proc")));
            Verdict::Continue
        });
        end.must_be(1);
        assert!(written.iter().any(|path| path.ends_with("uid_map")), "{written:?}");
    }
}

#[test]
fn the_judge_can_change_what_the_kernel_is_asked() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    for &who in everybody() {
        let mut changed = 0;
        let run = lab.run(["lesson", "net", "--format", "json"]).by(who);
        let end = run.judged(&[Sysno::sendto], |call| {
            // A kind of interface that no kernel has: so this one says what one without veth does.
            changed += call.replace(call.args[1], usize::try_from(call.args[2]).unwrap(), b"veth\0", b"vath\0");
            Verdict::Continue
        });
        assert!(changed > 0, "{end:?}");
        let events = end.must_be(0).events();
        let skipped = of_kind(&events, "skipped");
        assert!(skipped[0]["reason"].as_str().unwrap().contains("EOPNOTSUPP"), "{skipped:?}");
    }
}

#[test]
fn a_program_that_starts_another_is_judged_with_it() {
    let Some(lab) = stage().filter(|_| can_play() && has_tool("unshare")) else { return };
    let mut seen = Vec::new();
    let run = as_root_of_nothing(&lab, "exec \"$0\" lesson uts");
    let end = run.judged(&[Sysno::unshare, Sysno::clone3], |call| {
        seen.push(call.exe().is_some_and(|exe| exe == lab.program()));
        Verdict::Continue
    });
    assert_eq!(seen.first(), Some(&false), "unshare(1) itself");
    assert_eq!(seen.last(), Some(&true), "the lesson's tenant");
    assert!(end.code() == 0 || end.code() == 3, "{end:?}");
}

#[test]
fn a_judged_program_that_does_not_start_is_told() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    let run = lab.run(Vec::<&str>::new()).instead("/no/such/program", &[]);
    let panic = std::panic::catch_unwind(|| run.judged(&[Sysno::mount], |_| Verdict::Continue));
    assert!(panic.is_err());
}

#[test]
fn a_filter_refuses_by_number_and_by_argument() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    for &who in everybody() {
        let uts = || lab.run(["lesson", "uts"]).by(who);
        let end = uts().behind(Filter::allowing().refuse(&[Sysno::clone3], Errno::EUSERS)).end().must_be(3);
        assert!(end.stderr.contains("EUSERS"), "{end:?}");
        // The tenant's user namespace, which the lesson makes towards its end.
        let user = Test::any_of(0, libc::CLONE_NEWUSER.unsigned_abs());
        let end = uts().behind(Filter::allowing().refuse_where(Sysno::unshare, user, Errno::EUSERS)).end().must_be(0);
        assert!(end.stdout.contains("EUSERS") && end.stdout.contains("✔"), "{end:?}");
        let six_letters = Test::is(1, 6);
        let end = uts().behind(Filter::allowing().refuse_where(Sysno::sethostname, six_letters, Errno::EUSERS)).end();
        let refused = end.stdout.lines().filter(|line| line.contains("EUSERS") && line.contains("tenant ")).count();
        assert_eq!(refused, 1, "the name tenant, and no other: {end:?}");
    }
}

#[test]
fn a_filter_that_allows_nothing_else_refuses_the_rest() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    for &who in everybody() {
        let list = || lab.run(["list"]).by(who);
        let all: Vec<Sysno> = Sysno::iter().collect();
        list().behind(Filter::refusing(Errno::EUSERS).allow(&all)).end().must_be(0);
        let most: Vec<Sysno> = Sysno::iter().filter(|call| *call != Sysno::write).collect();
        let end = list().behind(Filter::refusing(Errno::EUSERS).allow(&most)).end().must_be(1);
        assert_eq!((end.stdout.as_str(), end.stderr.as_str()), ("", ""), "nothing can be written");
    }
}

#[test]
fn behind_dockers_profile_there_is_no_stage() {
    let Some(lab) = stage().filter(|_| can_play()) else { return };
    for &who in everybody() {
        let end = lab.run(["lesson", "uts"]).by(who).behind(docker()).end().must_be(3);
        assert_eq!(end.stdout, "");
        assert!(end.stderr.contains("ENOSYS") || end.stderr.contains("EPERM"), "{end:?}");
    }
}
