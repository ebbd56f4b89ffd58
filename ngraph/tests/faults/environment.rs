//! Variables instead of options.

use tempfile::TempDir;

use crate::{
    lines,
    support::agent::{Agent, command},
};

#[test]
fn variables_reach_the_agent() {
    let folder = TempDir::new().unwrap();
    let mut command = command(&[]);
    command
        .env("NGRAPH_INTERVAL", "1s")
        .env("NGRAPH_OUTPUT", folder.path())
        .env("NGRAPH_CAPTURE", "procfs")
        .env("NGRAPH_NO_RESOLVE", "yes")
        .env("NGRAPH_KEEP", "1")
        .env("NGRAPH_ALL", "")
        .env("NGRAPH_LOG_FORMAT", "json");
    let agent = Agent::run(command, folder.path());
    let stamp = |metrics: &crate::support::metrics::Metrics| {
        metrics.with("ngraph_last_write_timestamp_seconds", &[]).next().unwrap().value
    };
    let first = stamp(&agent.wait_for("the first file", |_| true));
    let second = stamp(&agent.wait_for("the second file", |metrics| stamp(metrics) > first));
    assert!(second - first < 10.0, "{} s are not the interval asked for", second - first);
    let file = agent.file();
    let (status, log) = agent.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(file.exists(), "NGRAPH_KEEP=1 was not heard");
    let told = r#""message":"capturing by /proc snapshots alone, as asked for""#;
    assert_eq!(lines(&log, told).len(), 1, "{log}");
}
