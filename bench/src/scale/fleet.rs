//! A simulated fleet: hosts in a ring, of which each calls the ones behind it. Pure: a host's file
//! is a matter of its number and of how old the fleet is.

use std::{fmt::Write as _, net::Ipv4Addr};

/// The parts that hosts have, in turn: the jobs by which Prometheus knows them.
pub(crate) const JOBS: [&str; 4] = ["web", "app", "db", "cache"];

/// Families of a file that are of edges and not of the agent.
const EDGE_FAMILIES: [&str; 4] = [
    "network_connections_input_total",
    "network_connections_output_total",
    "ngraph_connections_opened_total",
    "ngraph_connect_failures_total",
];

/// Connections that are open on an edge at a time, and that open on it each second.
const OPEN: u64 = 2;
const RATE: u64 = 1;

/// Failed attempts of an edge that has any: no more come, or there would be an alert.
const FAILED: u64 = 3;

/// When a file was made: of a simulated one it is when it's asked for.
const WRITTEN: &str = "ngraph_last_write_timestamp_seconds";

/// Hosts, and how many others each of them calls.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fleet {
    pub(crate) hosts: u32,
    pub(crate) callees: u32,
}

impl Fleet {
    /// Edges between hosts, each of which two ends tell of.
    pub(crate) fn edges(self) -> u64 {
        u64::from(self.hosts) * u64::from(self.callees)
    }

    /// A host's file but for the agent's part, when the fleet is so old.
    pub(crate) fn file(self, host: u32, seconds: u64, unix_seconds: u64) -> String {
        let mut text = format!("# TYPE {WRITTEN} gauge\n{WRITTEN} {unix_seconds}\n");
        let opened = seconds * RATE;
        let [input, output, opened_total, failures] = EDGE_FAMILIES;
        let callees = || (1..=self.callees).map(|step| (host + step) % self.hosts);
        let callers = || (1..=self.callees).map(|step| (host + self.hosts - step) % self.hosts);
        // Writing to a string can't fail.
        let _ = writeln!(text, "# TYPE {input} untyped");
        for peer in callers() {
            let _ = writeln!(text, "{input}{{{}}} {OPEN}", labels(peer, host, peer));
        }
        let _ = writeln!(text, "# TYPE {output} untyped");
        for peer in callees() {
            let _ = writeln!(text, "{output}{{{}}} {OPEN}", labels(host, peer, peer));
        }
        let _ = writeln!(text, "# TYPE {opened_total} counter");
        for peer in callers() {
            let labels = labels(peer, host, peer);
            let _ = writeln!(text, "{opened_total}{{direction=\"input\",{labels}}} {opened}");
        }
        for peer in callees() {
            let labels = labels(host, peer, peer);
            let _ = writeln!(text, "{opened_total}{{direction=\"output\",{labels}}} {opened}");
        }
        let _ = writeln!(text, "# TYPE {failures} counter");
        for peer in callees().take(1) {
            let labels = labels(host, peer, peer);
            let _ = writeln!(text, "{failures}{{{labels},reason=\"refused\"}} {FAILED}");
        }
        text
    }
}

/// What the agent tells of itself in a file: every line but those of edges and of the time.
pub(crate) fn agents_part(file: &str) -> String {
    let is_edge = |line: &&str| {
        let told = line.strip_prefix("# HELP ").or(line.strip_prefix("# TYPE ")).unwrap_or(line);
        EDGE_FAMILIES.iter().chain([&WRITTEN]).any(|family| told.starts_with(family))
    };
    file.lines().filter(|line| !is_edge(line)).flat_map(|line| [line, "\n"]).collect()
}

/// How a host is known.
pub(crate) fn name(host: u32) -> String {
    format!("host-{host:05}")
}

/// A host's address. Loopback has one with the same last three bytes for each.
pub(crate) fn address(host: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x0a00_0001 + host)
}

/// Where a host's file is asked for.
pub(crate) fn served_at(host: u32) -> Ipv4Addr {
    Ipv4Addr::from(0x7f00_0001 + host)
}

/// The host whose file is asked for at an address.
pub(crate) fn host_at(address: Ipv4Addr) -> u32 {
    u32::from(address) - 0x7f00_0001
}

fn labels(source: u32, target: u32, peer: u32) -> String {
    let (source, target, peer) = (address(source), address(target), name(peer));
    format!("src_ip=\"{source}\",dest_ip=\"{target}\",peer_hostname=\"{peer}.example.internal\"")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const FLEET: Fleet = Fleet { hosts: 7, callees: 3 };

    /// The addresses of one direction's edges in a host's file.
    fn edges(host: u32, direction: &str) -> BTreeSet<String> {
        let text = FLEET.file(host, 10, 0);
        let start = format!("ngraph_connections_opened_total{{direction=\"{direction}\",");
        let lines = text.lines().filter_map(|line| line.strip_prefix(&start));
        lines.map(|line| line.split(",peer").next().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_edge_is_told_by_both_of_its_ends() {
        let all = |direction| (0..FLEET.hosts).flat_map(move |host| edges(host, direction));
        let outputs: BTreeSet<String> = all("output").collect();
        assert_eq!(outputs.len() as u64, FLEET.edges());
        assert_eq!(outputs, all("input").collect());
    }

    #[test]
    fn a_host_is_asked_at_an_address_of_its_own() {
        let hosts: BTreeSet<u32> = (0..1000).map(|host| host_at(served_at(host))).collect();
        assert!(hosts.into_iter().eq(0..1000));
        assert!(served_at(70_000).is_loopback());
    }

    #[test]
    fn the_agents_part_has_no_edges() {
        let file = "# HELP ngraph_connections_opened_total Connections.\n\
                    ngraph_connections_opened_total{direction=\"input\"} 1\n\
                    # TYPE ngraph_edges gauge\nngraph_edges 2\n";
        assert_eq!(agents_part(file), "# TYPE ngraph_edges gauge\nngraph_edges 2\n");
    }
}
