//! A shell in an actor's place: the learner's own, with a prompt that says where one is.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use crate::actors::Visit;

/// Where a shell finds its settings: on the stage's own /tmp, which is in memory.
const SETTINGS: &str = "/tmp/.nslearn";
const SH: &str = "/bin/sh";

/// The learner's own shell, if there is one.
pub(crate) fn own_shell() -> PathBuf {
    let shell = std::env::var_os("SHELL").map(PathBuf::from).filter(|shell| shell.is_absolute() && shell.exists());
    shell.unwrap_or_else(|| PathBuf::from(SH))
}

/// A visit to an actor: a command, or a shell to type into. `place` is what its prompt says.
pub(crate) fn visit(actor: &str, place: &str, command: Option<&OsStr>) -> Visit {
    let place: String = place.chars().filter(|letter| letter.is_alphanumeric() || " -:".contains(*letter)).collect();
    let visit = |program: PathBuf, args: &[&OsStr]| Visit {
        actor: actor.to_owned(),
        program: program.into(),
        args: args.iter().map(OsString::from).collect(),
        env: vec![("NSLEARN_PLACE".to_owned(), place.clone())],
        files: Vec::new(),
    };
    let Some(command) = command else {
        let shell = own_shell();
        let settings = Settings::of(&shell, &place);
        let mut visit = visit(shell, &settings.args.iter().map(OsStr::new).collect::<Vec<_>>());
        visit.env.extend(settings.env);
        visit.files = settings.files;
        return visit;
    };
    visit(PathBuf::from(SH), &["-c".as_ref(), command])
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
