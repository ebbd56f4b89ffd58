//! Whose a connection is, and what the kernel side logs: both shown by `--log-level debug`.

use std::net::TcpListener;

use super::support::{
    agent::Agent,
    has_kprobes, netns,
    traffic::{held, short_connections},
    wait_for,
};
use crate::captures;

/// The test's own command as the kernel knows it, and its process id, as the log shows them.
fn this_task() -> String {
    let command = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    format!("{}[{}]", command.trim_end(), std::process::id())
}

fn a_connection_is_owned_by_the_task_that_made_it(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture, "--log-level", "debug"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = held(&listener);
    let task = this_task();
    let outbound = format!(
        "opened outbound: 127.0.0.1 port {}, 127.0.0.1 port {}",
        one.client.local_addr().unwrap().port(),
        one.server.local_addr().unwrap().port(),
    );
    let owned = |line: &&str| line.contains(&outbound) && line.ends_with(&format!(", {task}"));
    wait_for("an outbound connection with its owner", || agent.log().lines().find(owned).map(drop));
    if has_kprobes() && capture != "tracepoint" {
        let inbound = |line: &&str| {
            let told = if capture == "kprobe" { "opened inbound: " } else { "owner of " };
            line.contains(told) && line.ends_with(&task)
        };
        wait_for("an accept with its owner", || agent.log().lines().find(inbound).map(drop));
    }
    one.close();
}
captures!(a_connection_is_owned_by_the_task_that_made_it: auto, kprobe, tracepoint);

fn the_kernel_side_logs_when_it_is_asked_to_and_only_then(capture: &str) {
    netns::enter_new();
    let asked = Agent::start(&["--capture", capture, "--log-level", "debug"]);
    let not_asked = Agent::start(&["--capture", capture]);
    short_connections("127.0.0.1:0", None, 3);
    let record = |line: &str| line.contains("DEBUG hook ") && line.contains(" sock ");
    wait_for("a record of the kernel side's", || asked.log().lines().any(record).then_some(()));
    not_asked.settled();
    assert!(!not_asked.log().contains("DEBUG"));
}
captures!(the_kernel_side_logs_when_it_is_asked_to_and_only_then: auto, kprobe, tracepoint);
