//! What a running agent takes of options that were read again. Pure.

use super::Config;

/// A configuration to go on with, and what became of each change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// The running one with all changes that it can take.
    pub config: Config,
    /// The options that changed.
    pub taken: Vec<&'static str>,
    /// Those that differ and want a restart.
    pub left: Vec<&'static str>,
}

/// Takes of `read` what an agent that runs with `running` can change.
pub fn reload(running: &Config, read: &Config) -> Reload {
    // All of them by name: who adds an option decides here whether a running agent takes it.
    let Config {
        interval,
        output,
        listen,
        socket,
        scope,
        capture,
        snapshot_interval,
        peers,
        resolve,
        labels,
        max_edges,
        max_connections,
        edge_ttl,
        ring_bytes,
        procfs,
        once,
        format,
        keep,
        log_level,
        log_format,
        // Named by what can't change: the command line and the environment.
        file: _,
    } = read;
    let taken = [
        ("interval", *interval != running.interval),
        ("keep", *keep != running.keep),
        ("snapshot-interval", *snapshot_interval != running.snapshot_interval),
        ("exclude and include", *peers != running.peers),
        ("no-resolve", *resolve != running.resolve),
        ("max-edges", *max_edges != running.max_edges),
        ("edge-ttl", *edge_ttl != running.edge_ttl),
        ("log-level", *log_level != running.log_level),
    ];
    let left = [
        ("output", *output != running.output),
        ("listen", *listen != running.listen),
        ("socket", *socket != running.socket),
        ("once", *once != running.once),
        ("format", *format != running.format),
        ("all", *scope != running.scope),
        ("capture", *capture != running.capture),
        ("procfs", *procfs != running.procfs),
        // An edge of other labels is another edge, and who owns what is open isn't kept.
        ("labels", *labels != running.labels),
        ("ring-bytes", *ring_bytes != running.ring_bytes),
        ("max-connections", *max_connections != running.max_connections),
        ("log-format", *log_format != running.log_format),
    ];
    let config = Config {
        interval: *interval,
        keep: *keep,
        snapshot_interval: *snapshot_interval,
        peers: peers.clone(),
        resolve: *resolve,
        max_edges: *max_edges,
        edge_ttl: *edge_ttl,
        log_level: *log_level,
        ..running.clone()
    };
    Reload { config, taken: changed(&taken), left: changed(&left) }
}

fn changed(options: &[(&'static str, bool)]) -> Vec<&'static str> {
    options.iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse_from;

    fn config(args: &str) -> Config {
        let args = ["ngraph"].into_iter().chain(args.split_whitespace());
        Config::try_from(&parse_from(args).unwrap()).unwrap()
    }

    #[test]
    fn what_can_change_does_and_the_rest_stays_and_is_named() {
        let running = config("");
        for (args, option) in [
            ("--interval 30", "interval"),
            ("--keep", "keep"),
            ("--snapshot-interval 5", "snapshot-interval"),
            ("--exclude ::1", "exclude and include"),
            ("--include ::1", "exclude and include"),
            ("--no-resolve", "no-resolve"),
            ("--max-edges 5", "max-edges"),
            ("--edge-ttl 5m", "edge-ttl"),
            ("--log-level debug", "log-level"),
        ] {
            let read = config(args);
            let expected = Reload { config: read.clone(), taken: vec![option], left: Vec::new() };
            assert_eq!(reload(&running, &read), expected);
        }
        for (args, option) in [
            ("--output /x", "output"),
            ("--listen :9930", "listen"),
            ("--once", "once"),
            ("--all", "all"),
            ("--capture procfs", "capture"),
            ("--procfs /x", "procfs"),
            ("--labels port", "labels"),
            ("--ring-bytes 4096", "ring-bytes"),
            ("--max-connections 5", "max-connections"),
            ("--log-format json", "log-format"),
        ] {
            let expected =
                Reload { config: running.clone(), taken: Vec::new(), left: vec![option] };
            assert_eq!(reload(&running, &config(args)), expected);
        }
    }

    #[test]
    fn what_stays_keeps_nothing_else_from_changing() {
        let (running, read) = (config("--interval 20"), config("--all --interval 30"));
        let Reload { config: next, taken, left } = reload(&running, &read);
        assert_eq!((taken, left), (vec!["interval"], vec!["all"]));
        assert_eq!(next, config("--interval 30"));
    }
}
