//! Bytes as a hosts file, up to the name that would be shown.

use std::net::IpAddr;

use ngraph::names::{hostname, hosts::Hosts};

use super::assert_is_host_name;

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let hosts = Hosts::parse(&text);
    for address in text.split_whitespace().filter_map(|word| word.parse::<IpAddr>().ok()) {
        // A peer's address is always plain.
        let Some(name) = hosts.name(address.to_canonical()) else { continue };
        assert!(!name.contains(char::is_whitespace), "{name:?}");
        if let Some(shown) = hostname::choose([name]) {
            assert_is_host_name(&shown);
        }
    }
}
