//! What nslearn promises, tested from outside: every test starts the program, none calls a lesson in this process
//! (unshare and setns are EINVAL in a process with threads, and the test harness has some). One file a feature.
// These lints keep panics and prints out of the program; a test says what is wrong by panicking, and what it skips by
// printing. Clippy's own exception covers test functions only, not the helpers that they share. And what is `pub` here
// is so for the other files of this one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs, unreachable_pub)]

mod anchored;
mod apparmor;
mod bad_input;
mod beside;
mod book;
mod browser;
mod by_hand;
mod bytes;
mod chance;
mod completions;
mod consistency;
mod crowd;
mod dev;
mod errors;
mod faults;
mod followers;
mod inherited;
mod isolation;
mod kernels;
mod kills;
mod ledger;
mod lessons;
mod levels;
mod load;
mod machines;
mod moments;
mod mutations;
mod nonblocking;
mod notes;
mod output;
mod pages;
mod paths;
mod pictures;
mod places;
mod predictions;
mod progress;
mod questions;
mod recording;
mod security;
mod shell;
mod signals;
mod snapshots;
mod supervisor;
mod support;
mod terminal;
mod untouched;
mod visits;
mod walk;
