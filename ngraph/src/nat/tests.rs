//! Which connections are looked up, and what is made of the answers.

use std::net::IpAddr;

use anyhow::bail;

use super::*;

/// A table whose service 10.96.0.10 is answered by whoever's turn it is.
#[derive(Default)]
struct Cluster {
    asked: Vec<Flow>,
    is_broken: bool,
    has_forgotten: bool,
}

impl Ask for Cluster {
    fn ask(&mut self, flow: &Flow) -> Result<Answer> {
        self.asked.push(*flow);
        if self.is_broken {
            bail!("broken");
        }
        if self.has_forgotten {
            return Ok(Answer::Untracked);
        }
        let backend = endpoint(&format!("10.0.7.{}", self.asked.len() % 250), 8080);
        let dialled = Endpoint { address: flow.peer, port: flow.peer_port };
        let is_service = flow.peer == address("10.96.0.10");
        Ok(Answer::Answers(if is_service { backend } else { dialled }))
    }
}

const OWN: NetnsId = NetnsId(1);

fn address(ip: &str) -> Address {
    ip.parse::<IpAddr>().unwrap().into()
}

fn endpoint(ip: &str, port: u16) -> Endpoint {
    Endpoint { address: address(ip), port }
}

fn flow(peer: &str, local_port: u16) -> Flow {
    let (local, peer) = (address("10.0.0.1"), address(peer));
    Flow { netns: OWN, local, local_port, peer, peer_port: 80 }
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn translator() -> Translator<Cluster> {
    Translator::new(Cluster::default(), OWN)
}

#[test]
fn each_connection_to_a_service_has_its_own_answer() {
    let mut translator = translator();
    for (port, ip) in [(1, "10.0.7.1"), (2, "10.0.7.2"), (3, "10.0.7.3")] {
        let backend = translator.backend(&flow("10.96.0.10", port), secs(1));
        assert_eq!(backend, Some(endpoint(ip, 8080)));
    }
    assert_eq!(translator.counts, Counts { translated: 3, ..Counts::default() });
}

#[test]
fn a_destination_that_is_not_translated_is_looked_up_once_a_minute() {
    let mut translator = translator();
    for at in [1, 2, 60, 61, 62] {
        assert_eq!(translator.backend(&flow("192.0.2.1", at as u16), secs(at)), None);
    }
    let asked: Vec<u16> = translator.table.asked.iter().map(|flow| flow.local_port).collect();
    assert_eq!((asked, translator.counts.plain), (vec![1, 61], 2));
}

#[test]
fn a_connection_that_is_forgotten_is_as_dialled_and_its_service_stays_one() {
    let mut translator = translator();
    translator.backend(&flow("10.96.0.10", 1), secs(1));
    translator.table.has_forgotten = true;
    assert_eq!(translator.backend(&flow("10.96.0.10", 2), secs(2)), None);
    translator.table.has_forgotten = false;
    assert!(translator.backend(&flow("10.96.0.10", 3), secs(3)).is_some());
    assert_eq!(translator.counts, Counts { translated: 2, untracked: 1, ..Counts::default() });
}

#[test]
fn what_can_not_be_in_the_table_is_not_asked_for() {
    let mut translator = translator();
    let elsewhere = Flow { netns: NetnsId(2), ..flow("127.0.0.1", 1) };
    let portless = flow("10.96.0.10", 0);
    assert_eq!([elsewhere, portless].map(|flow| translator.backend(&flow, secs(1))), [None, None]);
    assert_eq!(translator.table.asked, []);
    let another = Flow { netns: NetnsId(2), ..flow("10.96.0.10", 1) };
    assert!(translator.backend(&another, secs(1)).is_some(), "its packets may pass here");
}

#[test]
fn a_table_that_fails_leaves_edges_as_dialled_and_is_counted() {
    let mut translator = translator();
    translator.table.is_broken = true;
    for port in 1..=20 {
        assert_eq!(translator.backend(&flow("10.96.0.10", port), secs(1)), None);
    }
    assert_eq!(
        (translator.counts.failed, translator.table.asked.len()),
        (1, 1),
        "and not asked again"
    );
}

#[test]
fn there_is_a_bound_however_many_destinations() {
    let mut translator = translator();
    for i in 0..20_000_u32 {
        let peer = std::net::Ipv4Addr::from(0x0a01_0000 + i).to_string();
        translator.backend(&flow(&peer, 1), secs(1));
        assert!(translator.destinations.len() <= MOST);
    }
}
