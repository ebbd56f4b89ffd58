//! The agent: hooks, snapshots, names and files around what is known. The one loop.

pub mod capture;
mod file;
pub mod held;
mod mend;
mod meter;
mod problems;
mod revive;
mod selftest;
mod service;
mod sink;
pub mod state;

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use log::{info, warn};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval_at, sleep_until},
};

use crate::{
    clock,
    config::Config,
    fence,
    flow::NetnsId,
    graph::Limits,
    health::HookCounts,
    kernel::{Tracer, probe},
    names::{self, Names},
    pulse::Pulse,
    snapshot::{Snapshot, Tables},
};
use capture::Captured;
use mend::Pending;
use problems::Problems;
use service::Service;
use sink::Sink;
use state::State;

/// How often the ring buffer is drained under load, and how seldom where nothing happens.
const DRAIN: Duration = Duration::from_millis(20);
const DRAIN_IDLE: Duration = Duration::from_millis(160);

/// Connections that the live set has room for, to each one of the socket map: it holds those
/// that are older than the hooks, too.
const LIVE_PER_SOCKET: u64 = 2;

/// How long the first file waits for the names of what is there at the start, and how long
/// an edge is held back for its peer's.
const FIRST_NAMES: Duration = Duration::from_secs(2);
const NAME_WAIT: Duration = Duration::from_secs(5);

/// Runs until SIGTERM, SIGINT, or with `--once` the first file.
///
/// # Errors
/// Where the output, the capture that was asked for, or /proc doesn't work.
pub fn run(config: Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        let mut agent = Agent::start(config)?;
        let result = agent.serve().await;
        agent.service.stop();
        agent.sink.close();
        match result {
            // As every filter does: whoever read has seen enough.
            Err(err) if is_broken_pipe(&err) => Ok(()),
            result => result,
        }
    })
}

fn is_broken_pipe(err: &anyhow::Error) -> bool {
    err.downcast_ref::<io::Error>().is_some_and(|err| err.kind() == ErrorKind::BrokenPipe)
}

struct Agent {
    config: Config,
    captured: Captured,
    state: State,
    names: Names,
    sink: Sink,
    service: Service,
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
    /// Snapshots taken, and how many namespaces' tables they read.
    snapshots: u64,
    tables_read: u64,
    /// Lost events that a snapshot has mended since.
    mended: u64,
    /// Lost events when the last snapshot began.
    lost_before: u64,
    snapshot_took: Duration,
    snapshot_began: Duration,
    write_took: Duration,
}

impl Agent {
    fn start(config: Config) -> Result<Self> {
        // Before anything else: what can't be written needs no tracing.
        let sink = Sink::open(&config)?;
        let mut captured = capture::open(&config)?;
        // Before the first thread starts: what is given up is given up by thread.
        fence::raise(&config).tell();
        meter::give_back_memory();
        let limits =
            Limits { max_edges: config.max_edges, edge_ttl: config.edge_ttl, name_wait: NAME_WAIT };
        let live_room = u64::from(capture::sock_entries(&config)) * LIVE_PER_SOCKET;
        let mut state =
            State::new(limits, live_room as usize, config.peers.clone(), captured.reading);
        // From here on ends are remembered, so that the first snapshot brings none back.
        state.begin_snapshot();
        let now = clock::since_boot();
        state.begin_audit(&captured.own, &captured.opens);
        captured.backlog.drain(..).for_each(|event| state.record(&event, now));
        Ok(Self {
            names: resolver(&config),
            kernel: probe::release(),
            problems: Problems::default(),
            snapshots: 0,
            tables_read: 0,
            mended: 0,
            service: Service::new(config.interval),
            lost_before: 0,
            snapshot_took: Duration::ZERO,
            snapshot_began: Duration::ZERO,
            write_took: Duration::ZERO,
            config,
            captured,
            processes: BTreeMap::new(),
            pulse: Pulse::default(),
            carried: HookCounts::default(),
            gaps: 0,
            state,
            sink,
        })
    }

    async fn serve(&mut self) -> Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        tokio::select! {
            first = self.first_file() => first?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
        if self.config.once {
            return Ok(());
        }
        let period = self.config.interval;
        let mut files = interval_at(tokio::time::Instant::now() + period, period);
        files.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut pending: Option<Pending> = None;
        let mut is_file_due = false;
        let mut pause = DRAIN;
        let mut drain_at = tokio::time::Instant::now() + pause;
        loop {
            tokio::select! {
                biased;
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = sleep_until(drain_at) => {
                    self.service.beat();
                    pause = if self.drain() > 0 { DRAIN } else { (pause * 2).min(DRAIN_IDLE) };
                    drain_at = tokio::time::Instant::now() + pause;
                }
                full = half_full(&self.captured) => {
                    full?;
                    self.drain();
                }
                snapshot = finished(&mut pending) => {
                    let taken = pending.take().map(|pending| pending.step);
                    pending = self.take_in(snapshot, taken);
                    if pending.is_none() && is_file_due {
                        is_file_due = false;
                        self.file()?;
                    }
                }
                _ = files.tick() => {
                    self.heartbeat();
                    if pending.is_some() {
                        is_file_due = true;
                    } else if self.is_snapshot_due()? {
                        pending = Some(self.begin_snapshot());
                        // Where a snapshot is how ends are found, the file waits for it.
                        is_file_due = !self.captured.hooks.states_speak();
                    }
                    if !is_file_due {
                        self.file()?;
                    }
                }
            }
        }
        info!("stopping");
        Ok(())
    }

    /// The first snapshot, what the hooks told meanwhile, and the file of both.
    async fn first_file(&mut self) -> Result<()> {
        self.snapshot_began = clock::since_boot();
        // What was there before must be found now, or it would count as opened later.
        let snapshot = tokio::task::spawn_blocking(self.snapshot(Tables::All));
        let snapshot = snapshot.await.context("take the first snapshot")??;
        self.drain();
        self.mend(&snapshot, true);
        let patience = Instant::now() + FIRST_NAMES;
        while self.view().waiting > 0 && Instant::now() < patience {
            // Names are looked up by tasks of this very thread.
            let _ = tokio::time::timeout(DRAIN, self.names.ended()).await;
            self.drain();
        }
        self.file()
    }

    /// Takes in what the kernel side has put into the ring buffer.
    fn drain(&mut self) -> usize {
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

    /// Has the names of new peers looked up, so that the next file has them.
    fn ask_names(&mut self, now: Duration) {
        for peer in self.state.graph.take_new_peers() {
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
