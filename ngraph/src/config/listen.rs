//! Where to listen: an address with a port, a port alone, or nowhere.

use std::{fmt, net::SocketAddr};

/// Where to listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// At this address.
    At(SocketAddr),
    /// At this port of all addresses.
    Everywhere(u16),
}

/// Reads `--listen`: none is `off`.
///
/// # Errors
/// Where it's no address: what it takes, for a user to read.
pub fn parse(text: &str) -> Result<Option<Listen>, String> {
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let port = text.strip_prefix(':').filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
    let listen = match port {
        Some(port) => port.parse().ok().map(Listen::Everywhere),
        None => text.parse().ok().map(Listen::At),
    };
    let wanted = "takes off, or an address with a port: 127.0.0.1:9930, [::1]:9930, :9930 for all";
    listen.map(Some).ok_or_else(|| wanted.to_owned())
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(address) => address.fmt(f),
            Self::Everywhere(port) => write!(f, ":{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_port_is_one_and_is_written_as_it_is_read() {
        for text in ["127.0.0.1:9930", "0.0.0.0:1", "[::1]:9930", "[::]:65535", ":9930", ":0"] {
            let listen = parse(text).unwrap().unwrap();
            assert_eq!(listen.to_string(), text);
        }
        assert_eq!(parse(":9930"), Ok(Some(Listen::Everywhere(9930))));
    }

    #[test]
    fn off_is_nowhere() {
        assert_eq!((parse("off"), parse("OFF")), (Ok(None), Ok(None)));
    }

    #[test]
    fn what_lacks_a_part_or_has_to_be_looked_up_is_refused() {
        for text in [
            "",
            ":",
            "9930",
            "127.0.0.1",
            "127.0.0.1:",
            "::1:9930",
            "[::1]",
            "localhost:9930",
            ":65536",
            ":+1",
            ": 1",
            "*:9930",
            "127.0.0.1:99999",
            "http://127.0.0.1:9930",
            "💥:1",
        ] {
            assert!(parse(text).unwrap_err().starts_with("takes off, or "), "{text:?}");
        }
    }
}
