//! From the raw tracepoint to the control group's program and back: whichever of the two a change
//! of a socket's state meets, one of them tells it.

use std::{collections::BTreeMap, net::TcpListener, path::Path};

use ngraph::{
    hooks::HookSet,
    kernel::{
        Plan, Tracer,
        offsets::{Offsets, VMLINUX},
    },
};
use ngraph_common::{
    event::{FlowEvent, hook, kind},
    limits,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::{
    captures,
    support::{
        bpf, isolated, netns, skip_earned,
        traffic::{Held, held, reset},
        wait_for,
    },
};

/// Connections that are open from one step to the next.
const OPEN: usize = 5;

fn a_control_groups_program_that_comes_or_goes_leaves_each_change_told_once(_: &str) {
    where_another_marks_sockets(|mut told, listener| {
        told.tracer.attach(hook::SET_STATE).unwrap();
        let mut open = told.traffic("the tracepoint alone", listener, Vec::new());
        told.tracer.attach(hook::SOCK_OPS).unwrap();
        open = told.traffic("both", listener, open);
        // As if it weren't attached yet: sockets are marked and call nobody.
        bpf::detach_socket_ops();
        open = told.traffic("marked and not called", listener, open);
        told.tracer.attach(hook::SOCK_OPS).unwrap();
        told.tracer.rely_on(hook::SOCK_OPS).unwrap();
        open = told.traffic("the control group's", listener, open);
        told.tracer.detach(hook::SOCK_OPS).unwrap();
        told.traffic("the tracepoint again", listener, open).into_iter().for_each(close);
    });
}
captures!(alone a_control_groups_program_that_comes_or_goes_leaves_each_change_told_once: tracepoint);

fn a_control_groups_program_that_cannot_be_attached_leaves_all_to_the_tracepoint(_: &str) {
    where_another_marks_sockets(|mut told, listener| {
        let older: Vec<Held> = (0..OPEN).map(|_| held(listener)).collect();
        told.tracer.attach(hook::SET_STATE).unwrap();
        keep(CapabilitySet::BPF | CapabilitySet::PERFMON);
        told.tracer.attach(hook::SOCK_OPS).unwrap_err();
        // Nobody has told of these: who comes second would leave them.
        told.traffic("marked by another", listener, older).into_iter().for_each(close);
    });
}
captures!(alone a_control_groups_program_that_cannot_be_attached_leaves_all_to_the_tracepoint: tracepoint);

/// Runs a test where sockets are marked by another's program, as ours marks them once it is attached.
fn where_another_marks_sockets(test: impl FnOnce(Told, &TcpListener) + Send) {
    isolated(|| {
        netns::enter_new();
        let Some(plan) = plan() else {
            return skip_earned("without BTF nobody knows which sockets call");
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let mut other = Tracer::load(&plan).unwrap();
        other.attach(hook::SOCK_OPS).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        test(Told { tracer: Tracer::load(&plan).unwrap(), events: Vec::new() }, &listener);
    });
}

/// Gives up all capabilities but these, in the calling thread.
fn keep(kept: CapabilitySet) {
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable })
        .unwrap();
}

fn plan() -> Option<Plan> {
    Some(Plan {
        hooks: HookSet::default().with(hook::SET_STATE).with(hook::SOCK_OPS),
        offsets: Offsets::read(Path::new(VMLINUX)).unwrap()?,
        only_netns: Some(netns::number().parse().unwrap()),
        ring_bytes: limits::RING_BYTES,
        sock_entries: 1_000,
    })
}

/// What was told until now.
struct Told {
    tracer: Tracer,
    events: Vec<FlowEvent>,
}

impl Told {
    /// Ends those that are `open` and some that are opened for it, leaves as many others open, and
    /// sees that all this is told once.
    fn traffic(&mut self, when: &str, listener: &TcpListener, open: Vec<Held>) -> Vec<Held> {
        let ends = open.len() + OPEN;
        open.into_iter().for_each(close);
        (0..OPEN).map(|_| held(listener)).for_each(close);
        let open: Vec<Held> = (0..OPEN).map(|_| held(listener)).collect();
        self.events.clear();
        // Each at both of its ends.
        wait_for(when, || {
            self.tracer.drain(|event| self.events.extend(event.copied()));
            (self.of(kind::OPEN).len() >= 4 * OPEN && self.of(kind::CLOSE).len() >= 2 * ends)
                .then_some(())
        });
        let (opened, closed) = (self.of(kind::OPEN), self.of(kind::CLOSE));
        assert!(opened.values().chain(closed.values()).all(|&times| times == 1), "{when}");
        let counts = (opened.len(), closed.len(), self.events.len());
        assert_eq!(counts, (4 * OPEN, 2 * ends, 4 * OPEN + 2 * ends), "{when}");
        open
    }

    /// How often events of a kind told of which connection.
    fn of(&self, kind: u8) -> BTreeMap<(u64, u64), usize> {
        let mut times = BTreeMap::new();
        for event in self.events.iter().filter(|event| event.kind == kind) {
            *times.entry((event.sock, event.opened_ns)).or_default() += 1;
        }
        times
    }
}

fn close(connection: Held) {
    reset(connection.client);
    drop(connection.server);
}
