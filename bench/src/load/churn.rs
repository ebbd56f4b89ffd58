//! Short connections, as many as asked for or as there can be.

use std::{
    io::{ErrorKind, Read as _},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use rustix::{
    net::{Shutdown, shutdown, sockopt},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use super::{Close, Options, latency::Latency};

/// Connections that may wait in a listener's queue. Past the queue's length (128 where it is
/// shortest) the kernel drops what a client takes for open, and a connect waits for a second.
const MOST_WAITING: u64 = 100;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Churned {
    pub(crate) connections: u64,
    pub(crate) seconds: f64,
    pub(crate) latency: Latency,
    pub(crate) ports: Vec<u16>,
}

/// A listener and how far it is.
struct Server {
    listener: TcpListener,
    port: u16,
    made: AtomicU64,
    accepted: AtomicU64,
}

/// Makes connections for as long as `options` say.
pub(crate) fn churn(options: &Options) -> Result<Churned> {
    if options.rate == Some(0) {
        return Ok(Churned::default());
    }
    ensure!(options.threads > 0 && options.accepters > 0, "--threads and --accepters: not 0");
    let servers = (0..options.accepters).map(|_| Server::new()).collect::<Result<Vec<_>>>()?;
    let start = Instant::now();
    let ports = servers.iter().map(|server| server.port).collect();
    let mut all = Churned { ports, ..Churned::default() };
    thread::scope(|scope| -> Result<()> {
        let at = |number: usize| number % servers.len();
        let accepters: Vec<_> = (servers.iter().enumerate())
            .map(|(number, server)| {
                scope.spawn(move || {
                    stay_on(number)?;
                    server.accept(options.close)
                })
            })
            .collect();
        let clients: Vec<_> = (0..options.threads)
            .map(|number| {
                let server = &servers[at(number)];
                scope.spawn(move || {
                    stay_on(at(number))?;
                    client(server, number, options, start)
                })
            })
            .collect();
        let done: Vec<_> = clients.into_iter().map(thread::ScopedJoinHandle::join).collect();
        all.seconds = start.elapsed().as_secs_f64();
        // Nobody connects any more; what waits is accepted first.
        servers.iter().for_each(Server::stop);
        for client in done {
            let client = client.expect("a client thread doesn't panic")?;
            all.connections += client.connections;
            all.latency.merge(&client.latency);
        }
        for accepter in accepters {
            accepter.join().expect("an accepter thread doesn't panic")?;
        }
        Ok(())
    })?;
    Ok(all)
}

impl Server {
    fn new() -> Result<Self> {
        // On every address, so that clients may spread over 127.0.0.0/8.
        let listener = TcpListener::bind("0.0.0.0:0").context("listen on loopback")?;
        let port = listener.local_addr().context("ask for the listener's port")?.port();
        Ok(Self { listener, port, made: AtomicU64::new(0), accepted: AtomicU64::new(0) })
    }

    fn accept(&self, close: Close) -> Result<()> {
        loop {
            match self.listener.accept() {
                Ok((mut stream, _)) => {
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    if close == Close::Fin {
                        // The client's end comes first, as with most protocols.
                        let _ = stream.read(&mut [0]);
                    }
                }
                // A listener that was shut down.
                Err(err) if err.kind() == ErrorKind::InvalidInput => return Ok(()),
                Err(err) => return Err(err).context("accept a connection"),
            }
        }
    }

    fn waiting(&self) -> u64 {
        let accepted = self.accepted.load(Ordering::Relaxed);
        self.made.load(Ordering::Relaxed).saturating_sub(accepted)
    }

    fn stop(&self) {
        while self.waiting() > 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let _ = shutdown(&self.listener, Shutdown::Both);
    }
}

/// Keeps the calling thread on one of the processors. A listener's clients and its accepter share
/// one: which of them wakes the other, and from where, would depend on whatever else runs for a
/// moment, and change the pace by a third.
fn stay_on(number: usize) -> Result<()> {
    let allowed = sched_getaffinity(None).context("ask for the processors that may be used")?;
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&at| allowed.is_set(at)).collect();
    let mut own = CpuSet::new();
    own.set(processors[number % processors.len()]);
    sched_setaffinity(None, &own).context("stay on a processor")
}

fn client(server: &Server, number: usize, options: &Options, start: Instant) -> Result<Churned> {
    let mut own = Churned::default();
    let end = start + Duration::from_secs_f64(options.seconds);
    let pause = options
        .rate
        .map_or(Duration::ZERO, |rate| Duration::from_secs(options.threads as u64) / rate as u32);
    let mut due = start;
    loop {
        let now = Instant::now();
        if now >= end {
            return Ok(own);
        }
        if due > now {
            thread::sleep((due - now).min(end - now));
            continue;
        }
        due += pause;
        while server.waiting() > MOST_WAITING {
            thread::yield_now();
        }
        // Clients that share a listener begin at other addresses.
        let target = address(number as u64 + own.connections, options.addresses);
        let began = Instant::now();
        let stream = TcpStream::connect(SocketAddrV4::new(target, server.port))
            .with_context(|| format!("connect to {target}"))?;
        own.latency.add(began.elapsed());
        server.made.fetch_add(1, Ordering::Relaxed);
        own.connections += 1;
        if options.close == Close::Reset {
            sockopt::set_socket_linger(&stream, Some(Duration::ZERO))
                .context("have close reset a connection")?;
        }
    }
}

/// One of so many addresses of loopback, of which each makes an edge a direction.
pub(crate) fn address(number: u64, addresses: u32) -> Ipv4Addr {
    let offset = (number % u64::from(addresses.max(1))) as u32;
    Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_round_and_begin_with_localhost() {
        let all: Vec<_> = (0..4).map(|number| address(number, 3).to_string()).collect();
        assert_eq!(all, ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.1"]);
        assert_eq!(address(7, 0), Ipv4Addr::LOCALHOST);
    }

    #[test]
    fn a_rate_is_kept_and_every_connection_counted() {
        for close in [Close::Reset, Close::Fin] {
            let rate = Some(500);
            let options = Options { rate, close, seconds: 0.2, addresses: 3, ..Options::default() };
            // At most what is due; how many a busy machine makes of it is its own affair, and it
            // may be none.
            let mut tries = std::iter::repeat_with(|| churn(&options).unwrap()).take(50);
            let churned = tries.find(|it| it.connections > 0).unwrap();
            assert!(churned.connections <= 102, "{churned:?}");
            assert!(churned.latency.quantile_us(0.5).is_some());
        }
    }
}
