//! `nslearn shell`: a stage without a lesson, to try things on.

use std::io;
use std::path::PathBuf;

use super::{complain, status};
use crate::cli::ShellOnStage;
use crate::diagnosis::advise;
use crate::stage::run_on_a_stage;

const SH: &str = "/bin/sh";

pub(super) fn run(wanted: &ShellOnStage) -> io::Result<u8> {
    let (program, args) = match &wanted.command {
        Some(command) => (PathBuf::from(SH), vec!["-c", command]),
        None => (own_shell(), vec![]),
    };
    match run_on_a_stage(&program, &args) {
        Ok(left) => Ok(u8::try_from(left).unwrap_or(status::FAILED)),
        Err(error) => {
            let advice = advise(&error);
            complain(&format!(
                "nslearn: no shell on a stage here\n  {}\n  what to do: {}",
                advice.reason, advice.remedy
            ));
            Ok(status::NOT_HERE)
        }
    }
}

/// The user's own shell, if there is one.
fn own_shell() -> PathBuf {
    let shell = std::env::var_os("SHELL").map(PathBuf::from).filter(|shell| shell.is_absolute() && shell.exists());
    shell.unwrap_or_else(|| PathBuf::from(SH))
}
