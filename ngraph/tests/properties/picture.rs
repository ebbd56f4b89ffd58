//! The picture: what both ends tell of random traffic is that traffic.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use ngraph::picture::{Picture, Reports, join};
use proptest::{collection::vec, prelude::*};

/// A host and which of its addresses; hosts past the fourth have no agent.
type End = (u8, u8);

/// A host and the address that is told of it.
type Told = (u8, IpAddr);

const AGENTS: u8 = 4;

fn end() -> impl Strategy<Value = End> {
    (0..AGENTS + 2, 0..3u8)
}

/// Who connects to whom how often; to itself by loopback, too.
fn traffic() -> impl Strategy<Value = Vec<(End, End, u64, bool)>> {
    vec((end(), end(), 1..1_000u64, any::<bool>()), 0..24)
}

fn address((host, which): End) -> IpAddr {
    match which {
        2 => IpAddr::from([0xfd00, 0, 0, u16::from(host), 0, 0, 0, 1]),
        _ => IpAddr::from([10, host, which, 1]),
    }
}

/// Of a connection from and to an address: as both ends tell it, in their files.
fn tell(files: &mut [String], from: Told, to: Told, count: u64) {
    for (host, direction) in [(from.0, "output"), (to.0, "input")] {
        if let Some(file) = files.get_mut(usize::from(host)) {
            let (src, dest) = (from.1, to.1);
            file.push_str(&format!(
                "ngraph_connections_opened_total{{direction=\"{direction}\",src_ip=\"{src}\",\
                 dest_ip=\"{dest}\",peer_hostname=\"\"}} {count}\n"
            ));
        }
    }
}

proptest! {
    #![proptest_config(super::config(500))]

    #[test]
    fn both_ends_reports_of_any_traffic_are_that_traffic(traffic in traffic()) {
        let mut files = vec![String::new(); AGENTS.into()];
        let mut expected: BTreeMap<(u8, u8), u64> = BTreeMap::new();
        // An edge is in a file once.
        let mut told: BTreeMap<(Told, Told), u64> = BTreeMap::new();
        let mut addresses: BTreeSet<Told> = BTreeSet::new();
        for (from, to, count, is_loopback) in traffic {
            // Two without an agent are seen by nobody.
            if from.0 >= AGENTS && to.0 >= AGENTS {
                continue;
            }
            let by_loopback = is_loopback && from.0 < AGENTS;
            let ends = if by_loopback {
                let own = (from.0, IpAddr::from([127, 0, 0, 1]));
                (own, own)
            } else {
                ((from.0, address(from)), (to.0, address(to)))
            };
            *told.entry(ends).or_default() += count;
            *expected.entry((ends.0.0, ends.1.0)).or_default() += count;
            if !by_loopback {
                addresses.extend([ends.0, ends.1]);
            }
        }
        for ((from, to), count) in told {
            tell(&mut files, from, to, count);
        }
        let mut reports = Reports::default();
        for (host, file) in files.iter().enumerate().filter(|(_, file)| !file.is_empty()) {
            reports.read(&format!("host {host}"), file.as_bytes()).unwrap();
        }
        let picture = Picture::of(join(&reports));
        // A host with an agent is one node, and any other address is one.
        let host_of = |node: usize| -> u8 {
            let host = &picture.nodes[node].host;
            match host.addresses.first() {
                Some(ip) => addresses.iter().find(|(_, address)| address == ip).unwrap().0,
                None => host.id.strip_prefix("host ").unwrap().parse().unwrap(),
            }
        };
        let mut drawn: BTreeMap<(u8, u8), u64> = BTreeMap::new();
        for edge in &picture.edges {
            let ends = (host_of(edge.source), host_of(edge.target));
            *drawn.entry(ends).or_default() += edge.figures.opened;
            prop_assert_eq!(edge.missing, None);
        }
        prop_assert_eq!(drawn, expected);
        let with_agent = picture.nodes.iter().filter(|node| node.host.has_agent);
        let hosts: Vec<&BTreeSet<IpAddr>> = with_agent.map(|node| &node.host.addresses).collect();
        for own in hosts {
            let of: BTreeSet<u8> =
                addresses.iter().filter(|(_, ip)| own.contains(ip)).map(|it| it.0).collect();
            prop_assert!(of.len() <= 1, "two hosts in one node: {of:?}");
            if let Some(&host) = of.first() {
                let all = addresses.iter().filter(|it| it.0 == host).map(|it| it.1);
                prop_assert_eq!(all.collect::<BTreeSet<_>>(), own.clone());
            }
        }
    }
}
