//! The whole file system of a guest: busybox, the agent, the test and a script that runs it.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{cpio::Cpio, kernel::Kernel};

/// The first program of a guest; it runs the test and tells its exit code.
const INIT: &str = include_str!("../guest/init");

/// The agent, the test and the test's arguments.
pub(crate) struct Payload<'a> {
    pub(crate) agent: &'a Path,
    pub(crate) test: &'a Path,
    pub(crate) args: &'a [String],
}

/// Packs the file system for `kernel`.
pub(crate) fn pack(payload: &Payload, kernel: &Kernel, busybox: &Path) -> Result<Vec<u8>> {
    let mut cpio = Cpio::default();
    for folder in ["bin", "dev", "proc", "sys", "tmp", "run", "modules"] {
        cpio.folder(folder);
    }
    // The kernel opens it for init, before anything is mounted.
    cpio.device("dev/console", 5, 1);
    cpio.program("init", INIT.as_bytes());
    for (name, file) in
        [("bin/busybox", busybox), ("ngraph", payload.agent), ("kernel", payload.test)]
    {
        cpio.program(name, &read(file)?);
    }
    // One a line: init reads them without splitting at spaces.
    cpio.file(
        "args",
        payload.args.iter().map(|arg| format!("{arg}\n")).collect::<String>().as_bytes(),
    );
    let folder = &kernel.modules;
    for entry in fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let entry = entry?;
        cpio.file(&format!("modules/{}", entry.file_name().display()), &read(&entry.path())?);
    }
    Ok(cpio.finish())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("read {}", file.display()))
}
