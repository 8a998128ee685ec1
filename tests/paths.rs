//! Where the things lie that the tests were compiled with. Each can be said anew when they run: a test binary that root
//! has compiled serves a plain user too, who cannot go where root's tree is.

use std::env;
use std::path::PathBuf;

/// The program that is tested.
pub fn program() -> PathBuf {
    said("NSLEARN_TEST_PROGRAM", env!("CARGO_BIN_EXE_nslearn"))
}

/// The repository's files.
pub fn tree() -> PathBuf {
    said("NSLEARN_TEST_TREE", env!("CARGO_MANIFEST_DIR"))
}

/// Room for what is large, and for what must not be seen in /tmp.
pub fn scratch() -> PathBuf {
    said("NSLEARN_TEST_SCRATCH", env!("CARGO_TARGET_TMPDIR"))
}

fn said(variable: &str, compiled: &str) -> PathBuf {
    env::var_os(variable).map_or_else(|| compiled.into(), PathBuf::from)
}
