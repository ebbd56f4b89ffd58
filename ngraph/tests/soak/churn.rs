//! Traffic of many kinds at once, at a steady rate, which knows how much it made.

use std::{
    fmt,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::support::{
    netns,
    traffic::{Held, held, refused_connects, reset},
};

/// How all addresses begin that are connected to; no other test's do.
pub const ADDRESSES: &str = "127.77.";

/// What was made until now.
#[derive(Clone, Copy, Debug)]
pub struct Made {
    pub opened: u64,
    pub refused: u64,
    pub namespaces: u64,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { opened, refused, namespaces } = self;
        write!(f, "{opened} connections, {refused} refused ones, {namespaces} namespaces")
    }
}

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    opened: AtomicU64,
    refused: AtomicU64,
    namespaces: AtomicU64,
}

/// Makes some traffic of one kind.
type Kind = fn(&Counts);

/// Running generators.
pub struct Churn {
    counts: Arc<Counts>,
    threads: Vec<JoinHandle<()>>,
}

impl Churn {
    /// Starts a thread for each kind of traffic.
    pub fn start() -> Self {
        let counts = Arc::new(Counts::default());
        let kinds = [(short as Kind, 20), (wave, 500), (namespace, 250), (refused, 200)];
        let threads = kinds.map(|(make, pause)| {
            let counts = Arc::clone(&counts);
            thread::spawn(move || {
                while !counts.stop.load(Ordering::Relaxed) {
                    make(&counts);
                    thread::sleep(Duration::from_millis(pause));
                }
            })
        });
        Self { counts, threads: threads.into() }
    }

    /// Ends all, and tells what was made.
    pub fn stop(self) -> Made {
        self.counts.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counts { opened, refused, namespaces, .. } = &*self.counts;
        Made { opened: of(opened), refused: of(refused), namespaces: of(namespaces) }
    }
}

/// Ten connections, closed at once. By reset, or ports would lie in TIME_WAIT for a minute.
fn short(counts: &Counts) {
    let listener = TcpListener::bind("127.77.0.1:0").unwrap();
    for _ in 0..10 {
        let Held { client, server } = held(&listener);
        reset(client);
        drop(server);
    }
    counts.opened.fetch_add(10, Ordering::Relaxed);
}

/// A wave of connections that are open together.
fn wave(counts: &Counts) {
    let listener = TcpListener::bind("127.77.1.1:0").unwrap();
    let all: Vec<Held> = (0..50).map(|_| held(&listener)).collect();
    counts.opened.fetch_add(50, Ordering::Relaxed);
    thread::sleep(Duration::from_millis(2500));
    all.into_iter().for_each(Held::close);
}

/// A network namespace that lives for a moment.
fn namespace(counts: &Counts) {
    let inside = || {
        netns::enter_new();
        let listener = TcpListener::bind("127.77.2.1:0").unwrap();
        (0..5).for_each(|_| held(&listener).close());
    };
    thread::spawn(inside).join().unwrap();
    counts.opened.fetch_add(5, Ordering::Relaxed);
    counts.namespaces.fetch_add(1, Ordering::Relaxed);
}

/// Attempts where nobody listens.
fn refused(counts: &Counts) {
    refused_connects("127.77.3.1", 5);
    counts.refused.fetch_add(5, Ordering::Relaxed);
}
