//! Parse, run, exit status.
#![cfg_attr(target_env = "gnu", no_main)]

use clap::Parser;
use nslearn::{cli::Cli, commands, sys};

#[global_allocator]
static MEMORY: sys::Memory = sys::Memory;

fn start() -> u8 {
    if let Err(closed) = sys::open_standard_streams() {
        return commands::no_stream(closed);
    }
    sys::outlive_file_sizes(true);
    Cli::try_parse().map_or_else(|error| commands::misread(&error), |cli| commands::run(&cli))
}

/// The C library's entry point, without the standard library's start-up before it: that one looks for the end of the
/// stack in /proc/self/maps and sets up handlers that nothing here needs, which takes a tenth of the time that
/// `nslearn list` does. What it does that matters, [`sys::open_standard_streams`] does.
#[cfg(target_env = "gnu")]
#[allow(unsafe_code)]
// SAFETY: the C library calls `main` once, and no other symbol of this name is linked.
#[unsafe(no_mangle)]
extern "C" fn main() -> std::ffi::c_int {
    start().into()
}

#[cfg(not(target_env = "gnu"))]
fn main() -> std::process::ExitCode {
    start().into()
}
