//! `nslearn doctor --apparmor-profile`: a profile for this one program, wherever it lies.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use insta::assert_snapshot;
use nix::unistd::geteuid;

use crate::anchored::anchored;
use crate::errors::as_root_of_nothing;
use crate::snapshots::snapshot_settings;
use crate::supervisor::can_play;
use crate::supervisor::filter::docker;
use crate::support::{Lab, Who, everybody, has_tool, lab};

const ARGS: [&str; 2] = ["doctor", "--apparmor-profile"];

/// Another path of the program, with this name.
fn named(lab: &Lab, name: &[u8]) -> PathBuf {
    let path = lab.directory(Who::Me).join(OsStr::from_bytes(name));
    fs::hard_link(lab.program(), &path).unwrap();
    path
}

#[test]
fn the_profile_says_what_it_allows_how_to_install_and_remove_it_and_at_what_risk() {
    let lab = lab();
    if !geteuid().is_root() || !has_tool("unshare") {
        return;
    }
    // Where a program lies that root has installed: on mounts of its own, so that it is so here.
    let installed = "mount -t tmpfs -o mode=755 none /usr/local && mkdir /usr/local/bin && cp \"$0\" /usr/local/bin && \
        exec setpriv --reuid=65534 --regid=65534 --clear-groups /usr/local/bin/nslearn doctor --apparmor-profile";
    let told = lab.shell(installed).under(&["unshare", "--mount"]).end().must_be(0);
    assert_eq!(told.stderr, "");
    assert!(told.stdout.lines().all(|line| line.len() <= 80), "{}", told.stdout);
    let told = anchored("profile", &told.stdout.lines().collect::<Vec<_>>());
    snapshot_settings().bind(|| assert_snapshot!("doctor.apparmor-profile", told));
}

#[test]
fn no_stage_is_needed_for_a_profile() {
    if !can_play() {
        return;
    }
    let lab = lab();
    for &who in everybody() {
        let run = || lab.run(ARGS).by(who);
        let profile = run().end().must_be(0).stdout;
        assert!(profile.contains(&format!("profile nslearn \"{}\" ", lab.program().display())), "{profile}");
        assert_eq!(run().behind(docker()).end().must_be(0).stdout, profile);
    }
}

#[test]
fn a_profile_is_for_one_path_however_strange_and_for_no_other() {
    /// What AppArmor's parser makes of the name: a regular expression, in which everything stands for itself.
    const MATCHED: &str = r#"/a\ b\*c?\[d\]{e,f}^g"h\i@{HOME}\xff\xc3\xb6\n\(j\)\+\|\.~#!'$k"#;
    let lab = lab();
    let path = named(&lab, b"a b*c?[d]{e,f}^g\"h\\i@{HOME}\xff\xc3\xb6\n(j)+|.~#!'$k");
    let told = lab.run(ARGS).of(&path).end().must_be(0).stdout;
    assert!(told.is_ascii(), "{told}");
    if !has_tool("apparmor_parser") {
        return;
    }
    let profile = path.with_file_name("profile");
    // A parser before AppArmor 4 does not know what this allows; the path it reads in the same way.
    let knows = Path::new("/etc/apparmor.d/abi/4.0").exists();
    let known = told.lines().filter(|line| knows || !["abi <abi/4.0>,", "  userns,"].contains(line));
    fs::write(&profile, known.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    // It is compiled, and not given to the kernel.
    let parser = Command::new("apparmor_parser")
        .args(["--skip-kernel-load", "--skip-cache", "--dump=expr-tree"])
        .arg(&profile)
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&[parser.stdout, parser.stderr].concat()).into_owned();
    assert!(parser.status.success(), "{told}\n{said}");
    let expected = format!("{}{MATCHED}<", path.parent().unwrap().display());
    assert!(said.lines().any(|line| line.starts_with(&expected)), "{said}\ndoes not say\n{expected}");
}

#[test]
fn a_place_where_others_than_root_can_write_is_told_as_a_risk() {
    let lab = lab();
    if !geteuid().is_root() {
        return;
    }
    let path = named(&lab, b"nslearn");
    let directory = path.parent().unwrap();
    let profile = || lab.run(ARGS).of(&path).end().must_be(0).stdout;
    let warns_of =
        |place: &Path| profile().contains(&format!("not only root can write to\n#   \"{}\"\n", place.display()));
    assert!(profile().contains("Only root can write there."), "{}", profile());
    for (mode, is_risk) in [(0o775, true), (0o757, true), (0o1777, false), (0o755, false)] {
        fs::set_permissions(directory, Permissions::from_mode(mode)).unwrap();
        assert_eq!(warns_of(directory), is_risk, "{mode:o}: {}", profile());
    }
    std::os::unix::fs::chown(directory, Some(1000), None).unwrap();
    assert!(warns_of(directory), "{}", profile());
    assert!(profile().contains("sudo install"), "{}", profile());
}

#[test]
fn a_program_that_lies_nowhere_any_more_has_no_profile() {
    let lab = lab();
    for &who in everybody() {
        let here = lab.directory(who);
        let gone = format!(
            "cd {} && cp \"$0\" gone && exec 3<gone && rm gone && exec /proc/self/fd/3 doctor --apparmor-profile",
            here.display()
        );
        let end = lab.shell(&gone).by(who).end().must_be(1);
        assert_eq!(end.stdout, "");
        assert!(end.stderr.contains("is not there any more") && end.stderr.contains("what to do:"), "{end:?}");
    }
}

#[test]
fn without_proc_there_is_no_profile() {
    let lab = lab();
    if !has_tool("unshare") {
        return;
    }
    let end = as_root_of_nothing(&lab, "mount -t tmpfs none /proc && exec \"$0\" doctor --apparmor-profile").end();
    let end = end.must_be(1);
    assert_eq!(end.stdout, "");
    assert!(end.stderr.contains("readlink(/proc/self/exe): ENOENT") && end.stderr.contains("what to do:"), "{end:?}");
}
