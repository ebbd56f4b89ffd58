//! What the agent does: the command line, resolved and checked as a whole.

pub mod duration;
pub mod peers;
pub(crate) mod value;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;

pub use self::peers::PeerFilter;
use crate::cli::{Cli, usage_error};

/// What the agent does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Time between two files.
    pub interval: Duration,
    /// Where a file goes.
    pub output: Output,
    /// Which network namespaces are looked at.
    pub scope: Scope,
    /// How connections are found.
    pub capture: Capture,
    /// Time between two snapshots of /proc; none lets the agent choose.
    pub snapshot_interval: Option<Duration>,
    /// The peers whose connections are wanted.
    pub peers: PeerFilter,
    /// Whether peers' names are looked up.
    pub resolve: bool,
    /// Edges per direction before the smallest are folded into one.
    pub max_edges: usize,
    /// Connections that are followed at one time; none: by the machine's memory.
    pub max_connections: Option<u32>,
    /// How long an edge without a connection stays.
    pub edge_ttl: Duration,
    /// Size of the ring buffer, a power of two.
    pub ring_bytes: u32,
    /// Root of the proc file system.
    pub procfs: PathBuf,
    /// Whether to stop after one file.
    pub once: bool,
    /// What a file is written as; anything but `prom` only goes to stdout, and once.
    pub format: Format,
    /// Whether the last file stays when the agent is told to stop.
    pub keep: bool,
}

/// Where a file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Into this folder, as `ngraph.prom`.
    Folder(PathBuf),
    /// To stdout.
    Stdout,
}

/// Which network namespaces are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The one the agent runs in.
    Own,
    /// Every one on the machine.
    All,
}

// The variants' docs are what `--help` prints.
/// How connections are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Capture {
    /// All that this kernel has, filled up by snapshots
    Auto,
    /// tcp_connect, inet_csk_accept and security_sock_graft alone. Closes are found by
    /// snapshots, and an attempt can't be told from a connection: refused ones count as opened
    Kprobe,
    /// The raw tracepoint inet_sock_set_state alone
    Tracepoint,
    /// Snapshots alone, without eBPF or privileges. Misses what opens and closes between two
    Procfs,
}

/// What a file is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Prometheus text format, as in ngraph.prom
    Prom,
    /// One JSON object
    Json,
}

impl TryFrom<&Cli> for Config {
    /// Wrong usage: `exit()` prints it and ends with code 2.
    type Error = clap::Error;

    fn try_from(cli: &Cli) -> Result<Self, clap::Error> {
        let output = if cli.output == Path::new("-") {
            Output::Stdout
        } else {
            Output::Folder(cli.output.clone())
        };
        check_format(cli, &output)?;
        check_edge_ttl(cli)?;
        Ok(Self {
            interval: cli.interval,
            output,
            scope: if cli.all { Scope::All } else { Scope::Own },
            capture: cli.capture,
            snapshot_interval: cli.snapshot_interval,
            peers: PeerFilter::new(&cli.include, &cli.exclude),
            resolve: !cli.no_resolve,
            max_edges: cli.max_edges,
            max_connections: cli.max_connections,
            edge_ttl: cli.edge_ttl,
            ring_bytes: cli.ring_bytes,
            procfs: cli.procfs.clone(),
            once: cli.once,
            format: cli.format,
            keep: cli.keep,
        })
    }
}

/// node_exporter reads `prom` alone, and a stream of several objects is no JSON document.
fn check_format(cli: &Cli, output: &Output) -> Result<(), clap::Error> {
    let missing = match (cli.once, output) {
        (true, Output::Stdout) => return Ok(()),
        (false, Output::Stdout) => "--once",
        (true, Output::Folder(_)) => "--output -",
        (false, Output::Folder(_)) => "--once --output -",
    };
    match cli.format {
        Format::Prom => Ok(()),
        Format::Json => Err(usage_error(format!(
            "--format json: works only with --once --output - (add {missing})"
        ))),
    }
}

/// An edge that leaves before the next file would never be written.
fn check_edge_ttl(cli: &Cli) -> Result<(), clap::Error> {
    if cli.edge_ttl >= cli.interval {
        return Ok(());
    }
    let (ttl, interval) = (duration::format(cli.edge_ttl), duration::format(cli.interval));
    Err(usage_error(format!(
        "--edge-ttl {ttl}: shorter than --interval {interval}, so connections could leave \
         before they are written (make it {interval} or more)"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_contracts() {
        let config = resolve("").unwrap();
        let expected = Config {
            interval: Duration::from_secs(15),
            output: Output::Folder("/tmp/node_exporter/textfile".into()),
            scope: Scope::Own,
            capture: Capture::Auto,
            snapshot_interval: None,
            peers: PeerFilter::default(),
            resolve: true,
            max_edges: 10_000,
            max_connections: None,
            edge_ttl: Duration::from_secs(3_600),
            ring_bytes: ngraph_common::limits::RING_BYTES,
            procfs: "/proc".into(),
            once: false,
            format: Format::Prom,
            keep: false,
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn every_option_arrives() {
        let config = resolve(
            "--interval 1m30s --output - --all --capture procfs --snapshot-interval 5 \
             --exclude 10.0.0.0/8,::1 --exclude 192.0.2.1 --include 0.0.0.0/0 --no-resolve \
             --max-edges 7 --max-connections 8 --edge-ttl 2d --ring-bytes 8192 --procfs /host/proc --once \
             --format json --keep",
        )
        .unwrap();
        let nets = |list: &[&str]| -> Vec<_> {
            list.iter().map(|net| peers::parse_net(net).unwrap()).collect()
        };
        let expected = Config {
            interval: Duration::from_secs(90),
            output: Output::Stdout,
            scope: Scope::All,
            capture: Capture::Procfs,
            snapshot_interval: Some(Duration::from_secs(5)),
            peers: PeerFilter::new(
                &nets(&["0.0.0.0/0"]),
                &nets(&["10.0.0.0/8", "::1", "192.0.2.1"]),
            ),
            resolve: false,
            max_edges: 7,
            max_connections: Some(8),
            edge_ttl: Duration::from_secs(172_800),
            ring_bytes: 8_192,
            procfs: "/host/proc".into(),
            once: true,
            format: Format::Json,
            keep: true,
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn json_goes_to_stdout_once_or_not_at_all() {
        assert!(resolve("--once --output - --format json").is_ok());
        assert!(resolve("--format prom").is_ok());
        for (args, missing) in [
            ("--format json", "--once --output -"),
            ("--format json --once", "--output -"),
            ("--format json --output -", "--once"),
        ] {
            let error = resolve(args).unwrap_err();
            let expected = format!("works only with --once --output - (add {missing})");
            assert!(error.to_string().contains(&expected), "{args}: {error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn an_edge_lives_at_least_an_interval() {
        assert!(resolve("--interval 1h").is_ok());
        assert!(resolve("--interval 20 --edge-ttl 20s").is_ok());
        let error = resolve("--interval 1m30s --edge-ttl 20").unwrap_err();
        assert!(
            error.to_string().contains("--edge-ttl 20s: shorter than --interval 1m30s"),
            "{error}"
        );
    }

    fn resolve(args: &str) -> Result<Config, clap::Error> {
        let args = ["ngraph"].into_iter().chain(args.split_whitespace());
        Config::try_from(&crate::cli::parse_from(args)?)
    }
}
