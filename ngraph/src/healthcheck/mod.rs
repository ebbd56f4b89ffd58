//! `ngraph healthcheck`: whether an agent runs and writes its file, for a container's probe.
//!
//! It needs the folder alone: no /proc, no shell, no privilege but to read there.

mod verdict;

use std::{
    fs,
    io::{self, ErrorKind, Write as _},
    path::Path,
    time::SystemTime,
};

use anyhow::{Result, anyhow, bail};

pub use self::verdict::{Ailment, Presence, Sight, Written, judge};
use crate::{
    config::{Config, Output, duration},
    export::{file, lock},
};

/// Looks for a running agent with these options and its file, and prints a line if both are well.
///
/// # Errors
/// What was looked at, what is wrong with it, and what to do.
pub fn examine(config: &Config) -> Result<()> {
    let Output::Folder(folder) = &config.output else {
        bail!("--output -: there is no file to look at (give this command the agent's folder)");
    };
    let target = folder.join(file::NAME);
    let sight = look(folder, &target)?;
    judge(&sight, config.interval).map_err(|ailment| anyhow!("{}: {ailment}", target.display()))?;
    let interval = duration::format(config.interval);
    // The exit code tells it, too, where nobody reads.
    let _ = writeln!(
        io::stdout(),
        "ok: {}: an agent runs, and wrote it within three intervals of {interval}",
        target.display()
    );
    Ok(())
}

/// The file's time is the file system's, and not `ngraph_last_write_timestamp_seconds` in it: the
/// rename that puts a file in place puts the time with it, and a probe each few seconds has no
/// megabytes to read. Both are told by the same clock, unless the folder is a file server's.
fn look(folder: &Path, target: &Path) -> Result<Sight> {
    let presence = match lock::is_held(folder) {
        Ok(true) => Presence::Runs,
        Ok(false) => Presence::Gone,
        // The agent goes on without a lock there, too.
        Err(_) => Presence::Unknown,
    };
    let written = match fs::symlink_metadata(target) {
        Ok(meta) if !meta.is_file() => {
            bail!("{} is no file (remove it, or choose another --output)", target.display())
        }
        Ok(meta) => Some(age(meta.modified()?, SystemTime::now())),
        Err(err) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&err.kind()) => None,
        Err(err) => {
            bail!(
                "look at {}: {} (run this as a user who may read the folder)",
                target.display(),
                file::reason(&err)
            )
        }
    };
    Ok(Sight { presence, written })
}

fn age(written: SystemTime, now: SystemTime) -> Written {
    match now.duration_since(written) {
        Ok(age) => Written::Before(age),
        Err(_) => Written::Ahead,
    }
}
