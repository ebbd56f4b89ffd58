//! The agent's options, which every command takes.

use std::{path::PathBuf, sync::LazyLock, time::Duration};

use clap::{Parser, builder::ArgAction};
use ipnet::IpNet;
use log::LevelFilter;

use super::command::Command;
use crate::{
    config::{Capture, Format, Listen, Socket, listen, peers::parse_net, socket, value},
    labels::Label,
    logging::LogFormat,
};

/// The commit that this was built from, or `unknown`.
pub const COMMIT: &str = match option_env!("NGRAPH_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    _ => "unknown",
};

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} ({COMMIT})", env!("CARGO_PKG_VERSION")));

const CONFIGURATION: &str = "Configuration";
const OUTPUT: &str = "Output";
const CAPTURE: &str = "Capture";
const CONNECTIONS: &str = "Connections";
const LOGGING: &str = "Logging";

const EXAMPLES: &str = "\
Examples:
  As node_exporter's companion, every network namespace, a file each half minute:
    ngraph --interval=30 --output=/var/lib/prometheus/node-exporter --all

  What is connected at this moment, without any privileges:
    ngraph --once --output - --capture procfs

  Leave out what stays on this machine:
    ngraph --exclude 127.0.0.0/8,::1

  Each connection as it opens, closes or fails, without an agent:
    ngraph watch

  The edges as they are at this moment, in a terminal:
    ngraph top

  What this machine offers, and what is missing:
    ngraph doctor

A flag beats its environment variable, which beats the --config file; an empty variable is none.
Exit codes: 0 done, 1 failed, 2 wrong usage.";

/// Writes who talks to whom over TCP as Prometheus metrics
///
/// Connections are caught as they open and close, by eBPF, and checked against /proc. Each
/// interval, the file ngraph.prom is written for node_exporter's textfile collector.
#[derive(Clone, Debug, PartialEq, Eq, Parser)]
#[command(
    name = "ngraph",
    version = VERSION.as_str(),
    after_long_help = EXAMPLES,
    max_term_width = 100,
)]
pub struct Cli {
    /// A file with any of these options by their long names, as TOML
    ///
    /// Such as interval = "30s". It beats the defaults, and is read again on SIGHUP.
    #[arg(
        long, env = "NGRAPH_CONFIG", value_name = "FILE",
        hide_env_values = true, global = true, help_heading = CONFIGURATION
    )]
    pub config: Option<PathBuf>,

    /// Time between two files, from 1s to 1h
    ///
    /// Written as 30, 30s, 1m or 1m30s: a number alone is seconds.
    #[arg(
        long, env = "NGRAPH_INTERVAL", value_name = "TIME", default_value = "15s",
        value_parser = value::text(value::interval),
        allow_negative_numbers = true,
        hide_env_values = true, global = true, help_heading = OUTPUT
    )]
    pub interval: Duration,

    /// Folder of ngraph.prom, created if missing; - prints to stdout
    #[arg(
        long, env = "NGRAPH_OUTPUT", value_name = "DIR",
        default_value = "/tmp/node_exporter/textfile",
        hide_env_values = true, global = true, help_heading = OUTPUT
    )]
    pub output: PathBuf,

    /// Serve the file over HTTP, too, at this address: off, 127.0.0.1:9930, :9930
    ///
    /// At /metrics, for Prometheus without node_exporter, and at /healthz whether it is well. A port
    /// alone is that of every address: there is no password and no encryption. With --output - there
    /// is no file, and nothing is printed.
    // Spelled out, since clap's derive reads a bare `Option` as 'may be left out'.
    #[arg(
        long, env = "NGRAPH_LISTEN", value_name = "ADDRESS", default_value = "off",
        value_parser = value::text(listen::parse),
        hide_env_values = true, global = true, help_heading = OUTPUT
    )]
    pub listen: std::option::Option<Listen>,

    /// The agent's own socket, at which ngraph top asks it: auto, off, or a path
    ///
    /// For root and the agent's group. auto: /run/ngraph/ngraph.sock, if that folder is there. For
    /// top, off is to capture by itself though an agent runs.
    #[arg(
        long, env = "NGRAPH_SOCKET", value_name = "PATH", default_value = "auto",
        value_parser = value::text(socket::parse),
        hide_env_values = true, global = true, help_heading = OUTPUT
    )]
    pub socket: Socket,

    /// Write one file and exit
    ///
    /// The file stays. With --output -, it is printed.
    #[arg(
        long, env = "NGRAPH_ONCE",
        action = ArgAction::SetTrue, value_parser = value::text(value::boolean),
        hide_env_values = true, global = true, help_heading = OUTPUT
    )]
    pub once: bool,

    /// What is printed, with --once --output -
    #[arg(
        long, env = "NGRAPH_FORMAT", value_name = "FORMAT", default_value = "prom",
        value_parser = value::choice::<Format>(),
        hide_env_values = true, global = true, help_heading = OUTPUT
    )]
    pub format: Format,

    /// Leave the last file behind on exit
    ///
    /// Without this, SIGTERM and SIGINT remove the file, since node_exporter would serve it for
    /// ever.
    #[arg(
        long, env = "NGRAPH_KEEP",
        action = ArgAction::SetTrue, value_parser = value::text(value::boolean),
        hide_env_values = true, global = true, help_heading = OUTPUT
    )]
    pub keep: bool,

    /// Every network namespace, not only the agent's own
    #[arg(
        long, env = "NGRAPH_ALL",
        action = ArgAction::SetTrue, value_parser = value::text(value::boolean),
        hide_env_values = true, global = true, help_heading = CAPTURE
    )]
    pub all: bool,

    /// How connections are found
    #[arg(
        long, env = "NGRAPH_CAPTURE", value_name = "HOW", default_value = "auto",
        value_parser = value::choice::<Capture>(),
        hide_env_values = true, global = true, help_heading = CAPTURE
    )]
    pub capture: Capture,

    /// Time between two snapshots of /proc: auto, or from 1s to 1d
    // Spelled out, since clap's derive reads a bare `Option` as 'may be left out'.
    #[arg(
        long, env = "NGRAPH_SNAPSHOT_INTERVAL", value_name = "TIME", default_value = "auto",
        value_parser = value::text(value::snapshot_interval),
        allow_negative_numbers = true,
        hide_env_values = true, global = true, help_heading = CAPTURE
    )]
    pub snapshot_interval: std::option::Option<Duration>,

    /// Root of the proc file system, such as a container's /host/proc
    #[arg(
        long, env = "NGRAPH_PROCFS", value_name = "DIR", default_value = "/proc",
        hide_env_values = true, global = true, help_heading = CAPTURE
    )]
    pub procfs: PathBuf,

    /// Size of the ring buffer between kernel and agent, a power of two
    ///
    /// From a page, 4096, to 1073741824. An event that finds it full is late, not lost.
    #[arg(
        long, env = "NGRAPH_RING_BYTES", value_name = "BYTES",
        default_value_t = ngraph_common::limits::RING_BYTES,
        value_parser = value::text(value::ring_bytes),
        allow_negative_numbers = true,
        hide_env_values = true, global = true, help_heading = CAPTURE
    )]
    pub ring_bytes: u32,

    /// Leave out peers in these networks
    ///
    /// Such as 10.0.0.0/8,fd00::/8. An address alone is a network of one. May be repeated; beats
    /// --include.
    #[arg(
        long, env = "NGRAPH_EXCLUDE", value_name = "CIDR", value_delimiter = ',',
        value_parser = value::text(parse_net),
        hide_env_values = true, global = true, help_heading = CONNECTIONS
    )]
    pub exclude: Vec<IpNet>,

    /// Take in only peers in these networks
    ///
    /// Written as for --exclude. May be repeated.
    #[arg(
        long, env = "NGRAPH_INCLUDE", value_name = "CIDR", value_delimiter = ',',
        value_parser = value::text(parse_net),
        hide_env_values = true, global = true, help_heading = CONNECTIONS
    )]
    pub include: Vec<IpNet>,

    /// Leave peer_hostname empty and ask no resolver
    #[arg(
        long, env = "NGRAPH_NO_RESOLVE",
        action = ArgAction::SetTrue, value_parser = value::text(value::boolean),
        hide_env_values = true, global = true, help_heading = CONNECTIONS
    )]
    pub no_resolve: bool,

    /// Labels that edges have beside their addresses, as part of what an edge is
    ///
    /// Such as port,process. May be repeated. Each multiplies the series; docs/labels.md tells what
    /// each is and needs.
    #[arg(
        long, env = "NGRAPH_LABELS", value_name = "LIST", value_delimiter = ',',
        value_parser = value::choice::<Label>(),
        hide_env_values = true, global = true, help_heading = CONNECTIONS
    )]
    pub labels: Vec<Label>,

    /// Connections that are followed at one time; auto: by the machine's memory
    ///
    /// More are counted, too, but without their owner, and as long as they are open they may
    /// be missing from what is open now. Each costs about 330 bytes, 128 of them at once.
    #[arg(
        long, env = "NGRAPH_MAX_CONNECTIONS", value_name = "COUNT", default_value = "auto",
        value_parser = value::text(value::max_connections),
        allow_negative_numbers = true,
        hide_env_values = true, global = true, help_heading = CONNECTIONS
    )]
    pub max_connections: std::option::Option<u32>,

    /// Edges per direction, up to 1000000; the smallest beyond are folded into one
    #[arg(
        long, env = "NGRAPH_MAX_EDGES", value_name = "COUNT", default_value = "10000",
        value_parser = value::text(value::max_edges),
        allow_negative_numbers = true,
        hide_env_values = true, global = true, help_heading = CONNECTIONS
    )]
    pub max_edges: usize,

    /// Time that an edge without a connection stays, from 1s to 30d
    ///
    /// At least --interval, or connections could leave before they are written.
    #[arg(
        long, env = "NGRAPH_EDGE_TTL", value_name = "TIME", default_value = "1h",
        value_parser = value::text(value::edge_ttl),
        allow_negative_numbers = true,
        hide_env_values = true, global = true, help_heading = CONNECTIONS
    )]
    pub edge_ttl: Duration,

    /// What is worth a line on stderr
    #[arg(
        long, env = "NGRAPH_LOG_LEVEL", value_name = "LEVEL", default_value = "info",
        value_parser = value::level(),
        hide_env_values = true, global = true, help_heading = LOGGING
    )]
    pub log_level: LevelFilter,

    /// How a line on stderr looks
    #[arg(
        long, env = "NGRAPH_LOG_FORMAT", value_name = "FORMAT", default_value = "text",
        value_parser = value::choice::<LogFormat>(),
        hide_env_values = true, global = true, help_heading = LOGGING
    )]
    pub log_format: LogFormat,

    /// What to do; nothing is the agent itself.
    #[command(subcommand)]
    pub command: Option<Command>,
}
