//! The collector: hooks, snapshots and names around what is known of the connections. The agent,
//! `watch` and `top` each turn one, and show what it knows in their way.

mod attempt;
mod brackets;
pub mod capture;
mod figures;
pub mod held;
mod mend;
pub mod meter;
mod problems;
mod proving;
mod reload;
mod revive;
mod selftest;
pub mod state;
mod surroundings;

pub use figures::Losses;
pub use selftest::Loops;

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, Result};
use log::warn;
use tokio::{
    runtime::Runtime,
    time::{Instant, sleep_until},
};

use crate::{
    clock,
    config::Config,
    fence,
    flow::NetnsId,
    health::HookCounts,
    kernel::{Tracer, probe},
    labels::Marker,
    live::Follower,
    names::{self, Names},
    pulse::Pulse,
    snapshot::Snapshot,
};
use capture::Captured;
use mend::{Pending, Step};
use problems::Problems;
use state::State;
use surroundings::Surroundings;

/// How often the ring buffer is drained under load, and how seldom where nothing happens.
pub const DRAIN: Duration = Duration::from_millis(20);
const DRAIN_IDLE: Duration = Duration::from_millis(500);

/// Connections that the live set has room for, to each one of the socket map: it holds those
/// that are older than the hooks, too.
const LIVE_PER_SOCKET: u64 = 2;

/// What is known, and what it is known by.
pub struct Collector<F> {
    /// What was asked for.
    pub config: Config,
    /// The live set, and who follows it.
    pub state: State<F>,
    /// The peers' names.
    pub names: Names,
    captured: Captured,
    kernel: String,
    /// A process of each namespace, through which to read the kernel's counts.
    processes: BTreeMap<NetnsId, String>,
    /// Whether the hooks still fire.
    pulse: Pulse,
    /// Counters of kernel sides before this one.
    carried: HookCounts,
    /// Times of which the hooks may have missed something.
    gaps: u64,
    problems: Problems,
    /// The snapshot in the making.
    pending: Option<Pending>,
    /// Own connections made since it began, which it may show.
    own: Loops,
    /// When the ring buffer is drained next, and the time between two drains.
    drain_at: Instant,
    pause: Duration,
    /// Snapshots taken, and how many namespaces' tables they read.
    snapshots: u64,
    tables_read: u64,
    /// Lost events that a snapshot has mended since.
    mended: u64,
    /// Lost events when the last snapshot began.
    lost_before: u64,
    snapshot_took: Duration,
    snapshot_began: Duration,
}

/// What a collector turns in: the thread of the loop, and one for snapshots.
///
/// # Errors
/// Where the kernel has no epoll to give.
pub fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .context("start the runtime")
}

impl<F: Follower> Collector<F> {
    /// Begins to capture, and gives up what isn't needed for the rest: to be called before
    /// there is a second thread, within a tokio runtime.
    ///
    /// # Errors
    /// Where the capture that was asked for doesn't work.
    pub fn start(config: Config, follower: F) -> Result<Self> {
        let mut captured = capture::open(&config, &mut Loops::default())?;
        let surroundings = Surroundings::of(&config);
        // Before the first thread starts: what is given up is given up by thread.
        fence::raise(&config).tell();
        meter::give_back_memory();
        let live_room = u64::from(capture::sock_entries(&config)) * LIVE_PER_SOCKET;
        let marker = Marker::new(config.labels.clone(), Box::new(surroundings));
        let mut state = State::new(
            follower,
            live_room as usize,
            config.peers.clone(),
            marker,
            captured.reading,
        );
        // From here on ends are remembered, so that the first snapshot brings none back.
        state.begin_snapshot(true);
        let now = clock::since_boot();
        state.begin_audit(&captured.own, &captured.opens);
        captured.backlog.drain(..).for_each(|event| state.record(&event, now));
        Ok(Self {
            names: resolver(&config),
            kernel: probe::release(),
            problems: Problems::default(),
            pending: None,
            own: Loops::default(),
            drain_at: Instant::now() + DRAIN,
            pause: DRAIN,
            snapshots: 0,
            tables_read: 0,
            mended: 0,
            lost_before: 0,
            snapshot_took: Duration::ZERO,
            snapshot_began: Duration::ZERO,
            config,
            captured,
            processes: BTreeMap::new(),
            pulse: Pulse::default(),
            carried: HookCounts::default(),
            gaps: 0,
            state,
        })
    }

    /// Takes the first snapshot, which shows what was there before, and what the hooks told
    /// meanwhile.
    ///
    /// # Errors
    /// Where /proc can't be read.
    pub async fn first_look(&mut self) -> Result<()> {
        self.snapshot_began = clock::since_boot();
        // What was there before must be found now, or it would count as opened later.
        let snapshot = self.snapshot(Step::First.tables());
        let snapshot = snapshot.await.context("take the first snapshot")??;
        self.drain();
        self.mend(&snapshot, &Step::First);
        Ok(())
    }

    /// Waits for the next thing to happen, at the latest for the next drain, and takes it in.
    /// To be called again and again; dropping it loses nothing.
    ///
    /// # Errors
    /// Where the kernel side can't be waited for.
    pub async fn turn(&mut self) -> Result<()> {
        tokio::select! {
            biased;
            () = sleep_until(self.drain_at) => {
                self.pause = if self.drain() > 0 { DRAIN } else { (self.pause * 2).min(DRAIN_IDLE) };
                self.drain_at = Instant::now() + self.pause;
            }
            full = half_full(&self.captured) => {
                full?;
                self.drain();
            }
            snapshot = finished(&mut self.pending) => {
                if let Some(Pending { step, .. }) = self.pending.take() {
                    self.pending = self.take_in(snapshot, step);
                }
            }
        }
        Ok(())
    }

    /// Once an interval: sees whether the hooks still fire, and begins a snapshot whose time has
    /// come. Whether who shows what is known does better to wait for the snapshot in the making.
    pub fn check(&mut self) -> bool {
        self.heartbeat();
        if self.is_looking() {
            return true;
        }
        if self.is_snapshot_due() {
            self.pending = Some(self.begin_snapshot());
        }
        // Else a snapshot is how ends are found.
        self.is_looking() && !self.captured.hooks.states_speak()
    }

    /// Whether a snapshot is in the making.
    pub fn is_looking(&self) -> bool {
        self.pending.is_some()
    }

    /// Takes in what the kernel side has put into the ring buffer, and tells how many records.
    pub fn drain(&mut self) -> usize {
        let now = clock::since_boot();
        let Self { captured, state, .. } = self;
        let Some(tracer) = &mut captured.tracer else {
            return 0;
        };
        let records = tracer.drain(|record| match record {
            Some(event) => state.record(event, now),
            None => state.malformed += 1,
        });
        let overflow = tracer.drain_overflow(|like, count| state.record_alike(like, count, now));
        if let Err(err) = overflow {
            // Tried fifty times a second: that it went well in between isn't told.
            self.tell_problems("overflow map", vec![format!("{err:#}")]);
        }
        self.ask_names(now);
        records
    }

    /// Has the names of new peers looked up, so that they are there when they are shown.
    fn ask_names(&mut self, now: Duration) {
        for peer in self.state.follower.take_new_peers() {
            self.names.ask(peer.ip(), now);
        }
    }

    fn read_counts(&self) -> HookCounts {
        let counts = self.captured.tracer.as_ref().map(Tracer::counts).unwrap_or_default();
        counts.plus(&self.carried)
    }

    /// Events that are or may be gone, and so for a snapshot to mend.
    fn lost(&self) -> u64 {
        let counts = self.read_counts();
        counts.without_room() + counts.unseen(self.captured.hooks.flags()) + self.gaps
    }
}

fn resolver(config: &Config) -> Names {
    if !config.resolve {
        return Names::off();
    }
    match names::Dns::from_system() {
        Ok(dns) => Names::start(dns, names::Limits::default()),
        Err(err) => {
            warn!("peers have no names: {err:#}");
            Names::off()
        }
    }
}

/// Waits for the kernel side's call; for ever where there's none.
async fn half_full(captured: &Captured) -> Result<()> {
    match &captured.tracer {
        Some(tracer) => tracer.half_full().await,
        None => std::future::pending().await,
    }
}

/// Waits for the snapshot in the making; for ever where there's none.
async fn finished(pending: &mut Option<Pending>) -> Result<Snapshot> {
    match pending {
        Some(pending) => (&mut pending.task).await.context("take a snapshot")?,
        None => std::future::pending().await,
    }
}
