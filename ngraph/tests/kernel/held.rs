//! Snapshots by the iterator over open files: what it shows, what it doesn't, and that
//! connections of neither kind come to harm.

use std::{
    collections::BTreeMap,
    net::{SocketAddr, TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::Path,
    thread,
};

use ngraph::{
    clock,
    collect::{Loops, capture},
    config::{Config, Scope},
    flow::{Flow, NetnsId, Role},
    snapshot::{self, Look, RowState, Snapshot, Tables, procfs},
};
use rustix::process::Signal;

use super::support::{
    agent::Agent,
    holder::Holder,
    isolated,
    metrics::Metrics,
    netns, skip_earned,
    sockets::deafen,
    tally::Tally,
    traffic::{Held, held, short_connections},
    wait_for,
};
use crate::{captures, sharing::hand_over};

const EACH_SECOND: &str = "--snapshot-interval=1s";

/// Starts an agent, if it has the iterator: otherwise it tells why not.
fn start(capture: &str, args: &[&str]) -> Option<Agent> {
    let agent = Agent::start(&[&["--capture", capture, EACH_SECOND], args].concat());
    let line = wait_for("a line about the iterator", || {
        let log = agent.log();
        log.lines().find(|line| line.contains("iterator:task_file")).map(str::to_owned)
    });
    if line.contains("without iterator:task_file") {
        assert_lacks_it(&line);
        return None;
    }
    assert!(line.contains("snapshots by iterator:task_file"), "{line}");
    Some(agent)
}

/// Skips the test, where the reason is this kernel.
fn assert_lacks_it(why: &str) {
    let is_earned = ["no BTF", "since Linux 5.11"].iter().any(|reason| why.contains(reason));
    assert!(is_earned, "{why}");
    skip_earned(why);
}

fn snapshots(metrics: &Metrics) -> u64 {
    metrics.sum("ngraph_snapshots_total", &[])
}

fn tables(metrics: &Metrics) -> u64 {
    metrics.sum("ngraph_snapshot_tables_total", &[])
}

fn repairs(metrics: &Metrics) -> u64 {
    metrics.sum("ngraph_snapshot_repairs_total", &[])
}

/// Waits until so many snapshots more have been taken in.
fn after_snapshots(agent: &Agent, count: u64) -> Metrics {
    let before = snapshots(&agent.metrics().unwrap());
    agent.wait_for("snapshots", |it| snapshots(it) >= before + count)
}

fn the_iterator_and_the_tables_show_the_same_connections(capture: &'static str) {
    let cli = ngraph::cli::parse_from(["ngraph", "--all", "--output=-", "--capture", capture]);
    let config = Config::try_from(&cli.unwrap()).unwrap();
    isolated(|| {
        let worlds = [(); 2].map(|()| thread::spawn(World::make).join().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (by_iterator, by_tables) = runtime.block_on(async {
            let mut captured = capture::open(&config, &mut Loops::default()).unwrap();
            if let Err(why) = &captured.held {
                assert_lacks_it(&format!("{why:#}"));
                return Default::default();
            }
            let held = captured.tracer.as_mut().unwrap().held_sockets();
            let (root, scope) = (Path::new("/proc"), Scope::All);
            let tables = Tables::NONE;
            let look = Look { root: root.to_owned(), scope, held: Some(held), tables, likely: 0 };
            let shown = snapshot::take(look, clock::since_boot).unwrap();
            assert!(shown.namespaces.is_empty() && !shown.is_whole);
            (shown, procfs::take(root, scope, clock::since_boot).unwrap())
        });
        for world in worlds.iter().filter(|_| by_tables.is_whole) {
            let (shown, listed) = (world.rows(&by_iterator), world.rows(&by_tables));
            assert_eq!(listed.len(), World::ENDS, "{listed:#?}");
            assert_eq!(shown, listed);
            assert!(by_iterator.processes.contains_key(&world.netns));
        }
    });
}
captures!(the_iterator_and_the_tables_show_the_same_connections: auto, tracepoint);

/// A namespace with connections of all kinds.
struct World {
    netns: NetnsId,
    _processes: Vec<Holder>,
    _descriptors: Vec<OwnedFd>,
}

impl World {
    /// A hundred of one process, one each of IPv6, a mapped address, a descriptor sent to
    /// another process, a goodbye that one end said: two rows each.
    const ENDS: usize = 2 * (100 + 4);

    fn make() -> Self {
        netns::enter_new();
        let [v4, v6, both] =
            ["127.0.0.1:0", "[::1]:0", "[::]:0"].map(|at| TcpListener::bind(at).unwrap());
        let mut processes = vec![Holder::of_connections(&v4, 100)];
        let mut descriptors: Vec<OwnedFd> = Vec::new();
        let to_both = SocketAddr::from(([127, 0, 0, 1], both.local_addr().unwrap().port()));
        let mapped = TcpStream::connect(to_both).unwrap();
        let mapped = Held { client: mapped, server: both.accept().unwrap().0 };
        let half = held(&v4);
        half.client.shutdown(std::net::Shutdown::Write).unwrap();
        for Held { client, server } in [held(&v6), mapped, half] {
            descriptors.extend([client.into(), server.into()]);
        }
        let handed = held(&v4);
        let (to, from) = UnixStream::pair().unwrap();
        hand_over(&handed.server, &to);
        drop(handed.server);
        processes.push(Holder::receives(&from.into()));
        descriptors.extend([handed.client.into(), v4.into(), v6.into(), both.into()]);
        let netns = NetnsId(netns::number().parse().unwrap());
        Self { netns, _processes: processes, _descriptors: descriptors }
    }

    fn rows(&self, snapshot: &Snapshot) -> BTreeMap<Flow, (Role, bool)> {
        let mine = snapshot.rows.iter().filter(|row| row.flow.netns == self.netns);
        let about = |flow: &Flow| snapshot.listeners.role_of(flow);
        mine.map(|row| (row.flow, (about(&row.flow), row.state == RowState::Connection))).collect()
    }
}

fn connections_that_no_process_holds_stay_open_and_are_no_repairs(capture: &str) {
    netns::enter_new();
    // One of each kind older than the agent, and one younger.
    let older = unheld();
    let Some(agent) = start(capture, &[]) else { return };
    let younger = unheld();
    agent.wait_for("all are open", |it| (live(it), both(it)) == ((4, 4), (2, 2)));
    let before = tables(&agent.metrics().unwrap());
    let metrics = after_snapshots(&agent, 8);
    assert_eq!((live(&metrics), both(&metrics), repairs(&metrics)), ((4, 4), (2, 2), 0));
    assert!(tables(&metrics) > before, "nobody looked for them");
    drop((older, younger));
}
captures!(connections_that_no_process_holds_stay_open_and_are_no_repairs: auto, tracepoint);

/// A connection that nobody has accepted, and one whose client has closed it and waits for an
/// answer to its goodbye.
fn unheld() -> (TcpStream, TcpListener, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let Held { client, server } = held(&listener);
    deafen(&server);
    drop(client);
    (TcpStream::connect(listener.local_addr().unwrap()).unwrap(), listener, server)
}

fn live(metrics: &Metrics) -> (u64, u64) {
    let Tally { open_output, open_input, .. } = Tally::of(metrics);
    (open_output, open_input)
}

fn both(metrics: &Metrics) -> (u64, u64) {
    (metrics.opened("output"), metrics.opened("input"))
}

fn where_all_is_as_the_events_told_no_table_is_read(capture: &str) {
    netns::enter_new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let older: Vec<Held> = (0..20).map(|_| held(&listener)).collect();
    let Some(agent) = start(capture, &[]) else { return };
    let younger: Vec<Held> = (0..20).map(|_| held(&listener)).collect();
    short_connections("127.0.0.1:0", None, 200);
    let metrics = after_snapshots(&agent, 5);
    assert_eq!((live(&metrics), both(&metrics), repairs(&metrics)), ((40, 40), (220, 220), 0));
    assert_eq!(tables(&metrics), 1, "but at the start");
    older.into_iter().chain(younger).for_each(Held::close);
    let metrics = agent.expect("all are gone", |it| live(it) == (0, 0));
    assert_eq!(repairs(&metrics), 0);
}
captures!(where_all_is_as_the_events_told_no_table_is_read: auto, tracepoint);

fn what_was_lost_is_found_in_the_tables_and_then_none_is_read(capture: &str) {
    netns::enter_new();
    let Some(agent) = start(capture, &["--ring-bytes=4096"]) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let first: Vec<Held> = (0..100).map(|_| held(&listener)).collect();
    agent.expect("all are open", |it| live(it) == (100, 100));
    agent.signal(Signal::STOP);
    first.into_iter().for_each(Held::close);
    let second: Vec<Held> = (0..50).map(|_| held(&listener)).collect();
    let waiting = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    agent.signal(Signal::CONT);
    agent.expect("those that are there", |it| (live(it), both(it)) == ((51, 51), (151, 151)));
    // A connection that was told of by number may be accepted at any time, and is no other.
    let (server, _) = listener.accept().unwrap();
    let metrics = after_snapshots(&agent, 5);
    assert_eq!((live(&metrics), both(&metrics)), ((51, 51), (151, 151)));
    let later = after_snapshots(&agent, 5);
    assert_eq!(tables(&later), tables(&metrics));
    drop((second, waiting, server));
}
captures!(what_was_lost_is_found_in_the_tables_and_then_none_is_read: auto, tracepoint);

fn connections_in_a_namespace_without_a_process_are_there_from_the_start(capture: &'static str) {
    // With --all an agent sees every test's namespace: these addresses are this one's.
    let at = format!("127.9.{}.3:0", 100 + capture.len());
    let one = thread::spawn(move || {
        netns::enter_new();
        let listener = TcpListener::bind(at).unwrap();
        (held(&listener), listener)
    });
    let (one, listener) = one.join().unwrap();
    let address = one.server.local_addr().unwrap().ip().to_string();
    netns::enter_new();
    let Some(agent) = start(capture, &["--all"]) else { return };
    let edge = [("dest_ip", &*address)];
    let open = |it: &Metrics| {
        ["output", "input"].map(|way| it.sum(&format!("network_connections_{way}_total"), &edge))
    };
    let metrics = agent.expect("both ends", |it| open(it) == [1, 1]);
    assert_eq!(metrics.sum("ngraph_connections_opened_total", &edge), 0, "not opened by now");
    drop((one, listener));
    agent.expect("none", |it| open(it) == [0, 0]);
}
captures!(connections_in_a_namespace_without_a_process_are_there_from_the_start: auto, tracepoint);
