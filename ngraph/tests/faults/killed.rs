//! SIGKILL while a file is written.
//!
//! What is killed a thousand times is the agent's own writer, `TextFile`, in a process that does
//! nothing else: this test binary, run again. It's the same thing. What a reader sees changes by
//! the writer's system calls alone, and SIGKILL ends a process between two of them, or within
//! one, whatever else the process would do. A whole agent writes for less than a thousandth of
//! its time, so that of a thousand kills none would hit.

use std::{
    collections::BTreeSet,
    env, fs,
    hint::spin_loop,
    io::{BufRead as _, BufReader},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Command, Stdio},
};

use ngraph::export::file::TextFile;
use rustix::{
    mount::{MountFlags, mount},
    process::Signal,
};
use tempfile::TempDir;

use crate::{
    is_possible, lines,
    support::{
        agent::{Agent, command},
        isolated, netns,
    },
};

const KILLS: usize = 1_000;
/// About as many as fit into the writing of a file.
const MOST_SPINS: usize = 100_000;
const FOLDER: &str = "NGRAPH_TEST_WRITE_TO";
const FIRST: &str = "NGRAPH_TEST_WRITE_FROM";
const THIS_TEST: &str = "killed::a_thousand_kills_leave_the_last_whole_file_and_no_litter";
/// What a writer says when it has written a file and is about to write the next.
const WRITES: &str = "about to write";
const FILE: &str = "ngraph.prom";

#[test]
fn a_thousand_kills_leave_the_last_whole_file_and_no_litter() {
    if let (Some(folder), Ok(first)) = (env::var_os(FOLDER), env::var(FIRST)) {
        return write_until_killed(Path::new(&folder), first.parse().unwrap());
    }
    if !is_possible() {
        return;
    }
    isolated(kill_a_thousand);
}

fn kill_a_thousand() {
    // In memory, where writing takes most of the time; on a disk it's the rename.
    netns::enter_new_mounts();
    let folder = TempDir::new().unwrap();
    mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), None).unwrap();
    let mut last = 0;
    let mut left_by_one = 0;
    let mut moments = BTreeSet::new();
    for kill in 0..KILLS {
        kill_while_writing(folder.path(), last + 1, kill);
        let names = names_in(folder.path());
        assert!(names.contains(FILE), "kill {kill}: {names:?}");
        // Nothing of those before: each start removes what the last one left.
        assert!(names.len() <= 2, "kill {kill}: {names:?}");
        left_by_one += names.len() - 1;
        for name in names.iter().filter(|name| *name != FILE) {
            assert!(!name.ends_with(".prom"), "node_exporter would read {name}");
            moments.insert(fs::metadata(folder.path().join(name)).unwrap().len());
        }
        let found = whole(&fs::read_to_string(folder.path().join(FILE)).unwrap());
        assert!(found > last, "kill {kill}: file {found} after file {last}");
        last = found;
    }
    // Or the kills have all come between two files, and prove nothing.
    assert!((KILLS / 20..KILLS).contains(&left_by_one), "{left_by_one} kills hit a write");
    assert!(moments.len() >= 10, "files are cut at {moments:?} bytes and nowhere else");
    drop(TextFile::open(folder.path()).unwrap());
    assert_eq!(names_in(folder.path()), BTreeSet::from([FILE.to_owned()]));
}

#[test]
fn an_agent_that_was_killed_leaves_its_file_and_the_next_goes_on_from_there() {
    let folder = TempDir::new().unwrap();
    let run = || {
        let mut command = command(&["--interval=1", "--no-resolve", "--capture=procfs"]);
        command.arg("--output").arg(folder.path());
        Agent::run(command, folder.path())
    };
    let mut first = run();
    first.settled();
    first.signal(Signal::KILL);
    assert_eq!(first.end().0.signal(), Some(libc::SIGKILL));
    assert!(first.metrics().is_some(), "no whole file");
    // As a kill in the middle of a write leaves it.
    fs::write(folder.path().join(".ngraph.prom.Ab3dEf.tmp"), "network_conn").unwrap();
    let second = run();
    second.settled();
    assert_eq!(names_in(folder.path()), BTreeSet::from([FILE.to_owned()]));
    let log = second.stop().1;
    assert_eq!(lines(&log, "left by a write that was interrupted").len(), 1, "{log}");
}

/// Writes file after file until it's killed.
fn write_until_killed(folder: &Path, first: u64) {
    let mut file = TextFile::open(folder).unwrap();
    file.write(&text(first)).unwrap();
    for number in first + 1.. {
        let text = text(number);
        println!("\n{WRITES}");
        file.write(&text).unwrap();
    }
}

/// Starts a writer, has it write its first file, and kills it a little later.
fn kill_while_writing(folder: &Path, first: u64, kill: usize) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", THIS_TEST])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim_end() != WRITES {
        line.clear();
        assert_ne!(said.read_line(&mut line).unwrap(), 0, "the writer ended by itself");
    }
    // A prime's multiples, so that no moment is left out.
    for _ in 0..(kill * 7_919) % MOST_SPINS {
        spin_loop();
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(libc::SIGKILL), "{status}");
}

/// A file of some 300 KiB, told by its number.
fn text(number: u64) -> String {
    format!("file_number {number}\n").repeat(20_000)
}

/// The number of a file, which is whole.
fn whole(found: &str) -> u64 {
    let number = found.lines().next().and_then(|line| line.split(' ').next_back());
    let number = number.unwrap_or_default().parse().expect("an empty file, or the end of one");
    assert!(found == text(number), "{} bytes of file {number} are not all", found.len());
    number
}

fn names_in(folder: &Path) -> BTreeSet<String> {
    let names = folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}
