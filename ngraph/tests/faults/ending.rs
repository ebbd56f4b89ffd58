//! What the agent leaves when it is told to stop.

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::agent::{Agent, command};

const PROCFS: &str = "--capture=procfs";

#[test]
fn sigterm_and_sigint_remove_the_file_and_are_success() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut agent = Agent::start(&[PROCFS]);
        agent.signal(signal);
        let (status, log) = agent.end();
        assert_eq!(status.code(), Some(0), "{signal:?}: {log}");
        assert!(!agent.file().exists(), "{signal:?}: the file would be served for ever");
        let left = agent.file().parent().unwrap().read_dir().unwrap().count();
        assert_eq!(left, 0, "{signal:?}: something is left in the folder");
    }
}

#[test]
fn with_keep_the_last_file_stays() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut agent = Agent::start(&[PROCFS, "--keep"]);
        agent.signal(signal);
        let (status, log) = agent.end();
        assert_eq!(status.code(), Some(0), "{signal:?}: {log}");
        assert!(agent.metrics().is_some(), "{signal:?}: no file");
    }
}

#[test]
fn the_seeds_own_command_line_works() {
    let folder = TempDir::new().unwrap();
    let output = format!("--output={}", folder.path().display());
    let agent = Agent::run(command(&["--interval=30", &output, "--all"]), folder.path());
    agent.wait_for("the first file", |metrics| {
        metrics.sum("ngraph_last_write_timestamp_seconds", &[]) > 0
    });
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
}
