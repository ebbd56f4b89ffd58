//! What two hosts tell, by hand.

use std::borrow::Cow;

use super::*;
use crate::picture::report::{Family, Labels};

const WEB: &str = "web.prom";
const DB: &str = "db.prom";

#[test]
fn both_ends_reports_of_an_edge_are_one_link() {
    let mut told = Reports::default();
    opened(&mut told, WEB, "output", "10.0.0.1", "10.0.0.2", 7);
    opened(&mut told, DB, "input", "10.0.0.1", "10.0.0.2", 5);
    let fleet = join(&told);
    assert_eq!(links(&fleet), ["10.0.0.1 > 10.0.0.2: 7"]);
    assert_eq!(fleet.links[0].missing, None);
}

#[test]
fn a_host_is_all_addresses_that_its_agent_alone_calls_its_own() {
    let mut told = Reports::default();
    opened(&mut told, WEB, "output", "10.0.0.1", "10.0.0.2", 1);
    opened(&mut told, WEB, "input", "198.51.100.7", "192.168.1.1", 2);
    opened(&mut told, WEB, "output", "172.17.0.1", "172.17.0.2", 3);
    opened(&mut told, DB, "output", "172.17.0.1", "172.17.0.3", 4);
    let fleet = join(&told);
    assert_eq!(
        links(&fleet),
        [
            "10.0.0.1 > 10.0.0.2: 1",
            "172.17.0.1 > 172.17.0.2: 3",
            "172.17.0.1 > 172.17.0.3: 4",
            "198.51.100.7 > 10.0.0.1: 2"
        ]
    );
    assert_eq!(host(&fleet, "10.0.0.1").addresses.len(), 2);
    assert_eq!(host(&fleet, "172.17.0.1").kind, Kind::Shared);
    assert_eq!(host(&fleet, "198.51.100.7").kind, Kind::External);
    assert_eq!(fleet.notes, ["172.17.0.1 stands for itself: 2 hosts call it their own"]);
}

#[test]
fn loopback_and_folded_peers_stay_with_their_host() {
    let mut told = Reports::default();
    for (file, own) in [(WEB, "10.0.0.1"), (DB, "10.0.0.2")] {
        opened(&mut told, file, "output", own, "10.0.0.9", 1);
        opened(&mut told, file, "output", "127.0.0.1", "127.0.0.1", 6);
        opened(&mut told, file, "input", "127.0.0.1", "127.0.0.1", 6);
        opened(&mut told, file, "input", "other", "", 3);
        opened(&mut told, file, "output", "", "other", 2);
    }
    let expected = [
        "10.0.0.1 > 10.0.0.1: 6",
        "10.0.0.1 > 10.0.0.9: 1",
        "10.0.0.1 > other of 10.0.0.1: 2",
        "10.0.0.2 > 10.0.0.2: 6",
        "10.0.0.2 > 10.0.0.9: 1",
        "10.0.0.2 > other of 10.0.0.2: 2",
        "other of 10.0.0.1 > 10.0.0.1: 3",
        "other of 10.0.0.2 > 10.0.0.2: 3",
    ];
    let fleet = join(&told);
    assert_eq!(links(&fleet), expected);
    assert!(fleet.links.iter().all(|link| link.missing.is_none()));
}

#[test]
fn an_end_that_tells_nothing_though_it_has_an_agent_is_missing() {
    let mut told = Reports::default();
    opened(&mut told, WEB, "output", "10.0.0.1", "10.0.0.2", 1);
    opened(&mut told, WEB, "output", "10.0.0.1", "203.0.113.1", 1);
    opened(&mut told, DB, "input", "10.0.0.3", "10.0.0.2", 1);
    opened(&mut told, "c.prom", "input", "10.0.0.1", "10.0.0.4", 1);
    let missing = |fleet: &Fleet| -> Vec<_> { fleet.links.iter().map(|it| it.missing).collect() };
    let (input, output) = (Some(Role::Inbound), Some(Role::Outbound));
    assert_eq!(missing(&join(&told)), [input, output, None, None]);
    // Who tries and fails has no other end that could tell.
    let mut told = Reports::default();
    add(&mut told, WEB, Family::Failures, &[("src_ip", "10.0.0.1"), ("dest_ip", "10.0.0.2")], 4);
    opened(&mut told, DB, "input", "10.0.0.3", "10.0.0.2", 1);
    assert_eq!(missing(&join(&told)), [None, None]);
}

#[test]
fn a_host_is_called_by_prometheus_then_by_its_peers_then_by_its_address() {
    let mut told = Reports::default();
    let edge = [("direction", "output"), ("src_ip", "10.0.0.1"), ("dest_ip", "10.0.0.2")];
    let more = [("peer_hostname", "db.example"), ("instance", "web1:9100"), ("job", "node")];
    add(&mut told, "x", Family::Opened, &[&edge[..], &more].concat(), 1);
    let back = [("direction", "output"), ("src_ip", "10.0.0.2"), ("dest_ip", "fd00::9")];
    add(&mut told, "x", Family::Opened, &[&back[..], &[("instance", "10.0.0.2:9100")]].concat(), 1);
    let fleet = join(&told);
    let called: Vec<_> = fleet.hosts.iter().map(|it| (&*it.id, &*it.name)).collect();
    assert_eq!(
        called,
        [("10.0.0.2:9100", "db.example"), ("fd00::9", "fd00::9"), ("web1:9100", "web1")]
    );
    assert_eq!(fleet.hosts[2].job.as_deref(), Some("node"));
    for (instance, host) in [("a", "a"), ("a:", "a:"), ("::1", "::1"), ("[::1]:9", "[::1]")] {
        assert_eq!(without_port(instance), host);
    }
}

#[test]
fn two_hosts_called_alike_stay_two() {
    let mut told = Reports::default();
    let edge = [("direction", "output"), ("src_ip", "10.0.0.1"), ("dest_ip", "10.0.0.2")];
    add(&mut told, "x", Family::Opened, &[&edge[..], &[("instance", "10.0.0.2")]].concat(), 1);
    assert_eq!(links(&join(&told)), ["10.0.0.2 > 10.0.0.2 (2): 1"]);
}

#[test]
fn further_labels_make_no_further_link() {
    let mut told = Reports::default();
    let edge = [("direction", "output"), ("src_ip", "10.0.0.1"), ("dest_ip", "10.0.0.2")];
    for port in ["5432", "80"] {
        add(&mut told, WEB, Family::Opened, &[&edge[..], &[("port", port)]].concat(), 2);
    }
    let fleet = join(&told);
    assert_eq!(links(&fleet), ["10.0.0.1 > 10.0.0.2: 4"]);
    assert_eq!(fleet.links[0].ports, [80, 5432].into());
}

#[test]
fn what_was_dialled_where_another_answered_is_told_of_the_link() {
    let mut told = Reports::default();
    let edge = [("direction", "output"), ("src_ip", "10.0.0.1"), ("dest_ip", "10.0.0.2")];
    for service in ["10.96.0.10:80", "", "<b>"] {
        add(&mut told, WEB, Family::Opened, &[&edge[..], &[("service", service)]].concat(), 2);
    }
    let fleet = join(&told);
    assert_eq!(links(&fleet), ["10.0.0.1 > 10.0.0.2: 6"]);
    assert_eq!(fleet.links[0].dialled, ["10.96.0.10:80".to_owned(), "<b>".to_owned()].into());
}

fn opened(told: &mut Reports, file: &str, direction: &str, src: &str, dest: &str, count: u32) {
    let labels = [("direction", direction), ("src_ip", src), ("dest_ip", dest)];
    add(told, file, Family::Opened, &labels, count);
}

fn add(told: &mut Reports, file: &str, family: Family, labels: &[(&str, &str)], count: u32) {
    let mut all = Labels::default();
    for &(name, value) in labels {
        all.set(name, Cow::Borrowed(value));
    }
    told.add(file, family, &all, count.into()).unwrap();
}

fn links(fleet: &Fleet) -> Vec<String> {
    let id = |host: usize| &fleet.hosts[host].id;
    let link = |it: &Link| format!("{} > {}: {}", id(it.source), id(it.target), it.figures.opened);
    fleet.links.iter().map(link).collect()
}

fn host<'a>(fleet: &'a Fleet, id: &str) -> &'a Host {
    fleet.hosts.iter().find(|host| host.id == id).unwrap()
}
