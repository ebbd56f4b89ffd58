//! Who connected to whom: the socket's role, whatever the ports look like.

use std::net::TcpListener;

use super::support::{agent::Agent, metrics::Metrics, netns, traffic::connect_from};
use crate::captures;

fn edges(metrics: &Metrics, direction: &str) -> Vec<(String, String, u64)> {
    let labels = [("direction", direction)];
    (metrics.with("ngraph_connections_opened_total", &labels))
        .map(|it| (it.labels["src_ip"].clone(), it.labels["dest_ip"].clone(), it.value as u64))
        .collect()
}

fn a_listener_on_a_high_port_is_an_input_and_a_client_on_a_low_one_an_output(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:50051").unwrap();
    let local = "127.0.0.2:2000".parse().unwrap();
    let client = connect_from(local, listener.local_addr().unwrap());
    let (server, _) = listener.accept().unwrap();
    let expected = [("127.0.0.2".to_owned(), "127.0.0.1".to_owned(), 1)];
    let metrics = agent.expect("one edge in each direction", |it| {
        edges(it, "input") == expected && edges(it, "output") == expected
    });
    for family in ["network_connections_input_total", "network_connections_output_total"] {
        let labels = [("src_ip", "127.0.0.2"), ("dest_ip", "127.0.0.1")];
        assert_eq!(metrics.sum(family, &labels), 1, "{family}");
        assert_eq!(metrics.sum(family, &[]), 1, "{family}");
    }
    drop((client, server));
}
captures!(a_listener_on_a_high_port_is_an_input_and_a_client_on_a_low_one_an_output: auto, kprobe, tracepoint, procfs);
