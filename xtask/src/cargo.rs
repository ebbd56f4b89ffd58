//! What is asked of cargo and rustc: where things are and how the static build is called.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::command;

/// The toolchain in use.
pub(crate) struct Rustc {
    /// `1.95.0`
    pub(crate) release: String,
    /// `x86_64-unknown-linux-gnu`
    pub(crate) host: String,
    pub(crate) sysroot: PathBuf,
}

impl Rustc {
    /// Asks the rustc that cargo uses.
    pub(crate) fn ask() -> Result<Self> {
        let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let ask = |arguments: &[&str]| {
            command::text(Command::new(&rustc).args(arguments).current_dir(root()))
        };
        let verbose = ask(&["-vV"])?;
        let field = |name: &str| {
            let value = verbose.lines().find_map(|line| line.strip_prefix(name));
            value
                .map(|value| value.trim().to_owned())
                .with_context(|| format!("rustc -vV has no line `{name}`"))
        };
        Ok(Self {
            release: field("release:")?,
            host: field("host:")?,
            sysroot: PathBuf::from(ask(&["--print", "sysroot"])?.trim()),
        })
    }
}

/// The project's folder.
pub(crate) fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("xtask lies in the project's folder")
}

/// The folder that cargo builds in.
pub(crate) fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The cargo that runs us, in the project's folder.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // They describe xtask; its children would take them for their own.
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_")) {
            command.env_remove(name);
        }
    }
    command.env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
    command
}

/// How much is optimised: profiles of the workspace.
pub(crate) const RELEASE: &str = "release";
pub(crate) const TESTS: &str = "tests";

/// `cargo VERB` for static binaries of `target`.
///
/// The musl target isn't part of a plain toolchain; the C library's own static form is. With
/// `--target`, even the host's own, the flags leave build scripts and macros alone.
pub(crate) fn cargo_static(verb: &str, profile: &str, target: &str) -> Command {
    let mut command = cargo();
    let flags = match env::var("RUSTFLAGS") {
        Ok(flags) => format!("{flags} {STATIC}"),
        Err(_) => STATIC.to_owned(),
    };
    command.args([verb, "--profile", profile, "--target", target]).env("RUSTFLAGS", flags);
    command
}

/// Has ngraph's build script leave out the kernel side: it takes a minute, and who only checks or
/// fuzzes the user side doesn't need it.
pub(crate) fn without_kernel_side(command: &mut Command) -> &mut Command {
    command.env("AYA_BUILD_SKIP", "1")
}

/// The variable by which cargo is told `what` of `target`: its `LINKER`, its `RUNNER`.
pub(crate) fn variable(target: &str, what: &str) -> String {
    format!("CARGO_TARGET_{}_{what}", target.to_uppercase().replace('-', "_"))
}

const STATIC: &str = "-C target-feature=+crt-static";

/// A program that cargo built.
#[derive(Debug, PartialEq)]
pub(crate) struct Executable {
    name: String,
    /// `bin`, `test`, ...
    kind: String,
    is_test: bool,
    path: PathBuf,
}

/// Runs a build and lists its programs, wherever the target folder is.
pub(crate) fn executables(build: &mut Command) -> Result<Vec<Executable>> {
    build.arg("--message-format=json-render-diagnostics").stdout(Stdio::piped());
    let line = command::show(build);
    let output = build
        .spawn()
        .and_then(std::process::Child::wait_with_output)
        .with_context(|| line.clone())?;
    if !output.status.success() {
        bail!("{line}: {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(executable).collect())
}

/// The agent among `executables`.
pub(crate) fn agent(executables: &[Executable]) -> Result<&Path> {
    find(executables, "ngraph", "bin", false)
}

/// What measures, among `executables`.
pub(crate) fn bench(executables: &[Executable]) -> Result<&Path> {
    find(executables, "ngraph-bench", "bin", false)
}

/// The integration test that runs in guests, among `executables`.
pub(crate) fn kernel_test(executables: &[Executable]) -> Result<&Path> {
    find(executables, "kernel", "test", true)
}

/// The soak among `executables`.
pub(crate) fn soak_test(executables: &[Executable]) -> Result<&Path> {
    find(executables, "soak", "test", true)
}

/// The program whose instructions are counted, among `executables`.
pub(crate) fn instructions(executables: &[Executable]) -> Result<&Path> {
    find(executables, "instructions", "bench", true)
}

fn find<'a>(all: &'a [Executable], name: &str, kind: &str, is_test: bool) -> Result<&'a Path> {
    all.iter()
        .find(|one| one.name == name && one.kind == kind && one.is_test == is_test)
        .map(|one| one.path.as_path())
        .with_context(|| format!("find the {kind} target `{name}`: cargo built none"))
}

/// Reads one of cargo's JSON messages.
fn executable(line: &str) -> Option<Executable> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["reason"] != "compiler-artifact" {
        return None;
    }
    Some(Executable {
        name: message["target"]["name"].as_str()?.to_owned(),
        kind: message["target"]["kind"][0].as_str()?.to_owned(),
        is_test: message["profile"]["test"].as_bool()?,
        path: message["executable"].as_str()?.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_is_not_its_own_unit_tests() {
        let lines = [
            r#"{"reason":"compiler-artifact","target":{"name":"ngraph","kind":["bin"]},"profile":{"test":true},"executable":"/t/deps/ngraph-1"}"#,
            r#"{"reason":"compiler-artifact","target":{"name":"ngraph","kind":["bin"]},"profile":{"test":false},"executable":"/t/ngraph"}"#,
            r#"{"reason":"compiler-artifact","target":{"name":"kernel","kind":["test"]},"profile":{"test":true},"executable":"/t/deps/kernel-1"}"#,
            r#"{"reason":"compiler-artifact","target":{"name":"anyhow","kind":["lib"]},"profile":{"test":false},"executable":null}"#,
            r#"{"reason":"build-finished","success":true}"#,
        ];
        let all: Vec<_> = lines.into_iter().filter_map(executable).collect();
        assert_eq!(all.len(), 3);
        assert_eq!(agent(&all).unwrap(), Path::new("/t/ngraph"));
        assert_eq!(kernel_test(&all).unwrap(), Path::new("/t/deps/kernel-1"));
        assert!(kernel_test(&[]).is_err());
    }
}
