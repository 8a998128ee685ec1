//! The command line's types, nothing else.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::render::{Color, Format, Options};

/// Learn Linux namespaces by making them: on your own kernel, without root, with nothing left behind.
#[derive(Debug, Parser)]
#[command(name = "nslearn", version, propagate_version = false, max_term_width = 100, after_help = EXAMPLES)]
pub struct Cli {
    /// What to do; without it: what this is, and where to begin.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// How to show it.
    #[command(flatten)]
    pub output: Output,
}

const EXAMPLES: &str = "\
Examples:
  nslearn                                 what this is, and where to begin
  nslearn lesson pid                      the lesson on PID namespaces
  nslearn lesson uts net                  two lessons, one after the other
  nslearn lesson --all --format json      everything, for a program
  nslearn doctor                          can this machine run them all?

Exit status:
  0      all claims held that this machine can show
  1      one did not hold, or the lesson could not be shown to its end
  2      wrong usage
  3      this machine does not allow it; for doctor: not all of it
  128+n  ended by signal n";

/// How to show what happens.
#[derive(Debug, Clone, Args)]
pub struct Output {
    /// How to show it
    #[arg(long, value_enum, default_value_t = Format::Terminal, global = true)]
    pub format: Format,
    /// Whether to use colour; auto: on a terminal that has not been told otherwise (NO_COLOR, TERM=dumb)
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true, value_name = "WHEN")]
    pub color: Color,
    /// Put stand-ins for what differs from run to run (inodes, MAC addresses), so that two transcripts can be compared
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
    /// Print the teacher's notes on a lesson: each step's point, a question to ask, the usual misunderstanding, minutes
    Notes(Notes),
    /// Open a shell on a stage, a lesson's or an empty one: a machine to try things on, which is gone when the shell ends
    Shell(ShellOnStage),
    /// Try whether each lesson can run on this machine, and say how to mend what is in the way
    Doctor(Doctor),
    /// Forget which lessons are finished; exit status 1 where that is not possible
    Reset,
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page, in roff: nslearn man | man -l -
    Man,
    /// For those who write lessons, in a checkout of the source: cargo run -- dev check
    #[command(subcommand, hide = true)]
    Dev(Dev),
}

/// A name of something that nslearn knows. Whoever types bytes that are no text is told that there is no such thing.
fn any_word() -> impl TypedValueParser<Value = String> {
    OsStringValueParser::new().map(|word| word.to_string_lossy().into_owned())
}

/// What to do besides looking.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print an AppArmor profile instead, which lets this one program use user namespaces; its head says how to install it,
    /// and at what risk
    #[arg(long)]
    pub apparmor_profile: bool,
}

/// What those who write lessons want.
#[derive(Debug, Subcommand)]
pub enum Dev {
    /// Make the files of a new lesson, and put it on the lists
    New {
        /// Its name, such as shared-net
        #[arg(value_name = "ID", value_hint = ValueHint::Other)]
        id: String,
    },
    /// List what is missing or wrong, one finding a line: of lessons, their snapshots, their pages, and the lists; exit
    /// status 1 if there is anything
    Check(CheckOptions),
    /// Play a story with many actors, to measure it
    Crowd {
        /// How many, besides the host
        #[arg(value_name = "N")]
        actors: usize,
    },
}

/// What to check.
#[derive(Debug, Args)]
pub struct CheckOptions {
    /// What belongs to this lesson alone
    #[arg(value_name = "ID", value_hint = ValueHint::Other)]
    pub lesson: Option<String>,
    /// First rewrite what is derived from the lessons, and add to their pages the skeleton of what is missing
    #[arg(long)]
    pub fix: bool,
}

/// What to run on the stage.
#[derive(Debug, Args)]
pub struct ShellOnStage {
    /// On the stage of this lesson, instead of on an empty one
    #[arg(value_name = "LESSON", value_hint = ValueHint::Other, value_parser = any_word())]
    pub lesson: Option<String>,
    /// As it is at the end of this step; without it, of the last one
    #[arg(long, value_name = "N", requires = "lesson")]
    pub step: Option<usize>,
    /// In the place of this actor; without it, of the host
    #[arg(long = "as", value_name = "ACTOR", requires = "lesson", value_parser = any_word())]
    pub actor: Option<String>,
    /// Run this command instead of $SHELL
    #[arg(short, value_name = "COMMAND")]
    pub command: Option<OsString>,
}

/// Which lessons to run.
#[derive(Debug, Args)]
pub struct Lessons {
    /// The lessons' names; `nslearn list` tells them
    #[arg(required_unless_present = "all", value_name = "NAME", value_hint = ValueHint::Other, value_parser = any_word())]
    pub names: Vec<String>,
    /// All lessons, in teaching order
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// Show this step alone; those before it happen unseen
    #[arg(long, value_name = "N", conflicts_with = "all")]
    pub step: Option<usize>,
    /// Straight through, without waiting for a key; so it is anyway where there is no terminal
    #[arg(long)]
    pub no_pause: bool,
    /// Leave out the questions that a lesson asks before a step, and their answers
    #[arg(long)]
    pub no_questions: bool,
    /// Go on by itself after so long, such as 4s
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, conflicts_with = "no_pause")]
    pub auto: Option<Duration>,
    /// Also write what is shown as a recording for asciinema, whatever --format says: with --color never without colour
    #[arg(long, value_name = "FILE.cast", value_hint = ValueHint::FilePath)]
    pub record: Option<PathBuf>,
}

/// Of which lesson to print the notes.
#[derive(Debug, Args)]
pub struct Notes {
    /// The lesson's name; `nslearn list` tells them
    #[arg(value_name = "LESSON", value_hint = ValueHint::Other, value_parser = any_word())]
    pub lesson: String,
    /// Print the notes on this step alone
    #[arg(long, value_name = "N")]
    pub step: Option<usize>,
}
