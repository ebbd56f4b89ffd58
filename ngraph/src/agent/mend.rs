//! Snapshots in the loop: when one is due, and what is made of it.

use std::time::Duration;

use anyhow::Result;
use log::warn;
use tokio::task::JoinHandle;

use super::Agent;
use crate::{
    clock,
    live::Sight,
    snapshot::{self, Snapshot},
};

/// Time between snapshots where the hooks see connections open and close, so that there's
/// nothing to mend but what was lost.
const SELDOM: Duration = Duration::from_secs(60);

/// A snapshot in the making, and whether it only confirms the one before.
pub(super) struct Pending {
    pub task: JoinHandle<Result<Snapshot>>,
    pub is_confirmation: bool,
}

impl Agent {
    pub(super) fn begin(&mut self, is_confirmation: bool) -> Pending {
        // What is lost until here is of connections that are drained here, and so judged.
        self.lost_before = self.lost();
        self.drain();
        self.state.begin_snapshot();
        self.snapshot_began = clock::since_boot();
        Pending { task: tokio::task::spawn_blocking(self.snapshot()), is_confirmation }
    }

    pub(super) fn snapshot(&self) -> impl FnOnce() -> Result<Snapshot> + use<> {
        let (root, scope) = (self.config.procfs.clone(), self.config.scope);
        move || snapshot::procfs::take(&root, scope, clock::since_boot)
    }

    /// Whether connections are missing that were there: the next snapshot decides.
    pub(super) fn take_in(&mut self, snapshot: Result<Snapshot>) -> Result<bool> {
        self.drain();
        match snapshot {
            Ok(snapshot) => Ok(self.mend(&snapshot, false) > 0),
            Err(err) => {
                self.tell_problems("snapshot", vec![format!("{err:#}")]);
                Ok(false)
            }
        }
    }

    pub(super) fn mend(&mut self, snapshot: &Snapshot, is_first: bool) -> u64 {
        let lost = self.lost();
        let sight = Sight {
            sees_ends: self.captured.hooks.states_speak(),
            is_lossy: lost > self.mended,
            is_first,
        };
        // What was lost while it was made is for the next one to mend.
        self.mended = self.lost_before;
        self.snapshot_took = snapshot.took;
        self.processes.clone_from(&snapshot.processes);
        let now = clock::since_boot();
        let repairs = self.state.reconcile(snapshot, sight, now);
        self.ask_names(now);
        self.tell_problems("snapshot", snapshot.problems.clone());
        repairs.suspects
    }

    /// Tells what a source complains of, once per change.
    pub(super) fn tell_problems(&mut self, source: &'static str, problems: Vec<String>) {
        for problem in self.problems.changed(source, problems) {
            warn!("{source}: {problem}");
        }
    }

    pub(super) fn is_snapshot_due(&self) -> Result<bool> {
        let since = clock::since_boot().saturating_sub(self.snapshot_began);
        let speak = self.captured.hooks.states_speak();
        let every = match self.config.snapshot_interval {
            Some(every) => every,
            None if speak => SELDOM.max(self.config.interval),
            None => self.config.interval,
        };
        // Half an interval of slack: the two timers drift against each other.
        let is_time = since + self.config.interval / 2 >= every;
        Ok(is_time || self.lost() > self.mended)
    }
}
