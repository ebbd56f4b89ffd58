//! What reads the agent's file: promtool finds no fault with it, and node_exporter serves it
//! whole.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::{
    fs,
    fs::{File, Permissions},
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

use rustix::process::Signal;
use support::{
    agent::{Agent, command},
    disk::{self, Disk},
    exporter::Exporter,
    is_root, isolated,
    metrics::{Metrics, Sample},
    netns, skip, tools,
    traffic::{Held, held, short_connections},
    wait_for,
};
use tempfile::TempDir;

#[test]
fn promtool_finds_no_fault() {
    let Some(promtool) = tool("NGRAPH_PROMTOOL") else {
        return;
    };
    isolated(|| {
        let (folder, agent, _held) = agent_with_all_there_is();
        let before = has_all_there_is(&agent);
        let copy = folder.path().join("copy");
        fs::copy(agent.file(), &copy).unwrap();
        let mut check = Command::new(promtool);
        check.args(["check", "metrics"]).stdin(File::open(&copy).unwrap());
        let output = check.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!((output.status.code(), said.as_ref()), (Some(0), ""), "{before:#?}");
    });
}

#[test]
fn node_exporter_serves_every_file_whole() {
    let Some(exporter) = tool("NGRAPH_NODE_EXPORTER") else {
        return;
    };
    isolated(|| {
        let (folder, agent, _held) = agent_with_all_there_is();
        has_all_there_is(&agent);
        let exporter = Exporter::start(&exporter, folder.path(), Ipv4Addr::LOCALHOST);
        let stop_at = exporter.scrape().stamp() + 4.0;
        let mut scrapes = 0;
        let mut compared = 0;
        loop {
            let before = agent.metrics().unwrap();
            let served = exporter.scrape();
            scrapes += 1;
            assert_eq!(served.sum("node_textfile_scrape_error", &[]), 0, "scrape {scrapes}");
            // The same file before and after is the file that was served.
            if agent.metrics().as_ref() == Some(&before) {
                compared += 1;
                assert_eq!(families(&served), families(&before), "scrape {scrapes}");
            }
            if served.stamp() > stop_at {
                break;
            }
        }
        assert!(compared > 20, "{compared} of {scrapes} scrapes were compared");
    });
}

#[test]
fn node_exporter_is_never_disturbed_by_what_goes_wrong() {
    let Some(program) = tool("NGRAPH_NODE_EXPORTER") else {
        return;
    };
    isolated(|| {
        netns::enter_new();
        netns::enter_new_mounts();
        let folder = disk::mounted(c"size=256k,mode=755");
        let mut agent = Some(agent_into(folder.path()));
        let file = folder.path().join("ngraph.prom");
        let exporter = Exporter::start(&program, folder.path(), Ipv4Addr::LOCALHOST);
        let scrapes = Scrapes::of(exporter, |served| Some(whole(served)));
        scrapes.count_more("while all is well");

        let filler = folder.path().join("filler");
        let filled = fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
        assert_eq!(filled.kind(), ErrorKind::StorageFull);
        wait_for_failure(agent.as_ref().unwrap(), "no space left");
        scrapes.count_more("while the disk is full");
        fs::remove_file(filler).unwrap();
        wait_for_file_after(&file, scrapes.count_more("while there is room again"));

        disk::make_read_only(folder.path());
        wait_for_failure(agent.as_ref().unwrap(), "read-only");
        scrapes.count_more("while the disk is read-only");
        disk::make_writable(folder.path());
        wait_for_file_after(&file, scrapes.count_more("while it can be written again"));

        for _ in 0..5 {
            let mut killed = agent.take().unwrap();
            killed.signal(Signal::KILL);
            killed.end();
            // As a kill in the middle of a write leaves it.
            fs::write(folder.path().join(".ngraph.prom.Ab3dEf.tmp"), "# TYPE a").unwrap();
            let stamp = scrapes.count_more("of what a killed agent left");
            agent = Some(agent_into(folder.path()));
            wait_for_file_after(&file, stamp);
        }
        scrapes.count_more("of the last agent");
        let (count, different) = scrapes.end();
        assert!(count > 10 * different, "{count} scrapes of {different} files are no loop");
        // The first, and one after each trouble.
        assert!(different >= 8, "{different} files");
    });
}

#[test]
fn node_exporter_sees_a_whole_file_or_none_while_its_folder_goes_and_comes_back() {
    let Some(program) = tool("NGRAPH_NODE_EXPORTER") else {
        return;
    };
    isolated(|| {
        netns::enter_new();
        netns::enter_new_mounts();
        let disk = Disk::mount(TempDir::new().unwrap());
        let agent = agent_into(&disk.folder());
        let exporter = Exporter::start(&program, &disk.folder(), Ipv4Addr::LOCALHOST);
        let scrapes = Scrapes::of(exporter, whole_or_none);
        for _ in 0..5 {
            let stamp = scrapes.count_more("while all is well");
            // The agent may be making a file in it.
            wait_for("the folder to be gone", || fs::remove_dir_all(disk.folder()).ok());
            scrapes.wait_for_one_after(stamp);
        }
        let stamp = scrapes.count_more("of the disk");
        disk.away();
        let stamp = scrapes.wait_for_one_after(stamp);
        disk.back();
        scrapes.wait_for_one_after(stamp);
        let (count, different) = scrapes.end();
        assert!(count > 10 * different, "{count} scrapes of {different} files are no loop");
        let log = agent.stop().1;
        assert!(log.contains("is another folder: files go on there"), "{log}");
    });
}

fn agent_into(folder: &Path) -> Agent {
    let mut command = command(&["--interval=1", "--no-resolve", "--output"]);
    command.arg(folder);
    let agent = Agent::run(command, folder);
    agent.wait_for("a file", |_| true);
    agent
}

fn wait_for_failure(agent: &Agent, why: &str) {
    let is_told = |line: &str| line.contains("the last good file stays") && line.contains(why);
    wait_for(why, || agent.log().lines().any(is_told).then_some(()));
}

fn wait_for_file_after(file: &Path, stamp: f64) {
    wait_for("another file", || {
        let text = fs::read_to_string(file).ok()?;
        (Metrics::parse(&text).stamp() > stamp).then_some(())
    });
}

/// The stamp of the file that was served, of which nothing may be missing.
fn whole(served: &Metrics) -> f64 {
    assert_eq!(served.sum("node_textfile_scrape_error", &[]), 0, "{served:#?}");
    // The last family of a file, of which a part has less.
    let last = served.with("ngraph_process_open_fds", &[]).count();
    assert_eq!(last, 1, "a part of a file: {served:#?}");
    served.stamp()
}

/// The same where the folder may be missing just now, or be empty.
fn whole_or_none(served: &Metrics) -> Option<f64> {
    let is_none = !served.0.iter().any(|sample| sample.name.starts_with("ngraph_"));
    if is_none { None } else { Some(whole(served)) }
}

/// Scrapes without a pause, in a thread of its own; each one is checked.
struct Scrapes {
    /// How many there were, and the stamp of the last that had a file.
    seen: Arc<Mutex<(usize, f64)>>,
    is_wanted: Arc<()>,
    thread: JoinHandle<usize>,
}

impl Scrapes {
    /// `stamp` finds out whether what is served is right, and gives its file's stamp, if it has one.
    fn of(exporter: Exporter, stamp: fn(&Metrics) -> Option<f64>) -> Self {
        let (seen, is_wanted) = (Arc::new(Mutex::new((0, 0.0))), Arc::new(()));
        let (of_thread, wanted) = (Arc::clone(&seen), Arc::downgrade(&is_wanted));
        let thread = thread::spawn(move || {
            let mut different = 0;
            while wanted.upgrade().is_some() {
                let stamp = stamp(&exporter.scrape());
                let mut seen = of_thread.lock().unwrap();
                let last = stamp.unwrap_or(seen.1);
                different += usize::from(seen.1 != last);
                *seen = (seen.0 + 1, last);
            }
            different
        });
        Self { seen, is_wanted, thread }
    }

    /// Waits for one of a file that is younger than that of `stamp`; gives its own.
    fn wait_for_one_after(&self, stamp: f64) -> f64 {
        wait_for("a scrape of another file", || {
            let last = self.seen.lock().unwrap().1;
            (last > stamp).then_some(last)
        })
    }

    /// Waits for 20 more; gives the last one's stamp.
    fn count_more(&self, when: &str) -> f64 {
        let before = self.seen.lock().unwrap().0;
        wait_for(when, || {
            let seen = *self.seen.lock().unwrap();
            (seen.0 >= before + 20).then_some(seen.1)
        })
    }

    fn end(self) -> (usize, usize) {
        drop(self.is_wanted);
        let different = self.thread.join().unwrap();
        (self.seen.lock().unwrap().0, different)
    }
}

/// The program that a variable names, for a test that needs root, too.
fn tool(variable: &str) -> Option<PathBuf> {
    if !is_root() {
        skip("needs root");
        return None;
    }
    tools::tool(variable)
}

/// An agent whose file has samples of every family that traffic makes: both directions, two
/// kinds of addresses, a failure, and peers folded into `other`.
fn agent_with_all_there_is() -> (TempDir, Agent, Vec<Held>) {
    netns::enter_new();
    netns::add_ten();
    let folder = TempDir::new().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let mut command = command(&["--interval=1", "--no-resolve", "--max-edges=3", "--output"]);
    command.arg(folder.path());
    let agent = Agent::run(command, folder.path());
    agent.wait_for("the first file", |_| true);
    let listen = |at: &str| TcpListener::bind(at).unwrap();
    let mut connections: Vec<Held> =
        ["[::1]:0", "[::1]:0", "127.0.0.1:0", "127.0.0.1:0"].map(|at| held(&listen(at))).into();
    for peer in 1..=9 {
        connections.push(held(&listen(&format!("10.1.{peer}.1:0"))));
    }
    short_connections("[::1]:0", None, 5);
    short_connections("127.0.0.1:0", None, 5);
    let closed = listen("127.0.0.1:0").local_addr().unwrap();
    for _ in 0..3 {
        TcpStream::connect(closed).unwrap_err();
    }
    (folder, agent, connections)
}

/// Waits until the file has all that was made; gives it.
fn has_all_there_is(agent: &Agent) -> Metrics {
    let families = ["network_connections_input_total", "network_connections_output_total"];
    agent.wait_for("all there is", |metrics| {
        let has = |name, labels: &[(&str, &str)]| metrics.sum(name, labels) > 0;
        families.iter().all(|family| has(family, &[("src_ip", "::1"), ("dest_ip", "::1")]))
            && has(families[0], &[("src_ip", "other")])
            && has(families[1], &[("dest_ip", "other")])
            && has("ngraph_connections_opened_total", &[("dest_ip", "other")])
            && has("ngraph_connect_failures_total", &[("reason", "refused")])
            && has("ngraph_edges_folded_total", &[("direction", "input")])
            && has("ngraph_edges_folded_total", &[("direction", "output")])
    })
}

/// Our own samples, in one order: node_exporter sorts families, and fills in labels.
fn families(metrics: &Metrics) -> Vec<Sample> {
    let is_ours = |name: &str| name.starts_with("ngraph_") || name.starts_with("network_");
    let mut ours: Vec<Sample> =
        metrics.0.iter().filter(|sample| is_ours(&sample.name)).cloned().collect();
    ours.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
    ours
}

trait Stamp {
    fn stamp(&self) -> f64;
}

impl Stamp for Metrics {
    fn stamp(&self) -> f64 {
        self.with("ngraph_last_write_timestamp_seconds", &[]).next().unwrap().value
    }
}
