//! The command line, exactly as typed.

use std::{env, ffi::OsString, fmt::Display, path::PathBuf, sync::LazyLock, time::Duration};

use clap::{
    CommandFactory, FromArgMatches, Parser, Subcommand,
    builder::{ArgAction, Resettable},
    error::ErrorKind,
};
use clap_complete::Shell;
use ipnet::IpNet;
use log::LevelFilter;

use crate::{
    config::{Capture, Format, peers::parse_net, value},
    logging::LogFormat,
};

/// The commit that this was built from, or `unknown`.
pub const COMMIT: &str = match option_env!("NGRAPH_COMMIT") {
    Some(commit) if !commit.is_empty() => commit,
    _ => "unknown",
};

static VERSION: LazyLock<String> =
    LazyLock::new(|| format!("{} ({COMMIT})", env!("CARGO_PKG_VERSION")));

const EXAMPLES: &str = "\
Examples:
  As node_exporter's companion, every network namespace, a file each half minute:
    ngraph --interval=30 --output=/var/lib/prometheus/node-exporter --all

  What is connected at this moment, without any privileges:
    ngraph --once --output - --capture procfs

  Leave out what stays on this machine:
    ngraph --exclude 127.0.0.0/8,::1

  What this machine offers, and what is missing:
    ngraph doctor

A flag beats its environment variable; an empty variable is none. Exit codes: 0 done, 1 failed,
2 wrong usage.";

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

const OUTPUT: &str = "Output";
const CAPTURE: &str = "Capture";
const CONNECTIONS: &str = "Connections";
const LOGGING: &str = "Logging";

/// What to do other than being the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Tell what this machine offers the agent, and what is missing
    ///
    /// A line each for kernel, hooks, privileges, mounts and the output folder, with the remedy
    /// where something is missing. Exits with 1 if the agent could not run at all.
    Doctor {
        /// Open 1000 connections to itself, and tell how many were captured, how many the
        /// kernel counted, and how many were lost
        #[arg(long)]
        self_test: bool,
    },
    /// Print a shell's completions
    ///
    /// For bash: ngraph completions bash >/usr/share/bash-completion/completions/ngraph
    Completions {
        /// The shell that they are for
        shell: Shell,
    },
    /// Print the manual page
    ///
    /// To read it: ngraph man | man -l -
    Man,
}

/// Reads a command line, the program's name first, and the environment.
///
/// The error may as well be what `--help` or `--version` print: its `exit()` knows the
/// stream and the exit code.
pub fn parse_from<A>(args: impl IntoIterator<Item = A>) -> Result<Cli, clap::Error>
where
    A: Into<OsString> + Clone,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    without_empty_variables(Cli::command())
        .try_get_matches_from(&args)
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| match error.kind() {
            // Help names every variable, the empty ones as well.
            ErrorKind::DisplayHelp => {
                Cli::command().try_get_matches_from(&args).err().unwrap_or(error)
            }
            _ => error,
        })
}

/// Wrong usage that can be seen only by looking at several options.
pub fn usage_error(message: impl Display) -> clap::Error {
    Cli::command().error(ErrorKind::ArgumentConflict, message)
}

/// Treats a variable that is set but empty as not set: service files and charts can often
/// not leave it out.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    command.mut_args(|arg| {
        let value = arg.get_env().and_then(env::var_os);
        if value.is_some_and(|value| value.is_empty()) { arg.env(Resettable::Reset) } else { arg }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_fault_with_the_command() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_has_the_variable_of_its_name() {
        for arg in Cli::command().get_arguments() {
            let Some(long) = arg.get_long().filter(|long| !["help", "version"].contains(long))
            else {
                continue;
            };
            let name = format!("NGRAPH_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(arg.get_env(), Some(name.as_ref()), "--{long}");
            assert!(arg.is_global_set(), "--{long}");
            assert!(arg.get_help_heading().is_some(), "--{long}");
        }
    }

    #[test]
    fn options_stand_on_either_side_of_the_subcommand() {
        let before = parse("--procfs /x doctor").unwrap();
        assert_eq!(before, parse("doctor --procfs /x").unwrap());
        assert_eq!(before.command, Some(Command::Doctor { self_test: false }));
        assert_eq!(before.procfs, PathBuf::from("/x"));
        assert!(parse("--all doctor").unwrap().all && parse("doctor --all").unwrap().all);
        assert_eq!(parse("doctor --exclude ::1,::2").unwrap().exclude.len(), 2);
    }

    #[test]
    fn the_seeds_command_line_works() {
        let cli = parse("--interval=30 --output=/path/to/metrics --all").unwrap();
        assert_eq!(cli.interval, Duration::from_secs(30));
        assert_eq!(cli.output, PathBuf::from("/path/to/metrics"));
        assert!(cli.all);
        assert_eq!(cli.command, None);
    }

    #[test]
    fn choices_take_either_case() {
        assert_eq!(parse("--capture ProcFS").unwrap().capture, Capture::Procfs);
        assert_eq!(parse("--log-level WARN").unwrap().log_level, LevelFilter::Warn);
        assert_eq!(parse("--snapshot-interval AUTO").unwrap().snapshot_interval, None);
    }

    fn parse(args: &str) -> Result<Cli, clap::Error> {
        parse_from(["ngraph"].into_iter().chain(args.split_whitespace()))
    }
}
