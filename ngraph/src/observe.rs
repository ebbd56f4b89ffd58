//! From the kernel's records to what they tell of a connection. Pure.

use std::fmt;

use ngraph_common::{
    event::{FlowEvent, kind, role},
    overflow::Like,
};

use crate::flow::{Address, Flow, NetnsId, Owner, Reason, Role};

/// A connection's identity: its socket and when that was first seen as this connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId {
    /// Address of the kernel's socket; 0 for a connection that a snapshot found.
    pub sock: u64,
    /// Boot time in nanoseconds; for a connection that a snapshot found, a serial number.
    pub opened_ns: u64,
}

/// What the hooks, or a snapshot, tell of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation {
    /// A connection is open.
    Opened {
        /// Which; none: the kernel side had no room to name it.
        id: Option<ConnId>,
        /// Between whom.
        flow: Flow,
        /// Interface that its socket is bound to; 0: none.
        link: u32,
        /// The socket's part in it.
        role: Role,
        /// Whose it is, where known.
        owner: Option<Owner>,
        /// Whether it may have been open for a while, and seen by a snapshot: a connection
        /// waits in its listener's queue for as long as nobody accepts it.
        may_be_known: bool,
    },
    /// Whose a connection is.
    Owned {
        /// Which.
        id: ConnId,
        /// Whose.
        owner: Owner,
    },
    /// A connection is over.
    Closed(ConnId),
    /// A connection is over that has no identity: it is older than the hooks, or there was
    /// no room to tell of it.
    ClosedUnnamed {
        /// Between whom.
        flow: Flow,
        /// The socket's part in a connection that was told of as one of
        /// [`Observation::OpenedAlike`]; none: another.
        alike: Option<Role>,
    },
    /// Connections opened whose details are gone.
    OpenedAlike {
        /// Between whom; without ports.
        flow: Flow,
        /// The sockets' part in them.
        role: Role,
        /// How many.
        count: u64,
    },
    /// Inbound connections that the kernel counted and then had no use for, since another
    /// processor had made them already.
    Spare {
        /// Between whom they would have been.
        flow: Flow,
        /// How many.
        count: u64,
    },
    /// Outbound attempts are over without having been connections.
    Failed {
        /// Between whom; without the socket's own port where it never had one, and without
        /// ports where the details are gone.
        flow: Flow,
        /// Why.
        reason: Reason,
        /// Whether a SYN left.
        was_sent: bool,
        /// How many.
        count: u64,
        /// Whose they were, where known.
        owner: Option<Owner>,
    },
}

/// A record that means nothing: an unknown kind or role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record of unknown kind or role (kernel side built from another commit?)")
    }
}

/// How records are read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Whether the raw tracepoint speaks for a connection's life. If not, an attempt and an
    /// accept are all there is of a connection's opening.
    pub states_speak: bool,
    /// What the kernel side calls a namespace that user space calls by another name: its
    /// `struct net`, where there's no BTF.
    pub alias: Option<(u64, NetnsId)>,
}

impl Reading {
    /// What a record tells; `Ok(None)`: nothing that another record doesn't tell.
    pub fn observe(&self, event: &FlowEvent) -> Result<Option<Observation>, Malformed> {
        let id = ConnId { sock: event.sock, opened_ns: event.opened_ns };
        let observation = match event.kind {
            kind::OPEN => self.opened(event)?,
            kind::CONNECT | kind::ACCEPT if !self.states_speak => self.opened(event)?,
            kind::CONNECT | kind::ACCEPT => match owner(event) {
                Some(owner) => Observation::Owned { id, owner },
                None => return Ok(None),
            },
            kind::CLOSE if event.opened_ns == 0 => {
                let alike = role(event.role).ok();
                Observation::ClosedUnnamed { flow: self.flow(event), alike }
            }
            kind::CLOSE => Observation::Closed(id),
            kind::FAIL => {
                let (flow, reason) = (self.flow(event), reason(event.error));
                // One whose SYN never left has no role, nor has one that nobody saw begin; that
                // has a port if a SYN left.
                let is_unseen = event.tgid == 0 && event.local_port != 0;
                let was_sent = event.role == role::OUTBOUND || is_unseen;
                Observation::Failed { flow, reason, was_sent, count: 1, owner: owner(event) }
            }
            kind::SPARE => Observation::Spare { flow: self.flow(event), count: 1 },
            _ => return Err(Malformed),
        };
        Ok(Some(observation))
    }

    /// What `count` events tell of which no more is left than what they had in common.
    ///
    /// # Errors
    /// Where they mean nothing.
    pub fn observe_alike(&self, like: &Like, count: u64) -> Result<Option<Observation>, Malformed> {
        let Like { netns, local, peer, error, kind, role, .. } = *like;
        let error = error.into();
        let event = FlowEvent { netns, local, peer, error, kind, role, ..FlowEvent::default() };
        Ok(match self.observe(&event)? {
            Some(Observation::Opened { flow, role, .. }) => {
                Some(Observation::OpenedAlike { flow, role, count })
            }
            Some(Observation::Spare { flow, .. }) => Some(Observation::Spare { flow, count }),
            Some(Observation::Failed { flow, reason, was_sent, owner, .. }) => {
                Some(Observation::Failed { flow, reason, was_sent, count, owner })
            }
            _ => None,
        })
    }

    fn opened(&self, event: &FlowEvent) -> Result<Observation, Malformed> {
        let id = ConnId { sock: event.sock, opened_ns: event.opened_ns };
        Ok(Observation::Opened {
            id: (event.opened_ns != 0).then_some(id),
            flow: self.flow(event),
            link: event.link,
            role: role(event.role)?,
            owner: owner(event),
            may_be_known: event.kind == kind::ACCEPT,
        })
    }

    fn flow(&self, event: &FlowEvent) -> Flow {
        let netns = match self.alias {
            Some((name, netns)) if name == event.netns => netns,
            _ => NetnsId(event.netns as u32),
        };
        Flow {
            netns,
            local_port: event.local_port,
            peer_port: event.peer_port,
            local: Address(event.local),
            peer: Address(event.peer),
        }
    }
}

/// The label `kind` of `ngraph_events_total`, for kinds that exist.
pub const KINDS: [(u8, &str); 6] = [
    (kind::ACCEPT, "accept"),
    (kind::CLOSE, "close"),
    (kind::CONNECT, "connect"),
    (kind::FAIL, "fail"),
    (kind::OPEN, "open"),
    (kind::SPARE, "spare"),
];

fn role(role: u8) -> Result<Role, Malformed> {
    match role {
        role::OUTBOUND => Ok(Role::Outbound),
        role::INBOUND => Ok(Role::Inbound),
        _ => Err(Malformed),
    }
}

/// Whose the socket of a record is, where known.
pub fn owner(event: &FlowEvent) -> Option<Owner> {
    let owner = Owner { pid: event.tgid, cgroup: event.cgroup, comm: event.comm };
    (event.tgid != 0).then_some(owner)
}

/// Linux' error numbers, the same on x86_64 and aarch64.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/asm-generic/errno.h>
fn reason(error: u32) -> Reason {
    const EPIPE: u32 = 32;
    const ENETDOWN: u32 = 100;
    const ENETUNREACH: u32 = 101;
    const ECONNABORTED: u32 = 103;
    const ECONNRESET: u32 = 104;
    const ETIMEDOUT: u32 = 110;
    const ECONNREFUSED: u32 = 111;
    const EHOSTDOWN: u32 = 112;
    const EHOSTUNREACH: u32 = 113;
    const ENONET: u32 = 64;
    match error {
        ECONNREFUSED => Reason::Refused,
        ETIMEDOUT => Reason::Timeout,
        ENETUNREACH | EHOSTUNREACH | ENETDOWN | EHOSTDOWN | ENONET => Reason::Unreachable,
        ECONNRESET | ECONNABORTED | EPIPE => Reason::Reset,
        _ => Reason::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: Reading = Reading { states_speak: true, alias: None };

    fn event(kind: u8, role: u8) -> FlowEvent {
        FlowEvent { sock: 7, opened_ns: 9, kind, role, tgid: 42, netns: 5, ..FlowEvent::default() }
    }

    #[test]
    fn an_attempt_is_a_connection_only_where_the_probes_stand_alone() {
        let event = event(kind::CONNECT, role::OUTBOUND);
        let beside = READING.observe(&event).unwrap();
        assert!(matches!(beside, Some(Observation::Owned { .. })), "{beside:?}");
        let alone = Reading { states_speak: false, ..READING }.observe(&event).unwrap();
        assert!(matches!(alone, Some(Observation::Opened { .. })), "{alone:?}");
    }

    #[test]
    fn a_close_without_a_time_is_of_a_connection_older_than_the_hooks() {
        let mut event = event(kind::CLOSE, role::UNKNOWN);
        assert!(matches!(READING.observe(&event), Ok(Some(Observation::Closed(_)))));
        event.opened_ns = 0;
        let older = READING.observe(&event);
        assert!(matches!(older, Ok(Some(Observation::ClosedUnnamed { alike: None, .. }))));
    }

    #[test]
    fn an_unknown_kind_or_role_is_an_error() {
        assert_eq!(READING.observe(&event(99, role::OUTBOUND)), Err(Malformed));
        assert_eq!(READING.observe(&event(kind::OPEN, 77)), Err(Malformed));
    }

    #[test]
    fn an_aliased_namespace_is_told_by_its_inode_number() {
        let reading = Reading { alias: Some((5, NetnsId(4_026_531_840))), ..READING };
        let Ok(Some(Observation::Failed { flow, .. })) = reading.observe(&event(kind::FAIL, 0))
        else {
            panic!("no failure");
        };
        assert_eq!(flow.netns, NetnsId(4_026_531_840));
    }

    #[test]
    fn a_command_name_of_any_bytes_is_text() {
        let mut event = event(kind::OPEN, role::OUTBOUND);
        event.comm = [0xff; 16];
        let Ok(Some(Observation::Opened { owner: Some(owner), .. })) = READING.observe(&event)
        else {
            panic!("no opening");
        };
        assert_eq!(owner.to_string(), format!("{}[42]", "\u{fffd}".repeat(16)));
    }

    #[test]
    fn of_events_without_details_openings_and_failures_count() {
        let like = |kind| Like { kind, role: role::INBOUND, netns: 5, ..Like::default() };
        let opened = READING.observe_alike(&like(kind::OPEN), 7);
        let Ok(Some(Observation::OpenedAlike { role: Role::Inbound, count: 7, flow })) = opened
        else {
            panic!("{opened:?}");
        };
        assert_eq!((flow.netns, flow.local_port, flow.peer_port), (NetnsId(5), 0, 0));
        let failed = READING.observe_alike(&like(kind::FAIL), 3);
        assert!(matches!(failed, Ok(Some(Observation::Failed { count: 3, .. }))), "{failed:?}");
        let spare = READING.observe_alike(&like(kind::SPARE), 3);
        assert!(matches!(spare, Ok(Some(Observation::Spare { count: 3, .. }))), "{spare:?}");
        for kind in [kind::CLOSE, kind::ACCEPT, kind::CONNECT] {
            assert_eq!(READING.observe_alike(&like(kind), 3), Ok(None), "{kind}");
        }
        assert_eq!(READING.observe_alike(&like(99), 3), Err(Malformed));
    }
}
