//! Becoming root, for what loads eBPF programs or installs packages.

use anyhow::{Result, bail};

use crate::command;

/// The words to put before a command that needs root: none, or sudo's.
///
/// `remedy` tells what to do where neither is there.
pub(crate) fn prefix(sudo_options: &[&str], remedy: &str) -> Result<Vec<String>> {
    if rustix::process::geteuid().is_root() {
        return Ok(Vec::new());
    }
    if command::find("sudo").is_none() {
        bail!("become root: there is no sudo on the PATH ({remedy})");
    }
    Ok(std::iter::once(&"sudo").chain(sudo_options).map(|&word| word.to_owned()).collect())
}
