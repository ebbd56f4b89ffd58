//! The kernel side, seen from user space: load, attach, drain, count. The only folder that
//! imports aya.

mod attach;
mod btf;
pub mod cgroup;
mod counters;
mod held;
pub mod offsets;
mod overflow;
pub mod probe;
pub mod rcu;
mod stats;

use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, Map, MapData, RingBuf},
};
use aya_log::EbpfLogger;
use log::{Log, debug};
use ngraph_common::{
    count,
    event::{self, FlowEvent},
    limits, names,
    overflow::Like,
};
use tokio::io::{Interest, unix::AsyncFd};

use crate::hooks::HookSet;
use attach::Link;
use counters::Mapped;
use offsets::Offsets;
use overflow::Overflow;

/// How the kernel side is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Hooks to attach.
    pub hooks: HookSet,
    /// Where this kernel has the fields that move.
    pub offsets: Offsets,
    /// The one namespace to report, as events name it; none: all.
    pub only_netns: Option<u64>,
    /// Size of the ring buffer in bytes, a power of two of pages.
    pub ring_bytes: u32,
    /// Entries of the socket map.
    pub sock_entries: u32,
}

/// The loaded kernel side. Dropping it detaches everything.
pub struct Tracer {
    ebpf: Ebpf,
    ring: AsyncFd<RingBuf<MapData>>,
    /// What the ring holds; records have a head besides, which isn't told.
    ring_bytes: usize,
    counters: Mapped,
    overflow: Overflow,
    called: Array<MapData, u32>,
    links: HashMap<&'static str, Link>,
    logger: Option<EbpfLogger<&'static dyn Log>>,
}

impl Tracer {
    /// Loads the kernel side; nothing is attached yet. Needs a tokio runtime.
    ///
    /// # Errors
    /// Where the maps can't be made: missing capabilities, a kernel before 5.8.
    pub fn load(plan: &Plan) -> Result<Self> {
        probe::ring_buffer()?;
        let processors = counters::processors()?;
        let mut ebpf = load(plan, processors)?;
        // Debug records are for whoever asked; a kernel side without them has no such map.
        let logger = if is_debugging() { EbpfLogger::init(&mut ebpf).ok() } else { None };
        let ring = RingBuf::try_from(take(&mut ebpf, names::EVENTS)?)
            .with_context(|| format!("map the ring buffer of {} bytes", plan.ring_bytes))?;
        // SAFETY: the ring owns its map's descriptor for as long as it lives and gives no
        // other out.
        let ring = unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }
            .map_err(|err| err.into_parts().1)
            .context("wait for the ring buffer by epoll")?;
        let counters = Mapped::open(take(&mut ebpf, names::COUNTERS)?, processors)?;
        let overflow =
            Overflow::open(take(&mut ebpf, names::OVERFLOW)?, take(&mut ebpf, names::SHELF)?)?;
        let called = Array::try_from(take(&mut ebpf, names::CALLED)?)
            .with_context(|| format!("open the map {}", names::CALLED))?;
        let (ring_bytes, links) = (ring_bytes(plan) as usize, HashMap::new());
        Ok(Self { ebpf, ring, ring_bytes, counters, overflow, called, links, logger })
    }

    /// Waits until the kernel side says that the ring buffer is half full. It says nothing
    /// before: whoever calls this drains on a timer beside it.
    ///
    /// # Errors
    /// Where epoll fails.
    pub async fn half_full(&self) -> Result<()> {
        let mut guard = self.ring.readable().await.context("wait for the ring buffer")?;
        guard.clear_ready();
        Ok(())
    }

    /// Takes every record out of the ring buffer that is in it now, in order, and tells how many;
    /// `None` is a record of another size. Of those that come meanwhile it takes no more than fill
    /// the ring once: who makes records without end holds nobody up.
    pub fn drain(&mut self, mut take: impl FnMut(Option<&FlowEvent>)) -> usize {
        let (mut records, mut bytes, mut room) = (0, 0, FlowEvent::default());
        while bytes < self.ring_bytes
            && let Some(record) = self.ring.get_mut().next()
        {
            records += 1;
            bytes += record.len();
            take(event::read(&record, &mut room));
        }
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        records
    }
}

impl Tracer {
    /// Takes out what the kernel side counted of events that found the ring buffer full, by
    /// what they had in common. After [`Tracer::drain`].
    ///
    /// # Errors
    /// Where the map can't be read or written; what is in it stays for the next time.
    pub fn drain_overflow(&mut self, take: impl FnMut(&Like, u64)) -> Result<()> {
        // The mapped counters alone: what the kernel kept from the hooks is read by system
        // calls, too many for every drain.
        let rows = self.counters.sums();
        let overflowed = rows.iter().map(|row| row[count::OVERFLOWED as usize]).sum();
        self.overflow.drain(overflowed, take)
    }
}

fn load(plan: &Plan, processors: usize) -> Result<Ebpf> {
    let only_netns = plan.only_netns.unwrap_or(0);
    let states_speak = u32::from(plan.hooks.states_speak());
    let graft_follows = u32::from(plan.hooks.has(ngraph_common::event::hook::SOCK_GRAFT));
    let log_level = if is_debugging() { aya_log::Level::Debug as u8 } else { 0 };
    let ring_bytes = ring_bytes(plan);
    let mark_bytes = limits::mark_bytes(processors as u32);
    EbpfLoader::new()
        .override_global(names::NET_INUM, &plan.offsets.net_inum, true)
        .override_global(names::SK_PROTOCOL, &plan.offsets.sk_protocol, true)
        .override_global(names::SK_ERR, &plan.offsets.sk_err, true)
        .override_global(names::INET_SPORT, &plan.offsets.inet_sport, true)
        .override_global(names::CB_FLAGS, &plan.offsets.cb_flags, true)
        .override_global(names::SOCKET_SK, &plan.offsets.socket_sk, true)
        .override_global(names::ONLY_NETNS, &only_netns, true)
        .override_global(names::STATES_SPEAK, &states_speak, true)
        .override_global(names::GRAFT_FOLLOWS, &graft_follows, true)
        .override_global(names::RING_BYTES, &ring_bytes, true)
        .override_global(names::MARK_BYTES, &mark_bytes, true)
        // Zero takes the log statements out of what the verifier keeps.
        .override_global(aya_log::LEVEL, &log_level, true)
        .map_max_entries(names::EVENTS, ring_bytes)
        .map_max_entries(names::SOCKS, plan.sock_entries)
        .map_max_entries(names::COUNTERS, processors as u32)
        .load(aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ngraph-ebpf")))
        .map_err(|err| probe::explain(&err.into()))
}

/// As was planned, or what a machine with larger pages calls its smallest ring.
fn ring_bytes(plan: &Plan) -> u32 {
    plan.ring_bytes.max(rustix::param::page_size() as u32)
}

fn is_debugging() -> bool {
    log::log_enabled!(target: "ngraph_ebpf", log::Level::Debug)
}

fn take(ebpf: &mut Ebpf, name: &str) -> Result<Map> {
    match ebpf.take_map(name) {
        Some(map) => Ok(map),
        None => bail!("map {name} is missing from the object (built from another commit?)"),
    }
}

/// Entries of the socket map that suit this machine's memory.
pub fn sock_entries() -> u32 {
    let info = rustix::system::sysinfo();
    let ram = (info.totalram as u64).saturating_mul(info.mem_unit.into());
    let entries = limits::sock_entries(ram);
    debug!("socket map: {entries} entries for {ram} bytes of memory");
    entries
}
