//! Connections that stay open.

use std::{
    net::{SocketAddrV4, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::net::sockopt::set_socket_linger;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::churn::address;

/// Both ends of connections; dropping this closes them.
#[derive(Debug, Default)]
pub(crate) struct Held(
    #[expect(dead_code, reason = "kept for its Drop")] Vec<(TcpStream, TcpStream)>,
);

/// Connections to one address and port: fewer than there are ports to connect from.
const EACH: u64 = 20_000;

/// What a process has open beside the connections.
const OTHER_FILES: u64 = 100;

/// How many connections, of `wanted`, this process may hold: its limit of open files is raised
/// as far as may be.
pub(crate) fn room(wanted: u64) -> u64 {
    let files = 2 * wanted + OTHER_FILES;
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let raised = |files| Rlimit { current: Some(files), maximum: Some(files.max(most)) };
    let granted = [files, most.min(files)]
        .into_iter()
        .find(|&files| setrlimit(Resource::Nofile, raised(files)).is_ok());
    granted.unwrap_or(0).saturating_sub(OTHER_FILES) / 2
}

/// Opens `count` connections over at least `addresses` addresses.
pub(crate) fn hold(count: u64, addresses: u32) -> Result<Held> {
    if count == 0 {
        return Ok(Held::default());
    }
    let listener = TcpListener::bind("0.0.0.0:0").context("listen on loopback")?;
    let port = listener.local_addr().context("ask for the listener's port")?.port();
    let addresses = addresses.max(count.div_ceil(EACH) as u32);
    let open = |number| {
        let target = address(number, addresses);
        let client = TcpStream::connect(SocketAddrV4::new(target, port))
            .with_context(|| format!("connect to {target}, for connection {number} of {count}"))?;
        let (server, _) = listener.accept().context("accept a connection")?;
        // Else what was held before would stand in the TCP table for a minute, as TIME_WAIT.
        set_socket_linger(&client, Some(Duration::ZERO))
            .context("have close reset a connection")?;
        set_socket_linger(&server, Some(Duration::ZERO))
            .context("have close reset a connection")?;
        Ok((client, server))
    };
    (0..count).map(open).collect::<Result<_>>().map(Held)
}
