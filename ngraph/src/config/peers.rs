//! Decides by a peer's address whether its connections are wanted.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

/// The peers that `--include` and `--exclude` leave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerFilter {
    include: Vec<IpNet>,
    exclude: Vec<IpNet>,
}

impl PeerFilter {
    /// Wants what is in `include`, or everything where that is empty, less what is in
    /// `exclude`.
    pub fn new(include: &[IpNet], exclude: &[IpNet]) -> Self {
        let plain = |nets: &[IpNet]| nets.iter().copied().map(unmap).collect();
        Self { include: plain(include), exclude: plain(exclude) }
    }

    /// Whether connections with this peer are wanted. An IPv4-mapped IPv6 address is the
    /// IPv4 address in it.
    pub fn is_wanted(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let is_in = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&peer));
        (self.include.is_empty() || is_in(&self.include)) && !is_in(&self.exclude)
    }
}

/// Reads a network in CIDR notation, or an address alone as the network of just itself.
///
/// # Errors
/// Where it's neither: what is wrong with it, for a user to read.
pub fn parse_net(text: &str) -> Result<IpNet, String> {
    let (address, prefix) = match text.trim().split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text.trim(), None),
    };
    let address: IpAddr = address
        .parse()
        .map_err(|_| "not an address or network such as 10.1.2.3, 10.0.0.0/8 or fd00::/8")?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match prefix {
        None => longest,
        Some(digits) if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) => {
            return Err(format!("prefix length is not a number from 0 to {longest}"));
        }
        Some(digits) => digits.parse().unwrap_or(u8::MAX),
    };
    let net =
        IpNet::new(address, prefix).map_err(|_| format!("prefix length is more than {longest}"))?;
    match (address.to_canonical(), unmap(net)) {
        // A peer's address is never IPv4-mapped: this would hold none of those that it names.
        (IpAddr::V4(_), IpNet::V6(_)) => {
            Err("prefix length of an IPv4-mapped network is less than 96 (write it as IPv4, \
                 such as 10.0.0.0/8)"
                .to_owned())
        }
        _ => Ok(net),
    }
}

/// Turns `::ffff:10.0.0.0/104` into `10.0.0.0/8`, as a peer's address is turned.
fn unmap(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(address), Some(prefix)) => Ipv4Net::new(address, prefix).map_or(net, IpNet::V4),
        _ => net,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_lists_every_peer_is_wanted() {
        assert!(is_wanted("", "", "10.0.0.1"));
        assert!(is_wanted("", "", "::1"));
    }

    #[test]
    fn an_include_list_is_all_that_is_wanted() {
        assert!(is_wanted("10.0.0.0/8", "", "10.255.0.1"));
        assert!(!is_wanted("10.0.0.0/8", "", "11.0.0.1"));
        assert!(!is_wanted("10.0.0.0/8", "", "::1"));
        assert!(is_wanted("10.0.0.0/8 ::1", "", "::1"));
    }

    #[test]
    fn exclude_beats_include() {
        assert!(!is_wanted("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3"));
        assert!(!is_wanted("10.1.2.3", "10.0.0.0/8", "10.1.2.3"));
        assert!(is_wanted("10.0.0.0/8", "10.1.0.0/16", "10.2.2.3"));
    }

    // The Go tool compared strings: 10.1 excluded 10.100.0.1 as well.
    #[test]
    fn networks_are_compared_as_numbers() {
        assert!(is_wanted("", "10.1.0.0/16", "10.100.0.1"));
        assert!(!is_wanted("", "10.1.0.0/15", "10.0.0.1"));
        assert!(!is_wanted("", "fe80::/10", "febf::1"));
        assert!(is_wanted("", "10.0.0.1", "10.0.0.10"));
    }

    #[test]
    fn mapped_addresses_are_ipv4() {
        assert!(!is_wanted("", "10.0.0.0/8", "::ffff:10.1.2.3"));
        assert!(!is_wanted("", "::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(!is_wanted("", "::ffff:10.1.2.3", "::ffff:10.1.2.3"));
        assert!(is_wanted("", "::/0", "::ffff:10.1.2.3"));
        assert!(!is_wanted("", "0.0.0.0/0", "::ffff:10.1.2.3"));
    }

    #[test]
    fn an_address_alone_is_a_network_of_one() {
        assert_eq!(parse_net("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
        assert_eq!(parse_net(" fe80::1 ").unwrap().to_string(), "fe80::1/128");
        assert_eq!(parse_net("0.0.0.0/0").unwrap().to_string(), "0.0.0.0/0");
    }

    #[test]
    fn a_network_without_the_address_that_it_names_is_none() {
        assert!(parse_net("::ffff:10.0.0.0/96").is_ok());
        for text in ["::ffff:10.0.0.0/95", "::ffff:10.0.0.0/8", "::ffff:0.0.0.0/0"] {
            let error = parse_net(text).unwrap_err();
            assert!(error.contains("less than 96"), "{text:?}: {error}");
        }
    }

    #[test]
    fn errors_say_which_half_is_wrong() {
        let no_net = "not an address or network such as 10.1.2.3, 10.0.0.0/8 or fd00::/8";
        for text in [
            "",
            "/",
            "/8",
            "10.0.0/8",
            "10.0.0.256",
            "example.com",
            "fe80::1%eth0",
            "1::2::3",
            "💥",
        ] {
            assert_eq!(parse_net(text).unwrap_err(), no_net, "{text:?}");
        }
        for text in [
            "10.0.0.0/",
            "10.0.0.0/x",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.0.0",
        ] {
            let expected = "prefix length is not a number from 0 to 32";
            assert_eq!(parse_net(text).unwrap_err(), expected, "{text:?}");
        }
        for (text, longest) in [("10.0.0.0/33", 32), ("10.0.0.0/999", 32), ("::/129", 128)] {
            let expected = format!("prefix length is more than {longest}");
            assert_eq!(parse_net(text).unwrap_err(), expected, "{text:?}");
        }
    }

    fn is_wanted(include: &str, exclude: &str, peer: &str) -> bool {
        let nets = |list: &str| -> Vec<IpNet> {
            list.split_whitespace().map(|net| parse_net(net).unwrap()).collect()
        };
        PeerFilter::new(&nets(include), &nets(exclude)).is_wanted(peer.parse().unwrap())
    }
}
