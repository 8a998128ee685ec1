//! The files of a checkout, read and written by their paths in it.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};

use tempfile::NamedTempFile;

/// A checkout of nslearn's source.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

/// What a file is to say.
#[derive(Debug)]
pub(super) struct Edit {
    pub(super) path: String,
    /// What it says now; `None` where there is no such file yet.
    pub(super) before: Option<String>,
    pub(super) after: String,
}

impl Tree {
    /// The checkout that the working directory is in.
    pub(super) fn find() -> Option<Tree> {
        let here = env::current_dir().ok()?;
        here.ancestors().find(|folder| is_checkout(folder)).map(Tree::at)
    }

    /// The checkout in this folder.
    pub(super) fn at(root: &Path) -> Tree {
        Tree { root: root.to_owned() }
    }

    /// What a file says.
    ///
    /// # Errors
    /// Where there is none, or it is no text.
    pub(super) fn read(&self, path: &str) -> io::Result<String> {
        text_of(&self.root.join(path))
    }

    /// Whether there is such a file or folder.
    pub(super) fn has(&self, path: &str) -> bool {
        self.root.join(path).symlink_metadata().is_ok()
    }

    /// The names of what is in a folder, in order.
    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(folder)).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// Makes all these edits, or none of them.
    ///
    /// # Errors
    /// The file that could not be written, and why. What was written before it is undone.
    pub(super) fn apply(&self, edits: &[Edit]) -> Result<(), (String, io::Error)> {
        for (index, edit) in edits.iter().enumerate() {
            if let Err(why) = self.make(edit) {
                self.drop_empty_folder(edit);
                edits[..index].iter().rev().for_each(|done| self.undo(done));
                return Err((edit.path.clone(), why));
            }
        }
        Ok(())
    }

    fn make(&self, edit: &Edit) -> io::Result<()> {
        let path = self.root.join(&edit.path);
        let folder = path.parent().unwrap_or(&self.root);
        if edit.before.is_none() {
            fs::create_dir_all(folder)?;
        }
        // A reader finds the old text or the new one, and nothing in between.
        let mut file = NamedTempFile::new_in(folder)?;
        file.write_all(edit.after.as_bytes())?;
        let model = if edit.before.is_some() { path.clone() } else { self.root.join("Cargo.toml") };
        file.as_file().set_permissions(fs::metadata(model)?.permissions())?;
        if edit.before.is_some() {
            file.persist(&path).map(drop).map_err(io::Error::from)
        } else {
            file.persist_noclobber(&path).map(drop).map_err(io::Error::from)
        }
    }

    fn undo(&self, edit: &Edit) {
        let path = self.root.join(&edit.path);
        // Where even this cannot be written there is nothing more to be done.
        let _ = match &edit.before {
            Some(before) => fs::write(&path, before),
            None => fs::remove_file(&path),
        };
        self.drop_empty_folder(edit);
    }

    /// A new file's folder may be new as well. It stays where anything is in it.
    fn drop_empty_folder(&self, edit: &Edit) {
        if edit.before.is_none() {
            let _ = self.root.join(&edit.path).parent().map(fs::remove_dir);
        }
    }
}

/// The text of a file of the source, which is UTF-8.
#[allow(clippy::disallowed_methods, reason = "a file of the source is text, or it is an error")]
fn text_of(path: &Path) -> io::Result<String> {
    fs::read_to_string(path)
}

fn is_checkout(folder: &Path) -> bool {
    let manifest = text_of(&folder.join("Cargo.toml")).unwrap_or_default();
    manifest.lines().any(|line| line == r#"name = "nslearn""#) && folder.join("lessons/mod.rs").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_before_a_failure_is_undone() {
        let root = tempfile::tempdir().unwrap();
        let tree = Tree::at(root.path());
        fs::write(root.path().join("Cargo.toml"), "old").unwrap();
        let edit = |path: &str, before: Option<&str>, after: &str| Edit {
            path: path.to_owned(),
            before: before.map(str::to_owned),
            after: after.to_owned(),
        };
        let mut edits = vec![edit("a/b", None, "new"), edit("Cargo.toml", Some("old"), "new")];
        // There is a file where a folder would have to be.
        edits.push(edit("Cargo.toml/c", None, "new"));
        assert_eq!(tree.apply(&edits).unwrap_err().0, "Cargo.toml/c");
        assert_eq!(tree.names("."), ["Cargo.toml"]);
        assert_eq!(tree.read("Cargo.toml").unwrap(), "old");
        // Nothing that is there is overwritten by what is to be new.
        edits[2] = edit("Cargo.toml", None, "new");
        edits.remove(1);
        assert_eq!(tree.apply(&edits).unwrap_err().0, "Cargo.toml");
        assert_eq!(tree.names("."), ["Cargo.toml"]);
        edits.pop();
        tree.apply(&edits).unwrap();
        assert_eq!(tree.read("a/b").unwrap(), "new");
    }
}
