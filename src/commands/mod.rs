//! One file a subcommand; `dev`, which has several of its own, is a folder.

mod apparmor;
mod completions;
mod dev;
mod doctor;
mod lesson;
mod list;
mod man;
mod notes;
mod reset;
mod shell;
mod welcome;

use std::io;
use std::os::fd::AsFd;

use anstream::{AutoStream, ColorChoice, stream::RawStream};
use nix::errno::Errno;
use textwrap::Options;

use crate::cli::{Cli, Command};
use crate::render;
use crate::sys::write_all;
use crate::transcript::errno_name;

/// The exit statuses that are not 0.
mod status {
    /// A claim failed, or the lesson could not be shown to its end.
    pub(super) const FAILED: u8 = 1;
    /// Wrong usage.
    pub(super) const USAGE: u8 = 2;
    /// This machine does not allow it.
    pub(super) const NOT_HERE: u8 = 3;
    /// The reader has closed the pipe: as if ended by SIGPIPE.
    pub(super) const PIPE_CLOSED: u8 = 128 + 13;
}

/// Runs what the command line asks for, and says with which status to exit.
pub fn run(cli: &Cli) -> u8 {
    let result = match &cli.command {
        None => welcome::run(&cli.output),
        Some(Command::List) => list::run(&cli.output),
        Some(Command::Lesson(lessons)) => lesson::run(lessons, &cli.output),
        Some(Command::Notes(wanted)) => notes::run(wanted, &cli.output),
        Some(Command::Shell(wanted)) => shell::run(wanted),
        Some(Command::Doctor(wanted)) if wanted.apparmor_profile => apparmor::run(),
        Some(Command::Doctor(_)) => doctor::run(&cli.output),
        Some(Command::Reset) => reset::run(&cli.output),
        Some(Command::Completions { shell }) => completions::run(*shell),
        Some(Command::Man) => man::run(),
        Some(Command::Dev(wanted)) => dev::run(wanted, &cli.output),
    };
    result.unwrap_or_else(|error| cannot_show(&error))
}

/// The command line says nothing that can be run, or asks for help: says so, and with which status to exit.
pub fn misread(error: &clap::Error) -> u8 {
    let words = std::env::args_os().collect::<Vec<_>>();
    let words = words.iter().map(|word| word.to_string_lossy());
    if error.use_stderr() && words.into_iter().any(|word| render::printable(&word) != word) {
        // Clap shows the word that it does not understand as it is.
        tell(error.render().to_string().trim_end());
    } else if error.use_stderr() {
        // Where there is nobody to tell, there is nothing to be done about it.
        let _ = print(error, io::stderr());
    } else if let Err(why) = print(error, io::stdout()) {
        return cannot_show(&why);
    }
    error.exit_code().try_into().unwrap_or(status::USAGE)
}

/// Prints what clap says, with colour where that is wanted.
fn print(said: &clap::Error, stream: impl RawStream + AsFd) -> io::Result<()> {
    let said = said.render();
    let plain = AutoStream::choice(&stream) == ColorChoice::Never;
    let said = if plain { said.to_string() } else { said.ansi().to_string() };
    Ok(write_all(stream, said.as_bytes())?)
}

/// There is no standard output: says so, and with which status to exit.
pub fn no_stream(why: Errno) -> u8 {
    cannot_show(&why.into())
}

/// Output cannot be written. A closed pipe is the reader's choice and ends quietly; any other reason is told.
fn cannot_show(error: &io::Error) -> u8 {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return status::PIPE_CLOSED;
    }
    let why = error.raw_os_error().map_or_else(|| error.to_string(), |errno| errno_name(Errno::from_raw(errno)));
    complain(&format!("nslearn: writing to standard output: {why}"));
    status::FAILED
}

/// Prints a message on standard error. If that is closed as well, there is nobody to tell.
fn complain(message: &str) {
    let message = render::printable(message);
    let filled: Vec<String> =
        message.lines().map(|line| textwrap::fill(line, Options::new(80).subsequent_indent("    "))).collect();
    tell(&filled.join("\n"));
}

/// Prints a warning on one line, however long, so that it can be grepped.
fn warn(message: &str) {
    tell(&format!("nslearn: {message}"));
}

fn tell(message: &str) {
    let line = format!("{}\n", render::for_this_locale(&render::printable(message)));
    let _ = write_all(io::stderr(), line.as_bytes());
}
