//! `nslearn completions SHELL`.

use std::io;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::sys::write_all;

pub(super) fn run(shell: Shell) -> io::Result<u8> {
    // Into memory first: clap_complete panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut for_learners(), "nslearn", &mut script);
    write_all(io::stdout(), &script)?;
    Ok(0)
}

/// The command line without the subcommands that its help does not show: clap_complete would offer them.
fn for_learners() -> Command {
    let all = Cli::command();
    let shown = all.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()).cloned();
    let command = Command::new("nslearn").version(env!("CARGO_PKG_VERSION")).args(all.get_arguments().cloned());
    command.subcommands(shown)
}
