//! `nslearn`: a workshop in one binary that teaches Linux namespaces by doing them.
//!
//! The house, room by room; imports run downwards:
//!
//! - `cli`: the command line's types; `commands`: one file a subcommand.
//! - `walk`: a lesson step by step, on a terminal.
//! - `lessons`: one story each; `lesson` and `step`: what a lesson is and declares.
//! - `session`: a lesson being given, and the one way of its events.
//! - `render`: a transcript as a person or a program wants it.
//! - `probe`: what this machine can do, tried; `feature`: by which names.
//! - `verbs`: what actors do and look at.
//! - `stage`: what a lesson speaks to.
//! - `sandbox`: how a stage comes to be and ends.
//! - `actors`: processes that do as they are told.
//! - `diagnosis`: from an error to its cause here and what to do; `error`: what went wrong, as data.
//! - `observe`: read-only looks at kernel state.
//! - `progress`: what the learner has finished, from one day to the next.
//! - `transcript`: what happened, as data.
//! - `sys`: the only unsafe code.

mod actors;
pub mod cli;
pub mod commands;
mod diagnosis;
mod error;
mod feature;
mod lesson;
#[path = "../lessons/mod.rs"]
mod lessons;
mod observe;
mod probe;
mod progress;
mod render;
mod sandbox;
mod session;
mod stage;
mod step;
pub mod sys;
mod transcript;
mod verbs;
mod walk;
