//! What the tests share: an agent under test, a network namespace of one's own, traffic.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part")]

pub mod agent;
pub mod bpf;
pub mod disk;
pub mod dnat;
pub mod exporter;
pub mod holder;
pub mod http;
pub mod limited;
pub mod links;
pub mod metrics;
pub mod netns;
pub mod segments;
pub mod sockets;
pub mod tally;
pub mod terminal;
pub mod tools;
pub mod traffic;
pub mod watch;

use std::{
    env,
    io::Write as _,
    thread,
    time::{Duration, Instant},
};

use rustix::thread::{CpuSet, sched_setaffinity};

/// How long a fact may take to become one, on a slow machine under emulation.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `fact` gives something; `what` says what was awaited when it never does.
pub fn wait_for<T>(what: &str, mut fact: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = fact() {
            return value;
        }
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Keeps the calling thread on a processor.
pub fn stay_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).expect("stay on a processor");
}

/// Skips the test it's called in: only where the machine can't run it, and never where the
/// caller says that everything must run.
pub fn skip(reason: &str) {
    assert!(env::var_os("NGRAPH_MUST_RUN").is_none(), "must not be skipped: {reason}");
    skip_earned(reason);
}

/// Skips the test it's called in for something that this kernel truly doesn't have.
pub fn skip_earned(reason: &str) {
    tell("skipped", reason);
}

/// Tells a figure that a run is judged by and that no test may assert, such as a rate.
pub fn figure(what: &str) {
    tell("figure", what);
}

/// Writes a line of `kind` about the test it's called in.
fn tell(kind: &str, what: &str) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    // Not through print!, which the test harness keeps to itself; at once, or tests that run
    // at the same time write in between.
    let line = format!("{kind}: {name}: {what}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Runs a test in a thread of its own, whose namespaces end with it even where the harness
/// gives all tests the same thread.
pub fn isolated(test: impl FnOnce() + Send) {
    let name = thread::current().name().unwrap_or("a test").to_owned();
    thread::scope(|scope| {
        let run = thread::Builder::new().name(name).spawn_scoped(scope, test);
        if let Err(panic) = run.expect("start a thread").join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Whether this process may do what root may.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether this kernel has kprobes.
pub fn has_kprobes() -> bool {
    std::path::Path::new("/sys/bus/event_source/devices/kprobe/type").exists()
}

/// Whether this kernel tells where its fields are.
pub fn has_btf() -> bool {
    std::path::Path::new("/sys/kernel/btf/vmlinux").exists()
}

/// Options for an agent that leaves to its snapshots what it can't see without BTF: more
/// often than each minute, which is as long as tests wait.
pub fn snapshots_without_btf() -> &'static [&'static str] {
    if has_btf() { &[] } else { &["--snapshot-interval=5s"] }
}
