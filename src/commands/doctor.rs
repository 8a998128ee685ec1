//! `nslearn doctor`.
use std::io;
use crate::cli::Output;
pub(super) fn run(_output: &Output) -> io::Result<u8> { Ok(0) }
