//! Documents to look at: fleets of 5, 14, 50 and 500 hosts, and one whose names are hostile.

use std::collections::{BTreeMap, BTreeSet};

use ngraph::picture::page::{Change, Document, Edge, Ends, Node, SMOOTH_EDGES, SMOOTH_NODES};

/// What a name may try.
pub const HOSTILE: [&str; 6] = [
    "</script><script>window.ran = 1</script>",
    "<img src=x onerror='window.ran = 1'>",
    "\"'`${window.ran = 1}{{window.ran = 1}}",
    "\u{202e}1-bew\u{2066}\u{200f}",
    "constructor",
    "line\u{2028}break\u{0}\n]]>",
];

/// All of them, by the names that their files have.
pub fn all() -> [(&'static str, Document); 5] {
    [("5", five()), ("shop", shop()), ("50", fifty()), ("500", largest()), ("hostile", hostile())]
}

/// Five hosts, of which one does not answer.
pub fn five() -> Document {
    let mut fleet = Fleet::new("Five hosts");
    for (name, address) in [
        ("web-1", "10.0.1.11"),
        ("web-2", "10.0.1.12"),
        ("db-1", "10.0.2.21"),
        ("cache-1", "10.0.2.31"),
    ] {
        fleet.host(name, &[address]);
    }
    fleet.outside("mail.example.net", &["198.51.100.25"]);
    for (from, to, connections, port) in [
        ("web-1", "db-1", 40, "5432"),
        ("web-2", "db-1", 38, "5432"),
        ("web-1", "cache-1", 120, "6379"),
        ("web-2", "cache-1", 117, "6379"),
        ("web-2", "mail.example.net", 2, "25"),
    ] {
        fleet.edge(from, to, connections, port);
    }
    fleet.last().seen_by = Ends::Source;
    fleet.last().failures = BTreeMap::from([("timeout".to_owned(), 31)]);
    fleet.document
}

/// A shop: what the README shows.
pub fn shop() -> Document {
    let mut fleet = Fleet::new("shop, production");
    for (name, address) in [
        ("lb-1", "10.0.0.10"),
        ("web-1", "10.0.1.11"),
        ("web-2", "10.0.1.12"),
        ("web-3", "10.0.1.13"),
        ("api-1", "10.0.2.11"),
        ("api-2", "10.0.2.12"),
        ("cache-1", "10.0.3.10"),
        ("queue-1", "10.0.3.20"),
        ("worker-1", "10.0.4.11"),
        ("db-1", "10.0.5.11"),
        ("db-2", "10.0.5.12"),
    ] {
        fleet.host(name, &[address]);
    }
    fleet.outside("clients", &["203.0.113.0/24"]);
    fleet.document.nodes.last_mut().unwrap().members = 212;
    fleet.outside("payments.example.com", &["198.51.100.7", "2001:db8::7"]);
    fleet.outside("mail.example.net", &["198.51.100.25"]);
    for (from, to, connections, port) in [
        ("clients", "lb-1", 1_840, "443"),
        ("lb-1", "web-1", 410, "8080"),
        ("lb-1", "web-2", 398, "8080"),
        ("lb-1", "web-3", 120, "8080"),
        ("web-1", "api-1", 96, "9000"),
        ("web-2", "api-2", 101, "9000"),
        ("web-3", "api-2", 30, "9000"),
        ("web-1", "cache-1", 64, "6379"),
        ("web-2", "cache-1", 66, "6379"),
        ("api-1", "db-1", 24, "5432"),
        ("api-2", "db-1", 24, "5432"),
        ("api-1", "queue-1", 8, "5672"),
        ("api-2", "queue-1", 8, "5672"),
        ("api-1", "payments.example.com", 12, "443"),
        ("worker-1", "queue-1", 4, "5672"),
        ("worker-1", "db-2", 6, "5432"),
        ("worker-1", "mail.example.net", 3, "25"),
        ("db-2", "db-1", 1, "5432"),
    ] {
        fleet.edge(from, to, connections, port);
    }
    fleet.between("clients", "lb-1").seen_by = Ends::Target;
    fleet.between("api-1", "payments.example.com").seen_by = Ends::Source;
    fleet.between("api-1", "payments.example.com").is_translated = true;
    let mail = fleet.between("worker-1", "mail.example.net");
    mail.seen_by = Ends::Source;
    mail.failures = BTreeMap::from([("refused".to_owned(), 4), ("timeout".to_owned(), 17)]);
    for (from, to) in [("lb-1", "web-3"), ("web-3", "api-2")] {
        fleet.between(from, to).change = Change::New;
    }
    fleet.node("web-3").change = Change::New;
    fleet.document
}

/// Fifty hosts of seven kinds, some outside, one gone, one without an agent.
pub fn fifty() -> Document {
    let mut fleet = Fleet::new("Fifty hosts");
    let names = fleet.hosts(&[
        ("lb", 2),
        ("web", 12),
        ("api", 12),
        ("cache", 4),
        ("db", 6),
        ("queue", 3),
        ("worker", 6),
    ]);
    for outside in ["clients", "payments.example.com", "mail.example.net", "cdn.example.org"] {
        fleet.outside(outside, &["203.0.113.9"]);
    }
    fleet.host("10.9.0.77", &["10.9.0.77"]);
    fleet.node("10.9.0.77").has_agent = false;
    let of = |kind: &str| -> Vec<&String> {
        names.iter().filter(|name| name.starts_with(kind)).collect()
    };
    let mut dice = Dice(7);
    for (from, to, each, port) in [
        ("lb", "web", 8, "8080"),
        ("web", "api", 2, "9000"),
        ("web", "cache", 1, "6379"),
        ("api", "db", 1, "5432"),
        ("api", "queue", 1, "5672"),
        ("worker", "queue", 1, "5672"),
        ("worker", "db", 1, "5432"),
    ] {
        for source in of(from) {
            for _ in 0..each {
                let targets = of(to);
                let connections = dice.below(400);
                fleet.edge(source, targets[dice.below(targets.len())], connections, port);
            }
        }
    }
    fleet.edge("clients", "lb-1", 3_000, "443");
    fleet.edge("clients", "lb-2", 2_800, "443");
    fleet.edge("api-3", "payments.example.com", 14, "443");
    fleet.edge("worker-2", "mail.example.net", 0, "25");
    fleet.last().failures = BTreeMap::from([("refused".to_owned(), 120)]);
    fleet.edge("web-4", "cdn.example.org", 9, "443");
    fleet.edge("10.9.0.77", "db-2", 2, "5432");
    fleet.last().seen_by = Ends::Target;
    fleet.node("worker-6").change = Change::Gone;
    fleet.document
}

/// As much as stays smooth: services of hosts that speak within their team and to what all share.
pub fn largest() -> Document {
    let mut fleet = Fleet::new("Five hundred hosts");
    fleet.document.notes = vec!["Hosts outside are grouped by network, 4,100 in all.".to_owned()];
    let teams = 24;
    let kinds: Vec<(String, usize)> = (0..teams).map(|team| (format!("team{team}"), 20)).collect();
    let kinds: Vec<(&str, usize)> =
        kinds.iter().map(|(kind, hosts)| (kind.as_str(), *hosts)).collect();
    let names = fleet.hosts(&kinds);
    let shared = fleet.hosts(&[("ns", 3), ("log", 3), ("metrics", 2), ("auth", 4)]);
    for outside in 0..SMOOTH_NODES - fleet.document.nodes.len() {
        fleet.outside(&format!("203.0.{outside}.0/24"), &[&format!("203.0.{outside}.0/24")]);
        fleet.document.nodes.last_mut().unwrap().members = 200;
    }
    let mut dice = Dice(11);
    let mut pairs = BTreeSet::new();
    while pairs.len() < SMOOTH_EDGES {
        let (team, host) = (dice.below(teams), dice.below(20));
        let source = names[team * 20 + host].clone();
        let target = match dice.below(20) {
            0..14 => names[team * 20 + dice.below(6)].clone(),
            14..17 => shared[dice.below(shared.len())].clone(),
            17..19 => names[(team + 1) % teams * 20 + dice.below(3)].clone(),
            _ => fleet.document.nodes[492 + dice.below(8)].id.clone(),
        };
        if source != target {
            pairs.insert((source, target));
        }
    }
    for (source, target) in &pairs {
        let connections = dice.below(300) * dice.below(30);
        fleet.edge(source, target, connections, "443");
        if dice.below(60) == 0 {
            fleet.last().failures =
                BTreeMap::from([("timeout".to_owned(), 1 + dice.below(9) as u64)]);
        }
        if dice.below(12) == 0 {
            fleet.last().seen_by = Ends::Source;
        }
    }
    fleet.document
}

/// A document beside itself.
pub fn twice(document: &Document) -> Document {
    let mut both = document.clone();
    let second = |id: &str| format!("{id}, second");
    both.nodes.extend(document.nodes.iter().cloned().map(|node| Node {
        id: second(&node.id),
        title: second(&node.title),
        ..node
    }));
    both.edges.extend(document.edges.iter().cloned().map(|edge| Edge {
        source: second(&edge.source),
        target: second(&edge.target),
        ..edge
    }));
    both
}

/// Hosts whose names and labels are [`HOSTILE`], or 300 characters long.
pub fn hostile() -> Document {
    let mut fleet = Fleet::new(HOSTILE[0]);
    let long = "long-".repeat(60);
    let wide = "\u{5bec}".repeat(300);
    let names: Vec<&str> = HOSTILE.iter().copied().chain([long.as_str(), wide.as_str()]).collect();
    for name in &names {
        fleet.host(name, &[name]);
        fleet.node(name).names = vec![(*name).to_owned()];
    }
    for pair in names.windows(2) {
        fleet.edge(pair[0], pair[1], 1, pair[0]);
        fleet.last().failures = BTreeMap::from([(pair[1].to_owned(), 1)]);
        fleet.last().labels.insert(pair[1].to_owned(), BTreeSet::from([pair[0].to_owned()]));
    }
    fleet.edge(names[0], names[0], 1, names[1]);
    fleet.document.notes = names.iter().map(|name| (*name).to_owned()).collect();
    fleet.document.made_of = HOSTILE[1].to_owned();
    fleet.document
}

struct Fleet {
    document: Document,
}

impl Fleet {
    fn new(title: &str) -> Self {
        let document = Document {
            title: title.to_owned(),
            made_at: "2026-11-27 04:40 UTC".to_owned(),
            made_of: "Prometheus, the last 5 minutes".to_owned(),
            ..Document::default()
        };
        Self { document }
    }

    fn hosts(&mut self, kinds: &[(&str, usize)]) -> Vec<String> {
        let mut names = Vec::new();
        for (kind, hosts) in kinds {
            let network = self.document.nodes.len() % 256;
            for host in 1..=*hosts {
                let name = format!("{kind}-{host}");
                self.host(&name, &[&format!("10.{network}.0.{host}")]);
                names.push(name);
            }
        }
        names
    }

    fn host(&mut self, name: &str, addresses: &[&str]) {
        self.outside(name, addresses);
        let node = self.node(name);
        (node.is_internal, node.has_agent) = (true, true);
    }

    fn outside(&mut self, name: &str, addresses: &[&str]) {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        let (id, title) = (name.to_owned(), name.to_owned());
        self.document.nodes.push(Node { id, title, addresses, ..Node::default() });
    }

    fn edge(&mut self, source: &str, target: &str, connections: usize, port: &str) {
        let connections = connections as u64;
        self.document.edges.push(Edge {
            source: source.to_owned(),
            target: target.to_owned(),
            connections,
            opened: connections * 300,
            opened_per_second: Some(connections as f64 / 7.0),
            labels: BTreeMap::from([("port".to_owned(), BTreeSet::from([port.to_owned()]))]),
            ..Edge::default()
        });
    }

    fn last(&mut self) -> &mut Edge {
        self.document.edges.last_mut().unwrap()
    }

    fn between(&mut self, source: &str, target: &str) -> &mut Edge {
        let mut edges = self.document.edges.iter_mut();
        edges.find(|edge| edge.source == source && edge.target == target).unwrap()
    }

    fn node(&mut self, id: &str) -> &mut Node {
        self.document.nodes.iter_mut().find(|node| node.id == id).unwrap()
    }
}

/// Numbers without a pattern, the same each time (Knuth's MMIX generator).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % end as u64) as usize
    }
}
