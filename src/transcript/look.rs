//! What actors see when they look: a table of values, and how the tool that people know prints it.

use serde::{Deserialize, Serialize};

use super::{NamespaceId, Value};

/// A look at the world of one actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Look {
    /// Its name for programs.
    pub(crate) what: String,
    /// The command that is known to show this.
    pub(crate) like: String,
    /// What there is to say of it besides the rows, by name.
    pub(crate) about: Vec<(String, Value)>,
    /// The rows' columns, by name; one without a name is all there is in a row.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
    /// The lines that the command prints; `None`: the rows, in columns. Here too values stand for what they are: so
    /// whatever differs from run to run is found in them.
    pub(crate) lines: Option<Vec<Vec<Value>>>,
}

impl Look {
    /// A table of these columns.
    pub(crate) fn table(what: &str, like: impl Into<String>, columns: &[&str], rows: Vec<Vec<Value>>) -> Self {
        let columns = columns.iter().map(ToString::to_string).collect();
        Look { what: what.to_owned(), like: like.into(), about: Vec::new(), columns, rows, lines: None }
    }

    /// A list: a table of one column that has no name.
    pub(crate) fn list<T: Into<Value>>(
        what: &str,
        like: impl Into<String>,
        items: impl IntoIterator<Item = T>,
    ) -> Self {
        Look::table(what, like, &[""], items.into_iter().map(|item| vec![item.into()]).collect())
    }

    /// The numbers of one process, as the line `NSpid:` of proc(5) has them.
    pub(crate) fn numbers(like: impl Into<String>, numbers: impl IntoIterator<Item = Value>) -> Self {
        let numbers: Vec<Value> = numbers.into_iter().collect();
        let line = numbers.iter().map(|pid| Value::Right(7, Box::new(pid.clone())));
        let line = std::iter::once("NSpid:".into()).chain(line).collect();
        Look::table("pids", like, &[], Vec::new()).about("pids", Value::List(numbers)).printed(vec![line])
    }

    /// What a program has printed.
    pub(crate) fn output<T: Into<Value>>(like: impl Into<String>, lines: impl IntoIterator<Item = T>) -> Self {
        Look::list("output", like, lines)
    }

    /// The same look, printed so.
    #[must_use]
    pub(crate) fn printed(mut self, lines: Vec<Vec<Value>>) -> Self {
        self.lines = Some(lines);
        self
    }

    /// The same look, with something said about it.
    #[must_use]
    pub(crate) fn about(mut self, name: &str, value: Value) -> Self {
        self.about.push((name.to_owned(), value));
        self
    }

    /// All values in it, in reading order.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        let about = self.about.iter_mut().map(|(_, value)| value);
        let lines = self.lines.iter_mut().flatten().flatten();
        about.chain(self.rows.iter_mut().flatten()).chain(lines)
    }
}

/// The namespaces that one actor is in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Membership {
    /// The actor.
    pub actor: String,
    /// Its process ids, from the stage's to its own: more than one, if it is in a PID namespace of its own.
    pub pids: Vec<i32>,
    /// One for each type that this kernel has, in the order of [`super::NamespaceType::ALL`].
    pub namespaces: Vec<NamespaceId>,
}
