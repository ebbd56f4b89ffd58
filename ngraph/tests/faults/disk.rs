//! The file system under the output folder: full, read-only, closed, gone, and back again.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::{
    is_possible,
    support::{
        agent::{Agent, command},
        disk::{Disk, make_read_only, make_writable, mounted},
        isolated,
        limited::{NOBODY, Place},
        metrics::Metrics,
        netns,
        traffic::short_connections,
        wait_for,
    },
    told,
};

const FAILURES: &str = "ngraph_write_failures_total";
const ATTEMPTS: usize = 6;
/// Brief connections, of which only the file after the trouble can tell.
const MEANWHILE: usize = 25;

#[test]
fn a_full_disk_keeps_the_last_good_file_and_is_told_once() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        let (folder, agent) = agent_on_its_own_disk();
        let mut filler = PathBuf::new();
        let trouble = Trouble {
            begin: &mut || filler = fill(folder.path()),
            is_told: "no space left on device (make room there",
            last_good: &agent.file(),
        };
        let before = trouble.last_for(&agent);
        let entries = folder.path().read_dir().unwrap().count();
        assert_eq!(entries, 2, "beside the file and the filler, half a file is left");
        fs::remove_file(filler).unwrap();
        all_is_told_again(agent, before);
    });
}

#[test]
fn a_read_only_disk_keeps_the_last_good_file_and_is_told_once() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        let (folder, agent) = agent_on_its_own_disk();
        let trouble = Trouble {
            begin: &mut || make_read_only(folder.path()),
            is_told: "read-only file system (mount it writable",
            last_good: &agent.file(),
        };
        let before = trouble.last_for(&agent);
        make_writable(folder.path());
        all_is_told_again(agent, before);
    });
}

#[test]
fn a_folder_closed_to_the_agent_keeps_the_last_good_file_and_is_told_once() {
    if !is_possible() {
        return;
    }
    let place = Place::new();
    let mut command = place.command(&["--interval=1", "--no-resolve", "--capture=procfs"]);
    command.args(["--log-level=debug", "--output"]).arg(place.output());
    let agent = Agent::run(command, &place.output());
    agent.wait_for("the first file", |_| true);
    let give_to = |user| chown(place.output(), Some(user), Some(user)).unwrap();
    let before = told(&agent.log()).len();
    give_to(0);
    wait_for_attempts(&agent, ATTEMPTS);
    let last_good = fs::read(agent.file()).unwrap();
    wait_for_attempts(&agent, ATTEMPTS + 1);
    assert_eq!(fs::read(agent.file()).unwrap(), last_good);
    give_to(NOBODY);
    agent.wait_for("files again", |metrics| failures(metrics) > 0);
    agent.settled();
    let log = agent.stop().1;
    let told = &told(&log)[before..];
    assert_eq!(told.len(), 3, "{log}");
    assert!(told[0].contains("permission denied (run ngraph as root"), "{log}");
    assert!(told[1].ends_with("files are written again"), "{log}");
}

#[test]
fn a_disk_that_is_unmounted_leaves_files_to_what_is_below_and_has_them_when_it_is_back() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        netns::enter_new();
        netns::enter_new_mounts();
        let disk = Disk::mount(TempDir::new().unwrap());
        let agent = Agent::run(into(&disk.folder()), &disk.folder());
        let first = agent.wait_for("the first file", |_| true);
        let before = told(&agent.log()).len();

        disk.away();
        let below =
            agent.wait_for("a file in what is below", |metrics| stamp(metrics) > stamp(&first));
        let last_good = fs::read_to_string(disk.last_good()).unwrap();
        assert!(stamp(&Metrics::parse(&last_good)) < stamp(&below), "{last_good}");
        short_connections("127.0.0.1:0", None, MEANWHILE);
        agent.wait_for("they are told", |metrics| opened(metrics) == MEANWHILE);
        assert_eq!(fs::read_to_string(disk.last_good()).unwrap(), last_good);

        disk.back();
        agent.wait_for("files again", |metrics| opened(metrics) == MEANWHILE);
        assert_eq!(failures(&agent.settled()), 0);
        let log = agent.stop().1;
        let folder = disk.folder();
        let told = &told(&log)[before..];
        assert_eq!(told.len(), 3, "{log}");
        assert!(told[0].ends_with(&format!("{} was gone and is made anew", folder.display())));
        let back = format!("{} is another folder: files go on there", folder.display());
        assert!(told[1].ends_with(&back), "{log}");
    });
}

#[test]
fn a_disk_that_is_unmounted_from_a_read_only_one_is_told_once_until_it_is_back() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        netns::enter_new();
        netns::enter_new_mounts();
        let root = mounted(c"");
        let disk = Disk::mount(TempDir::new_in(root.path()).unwrap());
        make_read_only(root.path());
        let agent = Agent::run(into(&disk.folder()), &disk.folder());
        agent.wait_for("the first file", |_| true);
        let trouble = Trouble {
            begin: &mut || disk.away(),
            is_told: "read-only file system (mount it writable",
            last_good: &disk.last_good(),
        };
        let before = trouble.last_for(&agent);
        disk.back();
        all_is_told_again(agent, before);
    });
}

/// What goes wrong, what the log says of it, and which file it may not harm.
struct Trouble<'a> {
    begin: &'a mut dyn FnMut(),
    is_told: &'a str,
    last_good: &'a Path,
}

impl Trouble<'_> {
    /// Begins it and lets it last for several files, in which brief connections come and go.
    /// Gives how many lines the log had before.
    fn last_for(self, agent: &Agent) -> usize {
        let before = told(&agent.log()).len();
        (self.begin)();
        wait_for_attempts(agent, 1);
        let last_good = fs::read(self.last_good).unwrap();
        short_connections("127.0.0.1:0", None, MEANWHILE);
        wait_for_attempts(agent, ATTEMPTS);
        let log = agent.log();
        let told = &told(&log)[before..];
        assert_eq!(told.len(), 1, "{log}");
        assert!(told[0].contains(" ERROR ") && told[0].contains(self.is_told), "{log}");
        assert_eq!(fs::read(self.last_good).unwrap(), last_good);
        before
    }
}

/// The next file has all that happened while none could be written, and counts the failures.
fn all_is_told_again(agent: Agent, told_before: usize) {
    let metrics = agent.wait_for("files again", |metrics| failures(metrics) > 0);
    let brief = |direction| metrics.sum(&format!("network_connections_{direction}_total"), &[]);
    let counted = (brief("output"), brief("input"), opened(&metrics));
    assert_eq!(counted, (MEANWHILE as u64, MEANWHILE as u64, MEANWHILE), "{metrics:#?}");
    let failed = failures(&metrics);
    assert!(failed >= ATTEMPTS, "{failed} failures");
    assert_eq!(failures(&agent.settled()), failed);
    let log = agent.stop().1;
    assert_eq!(failed, attempts(&log), "{log}");
    let last_two: Vec<_> = told(&log).into_iter().rev().take(2).collect();
    assert!(last_two[0].ends_with("stopping"), "{log}");
    assert!(last_two[1].ends_with("files are written again"), "{log}");
    assert_eq!(told(&log).len(), told_before + 3, "{log}");
}

/// An agent that writes into a file system of 256 KiB of its own.
fn agent_on_its_own_disk() -> (TempDir, Agent) {
    netns::enter_new();
    netns::enter_new_mounts();
    let folder = mounted(c"size=256k");
    let agent = Agent::run(into(folder.path()), folder.path());
    agent.wait_for("the first file", |_| true);
    (folder, agent)
}

fn into(folder: &Path) -> Command {
    let mut command = command(&["--interval=1", "--no-resolve", "--log-level=debug", "--output"]);
    command.arg(folder);
    command
}

/// Leaves no byte of room in `folder`.
fn fill(folder: &Path) -> PathBuf {
    let path = folder.join("filler");
    let mut file = File::create(&path).unwrap();
    loop {
        match file.write_all(&[0; 4096]) {
            Ok(()) => {}
            Err(err) if err.kind() == ErrorKind::StorageFull => break path,
            Err(err) => panic!("{err}"),
        }
    }
}

/// Waits until the agent has failed to write `count` files since it began.
pub fn wait_for_attempts(agent: &Agent, count: usize) {
    wait_for("attempts to write", || (attempts(&agent.log()) >= count).then_some(()));
}

/// Each attempt that fails has a line: the first in the log of every user, the others at
/// debug level.
fn attempts(log: &str) -> usize {
    let is_attempt =
        |line: &&str| line.contains("the last good file stays") || line.contains("still the same");
    log.lines().filter(is_attempt).count()
}

fn failures(metrics: &Metrics) -> usize {
    metrics.sum(FAILURES, &[]) as usize
}

fn opened(metrics: &Metrics) -> usize {
    let (output, input) = (metrics.opened("output"), metrics.opened("input"));
    if output == input { output as usize } else { usize::MAX }
}

fn stamp(metrics: &Metrics) -> f64 {
    metrics.with("ngraph_last_write_timestamp_seconds", &[]).next().unwrap().value
}
