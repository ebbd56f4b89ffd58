//! What `ngraph watch` prints of real connections.

use std::{
    collections::BTreeMap,
    net::TcpListener,
    time::{Duration, SystemTime},
};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::{
    agent::{command, ends_well_after_a_line},
    has_btf, netns, snapshots_without_btf,
    traffic::{held, refused_connects, short_connections},
    watch::Watch,
};
use crate::captures;

/// How many connections lines tell of, by event and direction.
fn counted(lines: &[Value]) -> BTreeMap<(String, String), u64> {
    let mut counts = BTreeMap::new();
    for line in lines {
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        let count = line["count"].as_u64().unwrap_or(1);
        *counts.entry((text("event"), text("direction"))).or_default() += count;
    }
    counts
}

fn of(counts: &BTreeMap<(String, String), u64>, event: &str, direction: &str) -> u64 {
    counts.get(&(event.to_owned(), direction.to_owned())).copied().unwrap_or(0)
}

/// Reads until `most` of what `weight` gives have come, ends it, and gives all lines.
fn read(mut watch: Watch, most: u64, weight: impl Fn(&Value) -> u64) -> Vec<Value> {
    let mut sum = 0;
    let mut lines = watch.until("all of them", |line| {
        sum += weight(line);
        sum >= most
    });
    watch.signal(Signal::TERM);
    let (status, rest) = watch.end();
    assert!(status.success(), "{status}");
    lines.extend(rest);
    lines
}

fn each_of_many_short_connections_is_a_line_when_it_opens_and_when_it_closes(capture: &str) {
    const MANY: u64 = 2_000;
    netns::enter_new();
    let began = SystemTime::now();
    let (watch, before) = Watch::start(&["--capture", capture]);
    assert_eq!(before.len(), 1, "nothing was open: {before:?}");
    let server = short_connections("127.0.0.1:0", None, MANY as usize);
    let lines = read(watch, 4 * MANY, |_| 1);
    let counts = counted(&lines);
    for event in ["opened", "closed"] {
        for direction in ["input", "output"] {
            assert_eq!(of(&counts, event, direction), MANY, "{counts:?}");
        }
    }
    assert_eq!(lines.len() as u64, 4 * MANY, "{counts:?}");
    let mut clients = BTreeMap::new();
    let since = humantime::format_rfc3339(began).to_string();
    for line in &lines {
        assert_eq!((&line["src_ip"], &line["dest_ip"]), (&json!("127.0.0.1"), &json!("127.0.0.1")));
        assert_eq!(line["dest_port"], server.port(), "{line}");
        assert_eq!(line["netns"].to_string(), netns::number(), "{line}");
        assert!(line["time"].as_str().unwrap() > since.as_str(), "{line}");
        assert!(line.get("count").is_none(), "{line}");
        *clients.entry(line["src_port"].as_u64().unwrap()).or_insert(0) += 1;
        if line["event"] == "closed" {
            let lasted = line["duration_seconds"].as_f64().unwrap();
            assert!(lasted < began.elapsed().unwrap().as_secs_f64(), "{line}");
        }
    }
    // Ports may be used again, by connections of their own.
    assert!(clients.values().all(|count| count % 4 == 0), "{clients:?}");
}
captures!(each_of_many_short_connections_is_a_line_when_it_opens_and_when_it_closes: auto, tracepoint);

fn a_line_tells_whose_a_connection_is(capture: &str) {
    netns::enter_new();
    let (mut watch, _) = Watch::start(&["--capture", capture]);
    short_connections("127.0.0.1:0", None, 1);
    let command = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    let lines = watch.until("the client's end", |line| {
        line["event"] == "closed" && line["direction"] == "output"
    });
    for line in lines.iter().filter(|line| line["direction"] == "output") {
        assert_eq!(line["pid"], std::process::id(), "{line}");
        assert_eq!(line["command"], command.trim_end(), "{line}");
    }
}
captures!(a_line_tells_whose_a_connection_is: auto, tracepoint);

fn an_attempt_that_is_refused_is_a_line_with_the_reason(capture: &str) {
    netns::enter_new();
    let (watch, _) = Watch::start(&["--capture", capture]);
    refused_connects("127.0.0.1", 20);
    let lines = read(watch, 20, |_| 1);
    let reason = if has_btf() { "refused" } else { "other" };
    for line in &lines {
        assert_eq!((&line["event"], &line["reason"]), (&json!("failed"), &json!(reason)), "{line}");
        assert_eq!((&line["direction"], &line["dest_ip"]), (&json!("output"), &json!("127.0.0.1")));
    }
    assert_eq!(lines.len(), 20, "{lines:?}");
}
captures!(an_attempt_that_is_refused_is_a_line_with_the_reason: auto, tracepoint);

fn what_was_open_at_the_start_is_told_first_and_its_end_later(capture: &str) {
    netns::enter_new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let all = [(); 3].map(|()| held(&listener));
    let args = ["--capture", capture];
    let (mut watch, mut before) = Watch::start(&[&args[..], snapshots_without_btf()].concat());
    before.pop();
    let counts = counted(&before);
    assert_eq!((of(&counts, "open", "input"), of(&counts, "open", "output")), (3, 3), "{before:?}");
    assert_eq!(before.len(), 6, "{before:?}");
    all.into_iter().for_each(|it| it.close());
    let mut ends = 0;
    let after = watch.until("their ends", |line| {
        ends += u64::from(line["event"] == "closed");
        ends == 6
    });
    assert_eq!(after.len(), 6, "{after:?}");
}
captures!(what_was_open_at_the_start_is_told_first_and_its_end_later: auto, kprobe, tracepoint, procfs);

fn for_a_reader_who_stalls_every_line_is_kept_or_counted(capture: &str) {
    const MANY: u64 = 2_000;
    netns::enter_new();
    let (watch, _) = Watch::start(&["--capture", capture, "--queue", "100"]);
    short_connections("127.0.0.1:0", None, MANY as usize);
    let is_dropped = |line: &Value| line["event"] == "dropped";
    let weight = |line: &Value| if is_dropped(line) { line["count"].as_u64().unwrap() } else { 1 };
    let lines = read(watch, 4 * MANY, weight);
    assert_eq!(lines.iter().map(weight).sum::<u64>(), 4 * MANY);
    assert!(lines.iter().any(is_dropped), "the reader was never too slow");
}
captures!(for_a_reader_who_stalls_every_line_is_kept_or_counted: auto, tracepoint);

fn what_found_the_ring_full_is_told_by_its_number(capture: &str) {
    const MANY: u64 = 500;
    netns::enter_new();
    let (watch, _) = Watch::start(&["--capture", capture, "--ring-bytes", "4096"]);
    watch.signal(Signal::STOP);
    short_connections("127.0.0.1:0", None, MANY as usize);
    watch.signal(Signal::CONT);
    let is_opened = |line: &Value| line["event"] == "opened";
    let count = |line: &Value| line["count"].as_u64().unwrap_or(1);
    let lines = read(watch, 2 * MANY, |line| if is_opened(line) { count(line) } else { 0 });
    let counts = counted(&lines);
    let opened = (of(&counts, "opened", "input"), of(&counts, "opened", "output"));
    assert_eq!(opened, (MANY, MANY), "{counts:?}");
    let alike: Vec<_> =
        lines.iter().filter(|line| is_opened(line) && line.get("count").is_some()).collect();
    assert!(!alike.is_empty(), "the ring was never full: {counts:?}");
    assert!(alike.iter().all(|line| line.get("dest_port").is_none()), "{alike:?}");
}
captures!(what_found_the_ring_full_is_told_by_its_number: auto, tracepoint);

fn a_reader_who_goes_ends_it_though_nothing_happens(capture: &str) {
    netns::enter_new();
    ends_well_after_a_line(command(&["watch", "--no-resolve", "--capture", capture]));
}
captures!(a_reader_who_goes_ends_it_though_nothing_happens: auto, procfs);

fn told_to_end_it_ends_well_whoever_reads(capture: &str) {
    netns::enter_new();
    for signal in [Signal::TERM, Signal::INT] {
        let (mut watch, _) = Watch::start(&["--capture", capture]);
        watch.signal(signal);
        let (status, rest) = watch.end();
        assert_eq!((status.code(), rest), (Some(0), Vec::new()));
    }
    // Nobody has asked for a line yet, and the pipe is too small for these.
    let (watch, _) = Watch::start(&["--capture", capture]);
    short_connections("127.0.0.1:0", None, 1_000);
    watch.signal(Signal::TERM);
    super::support::wait_for("its end", || {
        // Reads nothing, so that it ends without its last lines.
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", watch.pid())).unwrap();
        stat.rsplit(')').next().unwrap().trim().starts_with('Z').then_some(())
    });
}
captures!(told_to_end_it_ends_well_whoever_reads: auto);

fn behind_its_fence_it_keeps_no_more_than_tracing_takes(capture: &str) {
    netns::enter_new();
    let (watch, _) = Watch::start(&["--capture", capture]);
    let status = std::fs::read_to_string(format!("/proc/{}/status", watch.pid())).unwrap();
    let kept = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    // CAP_PERFMON and CAP_BPF: no file is written, so none of those for files.
    assert_eq!(u64::from_str_radix(kept.trim(), 16).unwrap(), 1 << 38 | 1 << 39);
    assert!(status.contains("Seccomp:\t2"), "{status}");
}
captures!(behind_its_fence_it_keeps_no_more_than_tracing_takes: auto);

/// Not the time of a drain, of which there are six a second: the kernel's own.
fn a_duration_is_the_kernels(capture: &str) {
    netns::enter_new();
    let (mut watch, _) = Watch::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = SystemTime::now();
    let one = held(&listener);
    let opened = SystemTime::now();
    // Until the line is there the connection is open for at least as long as this measures.
    watch.until("an opening", |line| line["event"] == "opened" && line["direction"] == "output");
    let least = opened.elapsed().unwrap();
    one.close();
    let lines =
        watch.until("its end", |line| line["event"] == "closed" && line["direction"] == "output");
    let most = began.elapsed().unwrap();
    let line = lines.last().unwrap();
    let lasted = line["duration_seconds"].as_f64().unwrap_or_else(|| panic!("none in {line}"));
    let lasted = Duration::from_secs_f64(lasted);
    assert!(least <= lasted && lasted <= most, "{least:?} <= {lasted:?} <= {most:?}");
}
captures!(a_duration_is_the_kernels: auto, tracepoint);
