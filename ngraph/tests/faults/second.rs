//! Two agents and one folder: the first has it, however it ends, and no longer.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::{
    is_possible, run,
    support::{
        agent::{Agent, command},
        limited::as_nobody,
        wait_for,
    },
    told,
};

const PROCFS: &str = "--capture=procfs";

#[test]
fn a_second_agent_in_a_folder_is_failure_and_names_the_first() {
    let first = Agent::start(&[PROCFS]);
    for args in [&[][..], &["--once"]] {
        let (code, stdout, stderr) = run(into(&first, args));
        let folder = first.file().parent().unwrap().display().to_string();
        let expected = format!(
            "ngraph: lock the folder {folder}: process {} (ngraph) has it (two agents can't \
             share a folder: stop that one, or choose another --output)\n",
            first.pid()
        );
        assert_eq!((code, stdout.as_str(), stderr), (Some(1), "", expected), "{args:?}");
    }
    let listed = first.file().parent().unwrap().read_dir().unwrap().count();
    assert_eq!(listed, 1, "the lock or the second agent left something in the folder");
    first.settled();
    assert_eq!(told(&first.stop().1).len(), 2, "the first was disturbed");
}

#[test]
fn a_second_agent_goes_elsewhere_or_to_stdout() {
    let first = Agent::start(&[PROCFS]);
    let second = Agent::start(&[PROCFS]);
    let (code, _, stderr) = run(command(&["--once", "--output=-", "--no-resolve", PROCFS]));
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(second.stop().0.code(), Some(0));
    assert_eq!(first.stop().0.code(), Some(0));
}

#[test]
fn the_folder_of_an_agent_that_ended_is_free_at_once() {
    for signal in [Signal::KILL, Signal::TERM] {
        let mut first = Agent::start(&[PROCFS]);
        first.signal(signal);
        first.end();
        let (code, _, stderr) = run(into(&first, &["--once"]));
        assert_eq!(code, Some(0), "{signal:?}: {stderr}");
    }
}

#[test]
fn an_agent_that_starts_while_another_ends_waits_for_its_folder() {
    let mut first = Agent::start(&[PROCFS]);
    // It holds its lock and is slow to end.
    first.signal(Signal::STOP);
    let second = Agent::run(into(&first, &["--log-level=debug"]), first.file().parent().unwrap());
    second.says("wait for the lock of the folder");
    first.signal(Signal::KILL);
    first.end();
    second.settled();
    assert_eq!(second.stop().0.code(), Some(0));
}

#[test]
fn the_lock_goes_with_the_folder_and_who_loses_it_keeps_off_until_it_is_free() {
    let parent = TempDir::new().unwrap();
    let (place, aside) = (parent.path().join("textfile"), parent.path().join("aside"));
    let first = Agent::run(at(&place, &["--log-level=debug"]), &place);
    first.wait_for("the first file", |_| true);

    // A new folder in its place, taken by another before the first comes to write.
    first.signal(Signal::STOP);
    let stat = format!("/proc/{}/stat", first.pid());
    wait_for("the first one to stand still", || {
        fs::read_to_string(&stat).unwrap().contains(") T ").then_some(())
    });
    fs::rename(&place, &aside).unwrap();
    let second = Agent::run(at(&place, &[]), &place);
    second.wait_for("the second one's file", |_| true);
    first.signal(Signal::CONT);
    wait_for("five attempts of the first", || {
        (first.log().matches("(ngraph) has it").count() >= 5).then_some(())
    });
    let (code, log) = second.stop();
    assert_eq!(code.code(), Some(0), "{log}");
    assert_eq!(told(&log).len(), 2, "the second was disturbed: {log}");

    first.wait_for("files of the first again", |metrics| {
        metrics.sum("ngraph_write_failures_total", &[]) >= 5
    });
    let (code, _, stderr) = run(at(&place, &["--once"]));
    assert_eq!(code, Some(1), "the first has no lock in its new folder: {stderr}");
    let log = first.stop().1;
    let told = told(&log);
    assert_eq!(told.len(), 4, "{log}");
    assert!(told[1].contains(" ERROR lock the folder "), "{log}");
    assert!(told[2].ends_with("files are written again"), "{log}");
}

#[test]
fn node_exporters_user_may_read_a_folder_that_is_locked() {
    if !is_possible() {
        return;
    }
    let agent = Agent::start(&[PROCFS]);
    let folder = agent.file().parent().unwrap().to_owned();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let mut list = Command::new("ls");
    list.arg("-A").arg(&folder);
    as_nobody(&mut list);
    let (code, listed, stderr) = run(list);
    assert_eq!((code, listed.as_str()), (Some(0), "ngraph.prom\n"), "{stderr}");
}

fn into(first: &Agent, args: &[&str]) -> Command {
    at(first.file().parent().unwrap(), args)
}

fn at(folder: &Path, args: &[&str]) -> Command {
    let mut command = command(&["--interval=1", "--no-resolve", PROCFS]);
    command.args(args).arg("--output").arg(folder);
    command
}
