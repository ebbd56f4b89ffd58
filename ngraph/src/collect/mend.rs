//! Snapshots in the loop: when one is due, and what is made of it.

use std::time::Duration;

use anyhow::Result;
use log::{debug, warn};
use tokio::task::JoinHandle;

use super::{Collector, selftest::Loops};
use crate::{
    clock,
    live::{Follower, Sight},
    snapshot::{self, Look, Snapshot, Tables},
};

/// Time between snapshots where the hooks see connections open and close, so that there's
/// nothing to mend but what was lost.
const SELDOM: Duration = Duration::from_secs(60);

/// A snapshot in the making.
pub(super) struct Pending {
    pub task: JoinHandle<Result<Snapshot>>,
    pub step: Step,
}

/// What a snapshot is for.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// To find what was there before the agent.
    First,
    /// To see whether all is as the events told: by what some process holds.
    Glance,
    /// To find what there is: of these namespaces all that their tables show.
    Search(Tables),
    /// To see whether what the one before didn't show is gone indeed.
    Confirmation {
        /// The tables that it read.
        tables: Tables,
        /// Whether it mended a loss.
        is_lossy: bool,
    },
}

impl Step {
    /// The tables that a snapshot for this has to read.
    pub fn tables(&self) -> Tables {
        match self {
            Self::First => Tables::All,
            Self::Glance => Tables::NONE,
            Self::Search(tables) | Self::Confirmation { tables, .. } => tables.clone(),
        }
    }
}

/// What mending by a snapshot leaves to be done.
pub(super) struct Left {
    /// Connections that are gone if the next doesn't show them either.
    suspects: u64,
    /// Whether there was a loss to mend.
    is_lossy: bool,
}

impl<F: Follower> Collector<F> {
    /// Begins a snapshot whose time has come. What was lost, a look at what some process holds
    /// can't mend: a connection that nobody has accepted yet would be found too late, and be
    /// taken for another one.
    pub(super) fn begin_snapshot(&mut self) -> Pending {
        let is_calm = self.lost() <= self.mended && !self.state.wants_all();
        if is_calm && self.captured.held.is_ok() {
            self.begin(Step::Glance)
        } else {
            self.begin(Step::Search(Tables::All))
        }
    }

    fn begin(&mut self, step: Step) -> Pending {
        // What is lost until here is of connections that are drained here, and so judged.
        self.lost_before = self.lost();
        self.drain();
        let tables = step.tables();
        self.own = Loops::default();
        self.state.begin_snapshot(matches!(tables, Tables::All));
        self.snapshot_began = clock::since_boot();
        Pending { task: self.snapshot(tables), step }
    }

    /// Begins to take a snapshot that reads these tables; besides it looks at what processes hold,
    /// if it can, unless these are enough.
    pub(super) fn snapshot(&mut self, tables: Tables) -> JoinHandle<Result<Snapshot>> {
        let (root, scope) = (self.config.procfs.clone(), self.config.scope);
        let is_enough = matches!(&tables, Tables::Of(namespaces) if !namespaces.is_empty());
        let held = match &mut self.captured.tracer {
            Some(tracer) if self.captured.held.is_ok() && !is_enough => Some(tracer.held_sockets()),
            _ => None,
        };
        let likely = self.state.live();
        tokio::task::spawn_blocking(move || {
            snapshot::take(Look { root, scope, held, tables, likely }, clock::since_boot)
        })
    }

    /// Takes in a snapshot, and begins the next where this one asks for more.
    pub(super) fn take_in(&mut self, snapshot: Result<Snapshot>, step: Step) -> Option<Pending> {
        self.drain();
        let mut snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            Err(err) => {
                self.tell_problems("snapshot", vec![format!("{err:#}")]);
                return None;
            }
        };
        // Else it would be a connection that no event told of.
        snapshot.rows.retain(|row| !self.own.have(&row.flow));
        let Left { suspects, is_lossy } = self.mend(&snapshot, &step);
        let next = match step {
            Step::Search(tables) if suspects > 0 => Step::Confirmation { tables, is_lossy },
            // The iterator failed, and the tables were read instead.
            Step::Glance if snapshot.is_whole && suspects > 0 => {
                Step::Confirmation { tables: Tables::All, is_lossy }
            }
            Step::Glance if !snapshot.is_whole => {
                let mut namespaces = self.state.unseen();
                // Others have no process through which to look.
                namespaces.retain(|netns| snapshot.processes.contains_key(netns));
                if namespaces.is_empty() {
                    return None;
                }
                // What came meanwhile may ask for more.
                let is_enough = !self.state.wants_all();
                Step::Search(if is_enough { Tables::Of(namespaces) } else { Tables::All })
            }
            _ => return None,
        };
        Some(self.begin(next))
    }

    /// Takes in a snapshot that was taken for `step`.
    pub(super) fn mend(&mut self, snapshot: &Snapshot, step: &Step) -> Left {
        // Of what was lost, the absence that a confirmation confirms is the first.
        let confirms_loss = matches!(step, Step::Confirmation { is_lossy: true, .. });
        let sight = Sight {
            // Without BTF they tell of the agent's own namespace alone, and that one has a process.
            sees_ends: self.captured.hooks.states_speak() && self.captured.reading.alias.is_none(),
            is_lossy: confirms_loss || snapshot.is_whole && self.lost() > self.mended,
            is_first: matches!(step, Step::First),
        };
        if snapshot.is_whole {
            // What was lost while it was made is for the next one to mend.
            self.mended = self.lost_before;
        }
        debug!(
            "snapshot: sockets {}, namespaces whose tables were read {}, of {}",
            snapshot.rows.len(),
            snapshot.namespaces.len(),
            snapshot.processes.len()
        );
        self.snapshots += 1;
        self.tables_read += snapshot.namespaces.len() as u64;
        self.snapshot_took = snapshot.took;
        self.processes.clone_from(&snapshot.processes);
        let now = clock::since_boot();
        let repairs = self.state.reconcile(snapshot, sight, now);
        self.ask_names(now);
        self.tell_problems("snapshot", snapshot.problems.clone());
        Left { suspects: repairs.suspects, is_lossy: sight.is_lossy }
    }

    /// Tells what a source complains of, once per change.
    pub(super) fn tell_problems(&mut self, source: &'static str, problems: Vec<String>) {
        for problem in self.problems.changed(source, problems) {
            warn!("{source}: {problem}");
        }
    }

    pub(super) fn is_snapshot_due(&self) -> bool {
        let since = clock::since_boot().saturating_sub(self.snapshot_began);
        let speak = self.captured.hooks.states_speak();
        let every = match self.config.snapshot_interval {
            Some(every) => every,
            None if speak => SELDOM.max(self.config.interval),
            None => self.config.interval,
        };
        // Half an interval of slack: the two timers drift against each other.
        let is_time = since + self.config.interval / 2 >= every;
        is_time || self.lost() > self.mended
    }
}
