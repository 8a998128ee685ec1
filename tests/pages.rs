//! The book's pages, as their authors wrote them.

use std::fs;
use std::path::PathBuf;

use crate::paths;

/// A page of the book.
pub struct Page {
    /// Its path below book/src.
    pub name: String,
    pub text: String,
}

/// Where the book's sources lie.
pub fn book() -> PathBuf {
    paths::tree().join("book")
}

/// All pages, those of lessons included.
pub fn pages() -> Vec<Page> {
    let source = book().join("src");
    let mut files: Vec<PathBuf> = [source.clone(), source.join("lessons")]
        .iter()
        .flat_map(|directory| fs::read_dir(directory).unwrap().flatten())
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    files.sort();
    let page = |path: &PathBuf| Page {
        name: path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned(),
        text: crate::support::read_text(path).unwrap(),
    };
    files.iter().map(page).collect()
}

/// A block of code: what stands behind its opening fence, its lines, and the number of the line where it begins.
pub struct Block {
    pub info: String,
    pub text: String,
    pub line: usize,
}

impl Page {
    /// The blocks of code, in order.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        let mut open = false;
        for (index, line) in self.text.lines().enumerate() {
            if let Some(info) = line.strip_prefix("```") {
                open = !open;
                if open {
                    blocks.push(Block { info: info.to_owned(), text: String::new(), line: index + 1 });
                }
            } else if open {
                blocks.last_mut().unwrap().text += &format!("{line}\n");
            }
        }
        assert!(!open, "{}: a block of code is not closed", self.name);
        blocks
    }

    /// The commands that readers are to type, each with what it prints, if the page says so: the block of text that
    /// follows after nothing but a blank line.
    pub fn commands(&self) -> Vec<(String, Option<String>)> {
        let blocks = self.blocks();
        let ends = |block: &Block| block.line + block.text.lines().count() + 1;
        let mut commands = Vec::new();
        for (index, block) in blocks.iter().enumerate().filter(|(_, block)| block.info == "sh") {
            let next = blocks.get(index + 1).filter(|next| next.info == "text" && next.line <= ends(block) + 2);
            commands.push((block.text.clone(), next.map(|next| next.text.clone())));
        }
        commands
    }
}
