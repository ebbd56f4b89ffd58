//! What a command prints, as a whole.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};

/// Prints it.
///
/// # Errors
/// Where it can't be printed, unless nobody reads it any more.
pub fn print(text: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        // As every filter does: whoever read has seen enough.
        Err(err) if err.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result.context("write to stdout"),
    }
}
