//! Where options come from: a command line, the environment, and a file that they name.

use std::ffi::OsString;

use super::file::Settings;
use crate::cli::{self, Cli, usage_error};

/// A command line, to be read again when the file may have changed.
#[derive(Clone, Debug)]
pub struct Source {
    args: Vec<OsString>,
}

impl Source {
    /// Options given by this command line, the program's name first, and the environment.
    pub fn new(args: impl IntoIterator<Item = OsString>) -> Self {
        Self { args: args.into_iter().collect() }
    }

    /// Reads them, and the file as it is at this moment.
    ///
    /// # Errors
    /// What is wrong with any; or what `--help` and `--version` print.
    pub fn read(&self) -> Result<Cli, clap::Error> {
        let cli = cli::parse_from(&self.args)?;
        match &cli.config {
            Some(path) => {
                let settings = Settings::read(path).map_err(usage_error)?;
                cli::parse_over(&settings, &self.args)
            }
            None => Ok(cli),
        }
    }
}
