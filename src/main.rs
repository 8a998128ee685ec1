//! Parse, run, exit status.

use std::process::ExitCode;

use clap::Parser;
use nslearn::{cli::Cli, commands};

fn main() -> ExitCode {
    commands::run(Cli::parse())
}
