//! The output folder: missing, not a folder, not ours, gone, and read while it is written.

use std::{fs, path::Path, process::Command, sync::Arc, thread};

use tempfile::{NamedTempFile, TempDir};

use crate::{
    disk::wait_for_attempts,
    is_possible, lines, run,
    support::{
        agent::{Agent, command},
        isolated,
        limited::Place,
        metrics::Metrics,
        netns,
        traffic::short_connections,
    },
    told,
};

#[test]
fn a_file_in_the_place_of_the_folder_is_failure_and_says_so() {
    let file = NamedTempFile::new().unwrap();
    let path = file.path().display();
    let expected =
        format!("ngraph: {path} is not a folder (--output wants the folder of ngraph.prom)\n");
    assert_eq!(run(into(file.path())), (Some(1), String::new(), expected));
}

#[test]
fn a_folder_below_a_file_is_failure_and_says_so() {
    let file = NamedTempFile::new().unwrap();
    let below = file.path().join("below");
    let expected = format!(
        "ngraph: make the folder {}: not a directory (--output wants a folder, and a part of \
         this path is a file)\n",
        below.display()
    );
    assert_eq!(run(into(&below)), (Some(1), String::new(), expected));
}

#[test]
fn a_folder_that_the_user_may_not_write_is_failure_and_says_so() {
    if !is_possible() {
        return;
    }
    let place = Place::new();
    let closed = TempDir::new_in(place.output()).unwrap();
    let output = closed.path().to_str().unwrap();
    let expected = format!(
        "ngraph: write in the folder {output}: permission denied (run ngraph as root or as the \
         folder's owner, or choose another --output)\n"
    );
    let command = place.command(&["--output", output]);
    assert_eq!(run(command), (Some(1), String::new(), expected));
}

#[test]
fn a_missing_folder_is_made_with_all_it_is_in() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("a/b/c");
    let agent = Agent::run(into(&folder), &folder);
    agent.wait_for("the first file", |_| true);
    assert_eq!(agent.stop().0.code(), Some(0));
}

#[test]
fn a_folder_that_is_removed_is_made_again_and_files_go_on() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("textfile");
    let agent = Agent::run(into(&folder), &folder);
    agent.wait_for("the first file", |_| true);
    fs::remove_dir_all(&folder).unwrap();
    agent.wait_for("a file in the folder made anew", |_| true);
    let metrics = agent.settled();
    assert_eq!(metrics.sum("ngraph_write_failures_total", &[]), 0);
    let log = agent.stop().1;
    let told = format!("{} was gone and is made anew", folder.display());
    assert_eq!(lines(&log, &told).len(), 1, "{log}");
}

#[test]
fn a_file_that_takes_the_place_of_the_folder_is_told_once_until_it_is_gone() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("textfile");
    let mut command = into(&folder);
    command.arg("--log-level=debug");
    let agent = Agent::run(command, &folder);
    agent.wait_for("the first file", |_| true);
    let aside = parent.path().join("aside");
    fs::rename(&folder, &aside).unwrap();
    fs::write(&folder, "").unwrap();
    wait_for_attempts(&agent, 6);
    let last_good = fs::read_to_string(aside.join("ngraph.prom")).unwrap();
    assert!(Metrics::parse(&last_good).sum("ngraph_build_info", &[]) == 1);
    fs::remove_file(&folder).unwrap();
    agent.wait_for("files again", |metrics| metrics.sum("ngraph_write_failures_total", &[]) >= 6);
    let log = agent.stop().1;
    let told = told(&log);
    assert_eq!(told.len(), 4, "{log}");
    let expected = format!("{} is not a folder", folder.display());
    assert!(told[1].contains(" ERROR ") && told[1].contains(&expected), "{log}");
    assert!(told[2].ends_with("files are written again"), "{log}");
}

#[test]
fn a_reader_never_sees_half_a_file_or_none() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        netns::enter_new();
        let agent = Agent::start(&[]);
        // In the namespace of the thread that starts it, until the test is over.
        let traffic = Arc::new(());
        let is_wanted = Arc::downgrade(&traffic);
        let server = thread::spawn(move || {
            while is_wanted.upgrade().is_some() {
                short_connections("127.0.0.1:0", None, 20);
                short_connections("[::1]:0", None, 20);
            }
        });
        let opened = read_in_a_loop(&agent, 6);
        drop(traffic);
        server.join().unwrap();
        assert!(opened.windows(2).all(|pair| pair[0] < pair[1]), "{opened:?}");
    });
}

/// Reads until `count` different files were seen, every one of them whole; gives what each
/// told of the connections opened.
fn read_in_a_loop(agent: &Agent, count: usize) -> Vec<u64> {
    let mut stamps = Vec::new();
    let mut opened = Vec::new();
    let mut reads = 0;
    while stamps.len() < count {
        let text = fs::read_to_string(agent.file()).expect("there is always a file");
        let metrics = Metrics::parse(&text);
        reads += 1;
        let last = metrics.0.last().map(|sample| sample.name.as_str());
        assert_eq!(last, Some("ngraph_process_open_fds"), "{text}");
        let stamp = metrics.with("ngraph_last_write_timestamp_seconds", &[]).next().unwrap().value;
        if stamps.last() != Some(&stamp) {
            stamps.push(stamp);
            opened.push(metrics.opened("output"));
        }
    }
    assert!(reads > 100 * count, "{reads} reads of {count} files are no loop");
    opened
}

fn into(folder: &Path) -> Command {
    let mut command = command(&["--interval=1", "--no-resolve", "--capture=procfs", "--output"]);
    command.arg(folder);
    command
}
