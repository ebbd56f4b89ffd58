//! A naive world: the set of connections that are truly open, what the kernel side tells
//! of it and what /proc shows of it. The reference that the live set is measured by.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
};

use ngraph::{
    flow::{Flow, NetnsId, Owner, Reason, Role},
    observe::{ConnId, Observation},
    snapshot::{Row, RowState, Snapshot},
};
use proptest::prelude::*;

/// How many flows there are: two edges outbound, one inbound, and one in another namespace.
pub const SLOTS: u8 = 8;

/// What becomes of an event on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits in the ring until it is drained.
    Told,
    /// It is told behind the next opening of its flow, which another processor reports.
    Overtaken,
    /// The ring is full: an opening is counted by its edge, an end is counted and no more.
    Counted,
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
    /// A task takes an inbound connection from the queue.
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
    /// A look at what some process holds, which these slots are not, in such a moment.
    Glance { unheld: u8 },
    /// A file is written.
    File,
}

/// Any sequence of steps, in which events may meet one of these fates beside being told.
pub fn steps(fates: &'static [Fate]) -> impl Strategy<Value = Vec<Step>> {
    let slot = 0..SLOTS;
    let other =
        move || (0..fates.len().max(1)).prop_map(|at| *fates.get(at).unwrap_or(&Fate::Told));
    let fate = move || prop_oneof![8 => Just(Fate::Told), 2 => other()];
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
        3 => prop_oneof![Just(0), any::<u8>()].prop_map(|unheld| Step::Glance { unheld }),
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

/// A slot's owner, always the same: two of them share some edges.
pub fn owner(slot: u8) -> Owner {
    let mut comm = [0; 16];
    comm[0] = b'a' + slot % 2;
    Owner { pid: 1 + u32::from(slot % 2), cgroup: 1, comm }
}

/// A connection as it truly is.
#[derive(Clone, Copy, Debug)]
pub struct Conn {
    /// None before the hooks have seen it.
    pub id: Option<ConnId>,
    /// The file in the making when it opened; none: before the agent.
    pub file: Option<u32>,
    /// Whether its opening was counted by its edge.
    pub is_counted: bool,
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
    /// Whether a flow whose end nobody told of is used again only after snapshots have shown
    /// that it is free: else the next connection may be taken for the one before.
    pub rests_flows: bool,
    /// Such flows, by slot, and how many snapshots have begun since.
    resting: BTreeMap<u8, u8>,
    ring: VecDeque<Observation>,
    /// Openings counted by their edge, behind the ring.
    counted: BTreeMap<(Role, Flow), u64>,
    free: Vec<u64>,
    now_ns: u64,
}

impl World {
    /// Begins with connections in the slots of `older`, which no hook has seen open.
    pub fn new(states_speak: bool, older: u8) -> Self {
        let older = (0..SLOTS).filter(|slot| older & 1 << slot != 0);
        Self {
            open: older
                .map(|slot| (slot, Conn { id: None, file: None, is_counted: false }))
                .collect(),
            states_speak,
            opened: Default::default(),
            brief: Default::default(),
            lost: 0,
            file: 0,
            rests_flows: false,
            resting: BTreeMap::new(),
            ring: VecDeque::new(),
            counted: BTreeMap::new(),
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
        let is_resting = self.resting.contains_key(&slot);
        let is_told = matches!(before, Fate::Told | Fate::Overtaken);
        if self.rests_flows && (is_resting || self.open.contains_key(&slot) && !is_told) {
            return;
        }
        let is_overtaken = self.close(slot, before) && before == Fate::Overtaken;
        let is_heard = self.states_speak || role(slot) == Role::Outbound;
        let id = is_heard.then(|| self.identity());
        let is_counted = fate == Fate::Counted && id.is_some();
        self.open.insert(slot, Conn { id, file: Some(self.file), is_counted });
        self.opened[usize::from(slot)] += 1;
        if is_counted {
            let edge = Flow { local_port: 0, peer_port: 0, ..flow(slot) };
            *self.counted.entry((role(slot), edge)).or_default() += 1;
            self.lost += 1;
        } else if let Some(id) = id {
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
        if !matches!(fate, Fate::Told | Fate::Overtaken) {
            self.resting.insert(slot, 0);
        }
        if self.states_speak {
            let (flow, alike) = (flow(slot), conn.is_counted.then(|| role(slot)));
            let closed = match conn.id {
                Some(id) if !conn.is_counted => Observation::Closed(id),
                _ => Observation::ClosedUnnamed { flow, alike },
            };
            self.tell(closed, fate);
        }
        true
    }

    /// A task takes a connection from the queue: where they stand alone, the probes see it for
    /// the first time.
    pub fn accept(&mut self, slot: u8, fate: Fate) {
        if self.states_speak && role(slot) == Role::Inbound {
            // Lost, an owner is no connection that is, so nothing is to be mended.
            let named = |conn: &Conn| conn.id.filter(|_| !conn.is_counted);
            if let Some(id) = self.open.get(&slot).and_then(named).filter(|_| fate == Fate::Told) {
                self.tell(Observation::Owned { id, owner: owner(slot) }, fate);
            }
            return;
        }
        let is_waiting = |conn: &Conn| conn.id.is_none() && role(slot) == Role::Inbound;
        if self.states_speak || !self.open.get(&slot).is_some_and(is_waiting) {
            return;
        }
        let id = self.identity();
        if let Some(conn) = self.open.get_mut(&slot) {
            conn.id = Some(id);
            conn.is_counted = false;
            // One older than the agent opens, as far as the probes can tell.
            self.opened[usize::from(slot)] += u64::from(conn.file.is_none());
        }
        self.tell(self.opening(slot, id, true), fate);
    }

    /// An attempt fails, on a flow that nobody else has.
    pub fn fail(&mut self, slot: u8) {
        self.tick();
        let flow = Flow { local_port: 1, ..flow(slot) };
        self.tell(
            Observation::Failed {
                flow,
                reason: Reason::Refused,
                was_sent: true,
                count: 1,
                owner: Some(owner(slot)),
            },
            Fate::Told,
        );
    }

    /// What waits in the ring, in order, and then what was counted.
    pub fn drain(&mut self) -> impl Iterator<Item = Observation> {
        let counted = std::mem::take(&mut self.counted).into_iter();
        let counted =
            counted.map(|((role, flow), count)| Observation::OpenedAlike { flow, role, count });
        std::mem::take(&mut self.ring).into_iter().chain(counted)
    }

    /// What a snapshot that begins now knows before it has read a row.
    pub fn snapshot(&mut self) -> Snapshot {
        self.resting.values_mut().for_each(|snapshots| *snapshots += 1);
        self.resting.retain(|_, snapshots| *snapshots < 4);
        let mut snapshot = self.glance();
        snapshot.namespaces = snapshot.processes.keys().copied().collect();
        snapshot.is_whole = true;
        snapshot
    }

    /// The same of one that reads no table.
    pub fn glance(&mut self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for slot in 0..SLOTS {
            let flow = flow(slot);
            snapshot.processes.insert(flow.netns, "1".to_owned());
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
        let id = Some(id);
        // Who connects is known at once, who accepts only then.
        let owner = (role == Role::Outbound || may_be_known).then(|| owner(slot));
        Observation::Opened { id, flow, link: 0, role, owner, may_be_known }
    }

    fn tell(&mut self, observation: Observation, fate: Fate) {
        match fate {
            Fate::Told | Fate::Overtaken => self.ring.push_back(observation),
            Fate::Counted | Fate::Lost => self.lost += 1,
        }
    }
}
