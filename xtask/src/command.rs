//! Runs programs; an error tells the command line and what the program said.

use std::{
    ffi::OsStr,
    fmt::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

/// Runs `command` with our own output streams.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| show(command))?;
    if !status.success() {
        bail!("{}: {status}", show(command));
    }
    Ok(())
}

/// Runs `command` and gives back what it printed; its errors are shown only if it fails.
pub(crate) fn output(command: &mut Command) -> Result<Vec<u8>> {
    let output = command.stdin(Stdio::null()).output().with_context(|| show(command))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}: {}", show(command), output.status, said.trim());
    }
    Ok(output.stdout)
}

/// As [`output`], for programs that print text.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    let bytes = output(command)?;
    String::from_utf8(bytes).with_context(|| format!("{}: output isn't UTF-8", show(command)))
}

/// Where `program` is on the PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The command as a person would type it: `Debug` adds every variable and a lot of quotes.
pub(crate) fn show(command: &Command) -> String {
    let mut line = String::from("run");
    for word in std::iter::once(command.get_program()).chain(command.get_args()) {
        let word: &OsStr = word;
        let _ = write!(line, " {}", word.display());
    }
    line
}
