//! The ladder: tries the hooks that were asked for, keeps those that are proven, and says
//! what it stands on.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::Path,
};

use anyhow::{Context as _, Result, anyhow, bail};
use log::{Level, debug, info, log, warn};
use ngraph_common::{
    count,
    event::{FlowEvent, hook},
    limits,
    names::ABSENT,
};

use super::{
    held,
    selftest::{Expected, Loop, prove},
};
use crate::{
    audit::Opens,
    config::{Capture, Config, Scope},
    flow::NetnsId,
    hooks::{HOOKS, HookSet},
    kernel::{self, Plan, Tracer, cgroup, offsets, offsets::Offsets, probe},
    observe::Reading,
    snapshot::{namespaces, opens},
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

/// The kernel's counts of a namespace before the hooks were attached, and after.
#[derive(Clone, Copy, Debug)]
pub struct Bracket {
    /// Before the first was.
    pub before: Opens,
    /// After the last was proven.
    pub after: Opens,
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
/// that fails its proof is reported and left out; the rest is tried anew without it.
///
/// # Errors
/// Where a way was asked for by name and this machine can't go it. `auto` falls back to
/// snapshots and says so.
pub fn open(config: &Config) -> Result<Captured> {
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
        match attempt(config, hooks, known) {
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

enum Attempt {
    Proven(Box<Captured>),
    Refused(u8, anyhow::Error),
}

/// Hooks in the order in which they are attached and proven. The graft before the return of
/// accept, since of the two only the first to see a connection reports it.
const ORDER: [u8; hook::COUNT as usize] =
    [hook::SET_STATE, hook::SOCK_OPS, hook::TCP_CONNECT, hook::SOCK_GRAFT, hook::CSK_ACCEPT];

fn attempt(config: &Config, hooks: HookSet, known: Option<Offsets>) -> Result<Attempt> {
    let own = namespaces::of_process(Path::new("/proc/self"))?;
    let mut plan = Plan {
        hooks,
        offsets: known.unwrap_or(Offsets::UNKNOWN),
        only_netns: (config.scope == Scope::Own).then_some(own.0.into()),
        ring_bytes: config.ring_bytes,
        sock_entries: sock_entries(config),
    };
    let mut alias = None;
    if known.is_none() {
        // Without BTF a namespace is the address of its `struct net`. The agent's own is
        // learned from its own connection; others can't be matched with /proc's numbers, so
        // they are left to the snapshots.
        plan.only_netns = None;
        let address = match learn_netns(&plan)? {
            Ok(address) => address,
            Err(refused) => return Ok(refused),
        };
        plan.only_netns = Some(address);
        alias = Some((address, own));
    }
    let mut tracer = Tracer::load(&plan)?;
    let before = opens(config)?;
    let (mut backlog, mut own_events) = (Vec::new(), Vec::new());
    let expected = expected(plan.only_netns.or(Some(own.0.into())))?;
    for hook in ORDER.into_iter().filter(|&hook| hooks.has(hook)) {
        match try_hook(&mut tracer, hook, &expected) {
            Ok(mut seen) => {
                backlog.append(&mut seen.others);
                own_events.append(&mut seen.own);
            }
            Err(why) => return Ok(Attempt::Refused(hook, why)),
        }
    }
    let held = held::open(&mut tracer, hooks, known);
    let reading = Reading { states_speak: hooks.states_speak(), alias };
    let tracer = Some(tracer);
    let opens = brackets(&before, &opens(config)?);
    let captured = Captured { tracer, hooks, held, reading, backlog, own: own_events, opens };
    Ok(Attempt::Proven(Box::new(captured)))
}

/// The kernel's own counts of each namespace in scope, as far as they can be read.
fn opens(config: &Config) -> Result<BTreeMap<NetnsId, Opens>> {
    let root = &config.procfs;
    let witnesses = match config.scope {
        Scope::Own => namespaces::own(root)?,
        Scope::All => namespaces::all(root, &mut Vec::new())?,
    };
    let read = |(netns, processes): (_, Vec<i32>)| {
        let mut ids = processes.iter().map(ToString::to_string);
        ids.find_map(|id| opens::read(root, &id, netns).ok()).map(|opens| (netns, opens))
    };
    Ok(witnesses.into_iter().filter_map(read).collect())
}

/// A namespace that came meanwhile had none before.
fn brackets(
    before: &BTreeMap<NetnsId, Opens>,
    after: &BTreeMap<NetnsId, Opens>,
) -> BTreeMap<NetnsId, Bracket> {
    let bracket = |(&netns, &after): (&NetnsId, &Opens)| {
        let before = before.get(&netns).copied().unwrap_or_default();
        (netns, Bracket { before, after })
    };
    after.iter().map(bracket).collect()
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

/// The address of the agent's own `struct net`.
fn learn_netns(plan: &Plan) -> Result<Result<u64, Attempt>> {
    // All namespaces' events come until it is known, and a small ring has no room for those.
    let ring_bytes = plan.ring_bytes.max(limits::RING_BYTES);
    let mut tracer = Tracer::load(&Plan { ring_bytes, ..*plan })?;
    let Some(hook) = ORDER.into_iter().find(|&hook| plan.hooks.has(hook)) else {
        bail!("learn the own namespace: no hook to learn it by");
    };
    match try_hook(&mut tracer, hook, &expected(None)?) {
        Ok(seen) => match seen.own.iter().find(|event| event.netns != 0) {
            Some(event) => Ok(Ok(event.netns)),
            None => bail!("learn the own namespace: no event of the own connection tells it"),
        },
        Err(why) => Ok(Err(Attempt::Refused(hook, why))),
    }
}

/// Records that came while a hook was proven.
pub struct Seen {
    /// Those of the agent's own connections.
    pub own: Vec<FlowEvent>,
    /// All others.
    pub others: Vec<FlowEvent>,
}

/// Attaches and proves one hook.
fn try_hook(tracer: &mut Tracer, hook: u8, expected: &Expected) -> Result<Seen> {
    tracer.attach(hook)?;
    let (seen, proof) = witness(tracer, hook, expected)?;
    proof.map(|()| seen)
}

/// Proves a hook again while the agent runs, attached `anew` if asked for and allowed: the
/// agent has given up what some kernels want for that, and what is attached may fire again.
/// That it runs at all is the proof: what it tells was proven at the start, and beside others
/// it may have nothing to tell. What all hooks saw meanwhile is told whatever the proof says.
///
/// # Errors
/// Where the agent can't connect to itself.
pub fn prove_again(tracer: &mut Tracer, hook: u8, anew: bool) -> Result<(Seen, Result<()>)> {
    if anew && let Err(err) = tracer.attach(hook) {
        debug!("attach {} anew: {err:#}", HOOKS[usize::from(hook)].name);
    }
    let runs = |tracer: &Tracer| tracer.counts().rows[usize::from(hook)][count::SEEN as usize];
    let before = runs(tracer);
    let own = Loop::make().context("prove it by an own connection")?;
    let proof = if runs(tracer) > before {
        Ok(())
    } else {
        Err(anyhow!("it doesn't run for an own connection"))
    };
    let mut events = Vec::new();
    tracer.drain(|event| events.extend(event.copied()));
    Ok((sort(&own, events), proof))
}

/// What a hook sees of an own connection, and whether that proves it.
fn witness(tracer: &mut Tracer, hook: u8, expected: &Expected) -> Result<(Seen, Result<()>)> {
    let own = Loop::make().context("prove it by an own connection")?;
    let mut events = Vec::new();
    let proof = prove(hook, &own, expected, || {
        let mut new = Vec::new();
        tracer.drain(|event| new.extend(event.copied()));
        events.extend_from_slice(&new);
        new
    });
    let proof = proof.map_err(anyhow::Error::msg).context("prove it by an own connection");
    Ok((sort(&own, events), proof))
}

/// Tells the agent's own events from all others. An end tells no addresses, so it's known by
/// its identity.
fn sort(own: &Loop, events: Vec<FlowEvent>) -> Seen {
    let identity = |event: &FlowEvent| (event.sock, event.opened_ns);
    let mine: HashSet<(u64, u64)> =
        events.iter().filter(|event| own.has(event)).map(identity).collect();
    let (own, others) = events.into_iter().partition(|event| mine.contains(&identity(event)));
    Seen { own, others }
}

/// What the agent's own connection looks like to a hook that tells the truth.
fn expected(netns: Option<u64>) -> Result<Expected> {
    // The kernel names tasks by their id in the first pid namespace.
    let is_first = is_first_pid_namespace()?;
    let command =
        fs::read_to_string("/proc/thread-self/comm").context("read /proc/thread-self/comm")?;
    Ok(Expected {
        netns,
        pid: is_first.then_some(std::process::id()),
        command: command.trim_end_matches('\n').to_owned(),
    })
}

/// Whether this process lives in the first pid namespace.
///
/// # Errors
/// Where /proc doesn't tell.
pub fn is_first_pid_namespace() -> Result<bool> {
    // PROC_PID_INIT_INO:
    // https://github.com/torvalds/linux/blob/v6.12/include/linux/proc_ns.h
    const FIRST: &str = "pid:[4026531836]";
    let link = fs::read_link("/proc/self/ns/pid").context("read /proc/self/ns/pid")?;
    Ok(link.to_string_lossy() == FIRST)
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
    match attempt(config, HookSet::default().with(hook), known)? {
        Attempt::Proven(captured) => Ok(*captured),
        Attempt::Refused(_, why) => Err(why),
    }
}
