//! Name servers: silent, slow, and lying.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{TcpListener, UdpSocket},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::mount::mount_bind;
use tempfile::TempDir;

use crate::{
    is_possible,
    support::{
        agent::{Agent, command},
        isolated,
        metrics::Metrics,
        netns,
        traffic::{Held, held},
    },
    told,
};

const EDGES: &str = "network_connections_output_total";
/// More than the resolver is asked about at once, so that waiting for all of them shows.
const BEFORE: u8 = 80;
const PEERS: u8 = 100;

#[test]
fn a_silent_resolver_never_delays_a_file() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        let (server, _etc) = enter_world();
        let _before = connections(1..=BEFORE);
        let folder = TempDir::new().unwrap();
        let start = Instant::now();
        let agent = Agent::run(into(&folder), folder.path());
        agent.wait_for("the first file", |_| true);
        let told_before = told(&agent.log()).len();
        assert!(start.elapsed() < Duration::from_secs(5), "first file: {:?}", start.elapsed());
        let _after = connections(BEFORE + 1..=PEERS);
        let mut stamps = Stamps::default();
        agent.wait_for("all edges, without names", |metrics| {
            stamps.see(metrics);
            metrics.with(EDGES, &[("peer_hostname", "")]).count() == usize::from(PEERS)
        });
        agent.wait_for("five more files", |metrics| stamps.see(metrics) >= 5);
        assert!(stamps.widest() < 3.0, "{stamps:?}");
        server.set_nonblocking(true).unwrap();
        server.recv(&mut [0; 512]).expect("nobody was asked");
        let (status, log) = agent.stop();
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(told(&log).len(), told_before + 1, "more than the end is told: {log}");
    });
}

#[test]
fn a_slow_resolver_gives_the_name_and_an_edge_is_never_two_series() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        let (server, _etc) = enter_world();
        thread::spawn(move || answer(&server, Duration::from_millis(700), honest));
        let _before = connections(1..=2);
        let folder = TempDir::new().unwrap();
        let agent = Agent::run(into(&folder), folder.path());
        let mut names = BTreeMap::new();
        agent.wait_for("the first two edges", |metrics| see(&mut names, metrics) >= 2);
        let _after = connections(3..=4);
        agent.wait_for("the other two", |metrics| see(&mut names, metrics) >= 4);
        see(&mut names, &agent.settled());
        for (ip, names) in names {
            let expected = format!("host-{}.example.com", ip.rsplit_once('.').unwrap().1);
            assert_eq!(names, BTreeSet::from([expected]), "{ip}");
        }
    });
}

#[test]
fn a_lying_resolver_gives_no_name_and_is_no_line_in_the_log() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        let (server, _etc) = enter_world();
        thread::spawn(move || answer(&server, Duration::ZERO, lie));
        let peers = LIES.len() as u8 + 2;
        let _connections = connections(1..=peers);
        let folder = TempDir::new().unwrap();
        let agent = Agent::run(into(&folder), folder.path());
        agent.wait_for("the first file", |_| true);
        let told_before = told(&agent.log()).len();
        // The two behind the lies are told truly.
        agent.wait_for("all edges", |metrics| {
            let named = metrics.with(EDGES, &[("peer_hostname", "honest.example.com")]).count();
            let nameless = metrics.with(EDGES, &[("peer_hostname", "")]).count();
            (named, nameless) == (2, LIES.len())
        });
        let mut stamps = Stamps::default();
        agent.wait_for("five more files", |metrics| stamps.see(metrics) >= 5);
        let (status, log) = agent.stop();
        assert_eq!(status.code(), Some(0), "{log}");
        assert_eq!(told(&log).len(), told_before + 1, "more than the end is told: {log}");
    });
}

/// Names on the wire, by RFC 1035: labels behind their lengths, and a zero.
const LIES: [&[u8]; 11] = [
    b"\x0ea\"} 1\nb{c=\"d\"}\x07example\0",
    b"\x03a\\n\x07example\0",
    b"\x02\r\n\x07example\0",
    b"\x05\x1b[31m\x07example\0",
    b"\x02\xff\xfe\x07example\0",
    b"\x09</script>\x07example\0",
    b"\x04a\0b \x07example\0",
    // The root's.
    b"\0",
    // Back to the question, which is behind the header, and no name of a host's.
    b"\x04\"\"\"\"\xc0\x0c",
    // Ends before its label does; points beyond the message.
    b"\x3fa",
    b"\xff\xff",
];

/// The wrong name for each peer that there is one for.
fn lie(query: &[u8]) -> Vec<u8> {
    let number: usize = last_number(query).parse().unwrap();
    reply(query, LIES.get(number - 1).unwrap_or(&b"\x06honest\x07example\x03com\0".as_slice()))
}

#[test]
fn a_name_server_that_comes_with_another_file_is_asked() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        let (_silent, etc) = enter_world();
        let server = UdpSocket::bind("127.0.0.2:53").unwrap();
        thread::spawn(move || answer(&server, Duration::ZERO, honest));
        let folder = TempDir::new().unwrap();
        let agent = Agent::run(into(&folder), folder.path());
        agent.wait_for("the first file", |_| true);
        // As resolvconf and every well-kept program does it.
        let new = etc.path().join("resolv.conf.new");
        fs::write(&new, "nameserver 127.0.0.2\n").unwrap();
        fs::rename(new, etc.path().join("resolv.conf")).unwrap();
        let _held = connections(5..=5);
        let edge = [("dest_ip", "10.9.0.5"), ("peer_hostname", "host-5.example.com")];
        agent.wait_for("its answer", |metrics| metrics.with(EDGES, &edge).count() == 1);
    });
}

/// A network where 10.0.0.0/8 is at home, and the only name server is what is given back,
/// beside the folder that stands for /etc.
fn enter_world() -> (UdpSocket, TempDir) {
    netns::enter_new();
    netns::add_ten();
    netns::enter_new_mounts();
    let etc = TempDir::new().unwrap();
    fs::write(etc.path().join("resolv.conf"), "nameserver 127.0.0.1\n").unwrap();
    mount_bind(etc.path(), "/etc").unwrap();
    (UdpSocket::bind("127.0.0.1:53").unwrap(), etc)
}

/// A connection to 10.9.0.N for each N, and the listeners, by which snapshots tell directions.
fn connections(peers: impl Iterator<Item = u8>) -> Vec<(TcpListener, Held)> {
    let connect = |peer| {
        let listener = TcpListener::bind(format!("10.9.0.{peer}:0")).unwrap();
        let held = held(&listener);
        (listener, held)
    };
    peers.map(connect).collect()
}

fn into(folder: &TempDir) -> Command {
    let mut command = command(&["--interval=1", "--output"]);
    command.arg(folder.path());
    command
}

/// Adds the names that peers have in a file; gives how many peers were seen so far.
fn see(names: &mut BTreeMap<String, BTreeSet<String>>, metrics: &Metrics) -> usize {
    let families = [EDGES, "ngraph_connections_opened_total"];
    for sample in metrics.0.iter().filter(|it| families.contains(&it.name.as_str())) {
        if sample.labels.get("direction").is_none_or(|direction| direction == "output") {
            let peer = names.entry(sample.labels["dest_ip"].clone()).or_default();
            peer.insert(sample.labels["peer_hostname"].clone());
        }
    }
    names.len()
}

/// When files were made.
#[derive(Debug, Default)]
struct Stamps(Vec<f64>);

impl Stamps {
    /// Notes a file's time; gives how many there are.
    fn see(&mut self, metrics: &Metrics) -> usize {
        let stamp = metrics.with("ngraph_last_write_timestamp_seconds", &[]).next().unwrap().value;
        if self.0.last() != Some(&stamp) {
            self.0.push(stamp);
        }
        self.0.len()
    }

    /// Seconds between the two files that are furthest apart.
    fn widest(&self) -> f64 {
        self.0.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max)
    }
}

/// Answers each query after a while.
fn answer(server: &UdpSocket, delay: Duration, reply: fn(&[u8]) -> Vec<u8>) {
    let mut buffer = [0; 512];
    while let Ok((len, asker)) = server.recv_from(&mut buffer) {
        let query = buffer[..len].to_vec();
        let server = server.try_clone().unwrap();
        thread::spawn(move || {
            thread::sleep(delay);
            server.send_to(&reply(&query), asker).unwrap();
        });
    }
}

/// Tells that 10.x.y.Z is host-Z.example.com, whatever else was asked.
fn honest(query: &[u8]) -> Vec<u8> {
    let mut name = Vec::new();
    for label in [format!("host-{}", last_number(query)).as_str(), "example", "com", ""] {
        name.push(label.len() as u8);
        name.extend(label.bytes());
    }
    reply(query, &name)
}

/// Where the question is, by RFC 1035.
const HEADER: usize = 12;

/// The last number of the address that a query is about, which is its first label.
fn last_number(query: &[u8]) -> &str {
    let label = &query[HEADER..];
    std::str::from_utf8(&label[1..=usize::from(label[0])]).unwrap()
}

/// A reply to a PTR query, by RFC 1035: the question again, and one answer.
fn reply(query: &[u8], name: &[u8]) -> Vec<u8> {
    let question_len = query[HEADER..].iter().position(|&byte| byte == 0).unwrap() + 5;
    let question = &query[HEADER..HEADER + question_len];
    let mut reply = query[..2].to_vec();
    // An answer; one question, one answer.
    reply.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    reply.extend(question);
    // The name is the question's; PTR, IN, an hour.
    reply.extend([0xc0, HEADER as u8, 0, 12, 0, 1, 0, 0, 0x0e, 0x10, 0, name.len() as u8]);
    reply.extend(name);
    reply
}
