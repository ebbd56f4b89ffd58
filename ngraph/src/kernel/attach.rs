//! Attaches one hook. Programs are named after what they attach to.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use aya::programs::{
    CgroupAttachMode, Program, kprobe::KProbeLinkId, raw_trace_point::RawTracePointLinkId,
    sock_ops::SockOpsLinkId,
};
use log::debug;
use ngraph_common::{
    event::hook,
    names::{PROGRAMS, SECOND_WITNESS},
};

use super::{Tracer, cgroup, probe};
use crate::hooks::HOOKS;

/// What holds a program to its hook.
pub(super) enum Link {
    RawTracePoint(RawTracePointLinkId),
    KProbe(KProbeLinkId),
    SockOps(SockOpsLinkId),
}

impl Tracer {
    /// Attaches a hook's program, and where it is attached already, anew. What is attached stays
    /// so if that fails: an agent that gave up its privileges may not get it back.
    ///
    /// # Errors
    /// Why the kernel refused, and what to do where that is known.
    pub fn attach(&mut self, hook: u8) -> Result<()> {
        let name = PROGRAMS[usize::from(hook)];
        self.attach_program(name, name)?;
        if hook == hook::SET_STATE {
            // Behind the first: the kernel calls them in the order in which they came.
            self.attach_program(SECOND_WITNESS, name)?;
        }
        debug!("attached {}", HOOKS[usize::from(hook)].name);
        Ok(())
    }

    /// Detaches a hook's program, for the other hooks to do without.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn detach(&mut self, hook: u8) -> Result<()> {
        let name = PROGRAMS[usize::from(hook)];
        if hook == hook::SOCK_OPS {
            self.called.set(0, 0, 0).context("write the map CALLED")?;
        }
        let Some(program) = self.ebpf.program_mut(name) else {
            return Ok(());
        };
        match (program, self.links.remove(name)) {
            (Program::RawTracePoint(program), Some(Link::RawTracePoint(link))) => {
                program.detach(link)
            }
            (Program::KProbe(program), Some(Link::KProbe(link))) => program.detach(link),
            (Program::SockOps(program), Some(Link::SockOps(link))) => program.detach(link),
            _ => Ok(()),
        }
        .with_context(|| format!("detach {name}"))
    }

    fn attach_program(&mut self, name: &'static str, target: &str) -> Result<()> {
        let Some(program) = self.ebpf.program_mut(name) else {
            bail!("program {name} is missing from the object (built from another commit?)");
        };
        let is_loaded = program.fd().is_ok();
        match program {
            Program::RawTracePoint(program) => {
                if !is_loaded {
                    program.load().map_err(|err| probe::explain(&err.into()))?;
                }
                let link = program.attach(target).map_err(|err| probe::explain(&err.into()))?;
                if let Some(Link::RawTracePoint(old)) =
                    self.links.insert(name, Link::RawTracePoint(link))
                {
                    program.detach(old).with_context(|| format!("detach {name}"))?;
                }
            }
            Program::KProbe(program) => {
                if !is_loaded {
                    program.load().map_err(|err| probe::explain(&err.into()))?;
                }
                let link =
                    program.attach(target, 0).map_err(|err| probe::explain_kprobe(&err.into()))?;
                if let Some(Link::KProbe(old)) = self.links.insert(name, Link::KProbe(link)) {
                    program.detach(old).with_context(|| format!("detach {name}"))?;
                }
            }
            Program::SockOps(program) => {
                let root = cgroup::root(Path::new("/proc"))?;
                if !is_loaded {
                    program.load().map_err(|err| probe::explain_cgroup(&err.into()))?;
                }
                // Before, so that nothing is told twice: what sockets that other agents marked
                // call for in between is lost, before anything is counted.
                self.called.set(0, 1, 0).context("write the map CALLED")?;
                // As a link it always is beside others' programs, there and in the groups below;
                // the kernel refuses to be told so. (`cgroup_bpf_link_attach`)
                // https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/cgroup.c
                let link = match program.attach(root, CgroupAttachMode::Single) {
                    Ok(link) => link,
                    Err(err) => {
                        let is_called = u32::from(self.links.contains_key(name));
                        self.called.set(0, is_called, 0).context("write the map CALLED")?;
                        return Err(probe::explain_cgroup(&err.into()));
                    }
                };
                if let Some(Link::SockOps(old)) = self.links.insert(name, Link::SockOps(link)) {
                    program.detach(old).with_context(|| format!("detach {name}"))?;
                }
            }
            _ => bail!("program {name} is of an unexpected type (built from another commit?)"),
        }
        Ok(())
    }
}
