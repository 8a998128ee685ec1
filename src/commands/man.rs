//! `nslearn man`.

use std::io::{self, Write};

use clap::CommandFactory;

use crate::cli::Cli;

pub(super) fn run() -> io::Result<u8> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    io::stdout().write_all(&page)?;
    Ok(0)
}
