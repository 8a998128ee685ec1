//! `nslearn`: a workshop in one binary that teaches Linux namespaces by doing them.
//!
//! The house, room by room; imports run downwards:
//!
//! - [`cli`]: the command line's types; [`commands`]: one file a subcommand.
//! - [`lessons`]: one story a file; [`lesson`]: what a lesson is; [`perform`]: how one is given.
//! - [`walk`]: a lesson step by step, on a terminal.
//! - [`render`]: a transcript as a person or a program wants it.
//! - [`stage`]: the verbs that lessons speak; actors; safety and cleanup, in one place.
//! - [`observe`]: read-only looks at kernel state.
//! - [`transcript`]: what happened, as data.
//! - [`progress`]: what the learner has finished, from one day to the next.
//! - [`error`] and [`diagnosis`]: what went wrong, and what it means on this machine.
//! - [`sys`]: the only unsafe code.

pub mod cli;
pub mod commands;
pub mod diagnosis;
pub mod error;
pub mod lesson;
#[path = "../lessons/mod.rs"]
pub mod lessons;
pub mod observe;
pub mod perform;
pub mod progress;
pub mod render;
pub mod stage;
pub mod sys;
pub mod transcript;
pub mod walk;
