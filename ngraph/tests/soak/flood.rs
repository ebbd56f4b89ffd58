//! As many connections as four threads can make.

use std::{
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use crate::support::{agent::Agent, isolated, metrics::Metrics, netns, traffic::reset};

const LENGTH: Duration = Duration::from_secs(60);
const THREADS: usize = 4;

/// What a minute may add to the memory of its first five seconds (the ends remembered while a
/// snapshot is made are bounded, and come and go), and how long a file of one edge may be.
const GROWTH: u64 = 12 << 20;
const FILE: u64 = 32 << 10;

#[test]
#[ignore = "takes a minute: cargo xtask soak"]
fn a_flood_grows_neither_memory_nor_the_file_and_is_counted_to_the_last() {
    if !crate::support::is_root() {
        crate::support::skip("needs root");
        return;
    }
    isolated(|| {
        let overflowed = flood(&[], LENGTH);
        println!("{overflowed} events late");
    });
}

#[test]
#[ignore = "floods the machine: cargo xtask soak"]
fn the_smallest_ring_loses_nothing_in_a_flood() {
    if !crate::support::is_root() {
        crate::support::skip("needs root");
        return;
    }
    isolated(|| {
        let overflowed = flood(&["--ring-bytes=4096"], LENGTH / 4);
        println!("{overflowed} events late");
        assert!(overflowed > 0, "the ring was never full");
    });
}

/// Events that found the ring buffer full while so much time long four threads connected.
fn flood(args: &[&str], length: Duration) -> u64 {
    netns::enter_new();
    let agent = Agent::start(args);
    let start = Instant::now();
    let (made, resident) = thread::scope(|scope| {
        let threads = [(); THREADS].map(|()| scope.spawn(|| connect_until(start + length)));
        let mut resident = Vec::new();
        while start.elapsed() < length {
            thread::sleep(Duration::from_secs(1));
            let metrics = agent.wait_for("a file", |_| true);
            assert_eq!(metrics.sum("ngraph_events_lost_total", &[]), 0);
            resident.push(metrics.sum("ngraph_process_resident_memory_bytes", &[]));
        }
        let made: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        (made, resident)
    });
    let both = |it: &Metrics| (it.opened("output"), it.opened("input"));
    let metrics = agent.expect("each is counted at either end", |it| both(it) == (made, made));
    let overflowed = metrics.sum("ngraph_events_overflowed_total", &[]);
    let (kernel, captured) = metrics.audited("output");
    assert_eq!((kernel, captured), (made, made));
    // A spare that found no room in the ring is among what was counted late.
    let (kernel, captured) = metrics.audited("input");
    assert!(kernel == captured && kernel >= made && kernel - made <= overflowed + spares(&metrics));
    let (first, most) = (resident[..5].iter().max().unwrap(), resident.iter().max().unwrap());
    println!("{made} connections, {} a second", made / length.as_secs());
    println!("resident: at most {first} bytes in the first five seconds, {most} in all");
    assert!(*most <= first + GROWTH, "grew from {first} to {most} bytes");
    assert!(agent.file().metadata().unwrap().len() <= FILE);
    overflowed
}

fn spares(metrics: &Metrics) -> u64 {
    metrics.sum("ngraph_events_total", &[("kind", "spare")])
}

fn connect_until(end: Instant) -> u64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut made = 0;
    while Instant::now() < end {
        let client = TcpStream::connect(address).unwrap();
        let (server, _) = listener.accept().unwrap();
        reset(client);
        drop(server);
        made += 1;
    }
    made
}
