//! Proves that a hook fires and tells the truth: the agent connects to itself on loopback
//! and compares what the kernel side reports with what the sockets say.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use ngraph_common::event::{FlowEvent, hook, kind, role};

use crate::{
    audit::Opens,
    flow::{Address, Flow},
};

/// How long a hook has to report an own connection: a thousand times what it takes.
const REPORTS: Duration = Duration::from_secs(1);

/// Own connections that a hook may be proven by. Where others make thousands in the same moment, one
/// may find the ring buffer full and be told by its number alone.
const TRIES: usize = 2;

/// How long loopback has to connect. Where it drops a packet since it has too many, the kernel sends
/// it again after one second, and after three.
const CONNECTS: Duration = Duration::from_secs(5);

/// How long it has to refuse, which a firewall may keep it from.
const REFUSES: Duration = Duration::from_secs(2);

/// A connection of the agent with itself, closed, and an attempt that was refused.
#[derive(Clone, Copy, Debug)]
pub struct Loop {
    client: SocketAddr,
    server: SocketAddr,
}

const IS_NO_CONNECTION: [io::ErrorKind; 2] =
    [io::ErrorKind::ConnectionRefused, io::ErrorKind::TimedOut];

/// Makes loops, and knows them in the kernel's own counts and in snapshots.
#[derive(Debug, Default)]
pub struct Loops {
    made: Vec<Loop>,
}

impl Loops {
    /// Connects, accepts, closes, and connects once more where nobody listens.
    ///
    /// # Errors
    /// Where loopback doesn't work: its interface may be down in a new namespace.
    pub fn make(&mut self) -> Result<Loop> {
        let made = Loop::make()?;
        self.made.push(made);
        Ok(made)
    }

    /// Adds those that others made.
    pub fn add(&mut self, others: Self) {
        self.made.extend(others.made);
    }

    /// Whether a connection is one of theirs. One of another namespace may have the same port on
    /// its loopback: the snapshot after this one finds it.
    pub fn have(&self, flow: &Flow) -> bool {
        let is_own =
            |own: &Loop| own.is_between(flow.local.0, flow.local_port, flow.peer.0, flow.peer_port);
        self.made.iter().any(is_own)
    }

    /// What they were to the kernel, each: a connection and a refused attempt.
    pub fn opens(&self) -> Opens {
        let made = self.made.len() as u64;
        Opens::new(made, 2 * made)
    }
}

/// What a true report says of its namespace and its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The namespace as events name it; none: any, since it's to be learned.
    pub netns: Option<u64>,
    /// The agent's process id in the first pid namespace; none: the agent lives in another.
    pub pid: Option<u32>,
    /// The agent's command name.
    pub command: String,
}

impl Loop {
    fn make() -> Result<Self> {
        let context = "connect to 127.0.0.1 (is the loopback interface up?)";
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context(context)?;
        let server = listener.local_addr().context(context)?;
        let client = TcpStream::connect_timeout(&server, CONNECTS).context(context)?;
        let (accepted, _) = listener.accept().context(context)?;
        let made = Self { client: client.local_addr().context(context)?, server };
        // The client first, so that the accepted socket closes whole and at once.
        drop(client);
        drop(accepted);
        drop(listener);
        // A firewall may drop the refusal: given up, the attempt has failed all the same.
        match TcpStream::connect_timeout(&server, REFUSES) {
            Err(err) if !IS_NO_CONNECTION.contains(&err.kind()) => Err(err).context(context),
            _ => Ok(made),
        }
    }

    /// Whether an event is of this connection or attempt, which nobody else's can be: the
    /// listening port was the agent's alone.
    pub fn has(&self, event: &FlowEvent) -> bool {
        self.is_between(event.local, event.local_port, event.peer, event.peer_port)
    }

    fn is_between(&self, local: [u8; 16], local_port: u16, peer: [u8; 16], peer_port: u16) -> bool {
        let port = self.server.port();
        let loopback = Address::from(IpAddr::V4(Ipv4Addr::LOCALHOST)).0;
        let is_own = local_port == port || peer_port == port;
        is_own && local == loopback && peer == loopback
    }
}

/// Has `connect` make own connections, until `drain` has brought of one what proves `hook`, and
/// gives those that were made with the verdict: what is missing or wrong, in words.
///
/// # Errors
/// Where none can be made.
pub fn prove(
    hook: u8,
    expected: &Expected,
    mut connect: impl FnMut() -> Result<Loop>,
    mut drain: impl FnMut() -> Vec<FlowEvent>,
) -> Result<(Vec<Loop>, Result<(), String>)> {
    let mut made = Vec::new();
    loop {
        // What others did while the hook was attached leaves it room.
        drain();
        let own = connect()?;
        made.push(own);
        let verdict = told(hook, &own, expected, &mut drain);
        if verdict.is_ok() || made.len() == TRIES {
            return Ok((made, verdict));
        }
    }
}

/// Waits until `drain` has brought what proves `hook`.
fn told(
    hook: u8,
    own: &Loop,
    expected: &Expected,
    mut drain: impl FnMut() -> Vec<FlowEvent>,
) -> Result<(), String> {
    let start = Instant::now();
    let mut events = Vec::new();
    loop {
        events.extend(drain());
        let verdict = judge(hook, own, expected, &events);
        if verdict.is_ok() || start.elapsed() > REPORTS {
            return verdict;
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn judge(hook: u8, own: &Loop, expected: &Expected, events: &[FlowEvent]) -> Result<(), String> {
    let client = |kind| find(events, hook, kind, own.client, own.server);
    let server = |kind| find(events, hook, kind, own.server, own.client);
    // By identity: the kernel gives a socket's address to the next one, maybe another's.
    let ended = |event: &FlowEvent| {
        let identity = |event: &FlowEvent| (event.sock, event.opened_ns);
        let is_end = |end: &&FlowEvent| end.kind == kind::CLOSE && identity(end) == identity(event);
        events.iter().find(is_end).map(drop).ok_or("no end of its connection was reported")
    };
    match hook {
        hook::SET_STATE | hook::SOCK_OPS => {
            let outbound = client(kind::OPEN)?;
            check(outbound, role::OUTBOUND, expected)?;
            owned(outbound, expected)?;
            ended(outbound)?;
            let inbound = server(kind::OPEN)?;
            check(inbound, role::INBOUND, expected)?;
            ended(inbound)?;
            let is_refusal = |event: &&FlowEvent| event.kind == kind::FAIL && own.has(event);
            events.iter().find(is_refusal).map(drop).ok_or("no refused attempt was reported")?;
        }
        hook::TCP_CONNECT => {
            let event = client(kind::CONNECT)?;
            check(event, role::OUTBOUND, expected)?;
            owned(event, expected)?;
        }
        _ => {
            let event = server(kind::ACCEPT)?;
            check(event, role::INBOUND, expected)?;
            owned(event, expected)?;
        }
    }
    Ok(())
}

fn find(
    events: &[FlowEvent],
    hook: u8,
    kind: u8,
    local: SocketAddr,
    peer: SocketAddr,
) -> Result<&FlowEvent, String> {
    let is_it = |event: &&FlowEvent| {
        (event.hook, event.kind) == (hook, kind)
            && (event.local_port, event.peer_port) == (local.port(), peer.port())
            && event.local == Address::from(local.ip()).0
            && event.peer == Address::from(peer.ip()).0
    };
    (events.iter().find(is_it))
        .ok_or_else(|| format!("attached, but told nothing of {local} -> {peer}"))
}

fn check(event: &FlowEvent, role: u8, expected: &Expected) -> Result<(), String> {
    if event.role != role {
        return Err(format!("tells role {} instead of {role}", event.role));
    }
    match expected.netns {
        Some(netns) if netns != event.netns => {
            Err(format!("tells namespace {} instead of {netns}", event.netns))
        }
        _ => Ok(()),
    }
}

fn owned(event: &FlowEvent, expected: &Expected) -> Result<(), String> {
    let command = event.comm.split(|&byte| byte == 0).next().unwrap_or_default();
    let command = String::from_utf8_lossy(command);
    if expected.pid.is_some_and(|pid| pid != event.tgid) || command != expected.command {
        let Expected { pid, command: name, .. } = expected;
        return Err(format!("tells owner {}[{command}] instead of {pid:?}[{name}]", event.tgid));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
