//! Made-up traffic, the same each time: connections of one host as the kernel side tells of them.
#![allow(missing_docs, unreachable_pub, dead_code, reason = "each bench takes what it needs")]

use std::time::Duration;

use ngraph::{
    flow::{Flow, NetnsId},
    graph::Limits,
    labels::Mark,
    live::Change,
    observe::{Observation, Reading},
    snapshot::{Row, RowState, Snapshot},
};
use ngraph_common::{
    event::{EndEvent, FlowEvent, kind, role},
    held::{HeldSocket, state},
};
use zerocopy::IntoBytes as _;

/// The namespace of them all.
pub const NETNS: u32 = 4_026_531_840;

/// Records tell all there is to tell.
pub const READING: Reading = Reading { states_speak: true, alias: None };

/// Room for every edge.
pub const LIMITS: Limits = Limits {
    max_edges: 100_000,
    edge_ttl: Duration::from_secs(3600),
    name_wait: Duration::from_secs(5),
};

/// Connection `number` as it opens, to one of `peers` addresses.
pub fn open(number: u32, peers: u32) -> FlowEvent {
    let [_, a, b, c] = (number % peers).to_be_bytes();
    FlowEvent {
        sock: 0xffff_8880_0000_0000 + u64::from(number) * 2_304,
        opened_ns: 1_000_000_000 + u64::from(number),
        netns: NETNS.into(),
        local: mapped([192, 0, 2, 1]),
        peer: mapped([10, a, b, c]),
        local_port: 32_768 + (number / peers % 28_000) as u16,
        peer_port: 443,
        tgid: 4_242,
        comm: *b"curl\0\0\0\0\0\0\0\0\0\0\0\0",
        kind: kind::OPEN,
        role: if number.is_multiple_of(2) { role::OUTBOUND } else { role::INBOUND },
        ..FlowEvent::default()
    }
}

/// So many records: each connection closes once `open` others have opened after it.
pub fn churn(records: u32, at_a_time: u32, peers: u32) -> Vec<FlowEvent> {
    let close = |number| FlowEvent { kind: kind::CLOSE, ..open(number, peers) };
    let both = |number: u32| {
        let before = number.checked_sub(at_a_time).map(close);
        [Some(open(number, peers)), before]
    };
    (0..).flat_map(both).flatten().take(records as usize).collect()
}

/// Records as the kernel side writes them: of an end no more than its identity and owner.
pub fn wire(records: &[FlowEvent]) -> Vec<Vec<u8>> {
    let bytes = |record: &FlowEvent| {
        let FlowEvent { sock, opened_ns, cgroup, age_us, tgid, comm, hook, role, .. } = *record;
        let _pad = [0; 6];
        let end = EndEvent { sock, opened_ns, cgroup, age_us, tgid, comm, hook, role, _pad };
        match record.kind {
            kind::CLOSE => end.as_bytes().to_vec(),
            _ => record.as_bytes().to_vec(),
        }
    };
    records.iter().map(bytes).collect()
}

/// What records tell.
pub fn observations(records: &[FlowEvent]) -> Vec<Observation> {
    records.iter().filter_map(|record| READING.observe(record).ok().flatten()).collect()
}

/// Connections of so many edges, each of them opened once.
pub fn opened(edges: u32) -> Vec<Change> {
    let change = |observation| match observation {
        Observation::Opened { flow, role, .. } => {
            Some(Change::Opened { flow, role, mark: Mark::NONE, is_new: true })
        }
        _ => None,
    };
    let records: Vec<_> = (0..edges).map(|number| open(number, edges)).collect();
    observations(&records).into_iter().filter_map(change).collect()
}

/// What the iterator over open files writes of so many connections.
pub fn held(connections: u32, peers: u32) -> Vec<HeldSocket> {
    let held = |number| {
        let FlowEvent { sock, netns, local, peer, local_port, peer_port, .. } = open(number, peers);
        let state = state::ESTABLISHED;
        HeldSocket { sock, netns, local, peer, local_port, peer_port, state, _pad: [0; 3] }
    };
    (0..connections).map(held).collect()
}

/// A snapshot of them, as one of every TCP table.
pub fn snapshot(connections: u32, peers: u32) -> Snapshot {
    let mut snapshot = Snapshot { is_whole: true, ..Snapshot::default() };
    snapshot.namespaces.insert(NetnsId(NETNS));
    let state = RowState::Connection;
    snapshot.rows = flows(connections, peers).map(|flow| Row { flow, state }).collect();
    snapshot
}

/// Their lines of a TCP table.
pub fn table(connections: u32, peers: u32) -> String {
    let head = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    let line = |(number, flow): (usize, Flow)| {
        // The kernel writes an address as the number that its four bytes are in memory.
        let hex = |address: [u8; 16]| {
            u32::from_ne_bytes([address[12], address[13], address[14], address[15]])
        };
        let text = format!(
            "{number:4}: {:08X}:{:04X} {:08X}:{:04X} 01 00000000:00000000 00:00000000 00000000     0        0 {} 1 0000000000000000 20 4 30 10 -1",
            hex(flow.local.0),
            flow.local_port,
            hex(flow.peer.0),
            flow.peer_port,
            1_000 + number,
        );
        format!("{text:<149}\n")
    };
    std::iter::once(head.to_owned())
        .chain(flows(connections, peers).enumerate().map(line))
        .collect()
}

fn flows(connections: u32, peers: u32) -> impl Iterator<Item = Flow> {
    let records: Vec<_> = (0..connections).map(|number| open(number, peers)).collect();
    observations(&records).into_iter().filter_map(|observation| match observation {
        Observation::Opened { flow, .. } => Some(flow),
        _ => None,
    })
}

fn mapped(ip: [u8; 4]) -> [u8; 16] {
    std::net::Ipv4Addr::from(ip).to_ipv6_mapped().octets()
}
