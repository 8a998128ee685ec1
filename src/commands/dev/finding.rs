//! What is missing or wrong in the tree, as data: which file to touch, and what to do there.

use std::fmt;

use serde::Serialize;

/// One thing that is missing or wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Finding {
    /// The file to touch, as its path in the checkout.
    pub(crate) file: String,
    /// What is missing or wrong in it.
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.what)
    }
}

/// Everything that was found, in the order in which it was looked for.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<Finding>);

impl Findings {
    /// Adds a finding.
    pub(crate) fn add(&mut self, file: impl Into<String>, what: impl Into<String>) {
        self.0.push(Finding { file: file.into(), what: what.into() });
    }

    /// Adds a finding unless something holds.
    pub(crate) fn expect(&mut self, holds: bool, file: &str, what: impl FnOnce() -> String) {
        if !holds {
            self.add(file, what());
        }
    }

    /// All of them, each once.
    pub(crate) fn into_vec(self) -> Vec<Finding> {
        let mut all: Vec<Finding> = Vec::new();
        for finding in self.0 {
            if !all.contains(&finding) {
                all.push(finding);
            }
        }
        all
    }
}
