//! `nslearn man`.

use std::io;

use clap::CommandFactory;

use crate::cli::Cli;
use crate::sys::write_all;

pub(super) fn run() -> io::Result<u8> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    write_all(io::stdout(), &page)?;
    Ok(0)
}
