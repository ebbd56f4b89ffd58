//! The families of `ngraph.prom`, in order.

use std::{fmt::Display, iter};

use ngraph_common::{count, event::hook};

use super::text::{Kind, Text};
use crate::{
    audit::Line,
    flow::{Reason, Role},
    graph::{EdgeRow, Peer, View},
    health::Health,
    hooks::HOOKS,
    observe::KINDS,
};

/// The version that `ngraph_build_info` tells.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit that `ngraph_build_info` tells.
pub const COMMIT: &str = env!("NGRAPH_COMMIT");

/// A whole file. The same view and health give the same bytes.
pub fn prometheus(view: &View, health: &Health) -> String {
    let mut text = Text::default();
    edges(&mut text, view);
    hooks(&mut text, health);
    audit(&mut text, health);
    capacities(&mut text, health);
    translations(&mut text, health);
    upkeep(&mut text, health);
    itself(&mut text, health);
    text.finish()
}

fn edges(text: &mut Text, view: &View) {
    for (role, name, help) in [
        (
            Role::Inbound,
            "network_connections_input_total",
            "Unique inbound connections: open now, or opened and closed since the previous file.",
        ),
        (
            Role::Outbound,
            "network_connections_output_total",
            "Unique outbound connections: open now, or opened and closed since the previous file.",
        ),
    ] {
        let mut family = text.family(name, Kind::Untyped, help);
        for row in view.rows.iter().filter(|row| row.role == role && row.unique > 0) {
            family.sample_of(Labels::of(row).all(), row.unique);
        }
    }
    let mut family = text.family(
        "ngraph_connections_opened_total",
        Kind::Counter,
        "Connections opened since the agent started.",
    );
    for row in &view.rows {
        if let Some(opened) = row.opened {
            let direction = row.role.direction();
            let labels = Labels::of(row);
            family.sample_of(
                iter::once(labelled("direction", &direction)).chain(labels.all()),
                opened,
            );
        }
    }
    let mut family = text.family(
        "ngraph_connect_failures_total",
        Kind::Counter,
        "Outbound attempts that never became a connection, since the agent started.",
    );
    for row in &view.rows {
        for reason in Reason::ALL {
            let failed = row.failed[reason as usize];
            if failed > 0 {
                let labels = Labels::of(row);
                let reason = reason.label();
                family.sample_of(labels.all().chain([labelled("reason", &reason)]), failed);
            }
        }
    }
}

fn labelled<'a>(label: &'a str, value: &'a dyn Display) -> (&'a str, &'a dyn Display) {
    (label, value)
}

/// The addresses of an edge as source and destination, and what it is labelled with besides.
struct Labels<'a> {
    src: Box<dyn Display>,
    dest: Box<dyn Display>,
    name: &'a str,
    more: &'a [(&'static str, String)],
}

impl<'a> Labels<'a> {
    fn of(row: &'a EdgeRow) -> Self {
        // The `other` edge has many local addresses, so none; an empty label is no label.
        let local: Box<dyn Display> = row.local.map_or(Box::new(""), |local| Box::new(local));
        let peer: Box<dyn Display> = match row.peer {
            Peer::Address(peer) => Box::new(peer),
            Peer::Other => Box::new("other"),
        };
        let (src, dest) = match row.role {
            Role::Inbound => (peer, local),
            Role::Outbound => (local, peer),
        };
        Self { src, dest, name: &row.name, more: &row.labels }
    }

    fn all(&self) -> impl Iterator<Item = (&str, &dyn Display)> {
        let plain: [(&str, &dyn Display); 3] =
            [("src_ip", &self.src), ("dest_ip", &self.dest), ("peer_hostname", &self.name)];
        plain.into_iter().chain(self.more.iter().map(|(label, value)| labelled(label, value)))
    }
}

fn hooks(text: &mut Text, health: &Health) {
    let is_needed = |hook: &usize| health.attached[*hook].is_some();
    let hooks =
        (0..HOOKS.len()).filter(is_needed).map(|hook| (&HOOKS[hook], health.hooks.rows[hook]));
    let mut family = text.family(
        "ngraph_hook_attached",
        Kind::Gauge,
        "Whether a kernel hook is attached and proven to fire.",
    );
    for ((hook, _), attached) in hooks.clone().zip(health.attached.into_iter().flatten()) {
        family.sample(&[("hook", &hook.name)], u8::from(attached));
    }
    let mut family = text.family(
        "ngraph_hook_seen_total",
        Kind::Counter,
        "Runs of a kernel hook; equal to the sum of its outcomes.",
    );
    for (hook, row) in hooks.clone() {
        family.sample(&[("hook", &hook.name)], row[count::SEEN as usize]);
    }
    let mut family = text.family(
        "ngraph_hook_outcomes_total",
        Kind::Counter,
        "What became of the runs of a kernel hook.",
    );
    for (hook, row) in hooks {
        for (column, outcome) in [
            (count::FILTERED, "filtered"),
            (count::MAP_FULL, "map_full"),
            (count::OVERFLOWED, "overflowed"),
            (count::RING_FULL, "ring_full"),
            (count::SUBMITTED, "submitted"),
        ] {
            family.sample(&[("hook", &hook.name), ("outcome", &outcome)], row[column as usize]);
        }
    }
    let set_state = HOOKS[usize::from(hook::SET_STATE)].name;
    text.family(
        "ngraph_hook_rescued_total",
        Kind::Counter,
        "Events that the kernel kept from the first of two witnesses and the second told.",
    )
    .sample(&[("hook", &set_state)], health.hooks.sum(count::RESCUED));
    let help = "Runs that the kernel kept from the hooks, of any namespace: a snapshot follows.";
    text.single("ngraph_hook_missed_total", Kind::Counter, help, health.unseen);
    let mut family =
        text.family("ngraph_events_total", Kind::Counter, "Events taken from the ring buffer.");
    for ((_, kind), events) in KINDS.iter().zip(health.events) {
        family.sample(&[("kind", kind)], events);
    }
    let help = "Events that found the ring buffer full and were counted by edge instead.";
    text.single("ngraph_events_overflowed_total", Kind::Counter, help, health.overflowed);
    let mut family = text.family(
        "ngraph_events_lost_total",
        Kind::Counter,
        "Events that are gone, by what had no room for them or made no sense of them.",
    );
    for (reason, lost) in [
        ("malformed", health.malformed),
        ("map_full", health.hooks.sum(count::MAP_FULL)),
        ("ring_full", health.hooks.sum(count::RING_FULL)),
    ] {
        family.sample(&[("reason", &reason)], lost);
    }
}

fn audit(text: &mut Text, health: &Health) {
    let help = "Connections opened by the kernel's own count (PassiveOpens, ActiveOpens).";
    audited(text, "ngraph_kernel_opens_total", help, &health.audit, |line| line.kernel);
    let help = "The same as captured: outbound ones with attempts that failed.";
    audited(text, "ngraph_captured_opens_total", help, &health.audit, |line| line.captured);
    let help = "Outbound attempts on their way: the kernel counts them, capture not yet.";
    text.single("ngraph_opens_in_flight", Kind::Gauge, help, health.hooks.in_flight());
}

fn audited(
    text: &mut Text,
    name: &'static str,
    help: &'static str,
    lines: &[Line],
    value: fn(&Line) -> u64,
) {
    let mut family = text.family(name, Kind::Counter, help);
    for line in lines {
        let (direction, netns) = (line.role.direction(), line.netns.0);
        family.sample(&[("direction", &direction), ("netns", &netns)], value(line));
    }
}

fn capacities(text: &mut Text, health: &Health) {
    let help = "How much of something there may be at a time.";
    let mut family = text.family("ngraph_capacity", Kind::Gauge, help);
    for capacity in &health.capacities {
        family.sample(&[("of", &capacity.of)], capacity.most);
    }
    let help = "How often more was wanted than there may be.";
    let mut family = text.family("ngraph_capacity_reached_total", Kind::Counter, help);
    for capacity in &health.capacities {
        family.sample(&[("of", &capacity.of)], capacity.reached);
    }
}

fn translations(text: &mut Text, health: &Health) {
    let Some(counts) = health.translations else {
        return;
    };
    let help = "Outbound connections looked up in the table of tracked ones, by what became of it.";
    let mut family = text.family("ngraph_translations_total", Kind::Counter, help);
    for (result, count) in [
        ("failed", counts.failed),
        ("plain", counts.plain),
        ("translated", counts.translated),
        ("untracked", counts.untracked),
    ] {
        family.sample(&[("result", &result)], count);
    }
}

fn upkeep(text: &mut Text, health: &Health) {
    let mut family = text.family(
        "ngraph_snapshot_repairs_total",
        Kind::Counter,
        "Opens and closes that a snapshot found and the events had not.",
    );
    for (kind, repairs) in [("close", health.repaired_closes), ("open", health.repaired_opens)] {
        family.sample(&[("kind", &kind)], repairs);
    }
    let help = "Snapshots of what is open.";
    text.single("ngraph_snapshots_total", Kind::Counter, help, health.snapshots);
    let help = "TCP tables in /proc that snapshots read, one a namespace.";
    text.single("ngraph_snapshot_tables_total", Kind::Counter, help, health.tables_read);
    let help = "How long the last snapshot took.";
    text.single("ngraph_snapshot_duration_seconds", Kind::Gauge, help, health.snapshot_seconds);
    let help = "How long the previous file took to render and write.";
    text.single("ngraph_write_duration_seconds", Kind::Gauge, help, health.write_seconds);
    let help = "Files that could not be written.";
    text.single("ngraph_write_failures_total", Kind::Counter, help, health.write_failures);
    for (name, kind, help, values) in [
        ("ngraph_live_connections", Kind::Gauge, "Connections open now.", &health.live),
        ("ngraph_edges", Kind::Gauge, "Edges that are not folded.", &health.edges),
        (
            "ngraph_edges_folded_total",
            Kind::Counter,
            "Edges folded into the edge `other`, past --max-edges.",
            &health.folded,
        ),
    ] {
        let mut family = text.family(name, kind, help);
        for role in Role::ALL {
            family.sample(&[("direction", &role.direction())], values.of(role));
        }
    }
}

fn itself(text: &mut Text, health: &Health) {
    let mut family = text.family(
        "ngraph_bpf_run_seconds_total",
        Kind::Counter,
        "Time in a kernel hook's program, where kernel.bpf_stats_enabled is set.",
    );
    for program in &health.programs {
        family.sample(&[("program", &program.name)], program.seconds);
    }
    let mut family = text.family(
        "ngraph_bpf_runs_total",
        Kind::Counter,
        "Runs of a kernel hook's program, where kernel.bpf_stats_enabled is set.",
    );
    for program in &health.programs {
        family.sample(&[("program", &program.name)], program.runs);
    }
    let help = "When this file was made.";
    text.single("ngraph_last_write_timestamp_seconds", Kind::Gauge, help, health.written_at);
    text.family("ngraph_build_info", Kind::Gauge, "The agent and the kernel it runs on.")
        .sample(&[("version", &VERSION), ("commit", &COMMIT), ("kernel", &health.kernel)], 1);
    let process = &health.process;
    let help = "Processor time of the agent.";
    text.single("ngraph_process_cpu_seconds_total", Kind::Counter, help, process.cpu_seconds);
    let help = "Resident memory of the agent.";
    text.single("ngraph_process_resident_memory_bytes", Kind::Gauge, help, process.resident_bytes);
    let help = "Open file descriptors of the agent.";
    text.single("ngraph_process_open_fds", Kind::Gauge, help, process.open_fds);
}
