//! The connections of one listener: no more than there is room for.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use log::debug;
use tokio::{
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use super::{Listener, Site, connection};

/// Connections that a listener has at one time. Each costs some 20 kB while its head is read.
pub const MOST_CONNECTIONS: usize = 64;

/// How long to wait where a connection can't be taken: for want of descriptors or memory, which
/// others give back.
const BREATH: Duration = Duration::from_millis(100);

/// Serves `site` to whoever comes to `listener`, for ever. Where there is no room, the one that
/// came first goes, having had the most of its time: so whoever opens many connections and asks
/// nothing turns out his own, and keeps nobody from asking.
pub(super) async fn receive(mut listener: impl Listener, site: Site, turned_out: &AtomicU64) {
    let site = Arc::new(site);
    let mut tasks = JoinSet::new();
    let mut open: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(stream) => {
                    if open.len() >= MOST_CONNECTIONS && let Some(oldest) = open.pop_front() {
                        oldest.abort();
                        turned_out.fetch_add(1, Ordering::Relaxed);
                    }
                    open.push_back(tasks.spawn(connection::serve(stream, Arc::clone(&site))));
                }
                Err(err) => {
                    debug!("accept a connection: {err}");
                    sleep(BREATH).await;
                }
            },
            Some(_) = tasks.join_next() => open.retain(|task| !task.is_finished()),
        }
    }
}
