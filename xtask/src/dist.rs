//! `cargo xtask dist`: the agent as one file that needs nothing from the system it runs on,
//! with its manual page and completions.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    arch::Arch,
    cargo::{self, Rustc},
    command, cross, elf, setup,
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
pub(crate) fn dist(arch: Option<Arch>) -> Result<()> {
    let file = build(arch)?;
    let size = fs::metadata(&file).with_context(|| format!("look at {}", file.display()))?.len();
    println!("{}: {:.1} MB", file.display(), size as f64 / 1e6);
    Ok(())
}

/// Builds the static binary for `arch`, else for this machine, and gives where it is: in a folder
/// of the architecture's name where that isn't this machine's.
pub(crate) fn build(arch: Option<Arch>) -> Result<PathBuf> {
    setup::ensure()?;
    let rustc = Rustc::ask()?;
    let own = cargo::root().join("target/dist");
    let Some(arch) = arch.filter(|&arch| Some(arch) != Arch::host()) else {
        let file =
            binary(cargo::cargo_static("build", cargo::RELEASE, &rustc.host), Arch::host(), &own)?;
        for (arguments, page) in PAGES {
            let text = command::text(Command::new(&file).args(arguments))?;
            fs::write(own.join(page), text).with_context(|| format!("write {page}"))?;
        }
        return Ok(file);
    };
    let folder = own.join(arch.debian());
    let file =
        binary(cross::cargo_static("build", cargo::RELEASE, arch, &rustc)?, Some(arch), &folder)?;
    // Another architecture's program can't be asked here, but this one's says the same.
    build(None)?;
    for (_, page) in PAGES {
        fs::copy(own.join(page), folder.join(page)).with_context(|| format!("copy {page}"))?;
    }
    Ok(file)
}

/// Builds the agent by `build`, checks that it's static and for `arch`, and puts it into `folder`.
fn binary(mut build: Command, arch: Option<Arch>, folder: &Path) -> Result<PathBuf> {
    let built = cargo::executables(build.args(["--package", "ngraph"]))?;
    let agent = cargo::agent(&built)?;
    let bytes = fs::read(agent).with_context(|| format!("read {}", agent.display()))?;
    let headers = || format!("read the ELF headers of {}", agent.display());
    if !elf::is_static(&bytes).with_context(headers)? {
        bail!("{} asks for a dynamic loader: the static build failed", agent.display());
    }
    let machine = elf::machine(&bytes).with_context(headers)?;
    if arch.is_some_and(|arch| arch.elf() != machine) {
        bail!("{} is for another machine (ELF number {machine})", agent.display());
    }
    let file = folder.join("ngraph");
    // A running copy can't be written to, but it can be replaced.
    let part = folder.join(format!("ngraph.part-{}", std::process::id()));
    fs::create_dir_all(folder)
        .and_then(|()| fs::copy(agent, &part))
        .and_then(|_| fs::rename(&part, &file))
        .with_context(|| format!("copy {} to {}", agent.display(), file.display()))?;
    Ok(file)
}
