//! What a running agent takes of a file on SIGHUP.

use std::{fs, net::TcpListener};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    PROCFS, Written, start, start_in,
    support::{
        agent::Agent,
        is_root, isolated,
        metrics::Metrics,
        netns, skip,
        traffic::{held, short_connections},
    },
};

#[test]
fn on_sighup_an_agent_takes_what_it_can_and_names_what_it_cannot() {
    let file = Written::new("interval = 3600\n");
    let folder = TempDir::new().unwrap();
    let agent = start_in(folder.path(), &file, &[PROCFS]);
    file.write("interval = 1\nkeep = true\nlog-level = 'debug'\nall = true\nprocfs = '/x'\n");
    agent.signal(Signal::HUP);
    agent.says("options are read again, changed: interval, keep, log-level");
    for option in ["all", "procfs"] {
        agent.says(&format!("{option} can't change while the agent runs: it stays as it is"));
    }
    // Each second, and of /proc.
    agent.settled();
    agent.says(" DEBUG ");
    let path = agent.file();
    let (status, log) = agent.stop();
    assert!(status.success() && path.exists(), "{log}");
}

#[test]
fn a_file_with_a_mistake_changes_nothing_and_ends_nothing() {
    let file = Written::new("interval = 1\n");
    let folder = TempDir::new().unwrap();
    let agent = start_in(folder.path(), &file, &[PROCFS]);
    let mistakes: [(&[u8], &str); 4] = [
        (b"keep = true\ninterval = 0", ":2: interval = 0: too short (takes 1s to 1h)"),
        (b"keep = true\nedge-ttl = 1\ninterval = 2", ": shorter than --interval 2s, so"),
        (b"keep = true\nfoo = 1", ":2: there is no option foo"),
        (b"\xff", "line 1 is not UTF-8"),
    ];
    for (text, told) in mistakes {
        file.write(text);
        agent.signal(Signal::HUP);
        agent.says(told);
    }
    fs::remove_file(file.path()).unwrap();
    agent.signal(Signal::HUP);
    agent.says("no such file or directory");
    agent.settled();
    file.write("interval = 1\n");
    agent.signal(Signal::HUP);
    agent.says("options are read again: nothing to change");
    let path = agent.file();
    let (status, log) = agent.stop();
    assert!(status.success() && !path.exists(), "keep = true was taken: {log}");
    let told = log.lines().filter(|line| line.contains(" ERROR options are not read again, "));
    assert_eq!(told.count(), mistakes.len() + 1, "{log}");
}

#[test]
fn without_a_file_sighup_has_one_written_at_once() {
    let agent = Agent::start_as_given(&["--interval=1h", PROCFS]);
    let stamp = |metrics: &Metrics| {
        let mut samples = metrics.with("ngraph_last_write_timestamp_seconds", &[]);
        samples.next().map(|sample| sample.value)
    };
    let first = stamp(&agent.metrics().unwrap());
    agent.signal(Signal::HUP);
    agent.wait_for("another file", |metrics| stamp(metrics) != first);
    agent.says("SIGHUP: without --config there is nothing to read again; ");
    assert!(agent.stop().0.success());
}

#[test]
fn peers_that_are_wanted_no_more_leave_and_those_that_are_have_their_open_connections() {
    if !is_root() {
        return skip("needs root");
    }
    isolated(|| {
        netns::enter_new();
        let server = |address: &str| TcpListener::bind((address, 0)).unwrap();
        let (one, two) = (server("127.0.0.1"), server("127.0.0.2"));
        let file = Written::new("interval = 1\nexclude = ['127.0.0.2']\n");
        let agent = start(&file, &["--no-resolve"]);
        let (to_one, to_two) = (held(&one), held(&two));
        short_connections("127.0.0.2:0", None, 3);
        let open = |metrics: &Metrics, peer: &str| {
            metrics.sum("network_connections_output_total", &[("dest_ip", peer)])
        };
        agent.expect("the one", |metrics| {
            (open(metrics, "127.0.0.1"), open(metrics, "127.0.0.2")) == (1, 0)
        });

        file.write("interval = 1\nexclude = ['127.0.0.1']\n");
        agent.signal(Signal::HUP);
        agent.expect("the other", |metrics| {
            (open(metrics, "127.0.0.1"), open(metrics, "127.0.0.2")) == (0, 1)
        });
        // Neither end of those that it doesn't show any more or didn't see open confuses it.
        to_one.close();
        to_two.close();
        let metrics = agent
            .expect("nothing open", |metrics| metrics.sum("ngraph_live_connections", &[]) == 0);
        let opened = |peer: &str| {
            let edge = [("direction", "output"), ("dest_ip", peer)];
            metrics.sum("ngraph_connections_opened_total", &edge)
        };
        assert_eq!((opened("127.0.0.1"), opened("127.0.0.2")), (0, 0), "opened before it counts");
        short_connections("127.0.0.2:0", None, 3);
        agent.expect("what opens from here on", |metrics| metrics.opened("output") == 3);
    });
}

#[test]
fn edges_get_their_names_anew_where_the_resolver_comes_or_goes() {
    if !is_root() {
        return skip("needs root");
    }
    isolated(|| {
        netns::enter_new();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let file = Written::new("interval = 1\nno-resolve = true\n");
        let agent = start(&file, &[]);
        let _held = held(&listener);
        let named = |metrics: &Metrics, name: &str| {
            metrics.sum("network_connections_output_total", &[("peer_hostname", name)]) == 1
        };
        agent.expect("no name", |metrics| named(metrics, ""));
        file.write("interval = 1\nno-resolve = false\n");
        agent.signal(Signal::HUP);
        agent.expect("a name of /etc/hosts", |metrics| named(metrics, "localhost"));
        file.write("interval = 1\nno-resolve = true\n");
        agent.signal(Signal::HUP);
        agent.expect("no name again", |metrics| named(metrics, ""));
    });
}
