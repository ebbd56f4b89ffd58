//! SIGHUP: the options are read again, and what a running agent can change changes.

use log::{error, info, warn};

use super::{Agent, limits};
use crate::{
    cli,
    config::{self, Config, Reload},
    logging,
};

impl Agent {
    /// Reads the options again; whether files have another interval from here on. Where they are
    /// wrong nothing changes.
    pub(super) fn reload(&mut self) -> bool {
        self.service.reload();
        let running = &self.collector.config;
        let interval = running.interval;
        match self.source.read().and_then(|cli| Config::try_from(&cli)) {
            Ok(read) => self.take(config::reload(running, &read)),
            Err(err) => {
                error!("options are not read again, all stay as they are: {}", cli::message(&err));
            }
        }
        self.service.reloaded(self.collector.config.interval);
        self.collector.config.interval != interval
    }

    fn take(&mut self, Reload { config, taken, left }: Reload) {
        logging::set_level(config.log_level);
        self.sink.set_keep(&config);
        if let Some(served) = &self.served {
            served.set_interval(config.interval);
        }
        let limits = limits(&config);
        self.collector.reload(config, limits);
        match taken.as_slice() {
            [] => info!("options are read again: nothing to change"),
            taken => info!("options are read again, changed: {}", taken.join(", ")),
        }
        for option in left {
            warn!(
                "{option} can't change while the agent runs: it stays as it is (restart the agent \
                 to change it)"
            );
        }
    }
}
