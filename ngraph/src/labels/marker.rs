//! Gives connections their labels as a number: equal labels have the same, so that edges and
//! connections stay small. Pure, but for what it has looked up.

use std::{cmp::Ordering, collections::HashSet, sync::Arc};

use foldhash::HashMap;

use super::{Label, Labels, Place, shown};
use crate::{
    flow::{Endpoint, Flow, Owner, Role},
    nat::Counts,
};

/// A connection's labels. Its order means nothing: see [`Marker::order`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(u32);

impl Mark {
    /// No labels.
    pub const NONE: Self = Self(0);

    /// Its number, which tells it from others and no more.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// What has to be looked up about a connection, at the edge of what is pure.
pub trait Lookup {
    /// Where an owner runs, as far as labels ask for it.
    fn place(&mut self, owner: &Owner) -> Option<Arc<Place>>;

    /// Who answers an outbound connection, if it is another than was dialled.
    fn backend(&mut self, flow: &Flow) -> Option<Endpoint>;

    /// What became of the lookups of who answers; none: there are none.
    fn translations(&self) -> Option<Counts>;

    /// Once a file: time to forget what nobody asks for.
    fn tidy(&mut self);
}

/// Nobody runs anywhere, and who is dialled answers.
impl Lookup for () {
    fn place(&mut self, _: &Owner) -> Option<Arc<Place>> {
        None
    }

    fn backend(&mut self, _: &Flow) -> Option<Endpoint> {
        None
    }

    fn translations(&self) -> Option<Counts> {
        None
    }

    fn tidy(&mut self) {}
}

/// What is wanted of a connection; all else is left as it is by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Set {
    port: u16,
    process: [u8; 16],
    place: Option<Arc<Place>>,
    service: Option<Endpoint>,
    netns: u32,
    backend: Option<Backend>,
}

/// Another peer than was dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Backend {
    answers: Endpoint,
    /// The same labels of a connection that dialled it directly.
    shown: Mark,
}

/// Sets that are forgotten only together with others: looking for those that nobody uses takes
/// a walk over everything.
const IDLE_SETS: usize = 4_096;

/// Knows every set of labels that is in use.
pub struct Marker {
    labels: Labels,
    lookup: Box<dyn Lookup>,
    marks: HashMap<Set, Mark>,
    /// By mark; none: free.
    sets: Vec<Option<Set>>,
    free: Vec<Mark>,
    /// Sets that were in use when it was last looked.
    used: usize,
}

impl Marker {
    /// Gives none.
    pub fn off() -> Self {
        Self::new(Labels::new(), Box::new(()))
    }

    /// Gives these labels.
    pub fn new(labels: Labels, lookup: Box<dyn Lookup>) -> Self {
        let none = Set::default();
        let marks = HashMap::from_iter([(none.clone(), Mark::NONE)]);
        Self { labels, lookup, marks, sets: vec![Some(none)], free: Vec::new(), used: 0 }
    }

    /// The labels of a connection. A flow without ports is one whose ports aren't known.
    pub fn mark(&mut self, flow: &Flow, role: Role, owner: Option<&Owner>) -> Mark {
        let backend = match role {
            Role::Inbound => None,
            Role::Outbound => self.lookup.backend(flow),
        };
        if self.labels.is_empty() && backend.is_none() {
            return Mark::NONE;
        }
        let mut set = Set::default();
        if self.labels.contains(&Label::Port) {
            set.port = match role {
                Role::Inbound => flow.local_port,
                Role::Outbound => backend.map_or(flow.peer_port, |backend| backend.port),
            };
        }
        if self.labels.contains(&Label::Service) && backend.is_some() {
            set.service = Some(Endpoint { address: flow.peer, port: flow.peer_port });
        }
        if self.labels.contains(&Label::Netns) {
            set.netns = flow.netns.0;
        }
        if let Some(owner) = owner {
            self.own(&mut set, owner);
        }
        self.answered_by(backend, set)
    }

    /// The peer that is shown of a connection instead of the one that was dialled, and
    /// the labels with it; none: the one that was.
    pub fn backend(&self, mark: Mark) -> Option<(Endpoint, Mark)> {
        let Backend { answers, shown } = self.set(mark)?.backend?;
        Some((answers, shown))
    }

    /// What became of lookups of who answers.
    pub fn translations(&self) -> Option<Counts> {
        self.lookup.translations()
    }

    /// The labels of a connection that has these, and an owner.
    pub fn owned(&mut self, mark: Mark, owner: &Owner) -> Mark {
        if self.labels.is_empty() {
            return mark;
        }
        let Some(mut set) = self.set(mark).cloned() else {
            return mark;
        };
        self.own(&mut set, owner);
        let backend = set.backend.take();
        self.answered_by(backend.map(|backend| backend.answers), set)
    }

    /// Names and values, in order: every label that is asked for, known or not.
    pub fn shown(&self, mark: Mark) -> Vec<(&'static str, String)> {
        let none = Set::default();
        let set = self.set(mark).unwrap_or(&none);
        let nowhere = Place::default();
        let place = set.place.as_deref().unwrap_or(&nowhere);
        let value = |label| match label {
            Label::Port => known(set.port.into()),
            Label::Process => shown::text(&set.process),
            Label::Container => place.container.clone(),
            Label::Pod => place.pod.clone(),
            Label::Namespace => place.namespace.clone(),
            Label::Service => set.service.map(|dialled| dialled.to_string()).unwrap_or_default(),
            Label::Netns => known(set.netns),
        };
        self.labels.iter().map(|&label| (label.name(), value(label))).collect()
    }

    /// By what is shown, since numbers tell who came first.
    pub fn order(&self, one: Mark, other: Mark) -> Ordering {
        if one == other { Ordering::Equal } else { self.set(one).cmp(&self.set(other)) }
    }

    /// Once a file.
    pub fn tidy(&mut self) {
        self.lookup.tidy();
    }

    /// Whether so many sets may be out of use that it's worth a look.
    pub fn is_crowded(&self) -> bool {
        self.marks.len() > 2 * self.used + IDLE_SETS
    }

    /// Forgets every set but those of `used`.
    pub fn keep(&mut self, used: impl Iterator<Item = Mark>) {
        let mut used: HashSet<Mark> = used.chain([Mark::NONE]).collect();
        let shown = |mark: &Mark| self.backend(*mark).map(|(_, shown)| shown);
        let shown: Vec<Mark> = used.iter().filter_map(shown).collect();
        used.extend(shown);
        self.marks.retain(|_, mark| used.contains(mark));
        self.used = self.marks.len();
        self.free.clear();
        for (at, set) in self.sets.iter_mut().enumerate() {
            let mark = Mark(at as u32);
            if !used.contains(&mark) {
                *set = None;
                self.free.push(mark);
            }
        }
    }

    fn answered_by(&mut self, answers: Option<Endpoint>, set: Set) -> Mark {
        let Some(answers) = answers else {
            return self.intern(set);
        };
        let backend = Backend { answers, shown: self.intern(set.clone()) };
        self.intern(Set { backend: Some(backend), ..set })
    }

    fn own(&mut self, set: &mut Set, owner: &Owner) {
        if self.labels.contains(&Label::Process) {
            set.process = shown::command(&owner.comm);
        }
        set.place = self.lookup.place(owner);
    }

    fn set(&self, mark: Mark) -> Option<&Set> {
        self.sets.get(mark.0 as usize)?.as_ref()
    }

    fn intern(&mut self, set: Set) -> Mark {
        if let Some(&mark) = self.marks.get(&set) {
            return mark;
        }
        let mark = self.free.pop().unwrap_or(Mark(self.sets.len() as u32));
        match self.sets.get_mut(mark.0 as usize) {
            Some(free) => *free = Some(set.clone()),
            None => self.sets.push(Some(set.clone())),
        }
        self.marks.insert(set, mark);
        mark
    }
}

/// A number, unless it's that of nothing.
fn known(number: u32) -> String {
    if number == 0 { String::new() } else { number.to_string() }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::flow::NetnsId;

    const ALL: [Label; 3] = [Label::Port, Label::Process, Label::Netns];

    fn marker(labels: &[Label]) -> Marker {
        Marker::new(labels.iter().copied().collect(), Box::new(()))
    }

    fn flow(local_port: u16, peer_port: u16) -> Flow {
        let [local, peer]: [IpAddr; 2] = ["10.0.0.1", "10.0.0.2"].map(|ip| ip.parse().unwrap());
        let (local, peer) = (local.into(), peer.into());
        Flow { netns: NetnsId(7), local, local_port, peer, peer_port }
    }

    fn owner(comm: &[u8]) -> Owner {
        let mut owner = Owner { pid: 1, cgroup: 2, comm: [0; 16] };
        owner.comm[..comm.len()].copy_from_slice(comm);
        owner
    }

    fn values(marker: &Marker, mark: Mark) -> Vec<String> {
        marker.shown(mark).into_iter().map(|(_, value)| value).collect()
    }

    #[test]
    fn without_labels_there_is_one_mark_and_nothing_to_show() {
        let mut marker = Marker::off();
        let mark = marker.mark(&flow(1, 2), Role::Inbound, Some(&owner(b"sh")));
        assert_eq!(mark, Mark::NONE);
        assert_eq!(marker.owned(mark, &owner(b"sh")), Mark::NONE);
        assert_eq!(marker.shown(mark), []);
    }

    #[test]
    fn the_port_is_the_services_whoever_connected() {
        let mut marker = marker(&[Label::Port]);
        let inbound = marker.mark(&flow(443, 50_000), Role::Inbound, None);
        let outbound = marker.mark(&flow(50_000, 443), Role::Outbound, None);
        assert_eq!(marker.shown(inbound), [("port", "443".to_owned())]);
        assert_eq!(inbound, outbound, "equal labels are one mark");
    }

    #[test]
    fn what_is_not_known_is_empty() {
        let mut marker = marker(&ALL);
        let mark = marker.mark(&flow(0, 0), Role::Outbound, None);
        assert_eq!(values(&marker, mark), ["", "", "7"]);
        assert_eq!(values(&marker, Mark::NONE), ["", "", ""]);
    }

    #[test]
    fn an_owner_told_of_later_is_as_one_told_of_at_once() {
        let mut marker = marker(&ALL);
        let before = marker.mark(&flow(80, 1), Role::Inbound, None);
        let later = marker.owned(before, &owner(b"nginx"));
        assert_eq!(later, marker.mark(&flow(80, 1), Role::Inbound, Some(&owner(b"nginx"))));
        assert_eq!(values(&marker, later), ["80", "nginx", "7"]);
    }

    #[test]
    fn the_order_is_that_of_the_values_and_not_of_their_coming() {
        let mut marker = marker(&[Label::Port]);
        let [later, sooner] =
            [443, 80].map(|port| marker.mark(&flow(port, 1), Role::Inbound, None));
        assert_eq!(marker.order(sooner, later), Ordering::Less);
        assert_eq!(marker.order(later, later), Ordering::Equal);
    }

    #[test]
    fn sets_that_nobody_uses_make_room_and_the_others_keep_their_marks() {
        let mut marker = marker(&[Label::Port]);
        let of = |marker: &mut Marker, port| marker.mark(&flow(port, 1), Role::Inbound, None);
        let kept = of(&mut marker, 1);
        for port in 2..=10_000 {
            of(&mut marker, port);
        }
        assert!(marker.is_crowded());
        marker.keep([kept].into_iter());
        assert!(!marker.is_crowded());
        assert_eq!(of(&mut marker, 1), kept);
        let again = of(&mut marker, 7_777);
        assert_eq!(values(&marker, again), ["7777"]);
        assert_eq!(marker.sets.len(), 10_001, "places are used again");
        assert_eq!(values(&marker, Mark::NONE), [""]);
    }

    /// Runs everyone in a container that is called like the process.
    struct Containers;

    impl Lookup for Containers {
        fn place(&mut self, owner: &Owner) -> Option<Arc<Place>> {
            let container = shown::text(&owner.comm);
            Some(Arc::new(Place { container, ..Place::default() }))
        }

        /// Port 53 is a service's.
        fn backend(&mut self, flow: &Flow) -> Option<Endpoint> {
            let address = flow.local;
            (flow.peer_port == 53).then_some(Endpoint { address, port: 5353 })
        }

        fn translations(&self) -> Option<Counts> {
            None
        }

        fn tidy(&mut self) {}
    }

    #[test]
    fn who_answers_is_shown_as_if_dialled_directly_and_beside_what_was() {
        for label in [None, Some(Label::Port)] {
            let mut marker = Marker::new(label.into_iter().collect(), Box::new(Containers));
            let dialled = flow(1, 53);
            let mark = marker.mark(&dialled, Role::Outbound, None);
            let direct = marker.mark(&flow(1, 5353), Role::Outbound, None);
            let answers = Endpoint { address: dialled.local, port: 5353 };
            assert_eq!(marker.backend(mark), Some((answers, direct)), "{label:?}");
            assert_eq!(marker.backend(direct), None);
            let inbound = marker.mark(&dialled, Role::Inbound, None);
            assert_eq!(marker.backend(inbound), None, "whoever it is of");
        }
        let labels = Labels::from([Label::Port, Label::Service, Label::Container]);
        let mut marker = Marker::new(labels, Box::new(Containers));
        let mark = marker.mark(&flow(1, 53), Role::Outbound, None);
        let mark = marker.owned(mark, &owner(b"dns"));
        let (_, shown) = marker.backend(mark).unwrap();
        assert_eq!(values(&marker, shown), ["5353", "dns", "10.0.0.2:53"]);
        marker.keep([mark].into_iter());
        assert_eq!(values(&marker, shown), ["5353", "dns", "10.0.0.2:53"], "it is in use, too");
    }

    #[test]
    fn places_of_the_same_names_are_the_same() {
        let labels = Labels::from([Label::Container, Label::Pod]);
        let mut marker = Marker::new(labels, Box::new(Containers));
        let mut of = |name: &[u8]| marker.mark(&flow(1, 2), Role::Outbound, Some(&owner(name)));
        let [one, same, other] = [of(b"a"), of(b"a"), of(b"b")];
        assert_eq!(one, same);
        assert_ne!(one, other);
        assert_eq!(values(&marker, other), ["b", ""]);
        assert_eq!(marker.order(one, other), Ordering::Less);
    }
}
