//! What a service manager hears of the agent, by a socket of the test's own.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::{fs, os::unix::net::UnixDatagram, path::Path};

use rustix::process::Signal;
use support::{
    PATIENCE,
    agent::{Agent, command},
    disk, is_root, isolated, netns, skip,
};
use tempfile::TempDir;

#[test]
fn ready_is_told_once_the_first_file_is_there() {
    let (folder, agent, manager) = start(&["--interval=1"], &[]);
    let first = manager.hear();
    assert!(agent.file().exists(), "{first:?}");
    let [ready, alive, status] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!((ready.as_str(), alive.as_str()), ("READY=1", "WATCHDOG=1"));
    assert!(status.starts_with("STATUS=open: ") && status.ends_with("lost: 0"), "{status}");
    for _ in 0..2 {
        let next = manager.hear();
        assert!(next[0] == "WATCHDOG=1" && next[1].starts_with("STATUS="), "{next:?}");
    }
    drop(folder);
}

#[test]
fn an_end_that_was_asked_for_is_told() {
    let (_folder, agent, manager) = start(&["--interval=1h"], &[]);
    manager.hear();
    let (status, log) = agent.stop();
    assert!(status.success(), "{log}");
    assert_eq!(manager.hear(), ["STOPPING=1"]);
}

#[test]
fn where_files_are_rarer_than_the_watchdogs_patience_life_is_told_between_them() {
    let (_folder, _agent, manager) = start(&["--interval=1h"], &[("WATCHDOG_USEC", "400000")]);
    assert_eq!(manager.hear()[0], "READY=1");
    for _ in 0..3 {
        assert_eq!(manager.hear(), ["WATCHDOG=1"]);
    }
}

#[test]
fn where_files_come_often_enough_they_alone_are_signs_of_life() {
    let patience = [("WATCHDOG_USEC", "60000000")];
    let (_folder, _agent, manager) = start(&["--interval=1"], &patience);
    for _ in 0..3 {
        let heard = manager.hear();
        assert!(heard.last().is_some_and(|last| last.starts_with("STATUS=")), "{heard:?}");
    }
}

#[test]
fn an_agent_that_can_write_no_file_is_alive_and_tells_why() {
    if !is_root() {
        return skip("needs root");
    }
    isolated(|| {
        netns::enter_new_mounts();
        let folder = disk::mounted(c"mode=755");
        let (_agent, manager) = start_in(folder.path(), &["--interval=1"], &[]);
        assert_eq!(manager.hear()[0], "READY=1");
        disk::make_read_only(folder.path());
        let trouble = manager.hear_until("STATUS=no file: ");
        assert!(trouble[0] == "WATCHDOG=1" && trouble[1].contains("read-only"), "{trouble:?}");
        disk::make_writable(folder.path());
        manager.hear_until("STATUS=open: ");
    });
}

#[test]
fn a_reload_is_told_from_its_beginning_to_its_end() {
    let place = TempDir::new().unwrap();
    let file = place.path().join("ngraph.toml");
    fs::write(&file, "").unwrap();
    let path = file.to_str().unwrap();
    let (_folder, agent, manager) = start(&["--interval=1h", "--config", path], &[]);
    assert_eq!(manager.hear()[0], "READY=1");
    // One with a mistake is one as well: whoever waits for its end must hear of it.
    for text in ["keep = true", "keep = 1"] {
        fs::write(&file, text).unwrap();
        agent.signal(Signal::HUP);
        let begun = manager.hear();
        assert!(begun[0] == "RELOADING=1" && begun[1].starts_with("MONOTONIC_USEC="), "{begun:?}");
        assert_eq!(manager.hear(), ["READY=1"]);
    }
}

#[test]
fn a_manager_that_is_gone_is_no_trouble() {
    let (_folder, agent, manager) = start(&["--interval=1"], &[]);
    manager.hear();
    drop(manager);
    agent.settled();
}

/// As root with all hooks, and so behind the whole fence; else with snapshots alone.
fn start(args: &[&str], environment: &[(&str, &str)]) -> (TempDir, Agent, Manager) {
    let folder = TempDir::new().unwrap();
    let (agent, manager) = start_in(folder.path(), args, environment);
    (folder, agent, manager)
}

fn start_in(folder: &Path, args: &[&str], environment: &[(&str, &str)]) -> (Agent, Manager) {
    let manager = Manager::start();
    let mut command = command(&["--no-resolve", "--output"]);
    command.arg(folder).args(args).env("NOTIFY_SOCKET", manager.place.path().join("notify"));
    command.env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID");
    command.envs(environment.iter().copied());
    if !is_root() {
        command.arg("--capture=procfs");
    }
    (Agent::run(command, folder), manager)
}

/// The socket that a service manager listens at.
struct Manager {
    socket: UnixDatagram,
    place: TempDir,
}

impl Manager {
    fn start() -> Self {
        let place = TempDir::new().unwrap();
        let socket = UnixDatagram::bind(place.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, place }
    }

    /// The lines of the next message.
    fn hear(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).expect("a message in time");
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The next message with a line that begins so.
    fn hear_until(&self, start: &str) -> Vec<String> {
        support::wait_for(start, || {
            let heard = self.hear();
            heard.iter().any(|line| line.starts_with(start)).then_some(heard)
        })
    }
}
