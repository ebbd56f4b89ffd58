//! The load generator: connections on loopback, made, held and closed as asked for.

mod churn;
mod hold;
mod latency;

use std::{
    io::{self, Write as _},
    process::{Child, Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::netns;

/// What load to make.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// Short connections a second; 0: none. Without it as many as there can be
    #[arg(long, value_name = "N")]
    pub(crate) rate: Option<u64>,
    /// Threads that connect
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) threads: usize,
    /// Threads that accept, each on a port of its own
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub(crate) accepters: usize,
    /// Connections that are opened first and stay open, in each namespace
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) held: u64,
    /// Addresses of 127.0.0.0/8 that are connected to, in turn: each is an edge a direction
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) addresses: u32,
    /// How the client ends a short connection
    #[arg(long, value_enum, default_value_t = Close::Reset)]
    pub(crate) close: Close,
    /// How long short connections are made
    #[arg(long, default_value_t = 3.0)]
    pub(crate) seconds: f64,
    /// Network namespaces, each with a process that makes this load; 0: the caller's
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) namespaces: u32,
    /// Keep held connections until stdin ends
    #[arg(long)]
    pub(crate) until_eof: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rate: None,
            threads: 2,
            accepters: 2,
            held: 0,
            addresses: 1,
            close: Close::Reset,
            seconds: 3.0,
            namespaces: 0,
            until_eof: false,
        }
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Close {
    /// By a reset, which leaves no TIME_WAIT and frees the ports at once
    Reset,
    /// By a FIN, which the other end answers
    Fin,
}

impl Close {
    fn name(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Fin => "fin",
        }
    }
}

/// What a load came to: the line that is printed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Short connections made.
    pub(crate) connections: u64,
    /// In this time.
    pub(crate) seconds: f64,
    /// Half of the connects took no longer.
    pub(crate) connect_p50_us: Option<f64>,
    /// 99 of 100 connects took no longer.
    pub(crate) connect_p99_us: Option<f64>,
    /// Connections that are open.
    pub(crate) held: u64,
    /// What short connections were made to, by which a tracer's lines about them are told.
    pub(crate) ports: Vec<u16>,
}

impl Report {
    /// Connections a second.
    pub(crate) fn rate(&self) -> f64 {
        if self.seconds > 0.0 { self.connections as f64 / self.seconds } else { 0.0 }
    }
}

/// Makes the load, prints its report as a line, and holds what is to be held.
pub(crate) fn run(options: &Options) -> Result<()> {
    if options.namespaces > 0 { spread(options) } else { here(options) }
}

/// In the caller's namespace. What this process may not hold, others do.
fn here(options: &Options) -> Result<()> {
    let room = hold::room(options.held);
    ensure!(room > 0 || options.held == 0, "hold connections: the limit of open files is too low");
    let mut others = Vec::new();
    let mut left = options.held.saturating_sub(room);
    while left > 0 {
        let held = left.min(room);
        left -= held;
        others.push(Copy::start(&Options { held, rate: Some(0), ..options.clone() }, false)?);
    }
    others.iter_mut().try_for_each(|copy| copy.report().map(drop))?;
    let held = hold::hold(options.held.min(room), options.addresses)?;
    let churned = churn::churn(options)?;
    tell(&Report {
        connections: churned.connections,
        seconds: churned.seconds,
        connect_p50_us: churned.latency.quantile_us(0.5),
        connect_p99_us: churned.latency.quantile_us(0.99),
        held: options.held,
        ports: churned.ports,
    })?;
    if options.until_eof {
        wait_for_eof()?;
    }
    drop(held);
    end(others)
}

/// A process for each namespace: a thread's namespace is one that /proc doesn't list.
fn spread(options: &Options) -> Result<()> {
    let mut copies =
        (0..options.namespaces).map(|_| Copy::start(options, true)).collect::<Result<Vec<_>>>()?;
    let reports = copies.iter_mut().map(Copy::report).collect::<Result<Vec<_>>>()?;
    tell(&together(&reports))?;
    if options.until_eof {
        wait_for_eof()?;
    }
    end(copies)
}

/// Has all copies end at one time, and waits for that.
fn end(mut copies: Vec<Copy>) -> Result<()> {
    copies.iter_mut().for_each(|copy| drop(copy.0.stdin.take()));
    for Copy(mut child) in copies {
        child.wait().context("wait for another process of the load")?;
    }
    Ok(())
}

/// This program once more.
struct Copy(Child);

impl Copy {
    fn start(options: &Options, has_own_namespace: bool) -> Result<Self> {
        let this = std::env::current_exe().context("find this program's own file")?;
        let mut command = Command::new(this);
        command.args(["load", "--until-eof", "--close", options.close.name()]);
        for (name, value) in [
            ("--threads", options.threads.to_string()),
            ("--accepters", options.accepters.to_string()),
            ("--held", options.held.to_string()),
            ("--addresses", options.addresses.to_string()),
            ("--seconds", options.seconds.to_string()),
        ] {
            command.args([name, &value]);
        }
        if let Some(rate) = options.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        command.env_remove(OWN_NAMESPACE).stdin(Stdio::piped()).stdout(Stdio::piped());
        if has_own_namespace {
            command.env(OWN_NAMESPACE, "1");
        }
        command.spawn().context("start another process of the load").map(Self)
    }

    fn report(&mut self) -> Result<Report> {
        read_report(&mut self.0)
    }
}

/// Set for a copy: it makes itself a namespace before it does anything else.
const OWN_NAMESPACE: &str = "NGRAPH_BENCH_OWN_NAMESPACE";

/// Enters a namespace of one's own where the one who started this asked for that.
pub(crate) fn enter_namespace_if_told() -> Result<()> {
    if std::env::var_os(OWN_NAMESPACE).is_some() { netns::enter_new() } else { Ok(()) }
}

/// The report that a load prints when it is done.
pub(crate) fn read_report(child: &mut Child) -> Result<Report> {
    use io::{BufRead as _, BufReader};
    let stdout = child.stdout.take().context("a load's stdout is read once")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).context("read a load's report")?;
    serde_json::from_str(&line).context("read a load's report (what it says on stderr tells why)")
}

/// Reports of loads that ran at one time as one; of latencies the longest.
fn together(reports: &[Report]) -> Report {
    let longest =
        |value: fn(&Report) -> Option<f64>| reports.iter().filter_map(value).max_by(f64::total_cmp);
    Report {
        connections: reports.iter().map(|report| report.connections).sum(),
        seconds: longest(|report| Some(report.seconds)).unwrap_or(0.0),
        connect_p50_us: longest(|report| report.connect_p50_us),
        connect_p99_us: longest(|report| report.connect_p99_us),
        held: reports.iter().map(|report| report.held).sum(),
        ports: reports.iter().flat_map(|report| report.ports.clone()).collect(),
    }
}

fn tell(report: &Report) -> Result<()> {
    let line = serde_json::to_string(report).context("write a report as JSON")?;
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("print the report")
}

fn wait_for_eof() -> Result<()> {
    io::copy(&mut io::stdin().lock(), &mut io::sink()).map(drop).context("read stdin to its end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_at_one_time_add_up_and_the_slowest_connect_counts() {
        let one = Report {
            connections: 10,
            seconds: 1.0,
            connect_p50_us: Some(5.0),
            connect_p99_us: None,
            held: 3,
            ports: vec![80],
        };
        let other = Report { seconds: 2.0, connect_p50_us: Some(7.0), ..one.clone() };
        let both = together(&[one, other]);
        assert_eq!((both.connections, both.held, both.seconds), (20, 6, 2.0));
        assert_eq!((both.connect_p50_us, both.connect_p99_us), (Some(7.0), None));
        assert_eq!((both.rate(), both.ports), (10.0, vec![80, 80]));
    }
}
