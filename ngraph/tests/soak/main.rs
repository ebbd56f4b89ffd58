//! The agent under churn for minutes or hours, on the machine as it is: nothing may grow,
//! nothing may be lost, and at the end every count is right. `cargo xtask soak` runs it.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod churn;
mod flat;
mod flood;
#[path = "../support/mod.rs"]
mod support;

use std::{
    env, fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use churn::{Churn, Made};
use flat::Series;
use support::{
    agent::{Agent, command},
    isolated,
    metrics::Metrics,
    netns, wait_for,
};

/// Tells how long it lasts, in seconds.
const LENGTH: &str = "NGRAPH_SOAK_SECONDS";

/// How often something goes wrong, and how long the agent stands still then: what comes meanwhile
/// is told late and not lost.
const FAULT_EVERY: Duration = Duration::from_secs(15);
const STANDSTILL: Duration = Duration::from_secs(10);

/// Lines of a log that has nothing to tell, and what each fault may add.
const LINES: usize = 10;
const LINES_OF_A_FAULT: usize = 4;

#[test]
#[ignore = "takes minutes: cargo xtask soak"]
fn descriptors_memory_and_log_stay_flat_and_counts_right() {
    if !support::is_root() {
        support::skip("needs root");
        return;
    }
    let length = env::var(LENGTH).ok().map_or(120, |seconds| seconds.parse().unwrap());
    isolated(|| soak(Duration::from_secs(length)));
}

fn soak(length: Duration) {
    netns::enter_new();
    let place = TempDir::new().unwrap();
    let folder = place.path().join("textfile");
    let mut command = command(&["--interval=1", "--no-resolve", "--all"]);
    command.arg("--output").arg(&folder);
    let agent = Agent::run(command, &folder);
    agent.wait_for("the first file", |_| true);

    let churn = Churn::start();
    let (series, faults) = watch(&agent, &folder, length);
    let made = churn.stop();
    let metrics = agent.expect("at rest all that was made is counted", |it| is_all(it, made));
    let log = agent.stop();

    println!("{made} in {} s, {} a second", length.as_secs(), made.opened / length.as_secs());
    println!("{series}");
    println!("{} lines of log, {faults} faults", log.1.lines().count());
    assert_eq!(lost(&metrics), []);
    assert_eq!(log.0.code(), Some(0), "{}", log.1);
    assert!(!log.1.contains("panicked"), "{}", log.1);
    assert!(log.1.lines().count() <= LINES + LINES_OF_A_FAULT * faults, "{}", log.1);
    if let Err(growth) = series.judge() {
        panic!("{growth}\n{}", log.1);
    }
}

/// Looks at the agent each second, and every now and then does it some harm.
fn watch(agent: &Agent, folder: &Path, length: Duration) -> (Series, usize) {
    let start = Instant::now();
    let (mut series, mut faults) = (Series::default(), 0);
    while start.elapsed() < length {
        thread::sleep(Duration::from_secs(1));
        // Parsing it is a check: half a file, a line twice, and it panics.
        let metrics = agent.wait_for("a file", |_| true);
        series.take(start.elapsed(), agent.pid(), &metrics);
        assert_eq!(lost(&metrics), []);
        if start.elapsed() > FAULT_EVERY * (faults as u32 + 1) {
            harm(agent, folder, faults);
            faults += 1;
        }
    }
    (series, faults)
}

/// What was lost, by its reason.
fn lost(metrics: &Metrics) -> Vec<(String, f64)> {
    (metrics.with("ngraph_events_lost_total", &[]).filter(|it| it.value > 0.0))
        .map(|it| (it.labels["reason"].clone(), it.value))
        .collect()
}

/// One fault after the other: its folder goes, or it stands still.
fn harm(agent: &Agent, folder: &Path, which: usize) {
    if which.is_multiple_of(2) {
        // The agent may be making a file in it.
        wait_for("the folder to be gone", || fs::remove_dir_all(folder).ok());
        agent.settled();
    } else {
        agent.signal(Signal::STOP);
        thread::sleep(STANDSTILL);
        agent.signal(Signal::CONT);
    }
}

/// Whether a file tells of all that was made, and of nothing that is still open.
fn is_all(metrics: &Metrics, made: Made) -> bool {
    let of = |family: &str, direction: Option<&str>| {
        let is_ours = |labels: &std::collections::BTreeMap<String, String>| {
            labels.get("dest_ip").is_some_and(|ip| ip.starts_with(churn::ADDRESSES))
                && direction.is_none_or(|direction| labels["direction"] == direction)
        };
        let ours = metrics.0.iter().filter(|it| it.name == family && is_ours(&it.labels));
        ours.map(|it| it.value).sum::<f64>() as u64
    };
    of("ngraph_connections_opened_total", Some("output")) == made.opened
        && of("ngraph_connections_opened_total", Some("input")) == made.opened
        && of("ngraph_connect_failures_total", None) == made.refused
        && of("network_connections_output_total", None) == 0
        && of("network_connections_input_total", None) == 0
}
