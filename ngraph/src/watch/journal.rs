//! From changes of the live set to lines, with what the record behind each tells besides. Pure.

use std::{collections::HashMap, sync::Arc, time::Duration};

use ngraph_common::event::{AGE_MOST, FlowEvent, kind};

use super::line::{Connection, Event, Fate, Line};
use crate::{
    flow::Role,
    live::{Change, Follower},
    observe::{ConnId, owner},
};

/// The lines of one drain. What is taken from it is written; past its room nothing is kept but
/// the number.
#[derive(Debug)]
pub struct Journal {
    lines: Vec<Line>,
    room: usize,
    overrun: u64,
    /// Lines of connections whose owner is told after their opening, as `accept` does it.
    unowned: HashMap<ConnId, usize>,
    record: Option<FlowEvent>,
    /// What this process' clock since boot has more than the kernel side's, in seconds.
    offset: i64,
}

impl Journal {
    /// An empty one with room for so many lines.
    pub fn new(room: usize, offset: i64) -> Self {
        let (lines, unowned) = (Vec::new(), HashMap::new());
        Self { lines, room, overrun: 0, unowned, record: None, offset }
    }

    /// Adds what is no change of a connection.
    pub fn note(&mut self, at: Duration, event: Event) {
        if self.lines.len() < self.room {
            self.lines.push(Line { at, event });
        } else {
            self.overrun += 1;
        }
    }

    /// Gives the lines, in order, and how many more there were behind them.
    pub fn take(&mut self) -> (Vec<Line>, u64) {
        self.unowned.clear();
        (std::mem::take(&mut self.lines), std::mem::take(&mut self.overrun))
    }

    /// When the record tells that something happened; `now` where it tells no time.
    fn time(&self, now: Duration) -> Duration {
        let Some(record) = self.record.filter(|it| it.opened_ns != 0 && it.age_us < AGE_MOST)
        else {
            return now;
        };
        let offset = Duration::from_secs(self.offset.unsigned_abs());
        let at = Duration::from_nanos(record.opened_ns) + age(&record);
        if self.offset < 0 { at.saturating_sub(offset) } else { at.saturating_add(offset) }
    }
}

fn age(record: &FlowEvent) -> Duration {
    Duration::from_micros(record.age_us.into())
}

fn id(record: &FlowEvent) -> ConnId {
    ConnId { sock: record.sock, opened_ns: record.opened_ns }
}

impl Follower for Journal {
    fn witness(&mut self, record: Option<&FlowEvent>) {
        self.record = record.copied();
        let Some(record) = record.filter(|record| record.tgid != 0) else {
            return;
        };
        if let Some(line) = self.unowned.remove(&id(record)).and_then(|at| self.lines.get_mut(at))
            && let Event::Connection(connection, _) = &mut line.event
        {
            connection.owner = owner(record);
        }
    }

    fn apply(&mut self, change: &Change, now: Duration) {
        let at = self.time(now);
        // One whose end was lost closes by the record of another's opening.
        let of_kind = |kinds: &[u8]| self.record.filter(|record| kinds.contains(&record.kind));
        let ended = of_kind(&[kind::CLOSE]).filter(|record| record.opened_ns != 0);
        let opened = of_kind(&[kind::OPEN, kind::CONNECT, kind::ACCEPT]);
        let (flow, role, record, fate) = match change {
            Change::Opened { flow, role, is_new: true, .. } => (flow, *role, opened, Fate::Opened),
            Change::Opened { flow, role, .. } => (flow, *role, opened, Fate::Open),
            Change::Found { flow, role, .. } => (flow, *role, None, Fate::Open),
            // A socket that found no room in the live set has its details.
            Change::OpenedAlike { flow, role, count: 1, .. } if opened.is_some() => {
                (flow, *role, opened, Fate::Opened)
            }
            Change::OpenedAlike { flow, role, count, .. } => {
                (flow, *role, None, Fate::OpenedAlike(*count))
            }
            Change::Closed { flow, role, .. } => {
                (flow, *role, ended, Fate::Closed(lasted(ended.as_ref(), at, self.offset)))
            }
            // It has an owner that an edge is told by.
            Change::Relabelled { .. } => return,
            Change::Failed { flow, reason, count, .. } => {
                let failed = of_kind(&[kind::FAIL]);
                (flow, Role::Outbound, failed, Fate::Failed(*reason, *count))
            }
        };
        let owner = record.as_ref().and_then(owner);
        if let (Fate::Opened, None, Some(record)) = (fate, owner, &record) {
            self.unowned.insert(id(record), self.lines.len());
        }
        let connection = Connection { flow: *flow, role, owner, name: Arc::default() };
        self.note(at, Event::Connection(connection, fate));
    }
}

/// How long a connection lasted: of one that is older than ages go, up to `now`.
fn lasted(record: Option<&FlowEvent>, now: Duration, offset: i64) -> Option<Duration> {
    let record = record?;
    if record.age_us < AGE_MOST {
        return Some(age(record));
    }
    let (opened, own) = (i128::from(record.opened_ns), now.as_nanos() as i128);
    let lasted = own - i128::from(offset) * 1_000_000_000 - opened;
    u64::try_from(lasted).ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        flow::{Address, Flow, NetnsId, Reason},
        labels::Mark,
    };

    const NOW: Duration = Duration::from_secs(500);
    const FLOW: Flow = Flow {
        netns: NetnsId(1),
        local_port: 1,
        peer_port: 2,
        local: Address([1; 16]),
        peer: Address([2; 16]),
    };

    /// Of a connection that was first seen 100 s after boot, 2 ms later.
    fn record(kind: u8, tgid: u32) -> FlowEvent {
        let (opened_ns, age_us) = (100_000_000_000, 2_000);
        FlowEvent { sock: 9, opened_ns, age_us, kind, tgid, ..FlowEvent::default() }
    }

    fn opened() -> Change {
        Change::Opened { flow: FLOW, role: Role::Inbound, mark: Mark::NONE, is_new: true }
    }

    fn closed() -> Change {
        Change::Closed { flow: FLOW, role: Role::Inbound, mark: Mark::NONE, is_brief: true }
    }

    fn told(journal: &mut Journal, record: Option<FlowEvent>, change: &Change) {
        journal.witness(record.as_ref());
        journal.apply(change, NOW);
    }

    /// Times, owners and fates of what is taken.
    fn taken(journal: &mut Journal) -> Vec<(Duration, Option<u32>, Fate)> {
        let told = |line: Line| match line.event {
            Event::Connection(connection, fate) => {
                (line.at, connection.owner.map(|owner| owner.pid), fate)
            }
            other => panic!("{other:?}"),
        };
        journal.take().0.into_iter().map(told).collect()
    }

    #[test]
    fn a_record_tells_when_whose_and_how_long() {
        let mut journal = Journal::new(9, 0);
        told(&mut journal, Some(record(kind::OPEN, 4)), &opened());
        told(&mut journal, Some(record(kind::CLOSE, 4)), &closed());
        let (at, lasted) = (Duration::from_millis(100_002), Duration::from_millis(2));
        assert_eq!(
            taken(&mut journal),
            [(at, Some(4), Fate::Opened), (at, Some(4), Fate::Closed(Some(lasted)))]
        );
    }

    #[test]
    fn without_a_record_the_time_is_now_and_nothing_else_is_known() {
        let mut journal = Journal::new(9, 0);
        told(&mut journal, None, &closed());
        let alike =
            Change::OpenedAlike { flow: FLOW, role: Role::Inbound, mark: Mark::NONE, count: 3 };
        told(&mut journal, None, &alike);
        assert_eq!(
            taken(&mut journal),
            [(NOW, None, Fate::Closed(None)), (NOW, None, Fate::OpenedAlike(3))]
        );
    }

    #[test]
    fn an_owner_that_accept_tells_is_on_the_line_that_waits() {
        let mut journal = Journal::new(9, 0);
        told(&mut journal, Some(record(kind::OPEN, 0)), &opened());
        journal.witness(Some(&record(kind::ACCEPT, 7)));
        assert_eq!(taken(&mut journal)[0].1, Some(7));
        journal.witness(Some(&record(kind::ACCEPT, 7)));
        assert!(taken(&mut journal).is_empty(), "an owner alone is no line");
    }

    #[test]
    fn one_that_closes_by_anothers_opening_has_none_of_its_details() {
        let mut journal = Journal::new(9, 0);
        told(&mut journal, Some(record(kind::OPEN, 4)), &closed());
        let [(_, owner, fate)] = taken(&mut journal)[..] else { panic!() };
        assert_eq!((owner, fate), (None, Fate::Closed(None)));
    }

    #[test]
    fn an_age_beyond_the_records_is_counted_until_now() {
        for offset in [0, 50, -50] {
            let mut journal = Journal::new(9, offset);
            let old = FlowEvent { age_us: AGE_MOST, ..record(kind::CLOSE, 0) };
            told(&mut journal, Some(old), &closed());
            let lasted = Duration::from_secs((400 - offset) as u64);
            assert_eq!(taken(&mut journal)[0].2, Fate::Closed(Some(lasted)), "{offset}");
        }
    }

    #[test]
    fn times_are_of_this_process_clock() {
        let mut journal = Journal::new(9, -30);
        told(&mut journal, Some(record(kind::OPEN, 4)), &opened());
        assert_eq!(taken(&mut journal)[0].0, Duration::from_millis(70_002));
    }

    #[test]
    fn past_its_room_lines_are_counted_alone() {
        let mut journal = Journal::new(2, 0);
        let failed =
            Change::Failed { flow: FLOW, mark: Mark::NONE, reason: Reason::Refused, count: 1 };
        (0..5).for_each(|_| told(&mut journal, Some(record(kind::FAIL, 1)), &failed));
        let (lines, overrun) = journal.take();
        assert_eq!((lines.len(), overrun), (2, 3));
        assert_eq!(journal.take(), (Vec::new(), 0));
    }
}
