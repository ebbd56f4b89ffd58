//! A line of `watch`: what happened, as one JSON object. Pure.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde::Serialize;

use crate::{
    clock,
    flow::{Flow, NetnsId, Owner, Reason, Role},
};

/// Version of the lines' shape: it rises when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// What happened at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When, since boot by this process' clock.
    pub at: Duration,
    /// What.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Something became of a connection, or of an attempt.
    Connection(Connection, Fate),
    /// What was open at the start has been told.
    Ready,
    /// The reader was too slow for this many lines.
    Dropped {
        /// How many.
        count: u64,
    },
    /// Events are gone.
    Lost {
        /// What had no room for them, or kept them from the hooks.
        reason: &'static str,
        /// How many; of those that were kept from the hooks, the most that it can be.
        count: u64,
    },
}

/// A connection or an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Between whom; ports are 0 where they aren't known.
    pub flow: Flow,
    /// The socket's part in it.
    pub role: Role,
    /// Whose it is, where known.
    pub owner: Option<Owner>,
    /// The peer's name, as far as it's known; empty: none.
    pub name: Arc<str>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// A snapshot shows it, and it was there at the start or has been counted already.
    Open,
    /// It opened.
    Opened,
    /// So many opened whose details are gone.
    OpenedAlike(u64),
    /// It is over, after so long where the kernel told its end.
    Closed(Option<Duration>),
    /// So many attempts failed.
    Failed(Reason, u64),
}

/// A line as it's written. Fields that mean nothing, or aren't known, are left out.
#[derive(Default, Serialize)]
struct Object<'a> {
    schema: u32,
    time: String,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    src_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dest_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_hostname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

impl Line {
    /// The line's text, with its end. `boot` is when this process' clock since boot was 0, as
    /// time since 1970.
    pub fn text(&self, boot: Duration) -> String {
        let time = clock::micros_text(boot.saturating_add(self.at));
        let object = Object { schema: SCHEMA, time, ..self.event.object() };
        serde_json::to_string(&object).expect("a struct of strings and numbers is always JSON")
            + "\n"
    }
}

impl Event {
    fn object(&self) -> Object<'_> {
        match self {
            Self::Connection(connection, fate) => {
                let object = connection.object();
                match *fate {
                    Fate::Open => Object { event: "open", ..object },
                    Fate::Opened => Object { event: "opened", ..object },
                    Fate::OpenedAlike(count) => {
                        Object { event: "opened", count: Some(count), ..object }
                    }
                    Fate::Closed(lasted) => {
                        let duration_seconds = lasted.map(|lasted| lasted.as_secs_f64());
                        Object { event: "closed", duration_seconds, ..object }
                    }
                    Fate::Failed(reason, count) => {
                        let (reason, count) = (Some(reason.label()), (count > 1).then_some(count));
                        Object { event: "failed", reason, count, ..object }
                    }
                }
            }
            Self::Ready => Object { event: "ready", ..Object::default() },
            Self::Dropped { count } => {
                Object { event: "dropped", count: Some(*count), ..Object::default() }
            }
            Self::Lost { reason, count } => Object {
                event: "lost",
                reason: Some(*reason),
                count: Some(*count),
                ..Object::default()
            },
        }
    }
}

impl Connection {
    fn object(&self) -> Object<'_> {
        let Self { flow, role, owner, name } = self;
        let Flow { netns: NetnsId(netns), local, local_port, peer, peer_port } = *flow;
        let (local, peer) = ((local.ip(), local_port), (peer.ip(), peer_port));
        let (src, dest) = match role {
            Role::Inbound => (peer, local),
            Role::Outbound => (local, peer),
        };
        let known = |port: u16| (port != 0).then_some(port);
        Object {
            direction: Some(role.direction()),
            src_ip: Some(src.0),
            src_port: known(src.1),
            dest_ip: Some(dest.0),
            dest_port: known(dest.1),
            peer_hostname: (!name.is_empty()).then_some(name),
            netns: Some(netns),
            pid: owner.map(|owner| owner.pid),
            command: owner.as_ref().map(Owner::command),
            ..Object::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: Duration = Duration::from_secs(1_795_752_240);

    fn text(event: Event) -> String {
        Line { at: Duration::from_micros(500_001), event }.text(BOOT)
    }

    fn connection(role: Role) -> Connection {
        let ip = |ip: &str| ip.parse::<IpAddr>().unwrap().into();
        let flow = Flow {
            netns: NetnsId(7),
            local_port: 40_000,
            peer_port: 443,
            local: ip("10.0.0.1"),
            peer: ip("10.0.0.2"),
        };
        let comm = *b"cu\"rl\n\0\0\0\0\0\0\0\0\0\0";
        let owner = Some(Owner { pid: 42, cgroup: 1, comm });
        Connection { flow, role, owner, name: Arc::from("db.example") }
    }

    #[test]
    fn a_line_has_what_is_known_of_a_connection() {
        let closed = Fate::Closed(Some(Duration::from_micros(1_250)));
        assert_eq!(
            text(Event::Connection(connection(Role::Outbound), closed)),
            r#"{"schema":1,"time":"2026-11-27T04:04:00.500001Z","event":"closed","direction":"output","src_ip":"10.0.0.1","src_port":40000,"dest_ip":"10.0.0.2","dest_port":443,"peer_hostname":"db.example","netns":7,"pid":42,"command":"cu\"rl\n","duration_seconds":0.00125}
"#
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut connection = connection(Role::Inbound);
        connection.flow = Flow { local_port: 0, peer_port: 0, ..connection.flow };
        connection = Connection { owner: None, name: Arc::from(""), ..connection };
        let line = text(Event::Connection(connection, Fate::OpenedAlike(9)));
        let line = &line[line.find("\"event\"").unwrap()..];
        assert_eq!(
            line,
            "\"event\":\"opened\",\"direction\":\"input\",\"src_ip\":\"10.0.0.2\",\
             \"dest_ip\":\"10.0.0.1\",\"netns\":7,\"count\":9}\n"
        );
    }

    #[test]
    fn a_failure_has_its_reason_and_several_their_number() {
        let failed = |count| {
            text(Event::Connection(
                connection(Role::Outbound),
                Fate::Failed(Reason::Refused, count),
            ))
        };
        assert!(failed(1).ends_with("\"reason\":\"refused\"}\n"), "{}", failed(1));
        assert!(failed(3).ends_with("\"reason\":\"refused\",\"count\":3}\n"), "{}", failed(3));
    }

    #[test]
    fn what_is_no_connection_has_numbers_alone() {
        for (event, end) in [
            (Event::Ready, r#""event":"ready"}"#),
            (Event::Dropped { count: 5 }, r#""event":"dropped","count":5}"#),
            (
                Event::Lost { reason: "ring_full", count: 2 },
                r#""event":"lost","reason":"ring_full","count":2}"#,
            ),
        ] {
            let line = text(event);
            assert!(line.starts_with(r#"{"schema":1,"time":""#), "{line}");
            assert!(line.trim_end().ends_with(end), "{line}");
        }
    }
}
