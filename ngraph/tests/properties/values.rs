//! Options: what is written is read back, and means what it says.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use ngraph::config::{PeerFilter, duration, peers::parse_net};
use proptest::prelude::*;

fn net() -> impl Strategy<Value = IpNet> {
    // Few bits that differ, so that networks contain each other and addresses.
    let v4 = (0..4u32, 0..4u32, 0..=32u8).prop_map(|(high, low, prefix)| {
        IpNet::new(IpAddr::from((high << 30 | low).to_be_bytes()), prefix)
    });
    let v6 = (0..4u128, 0..4u128, 0..=128u8).prop_map(|(high, low, prefix)| {
        IpNet::new(IpAddr::from((high << 126 | low).to_be_bytes()), prefix)
    });
    prop_oneof![v4, v6].prop_map(|net| net.expect("a prefix that fits"))
}

/// Whether two addresses begin with the same `prefix` bits.
fn agree(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    let bits = |ip: IpAddr| -> Vec<bool> {
        let octets = match ip {
            IpAddr::V4(ip) => ip.octets().to_vec(),
            IpAddr::V6(ip) => ip.octets().to_vec(),
        };
        octets.iter().flat_map(|octet| (0..8).map(move |bit| octet & (128 >> bit) != 0)).collect()
    };
    let (a, b, prefix) = (bits(a), bits(b), usize::from(prefix));
    a.len() == b.len() && a[..prefix] == b[..prefix]
}

proptest! {
    #![proptest_config(super::config(2_000))]

    #[test]
    fn a_network_is_read_back_as_it_was_written(net in net()) {
        prop_assert_eq!(parse_net(&net.to_string()), Ok(net));
    }

    #[test]
    fn a_duration_is_read_back_as_it_was_written(seconds in any::<u64>(), small in 0..200_000u64) {
        for duration in [seconds, small].map(Duration::from_secs) {
            prop_assert_eq!(duration::parse(&duration::format(duration)), Some(duration));
        }
    }

    #[test]
    fn any_text_is_a_duration_within_the_bounds_or_none(text in "[0-9dhms .-]{0,12}|\\PC{0,8}") {
        let bounds = Duration::from_secs(1)..=Duration::from_secs(3_600);
        if let Ok(read) = duration::parse_within(&text, bounds.clone()) {
            prop_assert!(bounds.contains(&read));
        }
    }

    #[test]
    fn a_peer_is_wanted_where_a_network_bit_by_bit_says_so(
        include in proptest::collection::vec(net(), 0..3),
        exclude in proptest::collection::vec(net(), 0..3),
        peer in net(),
    ) {
        let peer = peer.addr();
        let is_in = |nets: &[IpNet]| {
            nets.iter().any(|net| agree(net.addr(), peer, net.prefix_len()))
        };
        let wanted = (include.is_empty() || is_in(&include)) && !is_in(&exclude);
        prop_assert_eq!(PeerFilter::new(&include, &exclude).is_wanted(peer), wanted);
    }
}
