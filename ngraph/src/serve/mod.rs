//! HTTP for whoever asks: pages at listeners, in a thread of their own.
//!
//! The loop isn't kept waiting by who asks slowly, much or malicious things: the kernel shares
//! processors between threads, and a page gives what there is at once. Everything is bounded: a
//! connection is one request, whose head has so many bytes and which has so much time; there are
//! so many of them at a listener, and one more turns the oldest out.
//!
//! **One more page** is a function that gives an [`Answer`], put into a [`Site`] by `with`; what
//! changes comes through a channel that doesn't wait, such as `tokio::sync::watch`.
//! **One more listener** is an [`Listener`], bound before the fence is raised and handed to
//! [`Server::open`] with a site of its own: who comes by a socket in the file system may be shown
//! more than who comes by TCP. `agent::served` does both.
//!
//! Invariant: nothing here knows what is shown.

mod bind;
mod connection;
mod listener;
mod room;
mod site;

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use log::error;
use tokio::task::JoinSet;

pub use self::{
    bind::bind,
    listener::Listener,
    room::MOST_CONNECTIONS,
    site::{Answer, Site},
};

/// Listeners, each with its site, until they are served.
#[derive(Default)]
pub struct Server {
    doors: Vec<Door>,
    turned_out: Arc<AtomicU64>,
}

type Door = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Server {
    /// Has a listener serve a site. It is made by `listener` where it is served: a socket belongs
    /// to the runtime that waits for it.
    pub fn open<L: Listener>(
        &mut self,
        listener: impl FnOnce() -> io::Result<L> + Send + 'static,
        site: Site,
    ) {
        let turned_out = Arc::clone(&self.turned_out);
        self.doors.push(Box::pin(async move {
            match listener() {
                Ok(listener) => room::receive(listener, site, &turned_out).await,
                Err(err) => error!("serve at a socket that is bound: {err}"),
            }
        }));
    }

    /// Serves until the process ends; gives what to count by. To be called behind the fence, which
    /// holds for threads that are started there.
    ///
    /// # Errors
    /// Where there can be no further thread.
    pub fn start(self) -> Result<TurnedOut> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .context("start a runtime to serve with")?;
        let Self { doors, turned_out } = self;
        let serve = move || {
            runtime.block_on(async {
                let mut open: JoinSet<()> = doors.into_iter().collect();
                while open.join_next().await.is_some() {}
            });
        };
        let thread = thread::Builder::new().name("ngraph-serve".to_owned());
        thread.spawn(serve).context("start a thread to serve with")?;
        Ok(TurnedOut(turned_out))
    }
}

/// Counts the connections that had to make way for others.
#[derive(Debug)]
pub struct TurnedOut(Arc<AtomicU64>);

impl TurnedOut {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
