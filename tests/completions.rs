//! What a packager installs along with the program: completions and the manual page.

use std::process::Command;

use crate::support::lab;

#[test]
fn every_shell_gets_a_completion_script_that_knows_the_subcommands() {
    let lab = lab();
    for shell in ["bash", "zsh", "fish"] {
        let end = lab.run(["completions", shell]).end().must_be(0);
        assert!(end.stderr.is_empty());
        for word in ["lesson", "doctor", "--format"] {
            let known = end.stdout.contains(word.trim_start_matches('-'));
            assert!(known, "the completion script of {shell} does not know {word}");
        }
    }
}

#[test]
fn bash_accepts_its_completion_script() {
    let lab = lab();
    let script = lab.run(["completions", "bash"]).end().must_be(0).stdout;
    let checked = Command::new("bash").args(["-n", "-c", &script]).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn an_unknown_shell_is_wrong_usage() {
    let end = lab().run(["completions", "dos"]).end().must_be(2);
    assert!(end.stderr.contains("dos"), "{}", end.stderr);
}

#[test]
fn the_manual_page_is_roff() {
    let page = lab().run(["man"]).end().must_be(0).stdout;
    assert!(page.starts_with(".ie") || page.starts_with(".TH"), "{page}");
    for section in [".SH NAME", ".SH SYNOPSIS", "nslearn"] {
        assert!(page.contains(section), "no {section} in the manual page");
    }
}
