//! The ladder: tries the hooks that were asked for, keeps those that are proven, and says
//! what it stands on.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, Result, anyhow, bail};
use log::{Level, info, log, warn};
use ngraph_common::{
    event::{FlowEvent, hook},
    names::ABSENT,
};

use super::{
    attempt::{Attempt, attempt},
    brackets::Bracket,
    held,
    selftest::Loops,
};
use crate::{
    config::{Capture, Config},
    flow::NetnsId,
    hooks::{HOOKS, HookSet},
    kernel::{self, Tracer, cgroup, offsets, offsets::Offsets, probe},
    observe::Reading,
};

/// What the agent captures with.
pub struct Captured {
    /// The kernel side; none: snapshots alone.
    pub tracer: Option<Tracer>,
    /// The hooks that are attached and proven.
    pub hooks: HookSet,
    /// Whether snapshots have the iterator over open files; if not, why not.
    pub held: Result<()>,
    /// How its records are read.
    pub reading: Reading,
    /// Records that came meanwhile, without the agent's own.
    pub backlog: Vec<FlowEvent>,
    /// Records of the agent's own connections, which count as records and nothing else.
    pub own: Vec<FlowEvent>,
    /// Where the kernel's own counts stood meanwhile, of each namespace in scope.
    pub opens: BTreeMap<NetnsId, Bracket>,
}

/// Entries of the socket map.
pub fn sock_entries(config: &Config) -> u32 {
    config.max_connections.unwrap_or_else(kernel::sock_entries)
}

impl Captured {
    /// Without any hook.
    pub fn snapshots_alone() -> Self {
        let reading = Reading { states_speak: false, alias: None };
        Self {
            tracer: None,
            hooks: HookSet::default(),
            held: Err(anyhow!("no hook is attached")),
            reading,
            backlog: Vec::new(),
            own: Vec::new(),
            opens: BTreeMap::new(),
        }
    }
}

/// Attaches and proves the hooks that `config` asks for. One that the kernel refuses or
/// that fails its proof is reported and left out; the rest is tried anew without it. The agent's
/// own connections for that are made by `loops`.
///
/// # Errors
/// Where a way was asked for by name and this machine can't go it. `auto` falls back to
/// snapshots and says so.
pub fn open(config: &Config, loops: &mut Loops) -> Result<Captured> {
    let mut hooks = wanted(config.capture);
    if hooks.is_empty() {
        info!("capturing by /proc snapshots alone, as asked for");
        return Ok(Captured::snapshots_alone());
    }
    let mut refused = Vec::new();
    let known = known_offsets(Path::new(offsets::VMLINUX));
    for hook in hooks.iter() {
        if let Err(why) = possible(hook, known) {
            hooks = hooks.without(hook);
            refused.push((hook, why));
        }
    }
    let captured = loop {
        if !is_enough(config.capture, hooks) {
            let why = reasons(&refused);
            bail!("{}: {why} (--capture auto takes what there is)", way(config.capture));
        }
        if hooks.is_empty() {
            break Captured::snapshots_alone();
        }
        match attempt(config, hooks, known, loops) {
            Ok(Attempt::Proven(captured)) => break *captured,
            Ok(Attempt::Refused(hook, why)) => {
                hooks = hooks.without(hook);
                refused.push((hook, why));
            }
            Err(err) if config.capture == Capture::Auto => {
                warn!(
                    "no kernel hooks, falling back to /proc snapshots, which miss connections \
                     that open and close between two: {err:#}"
                );
                return Ok(Captured::snapshots_alone());
            }
            Err(err) => return Err(err).with_context(|| way(config.capture)),
        }
    };
    report(&captured, &refused);
    Ok(captured)
}

/// Those that a way of capturing takes, as far as this kernel has a need of them.
pub fn wanted(capture: Capture) -> HookSet {
    HookSet::of(capture)
        .iter()
        .filter(|&hook| is_needed(hook))
        .fold(HookSet::default(), HookSet::with)
}

/// Whether this kernel has a need of a hook.
pub fn is_needed(hook: u8) -> bool {
    hook != hook::SOCK_OPS || probe::preempts_tracepoints()
}

/// Asked before a hook is tried: of a kernel without kprobes it says no more than "no such
/// file", after all else has been loaded.
fn possible(hook: u8, known: Option<Offsets>) -> Result<()> {
    match hook {
        hook::SET_STATE => Ok(()),
        hook::SOCK_OPS if known.is_none_or(|known| known.cb_flags == ABSENT) => {
            bail!(
                "the kernel doesn't tell which sockets call it (no BTF, or no CONFIG_BPF_SYSCALL)"
            )
        }
        hook::SOCK_OPS => cgroup::root(Path::new("/proc")).map(drop),
        _ => probe::kprobes(),
    }
}

fn way(capture: Capture) -> &'static str {
    match capture {
        Capture::Kprobe => "capture by kprobes",
        Capture::Tracepoint => "capture by the raw tracepoint",
        Capture::Auto | Capture::Procfs => "capture",
    }
}

fn is_enough(capture: Capture, hooks: HookSet) -> bool {
    match capture {
        Capture::Kprobe => hooks.sees_connects() && hooks.sees_accepts(),
        Capture::Tracepoint => hooks.states_speak(),
        Capture::Auto | Capture::Procfs => true,
    }
}

fn report(captured: &Captured, refused: &[(u8, anyhow::Error)]) {
    if !captured.hooks.is_empty() {
        info!("capturing by {}, each proven by an own connection", captured.hooks);
    }
    match &captured.held {
        Ok(()) => info!("snapshots by {}, proven by an own socket", held::NAME),
        Err(why) if captured.hooks.states_speak() => {
            info!("without {}: {why:#}; {}", held::NAME, held::WITHOUT);
        }
        Err(_) => {}
    }
    if !refused.is_empty() {
        // The raw tracepoint makes up for the probes, but not the other way round.
        let level = if captured.hooks.states_speak() { Level::Info } else { Level::Warn };
        log!(level, "without {}", reasons(refused));
    }
    if captured.hooks.is_empty() {
        warn!("capturing by /proc snapshots alone, which miss what opens and closes between two");
    }
}

/// Hooks by the reason they were left out for, since one reason often has several.
fn reasons(refused: &[(u8, anyhow::Error)]) -> String {
    let mut hooks: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (hook, why) in refused {
        hooks.entry(format!("{why:#}")).or_default().push(HOOKS[usize::from(*hook)].name);
    }
    let each = hooks.iter().map(|(why, hooks)| format!("{}: {why}", hooks.join(", ")));
    each.collect::<Vec<_>>().join("; ")
}

/// Where the fields that move are; `None`, and a warning of what that costs, where there is
/// no BTF, or none to be believed.
fn known_offsets(path: &Path) -> Option<Offsets> {
    let why = match Offsets::read(path) {
        Ok(Some(offsets)) => return Some(offsets),
        Ok(None) => format!("the kernel has no BTF at {}", path.display()),
        Err(err) => format!("can't use the kernel's BTF: {err:#}"),
    };
    warn!(
        "{why}; other namespaces are seen by snapshots alone, MPTCP connections count twice, \
         failures have no reason"
    );
    None
}

/// For `doctor`: whether one hook can be attached and proven here.
///
/// # Errors
/// Why not.
pub fn try_alone(config: &Config, hook: u8, known: Option<Offsets>) -> Result<()> {
    possible(hook, known)?;
    alone(config, hook, known).map(drop)
}

/// For `doctor`: whether snapshots have the iterator over open files here.
///
/// # Errors
/// Why not.
pub fn try_held(config: &Config, known: Option<Offsets>) -> Result<()> {
    alone(config, hook::SET_STATE, known)?.held
}

fn alone(config: &Config, hook: u8, known: Option<Offsets>) -> Result<Captured> {
    match attempt(config, HookSet::default().with(hook), known, &mut Loops::default())? {
        Attempt::Proven(captured) => Ok(*captured),
        Attempt::Refused(_, why) => Err(why),
    }
}
