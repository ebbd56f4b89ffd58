//! Where files go: a folder, stdout or nowhere. Trouble is told once per change, and counted.

use std::io::{self, Write as _};

use anyhow::{Context as _, Result};
use log::{debug, error, info};

use crate::{
    config::{Config, Output},
    export::file::TextFile,
};

/// Where files go.
pub struct Sink {
    target: Target,
    keep: bool,
    trouble: Option<String>,
    /// Writes that failed since the start.
    pub failures: u64,
}

enum Target {
    Folder(TextFile),
    Stdout,
    Nowhere,
}

impl Sink {
    /// Opens what `config` names.
    ///
    /// # Errors
    /// Where the folder can't be made or written.
    pub fn open(config: &Config) -> Result<Self> {
        let target = match &config.output {
            Output::Folder(folder) => Target::Folder(TextFile::open(folder)?),
            Output::Stdout => Target::Stdout,
            Output::Nowhere => Target::Nowhere,
        };
        let mut sink = Self { target, keep: false, trouble: None, failures: 0 };
        sink.set_keep(config);
        Ok(sink)
    }

    /// Whether the last file stays, as `config` has it.
    pub fn set_keep(&mut self, config: &Config) {
        self.keep = config.keep || config.once;
    }

    /// Writes a file; whether that worked. Where it didn't, the last good file stays and
    /// the next write is the next try.
    ///
    /// # Errors
    /// Where nobody reads stdout any more.
    pub fn write(&mut self, text: &str) -> Result<bool> {
        let written = match &mut self.target {
            Target::Folder(file) => file.write(text),
            Target::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())
                    .and_then(|()| out.flush())
                    .context("write to stdout")?;
                Ok(())
            }
            Target::Nowhere => Ok(()),
        };
        match written {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    info!("files are written again");
                }
                Ok(true)
            }
            Err(err) => {
                self.failures += 1;
                let trouble = format!("{err:#}");
                if self.trouble.as_deref() == Some(&trouble) {
                    debug!("still the same, write {} that failed: {trouble}", self.failures);
                } else {
                    error!("{trouble}; the last good file stays, the next is tried at its time");
                    self.trouble = Some(trouble);
                }
                Ok(false)
            }
        }
    }

    /// Why the last write failed, if it did.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The agent ends: its file doesn't stay to go stale, unless that was asked for.
    pub fn close(self) {
        if let (Target::Folder(mut file), false) = (self.target, self.keep)
            && let Err(err) = file.remove()
        {
            error!("{err:#}");
        }
    }
}
