//! `cargo xtask dist`: the agent as one file that needs nothing from the system it runs on,
//! with its manual page and completions.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context as _, Result, bail};

use crate::{
    cargo::{self, Rustc},
    command, elf, setup,
};

/// What the agent says of itself, and the file beside it that has it, named as shells and man(1)
/// look for it.
const PAGES: [(&[&str], &str); 4] = [
    (&["man"], "ngraph.8"),
    (&["completions", "bash"], "ngraph.bash"),
    (&["completions", "zsh"], "_ngraph"),
    (&["completions", "fish"], "ngraph.fish"),
];

/// Builds the static binary and tells where it is and how large.
pub(crate) fn dist() -> Result<()> {
    let file = build()?;
    let size = fs::metadata(&file).with_context(|| format!("look at {}", file.display()))?.len();
    println!("{}: {:.1} MB", file.display(), size as f64 / 1e6);
    Ok(())
}

/// Builds the static binary and gives where it is.
pub(crate) fn build() -> Result<PathBuf> {
    setup::ensure()?;
    let rustc = Rustc::ask()?;
    let mut build = cargo::cargo_static("build", &rustc.host);
    let built = cargo::executables(build.args(["--package", "ngraph"]))?;
    let agent = cargo::agent(&built)?;

    let bytes = fs::read(agent).with_context(|| format!("read {}", agent.display()))?;
    let is_static = elf::is_static(&bytes);
    if !is_static.with_context(|| format!("read the ELF headers of {}", agent.display()))? {
        bail!("{} asks for a dynamic loader: the static build failed", agent.display());
    }
    let folder = cargo::root().join("target/dist");
    let file = folder.join("ngraph");
    // A running copy can't be written to, but it can be replaced.
    let part = folder.join(format!("ngraph.part-{}", std::process::id()));
    fs::create_dir_all(&folder)
        .and_then(|()| fs::copy(agent, &part))
        .and_then(|_| fs::rename(&part, &file))
        .with_context(|| format!("copy {} to {}", agent.display(), file.display()))?;
    for (arguments, page) in PAGES {
        let text = command::text(Command::new(&file).args(arguments))?;
        fs::write(folder.join(page), text).with_context(|| format!("write {page}"))?;
    }
    Ok(file)
}
