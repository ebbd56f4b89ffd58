//! What a fleet takes of Prometheus: a real one scrapes the files of simulated hosts by the
//! project's rules.

mod exporter;
mod fleet;
mod prometheus;

use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::{generator::Holding, netns, proc, results::Results, running::Running, tracer::Tracer};
use exporter::Exporter;
use fleet::Fleet;
use prometheus::Prometheus;

/// The hosts that figures are told for.
const THOUSAND: f64 = 1e3;

/// How long Prometheus may take to know every edge.
const PATIENCE: Duration = Duration::from_secs(300);

/// Each query is asked so many times.
const ASKED: usize = 5;

/// What the graph of a fleet is drawn from, and what the questions about it are.
const QUERIES: [(&str, &str); 5] = [
    ("the whole graph by hosts", "host_edge:ngraph_connections_opened:increase5m"),
    (
        "what talks to this host",
        "host_edge:ngraph_connections_opened:increase5m{target=\"host-00007\"}",
    ),
    ("the 20 edges with most", "topk(20, edge:ngraph_connections_opened:increase5m)"),
    ("one-sided edges", "count(edge:ngraph_one_sided:increase5m)"),
    ("the graph by jobs", "job_edge:ngraph_connections_opened:increase5m"),
];

/// What to simulate.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// The agent: what it tells of itself in its file, each host's does
    #[arg(long, value_name = "PATH")]
    agent: PathBuf,
    /// The Prometheus
    #[arg(long, value_name = "PATH")]
    prometheus: PathBuf,
    /// The folder of its rules
    #[arg(long, value_name = "DIR")]
    rules: PathBuf,
    /// Hosts
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..60_000))]
    hosts: u32,
    /// Other hosts that each host calls; as many call it
    #[arg(long, value_name = "N", default_value_t = 25)]
    callees: u32,
    /// How long Prometheus is watched once it knows every edge
    #[arg(long, default_value_t = 420)]
    seconds: u64,
    /// Families that aren't kept, as a regular expression of their names
    #[arg(long, value_name = "REGEX")]
    drop: Option<String>,
    /// Where to write the figures as JSON, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Simulates, waits until Prometheus has every edge, and measures it for a while.
pub(crate) fn measure(options: &Options) -> Result<()> {
    let fleet = Fleet { hosts: options.hosts, callees: options.callees.min(options.hosts - 1) };
    // Prometheus runs elsewhere, and takes no rules for none that are there.
    let rules = options.rules.canonicalize();
    let rules = rules.with_context(|| format!("find {}", options.rules.display()))?;
    netns::enter_new()?;
    let mut results = Results::default();
    let agents = agents_part(options)?;
    tell_of_files(fleet, &agents, &mut results);
    let exporter = Exporter::start(fleet, &agents)?;
    let prometheus = Prometheus::start(
        &options.prometheus,
        &rules,
        fleet,
        exporter.port,
        options.drop.as_deref(),
    )?;
    wait_for_edges(&prometheus, fleet)?;
    watch(&prometheus, fleet, options.seconds, &mut results)?;
    println!("{}", results.table());
    if let Some(file) = &options.json {
        let text = format!("{:#}\n", results.json());
        fs::write(file, text).with_context(|| format!("write {}", file.display()))?;
    }
    Ok(())
}

/// What a real agent with a connection to tell of tells of itself.
fn agents_part(options: &Options) -> Result<String> {
    let _held = Holding::open(2, 1, 0)?;
    let running = Running::start(&Tracer::agent(options.agent.clone(), &[]), None)?;
    Ok(fleet::agents_part(running.next_samples()?.text()))
}

fn tell_of_files(fleet: Fleet, agents: &str, results: &mut Results) {
    let edges = fleet.file(0, 3600, 0);
    for (of, text) in [("the agent itself", agents), ("its edges", &edges)] {
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        results.add("series of a host", of, series as f64);
        results.add("bytes of a host's file", of, text.len() as f64);
    }
}

fn wait_for_edges(prometheus: &Prometheus, fleet: Fleet) -> Result<()> {
    let query = "count(host_edge:network_connections:sum)";
    let start = Instant::now();
    eprintln!("wait until Prometheus has the {} edges", fleet.edges());
    loop {
        let known = prometheus.value(query).unwrap_or(0.0) as u64;
        if known == fleet.edges() {
            return Ok(());
        }
        if start.elapsed() > PATIENCE {
            bail!("Prometheus draws {known} of {} edges after {PATIENCE:?}", fleet.edges());
        }
        thread::sleep(Duration::from_secs(1));
    }
}

fn watch(prometheus: &Prometheus, fleet: Fleet, seconds: u64, results: &mut Results) -> Result<()> {
    eprintln!("watch it for {seconds} s");
    let (cpu, start) = (proc::cpu(prometheus.pid())?, Instant::now());
    thread::sleep(Duration::from_secs(seconds));
    let used = proc::cpu(prometheus.pid())?.saturating_sub(cpu).as_secs_f64();
    let share = used / start.elapsed().as_secs_f64();
    let of = format!("{} hosts, {} edges", fleet.hosts, fleet.edges());
    let window = format!("[{}s]", seconds.max(60));
    for (name, query) in [
        ("series in Prometheus", "prometheus_tsdb_head_series".to_owned()),
        ("series that rules make", "count({__name__=~\".+:.+\"})".to_owned()),
        ("samples a second", format!("rate(prometheus_tsdb_head_samples_appended_total{window})")),
        ("scrape of a host, ms", "1e3 * quantile(0.5, scrape_duration_seconds)".to_owned()),
        ("hosts whose scrape fails", "count(up == 0) or vector(0)".to_owned()),
        ("alerts that fire", "count(ALERTS{alertstate=\"firing\"}) or vector(0)".to_owned()),
    ] {
        results.add(name, &of, prometheus.value(&query)?);
    }
    for group in ["edges", "scale", "alerts"] {
        let took = format!(
            "1e3 * quantile_over_time(0.5, prometheus_rule_group_last_duration_seconds{{\
             rule_group=~\".*/{group}[.]rules.*\"}}{window})"
        );
        let took = prometheus.query(&took)?.0.iter().sum();
        results.add("a minute's evaluation of rules, ms", group, took);
    }
    let (resident, peak) = proc::memory(prometheus.pid())?;
    results.add("Prometheus' memory, MB", "resident", resident as f64 / 1e6);
    results.add("Prometheus' memory, MB", "peak", peak as f64 / 1e6);
    results.add("Prometheus' CPU, % of a processor", &of, share * 100.0);
    let per_thousand = THOUSAND / f64::from(fleet.hosts);
    results.add("the same for 1,000 hosts", "memory, MB", peak as f64 / 1e6 * per_thousand);
    results.add("the same for 1,000 hosts", "CPU, %", share * 100.0 * per_thousand);
    for (name, query) in QUERIES {
        for _ in 0..ASKED {
            let (_, took) = prometheus.query(query)?;
            results.add("query, ms", name, took.as_secs_f64() * 1e3);
        }
    }
    Ok(())
}
