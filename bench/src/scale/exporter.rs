//! Serves every host's file, each at a loopback address of its own.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    thread,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use tiny_http::{Response, Server};

use super::fleet::{self, Fleet};

/// Threads that answer: Prometheus asks many hosts at one time.
const THREADS: usize = 4;

/// Answers until this is dropped.
pub(crate) struct Exporter {
    server: Arc<Server>,
    /// The port of every host.
    pub(crate) port: u16,
}

impl Exporter {
    /// Begins to serve a fleet that is born now; `agents` is what each host's agent tells of itself.
    pub(crate) fn start(fleet: Fleet, agents: &str) -> Result<Self> {
        let server = Server::http((Ipv4Addr::UNSPECIFIED, 0));
        // Its error is no std::error::Error that can be kept.
        let server = server.map_err(|err| anyhow::anyhow!("{err}")).context("listen")?;
        let port = server.server_addr().to_ip().map(|it| it.port()).context("find out the port")?;
        let server = Arc::new(server);
        let (agents, born): (Arc<str>, _) = (agents.into(), Instant::now());
        for _ in 0..THREADS {
            let (server, agents) = (Arc::clone(&server), Arc::clone(&agents));
            thread::spawn(move || answer(&server, fleet, &agents, born));
        }
        Ok(Self { server, port })
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        (0..THREADS).for_each(|_| self.server.unblock());
    }
}

fn answer(server: &Server, fleet: Fleet, agents: &str, born: Instant) {
    while let Ok(request) = server.recv() {
        let host = request.headers().iter().find(|header| header.field.equiv("Host"));
        let asked = host.and_then(|host| host.value.as_str().parse::<SocketAddr>().ok());
        let known = asked.and_then(|asked| match asked.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => Some(fleet::host_at(ip)),
            _ => None,
        });
        let response = match known.filter(|&host| host < fleet.hosts) {
            Some(host) => {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let text = fleet.file(host, born.elapsed().as_secs(), now.as_secs());
                Response::from_string(text + agents)
            }
            None => Response::from_string("no such host\n").with_status_code(404),
        };
        // Who asked may be gone.
        let _ = request.respond(response);
    }
}
