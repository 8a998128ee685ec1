//! A shell as an actor: the learner's own shell, with a prompt that says where it is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::actors::{Program, Visit};

/// Where a shell finds its settings: on the stage's own /tmp, which is in memory.
const SETTINGS: &str = "/tmp/.nslearn";
const SH: &str = "/bin/sh";

/// A command, or an interactive shell: the learner's own, or, if that is not on the stage, the one that every machine has.
pub(crate) fn programs(command: Option<&OsStr>) -> Vec<Program> {
    if let Some(command) = command {
        let args = vec!["-c".into(), command.to_owned()];
        return vec![Program { path: SH.into(), args, ..Program::default() }];
    }
    let own = std::env::var_os("SHELL").filter(|shell| !shell.is_empty() && shell != SH);
    let own = own.map(|path| Program { path, ..Program::default() });
    // Other programs ask for a shell by that name.
    let env = vec![("SHELL".to_owned(), SH.to_owned())];
    own.into_iter().chain([Program { path: SH.into(), env, ..Program::default() }]).collect()
}

/// A visit to an actor: a command, or an interactive shell. `place` is what its prompt says.
pub(crate) fn visit(actor: &str, place: &str, command: Option<&OsStr>) -> Visit {
    let place: String = place.chars().filter(|letter| letter.is_alphanumeric() || " -:".contains(*letter)).collect();
    let mut programs = programs(command);
    for program in &mut programs {
        program.env.push(("NSLEARN_PLACE".to_owned(), place.clone()));
        if command.is_none() {
            let settings = Settings::of(Path::new(&program.path), &place);
            program.args.extend(settings.args.into_iter().map(Into::into));
            program.env.extend(settings.env);
            program.files = settings.files;
        }
    }
    Visit { actor: actor.to_owned(), programs }
}

/// How a shell is told its prompt.
#[derive(Default)]
struct Settings {
    args: Vec<String>,
    env: Vec<(String, String)>,
    files: Vec<(PathBuf, String)>,
}

impl Settings {
    /// Each shell has a place of its own for it. The learner's own settings come first.
    fn of(shell: &Path, place: &str) -> Settings {
        let name = shell.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let file = |name: &str| Path::new(SETTINGS).join(name);
        match name {
            "bash" => Settings {
                args: vec!["--rcfile".to_owned(), file("bashrc").display().to_string()],
                files: vec![(
                    file("bashrc"),
                    format!("[ -r ~/.bashrc ] && . ~/.bashrc\nunset PROMPT_COMMAND\nPS1='[{place}] \\w \\$ '\n"),
                )],
                ..Settings::default()
            },
            "zsh" => Settings {
                env: vec![("ZDOTDIR".to_owned(), SETTINGS.to_owned())],
                files: vec![(
                    file(".zshrc"),
                    format!("[ -r ~/.zshrc ] && . ~/.zshrc\nprecmd_functions=()\nPROMPT='[{place}] %~ %# '\n"),
                )],
                ..Settings::default()
            },
            "fish" => Settings {
                args: vec!["-C".to_owned(), format!("function fish_prompt; echo -n '[{place}] > '; end")],
                ..Settings::default()
            },
            _ => Settings {
                env: vec![
                    ("PS1".to_owned(), format!("[{place}] $ ")),
                    ("ENV".to_owned(), file("shrc").display().to_string()),
                ],
                files: vec![(file("shrc"), format!("PS1='[{place}] $ '\n"))],
                ..Settings::default()
            },
        }
    }
}
