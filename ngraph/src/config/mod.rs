//! What the agent does: the command line, resolved and checked as a whole.

pub mod duration;
pub mod file;
pub mod listen;
pub mod peers;
mod reload;
pub mod socket;
mod source;
pub(crate) mod value;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;
use log::LevelFilter;

pub use self::{
    listen::Listen,
    peers::PeerFilter,
    reload::{Reload, reload},
    socket::Socket,
    source::Source,
};
use crate::{
    cli::{Cli, Command, usage_error},
    labels::Labels,
    logging::LogFormat,
};

/// What the agent does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Time between two files.
    pub interval: Duration,
    /// Where a file goes.
    pub output: Output,
    /// Where it is served over HTTP, too.
    pub listen: Option<Listen>,
    /// Where the agent's own socket is.
    pub socket: Socket,
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
    /// Labels that edges have beside their addresses.
    pub labels: Labels,
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
    /// What is worth a line of the log.
    pub log_level: LevelFilter,
    /// How such a line looks.
    pub log_format: LogFormat,
    /// The file that some of these come from, read again on SIGHUP.
    pub file: Option<PathBuf>,
}

/// Where a file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Into this folder, as `ngraph.prom`.
    Folder(PathBuf),
    /// To stdout.
    Stdout,
    /// Nowhere: it is served alone.
    Nowhere,
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
    /// A page for a browser: one file that needs no other
    Html,
    /// A still picture
    Svg,
    /// Graphviz' language
    Dot,
    /// A flowchart, as wikis and forges draw it
    Mermaid,
    /// XML for Gephi, yEd, networkx
    Graphml,
}

impl Format {
    /// Those that a picture has.
    pub const PICTURES: [Self; 6] =
        [Self::Html, Self::Svg, Self::Dot, Self::Mermaid, Self::Json, Self::Graphml];
}

impl TryFrom<&Cli> for Config {
    /// Wrong usage: `exit()` prints it and ends with code 2.
    type Error = clap::Error;

    fn try_from(cli: &Cli) -> Result<Self, clap::Error> {
        // Who looks once waits for nobody to come and ask.
        let listen = cli.listen.filter(|_| !cli.once);
        let output = match (cli.output == Path::new("-"), listen) {
            (false, _) => Output::Folder(cli.output.clone()),
            (true, None) => Output::Stdout,
            (true, Some(_)) => Output::Nowhere,
        };
        check_format(cli, &output)?;
        check_healthcheck(cli, &output)?;
        check_edge_ttl(cli)?;
        Ok(Self {
            interval: cli.interval,
            output,
            listen,
            socket: cli.socket.clone(),
            scope: if cli.all { Scope::All } else { Scope::Own },
            capture: cli.capture,
            snapshot_interval: cli.snapshot_interval,
            peers: PeerFilter::new(&cli.include, &cli.exclude),
            resolve: !cli.no_resolve,
            labels: cli.labels.iter().copied().collect(),
            max_edges: cli.max_edges,
            max_connections: cli.max_connections,
            edge_ttl: cli.edge_ttl,
            ring_bytes: cli.ring_bytes,
            procfs: cli.procfs.clone(),
            once: cli.once,
            format: cli.format,
            keep: cli.keep,
            log_level: cli.log_level,
            log_format: cli.log_format,
            file: cli.config.clone(),
        })
    }
}

/// node_exporter reads `prom` alone, and a stream of several objects is no JSON document.
fn check_format(cli: &Cli, output: &Output) -> Result<(), clap::Error> {
    let missing = match (cli.once, output) {
        (true, Output::Stdout) => return Ok(()),
        (false, Output::Stdout | Output::Nowhere) | (true, Output::Nowhere) => "--once",
        (true, Output::Folder(_)) => "--output -",
        (false, Output::Folder(_)) => "--once --output -",
    };
    match cli.format {
        Format::Prom => Ok(()),
        format => {
            let name = format.to_possible_value();
            let name = name.as_ref().map_or("", |name| name.get_name());
            Err(conflict(
                cli,
                &format!("--format {name}: works only with --once --output - (add {missing})"),
            ))
        }
    }
}

/// What was printed can't be looked at.
fn check_healthcheck(cli: &Cli, output: &Output) -> Result<(), clap::Error> {
    match (&cli.command, output) {
        (Some(Command::Healthcheck), Output::Stdout | Output::Nowhere) => Err(conflict(
            cli,
            "--output -: healthcheck looks at a file, and there is none (give it the agent's \
             folder, and the agent one; or probe /healthz of its --listen)",
        )),
        _ => Ok(()),
    }
}

/// An edge that leaves before the next file would never be written.
fn check_edge_ttl(cli: &Cli) -> Result<(), clap::Error> {
    if cli.edge_ttl >= cli.interval {
        return Ok(());
    }
    let (ttl, interval) = (duration::format(cli.edge_ttl), duration::format(cli.interval));
    let message = format!(
        "--edge-ttl {ttl}: shorter than --interval {interval}, so connections could leave \
         before they are written (make it {interval} or more)"
    );
    Err(conflict(cli, &message))
}

/// Options that don't go together, of which some may not be on the command line.
fn conflict(cli: &Cli, message: &str) -> clap::Error {
    match &cli.config {
        Some(path) => usage_error(format!("{message}; with the options of {}", path.display())),
        None => usage_error(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::Label;

    #[test]
    fn the_defaults_are_the_contracts() {
        let config = resolve("").unwrap();
        let expected = Config {
            interval: Duration::from_secs(15),
            output: Output::Folder("/tmp/node_exporter/textfile".into()),
            listen: None,
            socket: Socket::Auto,
            scope: Scope::Own,
            capture: Capture::Auto,
            snapshot_interval: None,
            peers: PeerFilter::default(),
            resolve: true,
            labels: Labels::new(),
            max_edges: 10_000,
            max_connections: None,
            edge_ttl: Duration::from_secs(3_600),
            ring_bytes: ngraph_common::limits::RING_BYTES,
            procfs: "/proc".into(),
            once: false,
            format: Format::Prom,
            keep: false,
            log_level: LevelFilter::Info,
            log_format: LogFormat::Text,
            file: None,
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn every_option_arrives() {
        let config = resolve(
            "--interval 1m30s --output - --all --capture procfs --snapshot-interval 5 \
             --exclude 10.0.0.0/8,::1 --exclude 192.0.2.1 --include 0.0.0.0/0 --no-resolve \
             --labels port --labels process,port \
             --max-edges 7 --max-connections 8 --edge-ttl 2d --ring-bytes 8192 --procfs /host/proc --once --socket /x.sock \
             --format json --keep --log-level warn --log-format json --config /x",
        )
        .unwrap();
        let nets = |list: &[&str]| -> Vec<_> {
            list.iter().map(|net| peers::parse_net(net).unwrap()).collect()
        };
        let expected = Config {
            interval: Duration::from_secs(90),
            output: Output::Stdout,
            listen: None,
            socket: Socket::At("/x.sock".into()),
            scope: Scope::All,
            capture: Capture::Procfs,
            snapshot_interval: Some(Duration::from_secs(5)),
            peers: PeerFilter::new(
                &nets(&["0.0.0.0/0"]),
                &nets(&["10.0.0.0/8", "::1", "192.0.2.1"]),
            ),
            resolve: false,
            labels: Labels::from([Label::Port, Label::Process]),
            max_edges: 7,
            max_connections: Some(8),
            edge_ttl: Duration::from_secs(172_800),
            ring_bytes: 8_192,
            procfs: "/host/proc".into(),
            once: true,
            format: Format::Json,
            keep: true,
            log_level: LevelFilter::Warn,
            log_format: LogFormat::Json,
            file: Some("/x".into()),
        };
        assert_eq!(config, expected);
    }

    #[test]
    fn what_is_served_is_not_printed_and_who_looks_once_serves_nothing() {
        let of = |args: &str| {
            let config = resolve(args).unwrap();
            (config.output, config.listen)
        };
        let listen = Some(Listen::Everywhere(9930));
        let folder = Output::Folder("/x".into());
        assert_eq!(of("--listen :9930 --output /x"), (folder.clone(), listen));
        assert_eq!(of("--listen :9930 --output -"), (Output::Nowhere, listen));
        assert_eq!(of("--listen :9930 --output - --once"), (Output::Stdout, None));
        assert_eq!(of("--listen off --output /x"), (folder, None));
        assert!(resolve("--listen :9930 --output - --once --format json").is_ok());
        assert!(resolve("--listen :9930 --output - healthcheck").is_err());
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
