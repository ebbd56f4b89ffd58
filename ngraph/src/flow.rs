//! A connection's addresses, kept binary until they are written.

use std::{
    borrow::Cow,
    fmt,
    hash::{Hash, Hasher},
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

/// A network namespace, by the inode number that `/proc/PID/ns/net` shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetnsId(pub u32);

/// An address in 16 bytes, network order; IPv4 as IPv4-mapped, so that a dual-stack
/// listener's view of an IPv4 client is the client's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(pub [u8; 16]);

impl Address {
    /// The address as people write it: IPv4-mapped as plain IPv4.
    pub fn ip(self) -> IpAddr {
        Ipv6Addr::from(self.0).to_canonical()
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(ip) => Self(ip.to_ipv6_mapped().octets()),
            IpAddr::V6(ip) => Self(ip.octets()),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.ip().fmt(f)
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address.
    pub address: Address,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address.ip(), self.port).fmt(f)
    }
}

/// Who a connection is between: unique among the connections that are open at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Flow {
    /// The socket's namespace, not the task's.
    pub netns: NetnsId,
    /// The socket's own port.
    pub local_port: u16,
    /// The other end's port.
    pub peer_port: u16,
    /// The socket's own address.
    pub local: Address,
    /// The other end's address.
    pub peer: Address,
}

/// All at once: a snapshot asks for each of a hundred thousand connections by its flow.
impl Hash for Flow {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { netns, local_port, peer_port, local, peer } = self;
        let mut bytes = [0; 40];
        bytes[..16].copy_from_slice(&local.0);
        bytes[16..32].copy_from_slice(&peer.0);
        bytes[32..36].copy_from_slice(&netns.0.to_ne_bytes());
        bytes[36..38].copy_from_slice(&local_port.to_ne_bytes());
        bytes[38..].copy_from_slice(&peer_port.to_ne_bytes());
        state.write(&bytes);
    }
}

/// Which part a socket plays: who called connect, or who was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A listener made the socket: the peer connected to us.
    Inbound,
    /// The socket called connect: we connected to the peer.
    Outbound,
}

impl Role {
    /// Both, in the order in which they are written.
    pub const ALL: [Self; 2] = [Self::Inbound, Self::Outbound];

    /// The value of the label `direction`.
    pub fn direction(self) -> &'static str {
        match self {
            Self::Inbound => "input",
            Self::Outbound => "output",
        }
    }
}

/// Why an outbound attempt never became a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The peer answered that nobody listens.
    Refused,
    /// Nobody answered.
    Timeout,
    /// The network answered that there is no way.
    Unreachable,
    /// The peer broke the attempt off.
    Reset,
    /// The attempt was given up here, or the kernel didn't say why.
    Other,
}

impl Reason {
    /// All, in the order of their index.
    pub const ALL: [Self; 5] =
        [Self::Refused, Self::Timeout, Self::Unreachable, Self::Reset, Self::Other];

    /// The value of the label `reason`.
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Unreachable => "unreachable",
            Self::Reset => "reset",
            Self::Other => "other",
        }
    }
}

/// The task that connected or accepted. Its command name stays bytes until it is shown:
/// there's one for every event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// Process id in the first pid namespace.
    pub pid: u32,
    /// Control group id.
    pub cgroup: u64,
    /// Command name, zero-padded.
    pub comm: [u8; 16],
}

impl Owner {
    /// The command's name, as text.
    pub fn command(&self) -> Cow<'_, str> {
        let length = self.comm.iter().position(|&byte| byte == 0).unwrap_or(self.comm.len());
        String::from_utf8_lossy(&self.comm[..length])
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.command(), self.pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_the_plain_one() {
        let plain: IpAddr = "10.1.2.3".parse().unwrap();
        let mapped: IpAddr = "::ffff:10.1.2.3".parse().unwrap();
        assert_eq!(Address::from(plain), Address::from(mapped));
        assert_eq!(Address::from(mapped).ip().to_string(), "10.1.2.3");
    }

    #[test]
    fn an_ipv6_address_stays_itself() {
        let ip: IpAddr = "fe80::1".parse().unwrap();
        assert_eq!(Address::from(ip).ip(), ip);
    }
}
