//! What a service manager hears: that the agent is ready, that it is alive, and what it does.
//!
//! Nothing where nobody listens: outside of systemd `NOTIFY_SOCKET` isn't set. The fence lets it
//! through: of a socket's path Landlock asks nothing, as far as `fence` has it bound files.

use std::time::{Duration, Instant};

use log::debug;
use sd_notify::NotifyState::{self, Ready, Reloading, Status, Stopping, Watchdog};

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
        Self { is_ready: false, beat_every: beat_every(interval), beaten_at: Instant::now() }
    }

    /// The agent reads its options again.
    pub fn reload(&self) {
        // Whoever is reloading is told to be ready afterwards: the first file tells that.
        if self.is_ready
            && let Ok(now) = NotifyState::monotonic_usec_now()
        {
            tell(&[Reloading, now]);
        }
    }

    /// It has, and tries a file each `interval` from here on.
    pub fn reloaded(&mut self, interval: Duration) {
        self.beat_every = beat_every(interval);
        if self.is_ready {
            tell(&[Ready]);
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

fn beat_every(interval: Duration) -> Option<Duration> {
    // Half the time, as sd_watchdog_enabled(3) has it.
    let every = sd_notify::watchdog_enabled()? / 2;
    (every < interval).then_some(every)
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(err) = sd_notify::notify(states) {
        debug!("tell the service manager {states:?}: {err}");
    }
}
