//! The command line's types, nothing else.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::render::{Color, Format, Options};

/// Learn Linux namespaces by making real ones on your own kernel, without root. Nothing is left behind.
#[derive(Debug, Parser)]
#[command(name = "nslearn", version, propagate_version = false, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do. Without it, nslearn says what it is and where to begin.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How the output looks.
    #[command(flatten)]
    pub output: Output,
}

const EXAMPLES: &str = "\
Examples:
  nslearn                                 say what this is, and where to begin
  nslearn lesson pid                      run the lesson on PID namespaces
  nslearn lesson uts net                  run two lessons, one after the other
  nslearn lesson --all --format json      run all lessons, for a program to read
  nslearn doctor                          check that this machine can run them all

Exit status:
  0      every claim that this machine can show was checked, and held
  1      a claim did not hold, or the lesson stopped before its end
  2      wrong usage
  3      this machine allows nothing of it; for doctor: it cannot run all lessons in full
  128+n  ended by signal n";

/// How the output looks.
#[derive(Debug, Clone, Args)]
pub struct Output {
    /// The output format
    #[arg(long, value_enum, default_value_t = Format::Terminal, global = true)]
    pub format: Format,
    /// When to use colour
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true, value_name = "WHEN")]
    pub color: Color,
    /// Replace what differs from run to run (inodes, MAC addresses) by fixed stand-ins, so that two runs can be compared
    #[arg(long, global = true)]
    pub scrub: bool,
}

impl Output {
    /// What renderers need to know of it.
    pub(crate) fn options(&self) -> Options {
        Options { format: self.format, color: self.color }
    }
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the lessons, in teaching order
    List,
    /// Run lessons, live on this machine's kernel
    Lesson(Lessons),
    /// Print the teacher's notes on a lesson: for each step its minutes, its point, a question to ask, a common mistake
    Notes(Notes),
    /// Open a shell on a stage, which is a small machine to try things on. It is gone when the shell ends
    Shell(ShellOnStage),
    /// Check that each lesson can run, and say how to fix what cannot
    Doctor(Doctor),
    /// Forget which lessons you have finished; exit status 1 if that fails
    Reset,
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the manual page, in roff. To read it: nslearn man | man -l -
    Man,
    /// Tools for those who write lessons, for use in a checkout of the source: cargo run -- dev check
    #[command(subcommand, hide = true)]
    Dev(Dev),
}

/// A name of something that nslearn knows. Bytes that are not UTF-8 are replaced, and then there is no such name.
fn any_word() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|word| word.to_string_lossy().into_owned())
}

/// What the doctor prints.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print an AppArmor profile instead that lets this one program use user namespaces. Its comments say how to install it,
    /// and what the risk is
    #[arg(long)]
    pub apparmor_profile: bool,
}

/// Tools for those who write lessons.
#[derive(Debug, Subcommand)]
pub enum Dev {
    /// Create the files of a new lesson, and add it to the lists
    New {
        /// Its name, such as shared-net
        #[arg(value_name = "ID", value_hint = ValueHint::Other)]
        id: String,
    },
    /// List what is missing or wrong in lessons, snapshots, pages and lists, one finding per line; exit status 1 if there is
    /// any
    Check(CheckOptions),
    /// Run a story with many actors, to measure it
    Crowd {
        /// How many actors, besides the host
        #[arg(value_name = "N")]
        actors: usize,
    },
}

/// What to check.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// Check this lesson alone
    #[arg(value_name = "ID", value_hint = ValueHint::Other)]
    pub lesson: Option<String>,
    /// First rewrite what is derived from the lessons, and add a skeleton to their pages for what is missing
    #[arg(long)]
    pub fix: bool,
}

/// What to run on the stage.
#[derive(Debug, Args)]
pub struct ShellOnStage {
    /// Use the stage of this lesson instead of an empty one
    #[arg(value_name = "LESSON", value_hint = ValueHint::Other, value_parser = any_word())]
    pub lesson: Option<String>,
    /// The stage as it is after this step; the default is the last one
    #[arg(long, value_name = "N", requires = "lesson")]
    pub step: Option<usize>,
    /// Open the shell as this process of the lesson; the default is the host
    #[arg(long = "as", value_name = "ACTOR", requires = "lesson", value_parser = any_word())]
    pub actor: Option<String>,
    /// Run this command instead of an interactive $SHELL
    #[arg(short, value_name = "COMMAND")]
    pub command: Option<OsString>,
}

/// Which lessons to run.
#[derive(Debug, Args)]
pub struct Lessons {
    /// The lessons' names; `nslearn list` shows them
    #[arg(required_unless_present = "all", value_name = "NAME", value_hint = ValueHint::Other, value_parser = any_word())]
    pub names: Vec<String>,
    /// Run all lessons, in teaching order
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Show this step alone; the steps before it run without being shown
    #[arg(long, value_name = "N", conflicts_with = "all")]
    pub step: Option<usize>,
    /// Do not wait for a key after each step; without a terminal there is no waiting in any case
    #[arg(long)]
    pub no_pause: bool,
    /// Leave out the lesson's questions and their answers
    #[arg(long)]
    pub no_questions: bool,
    /// Continue without a key after this time, such as 4s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "no_pause")]
    pub auto: Option<Duration>,
    /// Also record what is shown, for asciinema, whatever --format says; with --color never, without colour
    #[arg(long, value_name = "FILE.cast", value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,
}

/// Which notes to print.
#[derive(Debug, Args)]
pub struct Notes {
    /// The lesson's name; `nslearn list` shows them all
    #[arg(value_name = "LESSON", value_hint = ValueHint::Other, value_parser = any_word())]
    pub lesson: String,
    /// Print only the notes on this step
    #[arg(long, value_name = "N")]
    pub step: Option<usize>,
}
