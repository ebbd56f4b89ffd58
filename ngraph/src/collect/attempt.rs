//! One rung of the ladder: loads, attaches and proves a set of hooks.

use std::path::Path;

use anyhow::{Result, bail};
use ngraph_common::{event::hook, limits};

use super::{
    brackets,
    capture::{Captured, sock_entries},
    held,
    proving::{expected, try_hook},
    selftest::Loops,
};
use crate::{
    config::{Config, Scope},
    hooks::HookSet,
    kernel::{Plan, Tracer, offsets::Offsets, rcu},
    observe::Reading,
    snapshot::namespaces,
};

/// What came of it.
pub enum Attempt {
    /// All of them are proven.
    Proven(Box<Captured>),
    /// This one isn't, and why.
    Refused(u8, anyhow::Error),
}

/// Hooks in the order in which they are attached and proven. The graft before the return of
/// accept, since of the two only the first to see a connection reports it.
const ORDER: [u8; hook::COUNT as usize] =
    [hook::SET_STATE, hook::SOCK_OPS, hook::TCP_CONNECT, hook::SOCK_GRAFT, hook::CSK_ACCEPT];

/// Tries these hooks together, with fields where they are `known` to be.
///
/// # Errors
/// Where that isn't one hook's fault.
pub fn attempt(
    config: &Config,
    hooks: HookSet,
    known: Option<Offsets>,
    loops: &mut Loops,
) -> Result<Attempt> {
    let own = namespaces::of_process(Path::new("/proc/self"))?;
    let mut plan = Plan {
        hooks,
        offsets: known.unwrap_or(Offsets::UNKNOWN),
        only_netns: (config.scope == Scope::Own).then_some(own.0.into()),
        ring_bytes: config.ring_bytes,
        sock_entries: sock_entries(config),
    };
    let (mut alias, mut audited) = (None, config.scope);
    if known.is_none() {
        // Without BTF a namespace is the address of its `struct net`. The agent's own is
        // learned from its own connection; others can't be matched with /proc's numbers, so
        // they are left to the snapshots, and nothing was captured to be held against their
        // counts.
        audited = Scope::Own;
        plan.only_netns = None;
        let address = match learn_netns(&plan, loops)? {
            Ok(address) => address,
            Err(refused) => return Ok(refused),
        };
        plan.only_netns = Some(address);
        alias = Some((address, own));
    }
    let mut tracer = Tracer::load(&plan)?;
    let before = brackets::opens(&config.procfs, audited)?;
    // An inbound connection is counted a moment before it is told of: of none that was counted by
    // now is that moment still to come.
    rcu::wait_for_readers();
    let (mut backlog, mut own_events) = (Vec::new(), Vec::new());
    let expected = expected(plan.only_netns.or(Some(own.0.into())))?;
    for hook in ORDER.into_iter().filter(|&hook| hooks.has(hook)) {
        match try_hook(&mut tracer, hook, &expected, loops) {
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
    let opens = brackets::between(&before, &brackets::opens(&config.procfs, audited)?);
    let captured = Captured { tracer, hooks, held, reading, backlog, own: own_events, opens };
    Ok(Attempt::Proven(Box::new(captured)))
}

/// The address of the agent's own `struct net`.
fn learn_netns(plan: &Plan, loops: &mut Loops) -> Result<Result<u64, Attempt>> {
    // All namespaces' events come until it is known, and a small ring has no room for those.
    let ring_bytes = plan.ring_bytes.max(limits::RING_BYTES);
    let mut tracer = Tracer::load(&Plan { ring_bytes, ..*plan })?;
    let Some(hook) = ORDER.into_iter().find(|&hook| plan.hooks.has(hook)) else {
        bail!("learn the own namespace: no hook to learn it by");
    };
    match try_hook(&mut tracer, hook, &expected(None)?, loops) {
        Ok(seen) => match seen.own.iter().find(|event| event.netns != 0) {
            Some(event) => Ok(Ok(event.netns)),
            None => bail!("learn the own namespace: no event of the own connection tells it"),
        },
        Err(why) => Ok(Err(Attempt::Refused(hook, why))),
    }
}
