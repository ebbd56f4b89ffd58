//! A /proc that hides, changes under the reader's eyes, or lies.

use std::{
    collections::BTreeSet,
    fs,
    net::TcpListener,
    os::unix::{fs::symlink, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
};

use ngraph::{
    clock,
    config::Scope,
    snapshot::{Row, namespaces, procfs},
};
use rustix::{
    mount::{MountFlags, mount},
    process::{Resource, Rlimit, setrlimit},
    thread::{UnshareFlags, unshare_unsafe},
};
use tempfile::TempDir;

use crate::{
    is_possible,
    support::{
        agent::{Agent, command},
        isolated,
        limited::Place,
        metrics::Metrics,
        netns,
        traffic::held,
    },
    told,
};

const ARGS: [&str; 3] = ["--interval=1", "--no-resolve", "--capture=procfs"];
const FILES: usize = 5;
/// Of processes, which is quick, and of all their tables.
const LISTINGS: usize = 20_000;
const SNAPSHOTS: usize = 30;

#[test]
fn hidden_processes_are_told_once_and_what_is_seen_is_counted() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        netns::enter_new();
        netns::enter_new_mounts();
        let root = TempDir::new().unwrap();
        mount("proc", root.path(), "proc", MountFlags::empty(), c"hidepid=2").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _held = held(&listener);
        let place = Place::new();
        let mut command = place.command(&ARGS);
        command.arg("--all").arg("--procfs").arg(root.path());
        command.arg("--output").arg(place.output());
        let agent = Agent::run(command, &place.output());
        agent.wait_for("the connection", |metrics| live(metrics) == 2);
        wait_for_files(&agent, FILES);
        assert_eq!(live(&agent.metrics().unwrap()), 2);
        let log = agent.stop().1;
        let told = told(&log);
        assert_eq!(told.len(), 3, "{log}");
        let expected = format!("some processes in {} are hidden", root.path().display());
        assert!(told[1].contains(" WARN ") && told[1].contains(&expected), "{log}");
    });
}

#[test]
fn processes_that_die_while_they_are_read_are_no_problem() {
    if !is_possible() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = held(&listener);
    let port = held.client.local_addr().unwrap().port();
    // A view of /proc with this process and those that die: root may be kept from others,
    // in a container, and that would be a problem.
    let view = TempDir::new().unwrap();
    let this = std::process::id().to_string();
    symlink(Path::new("/proc").join(&this), view.path().join(&this)).unwrap();
    for name in ["self", "1"] {
        symlink(&this, view.path().join(name)).unwrap();
    }
    let wanted = Arc::new(());
    let dying = [(); 3].map(|()| {
        let (is_wanted, view) = (Arc::downgrade(&wanted), view.path().to_owned());
        thread::spawn(move || {
            while is_wanted.upgrade().is_some() {
                live_and_die(&view);
            }
        })
    });
    let mut seen = BTreeSet::new();
    for _ in 0..LISTINGS {
        let mut problems = Vec::new();
        let witnesses = namespaces::all(view.path(), &mut problems).unwrap();
        assert_eq!(problems, [""; 0]);
        seen.extend(witnesses.values().flatten().copied());
    }
    for _ in 0..SNAPSHOTS {
        let snapshot = procfs::take(view.path(), Scope::All, clock::since_boot).unwrap();
        assert_eq!(snapshot.problems, [""; 0]);
        let ports = |row: &Row| [row.flow.local_port, row.flow.peer_port];
        let ends = snapshot.rows.iter().filter(|row| ports(row).contains(&port));
        assert_eq!(ends.count(), 2);
    }
    drop(wanted);
    dying.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(seen.len() > 10, "none of the dying was seen: {seen:?}");
}

#[test]
fn more_namespaces_than_descriptors_are_all_seen() {
    const NAMESPACES: u32 = 300;
    const DESCRIPTORS: u64 = 128;
    let tree = Tree::new();
    tree.write(&[HEAD, LISTENER, CONNECTION]);
    for number in 1..NAMESPACES {
        let process = tree.0.path().join((1000 + number).to_string());
        fs::create_dir_all(process.join("ns")).unwrap();
        symlink(format!("net:[{number}]"), process.join("ns/net")).unwrap();
        symlink(tree.process().join("net"), process.join("net")).unwrap();
        fs::copy("/proc/self/stat", process.join("stat")).unwrap();
    }
    let folder = tree.0.path().join("textfile");
    let mut command = tree.command(&folder);
    command.arg("--all");
    let limit = Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) };
    // SAFETY: it makes one system call, and allocates nothing.
    unsafe { command.pre_exec(move || setrlimit(Resource::Nofile, limit).map_err(Into::into)) };
    let agent = Agent::run(command, &folder);
    agent.wait_for("the connection of each", |it| live(it) == u64::from(NAMESPACES));
}

#[test]
fn a_table_with_lines_of_nonsense_is_told_once_and_the_others_are_counted() {
    let tree = Tree::new();
    tree.write(&[HEAD, LISTENER, "nonsense", "   1: 0:0", CONNECTION, "   2: \u{fffd}:1", "\0"]);
    let agent = tree.agent();
    agent.wait_for("the connection", |metrics| live(metrics) == 1);
    wait_for_files(&agent, FILES);
    tree.write(&[HEAD, "another", "number", "of", "lines", CONNECTION]);
    wait_for_files(&agent, FILES);
    let last = agent.metrics().unwrap();
    let counted = "network_connections_input_total";
    let labels = [("src_ip", "10.0.0.2"), ("dest_ip", "10.0.0.1")];
    assert_eq!(last.sum(counted, &labels), 1, "{last:#?}");
    let log = agent.stop().1;
    let told = told(&log);
    assert_eq!(told.len(), 3, "{log}");
    let expected = "some lines of TCP tables make no sense and are left out";
    assert!(told[1].contains(" WARN ") && told[1].contains(expected), "{log}");
}

#[test]
fn a_table_that_is_none_is_told_once_until_it_is_one_again() {
    let tree = Tree::new();
    tree.write(&[HEAD, LISTENER, CONNECTION]);
    let agent = tree.agent();
    agent.wait_for("the connection", |metrics| live(metrics) == 1);
    // As big as the tables of a busy machine, and a single line.
    fs::write(tree.table(), vec![b'x'; 16 << 20]).unwrap();
    wait_for_files(&agent, FILES);
    assert_eq!(live(&agent.metrics().unwrap()), 1, "what was known is forgotten");
    fs::remove_file(tree.table()).unwrap();
    wait_for_files(&agent, FILES);
    tree.write(&[HEAD, LISTENER]);
    agent.wait_for("its end", |metrics| live(metrics) == 0);
    let used = agent.metrics().unwrap().sum("ngraph_process_resident_memory_bytes", &[]);
    assert!(used < 40 << 20, "{used} bytes");
    let log = agent.stop().1;
    let told = told(&log);
    assert_eq!(told.len(), 4, "{log}");
    let table = tree.table();
    for (line, why) in [(told[1], "this is no TCP table"), (told[2], "")] {
        let expected = format!("read {}: {why}", table.display());
        assert!(line.contains(" WARN ") && line.contains(&expected), "{log}");
    }
}

#[test]
fn a_kernel_without_ipv6_has_nothing_to_tell() {
    let tree = Tree::new();
    tree.write(&[HEAD, LISTENER, CONNECTION]);
    assert!(!tree.table().with_file_name("tcp6").exists());
    let agent = tree.agent();
    agent.wait_for("the connection", |metrics| live(metrics) == 1);
    wait_for_files(&agent, FILES);
    let log = agent.stop().1;
    assert_eq!(told(&log).len(), 2, "{log}");
}

const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
const LISTENER: &str = "   0: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4241 1 0 100 0 0 10 0";
/// 10.0.0.1 port 443, where somebody listens, and 10.0.0.2 port 40000.
const CONNECTION: &str = "   1: 0100000A:01BB 0200000A:9C40 01 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 20 4 30 10 -1";

/// A folder that stands for /proc, with one process.
struct Tree(TempDir);

impl Tree {
    fn new() -> Self {
        let tree = Self(TempDir::new().unwrap());
        fs::create_dir_all(tree.process().join("net")).unwrap();
        fs::create_dir(tree.process().join("ns")).unwrap();
        symlink("net:[4026531840]", tree.process().join("ns/net")).unwrap();
        symlink("42", tree.0.path().join("self")).unwrap();
        fs::copy("/proc/self/stat", tree.process().join("stat")).unwrap();
        tree
    }

    fn process(&self) -> PathBuf {
        self.0.path().join("42")
    }

    fn table(&self) -> PathBuf {
        self.process().join("net/tcp")
    }

    /// Puts a table in the place of the last one, at once.
    fn write(&self, lines: &[&str]) {
        let beside = self.process().join("next");
        fs::write(&beside, lines.join("\n") + "\n").unwrap();
        fs::rename(beside, self.table()).unwrap();
    }

    fn agent(&self) -> Agent {
        let folder = self.0.path().join("textfile");
        let agent = Agent::run(self.command(&folder), &folder);
        agent.wait_for("the first file", |_| true);
        agent
    }

    fn command(&self, folder: &Path) -> Command {
        let mut command = command(&ARGS);
        command.arg("--procfs").arg(self.0.path()).arg("--output").arg(folder);
        command
    }
}

/// A process in a network namespace of its own, which ends with it, seen in `view`.
fn live_and_die(view: &Path) {
    let mut command = Command::new("true");
    let unshare = || {
        // SAFETY: between fork and exec, only this process' network namespace changes.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.map_err(Into::into)
    };
    // SAFETY: it makes one system call, and allocates nothing.
    unsafe { command.pre_exec(unshare) };
    let mut child = command.spawn().unwrap();
    let pid = child.id().to_string();
    symlink(Path::new("/proc").join(&pid), view.join(&pid)).unwrap();
    assert!(child.wait().unwrap().success());
    fs::remove_file(view.join(pid)).unwrap();
}

fn live(metrics: &Metrics) -> u64 {
    metrics.sum("ngraph_live_connections", &[])
}

/// Waits for so many files more.
fn wait_for_files(agent: &Agent, count: usize) {
    (0..count.div_ceil(2)).for_each(|_| drop(agent.settled()));
}
