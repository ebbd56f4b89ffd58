//! `ngraph watch`: a line of JSON on stdout for each connection that opens, closes or fails.

mod journal;
mod line;
mod queue;
mod writer;

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use log::debug;
use tokio::{
    sync::oneshot,
    time::{interval, timeout},
};

use crate::{
    clock,
    collect::{self, Collector, Losses},
    config::{Config, Output},
    ending::Ending,
    labels::Labels,
    names::Answer,
};
use journal::Journal;
use line::Event;
use queue::Queue;

/// How often the hooks are looked after, and snapshots are due at most.
const CHECK: Duration = Duration::from_secs(1);

/// How long the reader has for the last lines once the end was asked for.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Prints until it's told to end, or nobody reads any more. For a slow reader `room` lines wait;
/// those beyond are dropped and counted.
///
/// # Errors
/// Where the capture that was asked for, /proc or stdout doesn't work.
pub fn run(config: Config, room: usize) -> Result<()> {
    // Without files and labels: the fence needn't leave room for those, nor the live set for these.
    let labels = Labels::new();
    let config = Config { output: Output::Stdout, interval: CHECK, labels, ..config };
    collect::runtime()?.block_on(async {
        let ending = Ending::listen()?;
        Watch::start(config, room)?.serve(ending).await
    })
}

struct Watch {
    collector: Collector<Journal>,
    queue: Arc<Queue>,
    /// Ends with the thread that writes.
    written: oneshot::Receiver<io::Result<()>>,
    losses: Losses,
}

impl Watch {
    fn start(config: Config, room: usize) -> Result<Self> {
        let journal = Journal::new(room, clock::namespace_offset());
        let collector = Collector::start(config, journal)?;
        let queue = Arc::new(Queue::new(room));
        // Behind the fence, which holds for threads that start after it.
        let written = writer::start(Arc::clone(&queue))?;
        Ok(Self { collector, queue, written, losses: Losses::default() })
    }

    async fn serve(mut self, mut ending: Ending) -> Result<()> {
        tokio::select! {
            first = self.collector.first_look() => first?,
            () = ending.told() => return Ok(()),
        }
        self.collector.state.follower.note(clock::since_boot(), Event::Ready);
        self.hand_over();
        let mut checks = interval(CHECK);
        let mut gone = Box::pin(writer::reader_gone());
        loop {
            tokio::select! {
                biased;
                () = ending.told() => break,
                () = &mut gone => return Ok(()),
                end = &mut self.written => return judge(end),
                turned = self.collector.turn() => turned?,
                _ = checks.tick() => {
                    self.collector.check();
                    self.tell_losses();
                }
            }
            self.hand_over();
        }
        self.collector.drain();
        self.hand_over();
        self.queue.close(clock::since_boot());
        match timeout(LAST_LINES, &mut self.written).await {
            Ok(end) => judge(end),
            Err(_) => {
                debug!("nobody reads the last lines");
                Ok(())
            }
        }
    }

    /// Events that are gone since it was told last.
    fn tell_losses(&mut self) {
        let losses = self.collector.losses();
        let now = clock::since_boot();
        for ((reason, count), (_, before)) in losses.into_iter().zip(self.losses) {
            if count > before {
                let lost = Event::Lost { reason, count: count - before };
                self.collector.state.follower.note(now, lost);
            }
        }
        self.losses = losses;
    }

    /// Gives the lines to who writes them, with the names that are known by now.
    fn hand_over(&mut self) {
        let now = clock::since_boot();
        let Collector { state, names, .. } = &mut self.collector;
        let (mut lines, more) = state.follower.take();
        names.collect(now);
        for line in &mut lines {
            if let Event::Connection(connection, _) = &mut line.event
                && let Answer::Known(name) = names.ask(connection.flow.peer.ip(), now)
            {
                connection.name = name;
            }
        }
        self.queue.add(lines, more, now);
    }
}

/// What the end of the thread that writes means.
fn judge(end: Result<io::Result<()>, oneshot::error::RecvError>) -> Result<()> {
    match end.context("write to stdout: the thread is gone")? {
        // As every filter does: whoever read has seen enough.
        Err(err) if err.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write to stdout"),
    }
}
