//! Lookups beside the loop: so many at once, so long each, a bounded queue behind them.

use std::{net::IpAddr, sync::Arc};

use tokio::{sync::mpsc, task::JoinSet, time};

use super::{Limits, cache::Outcome, hostname, resolver::Resolve};

/// The running lookups; dropping it ends them.
pub(super) struct Lookups {
    wanted: mpsc::Sender<IpAddr>,
    /// Unbounded, and yet never longer than the queue and the running lookups together: an
    /// address is not asked for again before its outcome is taken.
    ended: mpsc::UnboundedReceiver<Ended>,
    _starter: JoinSet<()>,
}

/// A lookup that is over.
pub(super) struct Ended {
    pub(super) peer: IpAddr,
    pub(super) outcome: Outcome,
}

impl Lookups {
    /// Spawns the task that starts the lookups; needs a tokio runtime with time.
    pub(super) fn start<R: Resolve>(resolver: R, limits: &Limits) -> Self {
        let (wanted, queue) = mpsc::channel(limits.queued.max(1));
        let (report, ended) = mpsc::unbounded_channel();
        let mut starter = JoinSet::new();
        starter.spawn(start_each(resolver, queue, report, *limits));
        Self { wanted, ended, _starter: starter }
    }

    /// Gives a place in the queue, if one is free.
    pub(super) fn place(&self) -> Option<mpsc::Permit<'_, IpAddr>> {
        self.wanted.try_reserve().ok()
    }

    /// Gives a lookup that has ended, if there is one.
    pub(super) fn try_ended(&mut self) -> Option<Ended> {
        self.ended.try_recv().ok()
    }

    /// Waits for a lookup to end. Nothing is lost when the wait is dropped.
    pub(super) async fn ended(&mut self) -> Option<Ended> {
        self.ended.recv().await
    }
}

async fn start_each<R: Resolve>(
    resolver: R,
    mut queue: mpsc::Receiver<IpAddr>,
    report: mpsc::UnboundedSender<Ended>,
    limits: Limits,
) {
    let resolver = Arc::new(resolver);
    let mut running = JoinSet::new();
    loop {
        // The place is awaited before the address is taken: what waits, waits in the queue.
        while running.len() >= limits.at_once.max(1) {
            running.join_next().await;
        }
        let Some(peer) = queue.recv().await else {
            return;
        };
        while running.try_join_next().is_some() {}
        let report = Report::new(peer, report.clone());
        running.spawn(look_up(Arc::clone(&resolver), report, limits.lookup_time));
    }
}

async fn look_up<R: Resolve>(resolver: Arc<R>, mut report: Report, limit: time::Duration) {
    let peer = report.peer;
    match time::timeout(limit, resolver.lookup(peer)).await {
        Ok(Ok(names)) => {
            report.outcome = match hostname::choose(&names) {
                Some(name) => Outcome::Named(name.into()),
                None => Outcome::Nameless,
            };
        }
        Ok(Err(err)) => log::debug!("look up the name of {peer}: {err:#}"),
        Err(_) => log::debug!("look up the name of {peer}: no answer within {limit:?}"),
    }
}

/// Reports the outcome when dropped: a resolver that panics is one that didn't answer, and
/// leaves no address pending for ever.
struct Report {
    peer: IpAddr,
    outcome: Outcome,
    to: mpsc::UnboundedSender<Ended>,
}

impl Report {
    fn new(peer: IpAddr, to: mpsc::UnboundedSender<Ended>) -> Self {
        Self { peer, outcome: Outcome::Unanswered, to }
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::Unanswered);
        // Nobody to tell: the agent is stopping.
        let _ = self.to.send(Ended { peer: self.peer, outcome });
    }
}
