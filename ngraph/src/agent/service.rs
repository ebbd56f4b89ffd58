//! What a service manager hears: that the agent is ready, that it is alive, and what it does.
//!
//! Nothing where nobody listens: outside of systemd `NOTIFY_SOCKET` isn't set. The fence lets it
//! through: of a socket's path Landlock asks nothing, as far as `fence` has it bound files.

use std::time::{Duration, Instant};

use log::debug;
use sd_notify::NotifyState::{self, Ready, Status, Stopping, Watchdog};

/// The agent as a service.
#[derive(Debug)]
pub struct Service {
    is_ready: bool,
    /// How often to be heard of, where files alone would be too seldom.
    beat_every: Option<Duration>,
    beaten_at: Instant,
}

impl Service {
    /// A service that tries a file each `interval`.
    pub fn new(interval: Duration) -> Self {
        // Half the time, as sd_watchdog_enabled(3) has it.
        let beat_every = sd_notify::watchdog_enabled().map(|patience| patience / 2);
        Self {
            is_ready: false,
            beat_every: beat_every.filter(|&every| every < interval),
            beaten_at: Instant::now(),
        }
    }

    /// Tells of a file that was tried, and `status`. Ready is who has written one. One that
    /// failed is a sign of life as well: a restart would empty no disk, and lose the counts.
    pub fn tell_of_file(&mut self, is_written: bool, status: &str) {
        self.beaten_at = Instant::now();
        if is_written && !self.is_ready {
            self.is_ready = true;
            tell(&[Ready, Watchdog, Status(status)]);
        } else {
            tell(&[Watchdog, Status(status)]);
        }
    }

    /// A sign of life between two files. Where files come often enough they are the only one, so
    /// that a loop that turns and writes none is no life.
    pub fn beat(&mut self) {
        if self.beat_every.is_some_and(|every| self.beaten_at.elapsed() >= every) {
            self.beaten_at = Instant::now();
            tell(&[Watchdog]);
        }
    }

    /// The agent ends, and means to.
    pub fn stop(&self) {
        tell(&[Stopping]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(err) = sd_notify::notify(states) {
        debug!("tell the service manager {states:?}: {err}");
    }
}
