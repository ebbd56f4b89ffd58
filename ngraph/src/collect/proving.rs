//! Proves a hook by a connection of the agent with itself.

use std::{collections::HashSet, fs};

use anyhow::{Context as _, Result, anyhow};
use log::debug;
use ngraph_common::{count, event::FlowEvent};

use super::selftest::{Expected, Loop, Loops, prove};
use crate::{hooks::HOOKS, kernel::Tracer};

/// Records that came while a hook was proven.
pub struct Seen {
    /// Those of the agent's own connections.
    pub own: Vec<FlowEvent>,
    /// All others.
    pub others: Vec<FlowEvent>,
}

/// Attaches and proves one hook.
///
/// # Errors
/// Where it can't be attached, or isn't proven.
pub fn try_hook(
    tracer: &mut Tracer,
    hook: u8,
    expected: &Expected,
    loops: &mut Loops,
) -> Result<Seen> {
    tracer.attach(hook)?;
    let (seen, proof) = witness(tracer, hook, expected, loops)?;
    proof?;
    tracer.rely_on(hook)?;
    Ok(seen)
}

/// Proves a hook again while the agent runs, attached `anew` if asked for and allowed: the
/// agent has given up what some kernels want for that, and what is attached may fire again.
/// That it runs at all is the proof: what it tells was proven at the start, and beside others
/// it may have nothing to tell. What all hooks saw meanwhile is told whatever the proof says.
///
/// # Errors
/// Where the agent can't connect to itself.
pub fn prove_again(
    tracer: &mut Tracer,
    hook: u8,
    anew: bool,
    loops: &mut Loops,
) -> Result<(Seen, Result<()>)> {
    if anew && let Err(err) = tracer.attach(hook) {
        debug!("attach {} anew: {err:#}", HOOKS[usize::from(hook)].name);
    }
    let runs = |tracer: &Tracer| tracer.counts().rows[usize::from(hook)][count::SEEN as usize];
    let before = runs(tracer);
    let own = loops.make().context("prove it by an own connection")?;
    let proof = if runs(tracer) > before {
        tracer.rely_on(hook)
    } else {
        Err(anyhow!("it doesn't run for an own connection"))
    };
    let mut events = Vec::new();
    tracer.drain(|event| events.extend(event.copied()));
    Ok((sort(&[own], events), proof))
}

/// What a hook sees of own connections, and whether that proves it.
fn witness(
    tracer: &mut Tracer,
    hook: u8,
    expected: &Expected,
    loops: &mut Loops,
) -> Result<(Seen, Result<()>)> {
    let context = "prove it by an own connection";
    let mut events = Vec::new();
    let drain = || {
        let before = events.len();
        tracer.drain(|event| events.extend(event.copied()));
        events[before..].to_vec()
    };
    let (own, proof) = prove(hook, expected, || loops.make(), drain).context(context)?;
    let proof = proof.map_err(anyhow::Error::msg).context(context);
    Ok((sort(&own, events), proof))
}

/// Tells the agent's own events from all others. An end tells no addresses, so it's known by
/// its identity.
fn sort(own: &[Loop], events: Vec<FlowEvent>) -> Seen {
    let identity = |event: &FlowEvent| (event.sock, event.opened_ns);
    let is_own = |event: &&FlowEvent| own.iter().any(|own| own.has(event));
    let mine: HashSet<(u64, u64)> = events.iter().filter(is_own).map(identity).collect();
    let (own, others) = events.into_iter().partition(|event| mine.contains(&identity(event)));
    Seen { own, others }
}

/// What the agent's own connection looks like to a hook that tells the truth.
///
/// # Errors
/// Where /proc doesn't tell what that is.
pub fn expected(netns: Option<u64>) -> Result<Expected> {
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
