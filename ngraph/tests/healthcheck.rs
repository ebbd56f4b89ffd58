//! `ngraph healthcheck`: the exit code and the line that a container's probe gives.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use rustix::{
    fs::{FlockOperation, flock},
    mount::{MountFlags, mount},
    process::Signal,
};
use support::{
    agent::{Agent, command},
    is_root, isolated,
    limited::Place,
    netns, skip,
};
use tempfile::TempDir;

const PROCFS: &str = "--capture=procfs";
const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_running_agent_with_a_new_file_is_well() {
    let agent = Agent::start(&[PROCFS]);
    let ok = format!(
        "ok: {}: an agent runs, and wrote it within three intervals of 1m\n",
        agent.file().display()
    );
    let options = probe(&agent, "1m");
    assert_eq!(ended(options), (Some(0), ok.clone(), String::new()));
    let mut variables = command(&["healthcheck"]);
    variables.env("NGRAPH_OUTPUT", agent.folder()).env("NGRAPH_INTERVAL", "60");
    assert_eq!(ended(variables), (Some(0), ok, String::new()));
}

#[test]
fn where_no_agent_ever_ran_it_says_how_to_look_elsewhere() {
    let parent = TempDir::new().unwrap();
    let gone = parent.path().join("gone");
    for folder in [parent.path(), &gone] {
        let expected = format!(
            "ngraph: {}/ngraph.prom: there is no such file, and no agent runs there (start one, \
             or give this command the agent's --output)\n",
            folder.display()
        );
        assert_eq!(ended(probe_of(folder, "1m")), (Some(1), String::new(), expected));
    }
    assert!(!gone.exists(), "a look makes no folder");
}

#[test]
fn a_killed_agents_file_is_no_sign_of_life() {
    let mut agent = Agent::start(&[PROCFS]);
    agent.signal(Signal::KILL);
    agent.end();
    assert!(agent.file().exists());
    let (code, _, stderr) = ended(probe(&agent, "1h"));
    assert_eq!(code, Some(1));
    let expected = format!(
        "ngraph: {}: the agent that wrote it doesn't run any more: nobody has the folder's lock ",
        agent.file().display()
    );
    assert!(stderr.starts_with(&expected) && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn an_agent_that_runs_and_writes_no_more_is_ill() {
    let agent = halted();
    File::open(agent.file()).unwrap().set_modified(SystemTime::now() - HOUR).unwrap();
    let (code, _, stderr) = ended(probe(&agent, "15s"));
    assert_eq!(code, Some(1));
    let expected = format!("ngraph: {}: written 1h", agent.file().display());
    assert!(stderr.starts_with(&expected) && stderr.lines().count() == 1, "{stderr}");
    assert!(stderr.contains(" ago, which is more than three intervals of 15s, though"), "{stderr}");
    // The agent's own interval, whatever it is, has to be told.
    assert_eq!(ended(probe(&agent, "1h")).0, Some(0));
}

#[test]
fn a_clock_that_was_set_back_makes_no_agent_ill() {
    let agent = halted();
    File::open(agent.file()).unwrap().set_modified(SystemTime::now() + HOUR).unwrap();
    assert_eq!(ended(probe(&agent, "15s")).0, Some(0));
}

#[test]
fn an_agent_that_starts_is_told_from_none() {
    let folder = TempDir::new().unwrap();
    let lock = File::open(folder.path()).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let (code, _, stderr) = ended(probe_of(folder.path(), "15s"));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("an agent runs there and has written no file yet"), "{stderr}");
}

#[test]
fn what_is_no_file_is_named() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("ngraph.prom")).unwrap();
    let (code, _, stderr) = ended(probe_of(folder.path(), "15s"));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("/ngraph.prom is no file (remove it"), "{stderr}");
}

#[test]
fn stdout_has_no_file_and_asking_for_it_is_wrong_usage() {
    let (code, stdout, stderr) = ended(command(&["healthcheck", "--output=-"]));
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    let expected = "error: --output -: healthcheck looks at a file, and there is none";
    assert!(stderr.starts_with(expected), "{stderr}");
}

#[test]
fn probes_at_one_time_are_no_agents_to_each_other_nor_trouble_to_one() {
    let left = TempDir::new().unwrap();
    fs::write(left.path().join("ngraph.prom"), "").unwrap();
    let agent = Agent::start(&[PROCFS]);
    for (folder, expected) in [(left.path(), Some(1)), (agent.folder(), Some(0))] {
        let start = |_| {
            let mut probe = probe_of(folder, "1h");
            probe.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let probes: Vec<_> = (0..8).map(start).collect();
        for mut probe in probes {
            assert_eq!(probe.wait().unwrap().code(), expected);
        }
    }
    assert_eq!(agent.settled().sum("ngraph_write_failures_total", &[]), 0);
}

#[test]
fn any_user_who_may_read_the_folder_can_ask() {
    if !is_root() {
        return skip("needs root");
    }
    let place = Place::new();
    let mut agent = command(&["--interval=1", "--no-resolve", PROCFS, "--output"]);
    agent.arg(place.output());
    let agent = Agent::run(agent, &place.output());
    agent.wait_for("the first file", |_| true);
    let ask = || {
        let mut probe = place.command(&["healthcheck", "--interval=1h", "--output"]);
        probe.arg(place.output());
        ended(probe)
    };
    assert_eq!(ask().0, Some(0));
    fs::set_permissions(place.output(), Permissions::from_mode(0o700)).unwrap();
    rustix::fs::chown(place.output(), Some(rustix::fs::Uid::ROOT), None).unwrap();
    let (code, _, stderr) = ask();
    assert_eq!(code, Some(1));
    let expected = "permission denied (run this as a user who may read the folder)\n";
    assert!(stderr.starts_with("ngraph: look at ") && stderr.ends_with(expected), "{stderr}");
}

#[test]
fn it_needs_no_proc() {
    if !is_root() {
        return skip("needs root");
    }
    let agent = Agent::start(&[PROCFS]);
    isolated(|| {
        netns::enter_new_mounts();
        mount("none", "/proc", "tmpfs", MountFlags::empty(), None).unwrap();
        assert_eq!(ended(probe(&agent, "1h")).0, Some(0));
    });
}

/// An agent that has written and stands still.
fn halted() -> Agent {
    let agent = Agent::start(&[PROCFS]);
    agent.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", agent.pid());
    support::wait_for("the agent to stand still", || {
        fs::read_to_string(&stat).unwrap().contains(") T ").then_some(())
    });
    agent
}

fn probe(agent: &Agent, interval: &str) -> Command {
    probe_of(agent.folder(), interval)
}

fn probe_of(folder: &Path, interval: &str) -> Command {
    let mut probe = command(&["healthcheck", "--interval", interval, "--output"]);
    probe.arg(folder);
    probe
}

/// The exit code, stdout and stderr.
fn ended(mut command: Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
