//! Agents' files, from folders, paths and stdin.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{export::file::reason, picture::Reports};

/// More than a million edges take; what has no end, like a device, ends here.
const MAX_BYTES: u64 = 512 << 20;

const REMEDY: &str = " (name an agent's ngraph.prom, or the folder that it is in)";

/// What was read.
#[derive(Default)]
pub(super) struct Files {
    pub reports: Reports,
    pub count: usize,
}

/// Reads each file once.
pub(super) fn read(paths: &[PathBuf]) -> Result<Files> {
    let mut files = Files::default();
    for path in listed(paths)? {
        let is_stdin = path == Path::new("-");
        let name = if is_stdin { "stdin".to_owned() } else { shown(&path) };
        let text = if is_stdin {
            whole(io::stdin().lock())
        } else {
            whole(
                File::open(&path)
                    .map_err(|err| anyhow!("open {name}: {}{REMEDY}", reason(&err)))?,
            )
        };
        let text = text.with_context(|| format!("read {name}"))?;
        files.reports.read(&name, &text).map_err(|err| anyhow!("{name}: {err}"))?;
        files.count += 1;
    }
    Ok(files)
}

/// A folder is its files; what is named twice is read once.
fn listed(paths: &[PathBuf]) -> Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for path in paths {
        if path.is_dir() {
            files.extend(in_folder(path)?);
        } else {
            files.insert(path.clone());
        }
    }
    Ok(files)
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>> {
    let what = || format!("list {}", shown(folder));
    let entries: io::Result<Vec<_>> =
        fs::read_dir(folder).with_context(what)?.map(|entry| Ok(entry?.path())).collect();
    let mut files = entries.with_context(what)?;
    files.retain(|path| path.extension().is_some_and(|it| it == "prom"));
    if files.is_empty() {
        bail!("{}: no file in it ends in .prom", shown(folder));
    }
    Ok(files)
}

/// A path for a terminal: a name may have anything in it.
fn shown(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}

fn whole(from: impl Read) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        bail!("more than {} MiB", MAX_BYTES >> 20);
    }
    Ok(text)
}
