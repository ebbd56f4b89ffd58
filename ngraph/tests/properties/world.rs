//! A naive world: the set of connections that are truly open, what the kernel side tells
//! of it and what /proc shows of it. The reference that the live set is measured by.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use ngraph::{
    flow::{Flow, NetnsId, Reason, Role},
    observe::{ConnId, Observation},
    snapshot::{Row, RowState, Snapshot},
};
use proptest::prelude::*;

/// How many flows there are: two edges outbound, one inbound, and one in another namespace.
pub const SLOTS: u8 = 8;

/// What becomes of an event on its way. An event whose details are given up for a count of
/// its edge would be a third fate, of openings alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits in the ring until it is drained.
    Told,
    /// It is told behind the next opening of its flow, which another processor reports.
    Overtaken,
    /// Nobody ever learns of it, but that something was lost.
    Lost,
}

/// One thing that happens, to the world or to the agent.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// A connection opens; one that has the flow closes first, and is told as `before`.
    Open { slot: u8, before: Fate, fate: Fate },
    /// A connection closes, if there's one.
    Close { slot: u8, fate: Fate },
    /// A task takes an inbound connection from the queue, where the probes stand alone.
    Accept { slot: u8, fate: Fate },
    /// An attempt fails.
    Fail { slot: u8 },
    /// The ring is drained.
    Drain,
    /// A snapshot begins, if none is in the making.
    BeginSnapshot,
    /// It reads the rows of these slots, and misses some, as /proc may while it changes.
    ReadRows { slots: u8, missed: u8 },
    /// It has read the rest, and is reconciled.
    Reconcile,
    /// A whole snapshot, in a moment in which nothing else happens.
    Snapshot { missed: u8 },
    /// A file is written.
    File,
}

/// Any sequence of steps, in which events may be lost if `lossy`.
pub fn steps(lossy: bool) -> impl Strategy<Value = Vec<Step>> {
    let slot = 0..SLOTS;
    let fate = move || {
        prop_oneof![
            8 => Just(Fate::Told),
            2 => Just(if lossy { Fate::Lost } else { Fate::Told })
        ]
    };
    let before = prop_oneof![3 => fate(), 1 => Just(Fate::Overtaken)];
    let step = prop_oneof![
        8 => (slot.clone(), before, fate())
            .prop_map(|(slot, before, fate)| Step::Open { slot, before, fate }),
        6 => (slot.clone(), fate()).prop_map(|(slot, fate)| Step::Close { slot, fate }),
        2 => (slot.clone(), fate()).prop_map(|(slot, fate)| Step::Accept { slot, fate }),
        1 => slot.prop_map(|slot| Step::Fail { slot }),
        4 => Just(Step::Drain),
        3 => Just(Step::BeginSnapshot),
        4 => (any::<u8>(), prop_oneof![Just(0), any::<u8>()])
            .prop_map(|(slots, missed)| Step::ReadRows { slots, missed }),
        3 => Just(Step::Reconcile),
        4 => prop_oneof![Just(0), any::<u8>()].prop_map(|missed| Step::Snapshot { missed }),
        2 => Just(Step::File),
    ];
    proptest::collection::vec(step, 0..120)
}

/// A slot's flow, always the same.
pub fn flow(slot: u8) -> Flow {
    let [local, near, far]: [IpAddr; 3] =
        ["10.0.0.1", "10.0.0.2", "2001:db8::2"].map(|ip| ip.parse().expect("an address"));
    let (peer, local_port, peer_port) = match slot {
        0..3 => (near, 40_000 + u16::from(slot), 80),
        3..5 => (far, 40_000 + u16::from(slot), 443),
        _ => (near, 443, 50_000 + u16::from(slot)),
    };
    let netns = NetnsId(if slot == 7 { 2 } else { 1 });
    Flow { netns, local: local.into(), local_port, peer: peer.into(), peer_port }
}

/// A slot's role, always the same.
pub fn role(slot: u8) -> Role {
    if slot < 5 { Role::Outbound } else { Role::Inbound }
}

/// A connection as it truly is.
#[derive(Clone, Copy, Debug)]
pub struct Conn {
    /// None before the hooks have seen it.
    pub id: Option<ConnId>,
    /// The file in the making when it opened; none: before the agent.
    pub file: Option<u32>,
}

/// The world. Time is a count of what happened.
pub struct World {
    /// What is open, by slot.
    pub open: BTreeMap<u8, Conn>,
    /// Whether the raw tracepoint speaks; if not, the probes stand alone.
    pub states_speak: bool,
    /// Openings that happened while the agent looked, by slot.
    pub opened: [u64; SLOTS as usize],
    /// Of those, by slot, how many closed before the file in the making.
    pub brief: [u64; SLOTS as usize],
    /// Events that were lost.
    pub lost: u64,
    /// Number of the file in the making.
    pub file: u32,
    ring: VecDeque<Observation>,
    free: Vec<u64>,
    now_ns: u64,
}

impl World {
    /// Begins with connections in the slots of `older`, which no hook has seen open.
    pub fn new(states_speak: bool, older: u8) -> Self {
        let older = (0..SLOTS).filter(|slot| older & 1 << slot != 0);
        Self {
            open: older.map(|slot| (slot, Conn { id: None, file: None })).collect(),
            states_speak,
            opened: Default::default(),
            brief: Default::default(),
            lost: 0,
            file: 0,
            ring: VecDeque::new(),
            free: (0..u64::from(SLOTS)).map(|n| 0x1000 + n).collect(),
            now_ns: 1_000,
        }
    }

    /// The next moment.
    pub fn tick(&mut self) -> u64 {
        self.now_ns += 1;
        self.now_ns
    }

    /// A connection opens in a slot, after the one that is there has closed.
    pub fn open(&mut self, slot: u8, before: Fate, fate: Fate) {
        let is_overtaken = self.close(slot, before) && before == Fate::Overtaken;
        let is_heard = self.states_speak || role(slot) == Role::Outbound;
        let id = is_heard.then(|| self.identity());
        self.open.insert(slot, Conn { id, file: Some(self.file) });
        self.opened[usize::from(slot)] += 1;
        if let Some(id) = id {
            self.tell(self.opening(slot, id, false), fate);
        }
        if is_overtaken && self.states_speak && fate == Fate::Told {
            let last = self.ring.len() - 1;
            self.ring.swap(last - 1, last);
        }
    }

    /// A connection closes; gives whether there was one.
    pub fn close(&mut self, slot: u8, fate: Fate) -> bool {
        self.tick();
        let Some(conn) = self.open.remove(&slot) else {
            return false;
        };
        self.brief[usize::from(slot)] += u64::from(conn.file == Some(self.file));
        if let Some(id) = conn.id {
            // The next connection anywhere gets this very socket.
            self.free.push(id.sock);
        }
        if self.states_speak {
            let closed = match conn.id {
                Some(id) => Observation::Closed(id),
                None => Observation::ClosedOlder(flow(slot)),
            };
            self.tell(closed, fate);
        }
        true
    }

    /// A task takes a connection from the queue, and the probes see it for the first time.
    pub fn accept(&mut self, slot: u8, fate: Fate) {
        let is_waiting = |conn: &Conn| conn.id.is_none() && role(slot) == Role::Inbound;
        if self.states_speak || !self.open.get(&slot).is_some_and(is_waiting) {
            return;
        }
        let id = self.identity();
        if let Some(conn) = self.open.get_mut(&slot) {
            conn.id = Some(id);
            // One older than the agent opens, as far as the probes can tell.
            self.opened[usize::from(slot)] += u64::from(conn.file.is_none());
        }
        self.tell(self.opening(slot, id, true), fate);
    }

    /// An attempt fails, on a flow that nobody else has.
    pub fn fail(&mut self, slot: u8) {
        self.tick();
        let flow = Flow { local_port: 1, ..flow(slot) };
        self.tell(Observation::Failed { flow, reason: Reason::Refused }, Fate::Told);
    }

    /// What waits in the ring, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Observation> {
        std::mem::take(&mut self.ring).into_iter()
    }

    /// What a snapshot that begins now knows before it has read a row.
    pub fn snapshot(&mut self) -> Snapshot {
        let began = Duration::from_nanos(self.tick());
        let mut snapshot = Snapshot { began, ..Snapshot::default() };
        for slot in 0..SLOTS {
            let flow = flow(slot);
            snapshot.namespaces.insert(flow.netns);
            if role(slot) == Role::Inbound {
                snapshot.listeners.insert(flow.netns, flow.local, flow.local_port);
            }
        }
        snapshot
    }

    /// What /proc shows of a slot now.
    pub fn row(&self, slot: u8) -> Option<Row> {
        self.open.contains_key(&slot).then(|| Row { flow: flow(slot), state: RowState::Connection })
    }

    /// That of a socket which nobody uses, as the hooks see it for the first time now.
    fn identity(&mut self) -> ConnId {
        let sock = self.free.pop().expect("fewer sockets than slots");
        ConnId { sock, opened_ns: self.tick() }
    }

    fn opening(&self, slot: u8, id: ConnId, may_be_known: bool) -> Observation {
        let (flow, role) = (flow(slot), role(slot));
        Observation::Opened { id, flow, role, at_ns: self.now_ns, owner: None, may_be_known }
    }

    fn tell(&mut self, observation: Observation, fate: Fate) {
        match fate {
            Fate::Told | Fate::Overtaken => self.ring.push_back(observation),
            Fate::Lost => self.lost += 1,
        }
    }
}
