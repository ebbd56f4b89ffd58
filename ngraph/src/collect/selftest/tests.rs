//! What proves a hook, and what does not.

use std::cell::Cell;

use anyhow::bail;

use super::*;
use crate::flow::NetnsId;

const NETNS: u64 = 7;

fn world() -> (Loop, Expected) {
    let own = Loop {
        client: "127.0.0.1:40000".parse().unwrap(),
        server: "127.0.0.1:50000".parse().unwrap(),
    };
    (own, Expected { netns: Some(NETNS), pid: Some(1), command: "me".into() })
}

fn told_of() -> FlowEvent {
    let mut event = FlowEvent {
        hook: hook::TCP_CONNECT,
        kind: kind::CONNECT,
        role: role::OUTBOUND,
        netns: NETNS,
        tgid: 1,
        local_port: 40000,
        peer_port: 50000,
        ..FlowEvent::default()
    };
    event.local = Address::from(IpAddr::V4(Ipv4Addr::LOCALHOST)).0;
    event.peer = event.local;
    event.comm[..2].copy_from_slice(b"me");
    event
}

#[test]
fn a_hook_that_tells_the_truth_is_proven() {
    let (own, expected) = world();
    assert_eq!(judge(hook::TCP_CONNECT, &own, &expected, &[told_of()]), Ok(()));
}

#[test]
fn a_hook_that_is_silent_or_lies_is_not_trusted() {
    let (own, expected) = world();
    let judge = |events: &[FlowEvent]| judge(hook::TCP_CONNECT, &own, &expected, events);
    assert!(judge(&[]).unwrap_err().starts_with("attached, but told nothing"));
    let lies: [fn(&mut FlowEvent); 4] = [
        |event| event.netns = 8,
        |event| event.tgid = 2,
        |event| event.peer_port = 1,
        |event| event.role = role::INBOUND,
    ];
    for lie in lies {
        let mut event = told_of();
        lie(&mut event);
        assert!(judge(&[event]).is_err(), "{event:?}");
    }
}

/// Has a hook proven that tells of the own connection of this number alone; gives how many were
/// made.
fn proven_by(number: usize) -> (usize, Result<(), String>) {
    let (own, expected) = world();
    let made = Cell::new(0);
    let connect = || {
        made.set(made.get() + 1);
        Ok(own)
    };
    let drain = || if made.get() == number { vec![told_of()] } else { Vec::new() };
    let (own, verdict) = prove(hook::TCP_CONNECT, &expected, connect, drain).unwrap();
    assert_eq!(own.len(), made.get());
    (own.len(), verdict)
}

#[test]
fn one_own_connection_that_is_not_told_of_is_no_proof_and_a_second_is_made() {
    assert_eq!(proven_by(1), (1, Ok(())));
    assert_eq!(proven_by(TRIES), (TRIES, Ok(())));
    let (made, verdict) = proven_by(TRIES + 1);
    assert_eq!(made, TRIES);
    assert!(verdict.unwrap_err().starts_with("attached, but told nothing"));
}

#[test]
fn what_cant_connect_to_itself_proves_nothing() {
    let (_, expected) = world();
    let proof = prove(hook::TCP_CONNECT, &expected, || bail!("no loopback"), Vec::new);
    assert_eq!(proof.unwrap_err().to_string(), "no loopback");
}

#[test]
fn an_end_of_another_connection_on_the_same_socket_address_proves_and_disproves_nothing() {
    let (own, expected) = world();
    let ours = |kind, opened_ns| FlowEvent {
        kind,
        opened_ns,
        hook: hook::SET_STATE,
        sock: 9,
        ..told_of()
    };
    let mut inbound = FlowEvent { sock: 8, role: role::INBOUND, ..ours(kind::OPEN, 5) };
    (inbound.local_port, inbound.peer_port) = (50000, 40000);
    let mut events = vec![ours(kind::CLOSE, 0), ours(kind::OPEN, 5), inbound];
    events.extend([FlowEvent { sock: 8, ..ours(kind::CLOSE, 5) }, ours(kind::FAIL, 6)]);
    let verdict = |events: &[FlowEvent]| judge(hook::SET_STATE, &own, &expected, events);
    assert_eq!(verdict(&events), Err("no end of its connection was reported".to_owned()));
    events.push(ours(kind::CLOSE, 5));
    assert_eq!(verdict(&events), Ok(()));
}

#[test]
fn an_own_connection_is_known_by_whichever_end_a_snapshot_shows() {
    let (own, _) = world();
    let mut loops = Loops::default();
    loops.add(Loops { made: vec![own] });
    let loopback = Address::from(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let flow = |local_port, peer_port| {
        let netns = NetnsId(7);
        Flow { netns, local: loopback, peer: loopback, local_port, peer_port }
    };
    assert!(loops.have(&flow(40_000, 50_000)) && loops.have(&flow(50_000, 40_000)));
    assert!(!loops.have(&flow(40_000, 50_001)));
    assert!(!loops.have(&Flow { peer: Address([1; 16]), ..flow(40_000, 50_000) }));
}

#[test]
fn anothers_connection_is_not_the_agents_own() {
    let (own, _) = world();
    assert!(own.has(&told_of()));
    assert!(!own.has(&FlowEvent { peer_port: 443, ..told_of() }));
    assert!(!own.has(&FlowEvent { peer: [9; 16], ..told_of() }));
}
