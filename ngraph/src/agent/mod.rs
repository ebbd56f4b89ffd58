//! The agent: what the collector knows, as a file each interval. The loop.

mod file;
mod live;
mod reload;
mod served;
mod service;
mod sink;
mod socket;

use std::{
    io::{self, ErrorKind},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use log::info;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Interval, MissedTickBehavior, interval_at},
};

use crate::{
    collect::{self, Collector, DRAIN},
    config::{Config, Source},
    ending::Ending,
    graph::{Graph, Limits},
    serve,
};
use served::Served;
use service::Service;
use sink::Sink;
use socket::Bound;

/// How long the first file waits for the names of what is there at the start, and how long
/// an edge is held back for its peer's.
const FIRST_NAMES: Duration = Duration::from_secs(2);
const NAME_WAIT: Duration = Duration::from_secs(5);

/// Runs until SIGTERM, SIGINT, or with `--once` the first file.
///
/// # Errors
/// Where the output, the capture that was asked for, or /proc doesn't work.
pub fn run(config: Config, source: Source) -> Result<()> {
    collect::runtime()?.block_on(async {
        // First of all: it must not end an agent that is starting, either.
        let hangup = signal(SignalKind::hangup()).context("listen for SIGHUP")?;
        let mut agent = Agent::start(config, source)?;
        let result = agent.serve(hangup).await;
        agent.service.stop();
        agent.sink.close();
        drop(agent.socket);
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
    source: Source,
    collector: Collector<Graph>,
    sink: Sink,
    service: Service,
    served: Option<Served>,
    socket: Option<Bound>,
    write_took: Duration,
}

impl Agent {
    fn start(config: Config, source: Source) -> Result<Self> {
        // Before anything else: what can't be written needs no tracing.
        let sink = Sink::open(&config)?;
        let bound = config.listen.map(serve::bind).transpose()?;
        let mut socket = if config.once { None } else { socket::bind(&config.socket)? };
        let interval = config.interval;
        let service = Service::new(interval);
        let graph = Graph::new(limits(&config));
        let collector = Collector::start(config, graph)?;
        let listener = socket.as_mut().and_then(Bound::listener);
        let is_served = bound.is_some() || listener.is_some();
        let served = is_served.then(|| Served::start(bound, listener, interval)).transpose()?;
        let write_took = Duration::ZERO;
        Ok(Self { source, collector, sink, service, served, socket, write_took })
    }

    async fn serve(&mut self, mut hangup: Signal) -> Result<()> {
        let mut ending = Ending::listen()?;
        tokio::select! {
            first = self.first_file() => first?,
            () = ending.told() => return Ok(()),
        }
        if self.collector.config.once {
            return Ok(());
        }
        let mut files = each(self.collector.config.interval);
        let mut is_file_due = false;
        loop {
            tokio::select! {
                biased;
                () = ending.told() => break,
                _ = hangup.recv() => {
                    if self.collector.config.file.is_none() {
                        info!("SIGHUP: without --config there is nothing to read again; a file is written at once");
                        files.reset_immediately();
                    } else if self.reload() {
                        files = each(self.collector.config.interval);
                    }
                }
                turned = self.collector.turn() => {
                    turned?;
                    self.service.beat();
                    self.show_live()?;
                    if is_file_due && !self.collector.is_looking() {
                        is_file_due = false;
                        self.file()?;
                    }
                }
                _ = files.tick() => {
                    is_file_due = self.collector.check();
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
        self.collector.first_look().await?;
        let patience = Instant::now() + FIRST_NAMES;
        while self.collector.view().waiting > 0 && Instant::now() < patience {
            // Names are looked up by tasks of this very thread.
            let _ = tokio::time::timeout(DRAIN, self.collector.names.ended()).await;
            self.collector.drain();
        }
        self.file()
    }
}

fn limits(config: &Config) -> Limits {
    Limits { max_edges: config.max_edges, edge_ttl: config.edge_ttl, name_wait: NAME_WAIT }
}

/// Ticks for files, the first an interval from here on.
fn each(interval: Duration) -> Interval {
    let mut ticks = interval_at(tokio::time::Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
