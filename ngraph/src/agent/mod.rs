//! The agent: hooks, snapshots, names and files around what is known. The one loop.

pub mod capture;
mod meter;
mod selftest;
mod sink;
mod state;

use std::{
    io::{self, ErrorKind},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use log::{info, warn};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
    time::{MissedTickBehavior, interval_at, sleep_until},
};

use crate::{
    clock,
    config::{Config, Format},
    export,
    flow::Role,
    graph::{Limits, PerRole, View},
    health::{Health, HookCounts},
    kernel::probe,
    live::Sight,
    names::{self, Names},
    snapshot::{self, Snapshot},
};
use capture::Captured;
use sink::Sink;
use state::State;

/// How often the ring buffer is drained under load, and how seldom where nothing happens.
const DRAIN: Duration = Duration::from_millis(20);
const DRAIN_IDLE: Duration = Duration::from_millis(160);

/// How long the first file waits for the names of what is there at the start, and how long
/// an edge is held back for its peer's.
const FIRST_NAMES: Duration = Duration::from_secs(2);
const NAME_WAIT: Duration = Duration::from_secs(5);

/// Time between snapshots where the hooks see connections open and close, so that there's
/// nothing to mend but what was lost.
const SELDOM: Duration = Duration::from_secs(60);

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
    kernel: String,
    /// What snapshots couldn't read, told once per change.
    problems: Vec<String>,
    counts: HookCounts,
    /// Events lost when the last snapshot was reconciled.
    mended: u64,
    snapshot_took: Duration,
    snapshot_began: Duration,
    write_took: Duration,
}

/// A snapshot in the making, and whether it only confirms the one before.
struct Pending {
    task: JoinHandle<Result<Snapshot>>,
    is_confirmation: bool,
}

impl Agent {
    fn start(config: Config) -> Result<Self> {
        // Before anything else: what can't be written needs no tracing.
        let sink = Sink::open(&config)?;
        let mut captured = capture::open(&config)?;
        meter::give_back_memory();
        let limits = Limits {
            max_edges: config.max_edges,
            edge_ttl: config.edge_ttl,
            name_wait: NAME_WAIT,
        };
        let mut state = State::new(limits, config.peers.clone(), captured.reading);
        // From here on ends are remembered, so that the first snapshot brings none back.
        state.begin_snapshot();
        let now = clock::since_boot();
        captured.own.drain(..).for_each(|event| state.count(&event));
        captured.backlog.drain(..).for_each(|event| state.record(&event, now));
        Ok(Self {
            names: resolver(&config),
            kernel: probe::release(),
            problems: Vec::new(),
            counts: HookCounts::default(),
            mended: 0,
            snapshot_took: Duration::ZERO,
            snapshot_began: Duration::ZERO,
            write_took: Duration::ZERO,
            config,
            captured,
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
                    pause = if self.drain() > 0 { DRAIN } else { (pause * 2).min(DRAIN_IDLE) };
                    drain_at = tokio::time::Instant::now() + pause;
                }
                full = half_full(&self.captured) => {
                    full?;
                    self.drain();
                }
                snapshot = finished(&mut pending) => {
                    let was_confirmation = pending.take().is_some_and(|it| it.is_confirmation);
                    let has_suspects = self.take_in(snapshot)?;
                    if has_suspects && !was_confirmation {
                        pending = Some(self.begin(true));
                    } else if is_file_due {
                        is_file_due = false;
                        self.file()?;
                    }
                }
                _ = files.tick() => {
                    if pending.is_some() {
                        is_file_due = true;
                    } else if self.is_snapshot_due()? {
                        pending = Some(self.begin(false));
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
        let snapshot = tokio::task::spawn_blocking(self.snapshot());
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

    fn begin(&mut self, is_confirmation: bool) -> Pending {
        self.state.begin_snapshot();
        self.snapshot_began = clock::since_boot();
        Pending { task: tokio::task::spawn_blocking(self.snapshot()), is_confirmation }
    }

    fn snapshot(&self) -> impl FnOnce() -> Result<Snapshot> + use<> {
        let (root, scope) = (self.config.procfs.clone(), self.config.scope);
        move || snapshot::procfs::take(&root, scope, clock::since_boot)
    }

    /// Whether connections are missing that were there: the next snapshot decides.
    fn take_in(&mut self, snapshot: Result<Snapshot>) -> Result<bool> {
        self.drain();
        match snapshot {
            Ok(snapshot) => Ok(self.mend(&snapshot, false) > 0),
            Err(err) => {
                self.tell_problems(vec![format!("{err:#}")]);
                Ok(false)
            }
        }
    }

    fn mend(&mut self, snapshot: &Snapshot, is_first: bool) -> u64 {
        let lost = self.read_counts().lost();
        let sight = Sight {
            sees_ends: self.captured.hooks.states_speak(),
            is_lossy: lost > self.mended,
            is_first,
        };
        self.mended = lost;
        self.snapshot_took = snapshot.took;
        let repairs = self.state.reconcile(snapshot, sight, clock::since_boot());
        self.tell_problems(snapshot.problems.clone());
        repairs.suspects
    }

    fn tell_problems(&mut self, problems: Vec<String>) {
        if problems != self.problems {
            problems.iter().for_each(|problem| warn!("snapshot: {problem}"));
            self.problems = problems;
        }
    }

    fn is_snapshot_due(&mut self) -> Result<bool> {
        let since = clock::since_boot().saturating_sub(self.snapshot_began);
        let speak = self.captured.hooks.states_speak();
        let every = match self.config.snapshot_interval {
            Some(every) => every,
            None if speak => SELDOM.max(self.config.interval),
            None => self.config.interval,
        };
        // Half an interval of slack: the two timers drift against each other.
        let is_time = since + self.config.interval / 2 >= every;
        Ok(is_time || self.read_counts().lost() > self.mended)
    }

    /// Takes in what the kernel side has put into the ring buffer.
    fn drain(&mut self) -> usize {
        let now = clock::since_boot();
        let Self { captured, state, .. } = self;
        let Some(tracer) = &mut captured.tracer else {
            return 0;
        };
        tracer.drain(|record| match record {
            Some(event) => state.record(event, now),
            None => state.malformed += 1,
        })
    }

    fn read_counts(&mut self) -> HookCounts {
        if let Some(tracer) = &self.captured.tracer {
            match tracer.counts() {
                Ok(counts) => self.counts = counts,
                Err(err) => self.tell_problems(vec![format!("{err:#}")]),
            }
        }
        self.counts
    }

    fn view(&mut self) -> View {
        let now = clock::since_boot();
        self.names.collect(now);
        let Self { state, names, .. } = self;
        state.graph.file(now, |peer| names.ask(peer, now))
    }

    fn file(&mut self) -> Result<()> {
        let start = Instant::now();
        self.drain();
        let view = self.view();
        let health = self.health();
        let text = match self.config.format {
            Format::Prom => export::prometheus(&view, &health),
            Format::Json => export::json::json(&view, &health)?,
        };
        if self.sink.write(&text)? {
            self.state.file_written();
        }
        self.write_took = start.elapsed();
        Ok(())
    }

    fn health(&mut self) -> Health {
        let hooks = self.read_counts();
        let tracer = self.captured.tracer.as_ref();
        let State { graph, events, malformed, repairs, .. } = &self.state;
        Health {
            attached: self.captured.hooks.flags(),
            hooks,
            events: *events,
            malformed: *malformed,
            repaired_opens: repairs.opened,
            repaired_closes: repairs.closed,
            snapshot_seconds: self.snapshot_took.as_secs_f64(),
            write_seconds: self.write_took.as_secs_f64(),
            write_failures: self.sink.failures,
            live: PerRole::from_fn(|role: Role| graph.open(role)),
            edges: PerRole::from_fn(|role| graph.edges(role) as u64),
            folded: PerRole::from_fn(|role| graph.folded(role)),
            programs: tracer.map(|tracer| tracer.program_runs()).unwrap_or_default(),
            process: meter::process_use(),
            written_at: clock::unix_seconds(),
            kernel: self.kernel.clone(),
        }
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

