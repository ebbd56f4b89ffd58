//! Programs that can't be unpacked beside the system: installed by its package manager.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::{command, root};

/// Installs `packages` if `program` isn't on the PATH; `remedy` says what else would help.
pub(crate) fn ensure(program: &str, packages: &[&str], remedy: &str) -> Result<()> {
    if command::find(program).is_some() {
        return Ok(());
    }
    if command::find("apt-get").is_none() {
        bail!("find {program} on the PATH: not there ({remedy})");
    }
    let sudo = root::prefix(&[], remedy)?;
    let apt = |arguments: &[&str]| {
        let words =
            [&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"], arguments].concat();
        let words: Vec<&str> = sudo.iter().map(String::as_str).chain(words).collect();
        command::output(Command::new(words[0]).args(&words[1..]))
    };
    let names = packages.join(" ");
    eprintln!("install {names}");
    let install = [&["install", "-y", "--no-install-recommends"], packages].concat();
    // The lists may be old or, in a fresh container, absent.
    apt(&install)
        .or_else(|_| apt(&["update"]).and_then(|_| apt(&install)))
        .with_context(|| format!("install {names} ({remedy})"))?;
    Ok(())
}
