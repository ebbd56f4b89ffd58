//! Attaches one hook. Programs are named after what they attach to.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use aya::programs::{
    CgroupAttachMode, Program, kprobe::KProbeLinkId, raw_trace_point::RawTracePointLinkId,
    sock_ops::SockOpsLinkId,
};
use log::debug;
use ngraph_common::{
    called,
    event::hook,
    names::{self, PROGRAMS, SECOND_WITNESS},
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
    /// so if that fails: an agent that gave up its privileges may not get it back. Once it is
    /// proven, `rely_on` it.
    ///
    /// # Errors
    /// Why the kernel refused, and what to do where that is known.
    pub fn attach(&mut self, hook: u8) -> Result<()> {
        let name = PROGRAMS[usize::from(hook)];
        match hook {
            hook::SOCK_OPS => {
                self.leave_to_cgroup(called::WHAT_IT_TOLD)?;
                if let Err(err) = self.attach_program(name, name) {
                    if !self.links.contains_key(name) {
                        self.leave_to_cgroup(called::NOTHING)?;
                    }
                    return Err(err);
                }
            }
            hook::SET_STATE => {
                self.attach_program(name, name)?;
                // Behind the first: the kernel calls them in the order in which they came.
                self.attach_program(SECOND_WITNESS, name)?;
            }
            _ => self.attach_program(name, name)?,
        }
        debug!("attached {}", HOOKS[usize::from(hook)].name);
        Ok(())
    }

    /// Has other hooks leave to this one, which is proven, what it tells.
    ///
    /// Not before: a change of a socket's state that was on its way when the hook was attached may
    /// not have called it, and one that calls nobody and is left to others would be missed.
    ///
    /// # Errors
    /// Where the map can't be written that tells them.
    pub fn rely_on(&mut self, hook: u8) -> Result<()> {
        if hook == hook::SOCK_OPS { self.leave_to_cgroup(called::ALL) } else { Ok(()) }
    }

    fn leave_to_cgroup(&mut self, what: u32) -> Result<()> {
        self.called.set(0, what, 0).with_context(|| format!("write the map {}", names::CALLED))
    }

    /// Detaches a hook's program, for the other hooks to do without.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn detach(&mut self, hook: u8) -> Result<()> {
        let name = PROGRAMS[usize::from(hook)];
        if hook == hook::SOCK_OPS {
            self.leave_to_cgroup(called::WHAT_IT_TOLD)?;
        }
        self.detach_program(name)?;
        if hook == hook::SOCK_OPS { self.leave_to_cgroup(called::NOTHING) } else { Ok(()) }
    }

    fn detach_program(&mut self, name: &'static str) -> Result<()> {
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
                // As a link it always is beside others' programs, there and in the groups below;
                // the kernel refuses to be told so. (`cgroup_bpf_link_attach`)
                // https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/cgroup.c
                let link = program
                    .attach(root, CgroupAttachMode::Single)
                    .map_err(|err| probe::explain_cgroup(&err.into()))?;
                if let Some(Link::SockOps(old)) = self.links.insert(name, Link::SockOps(link)) {
                    program.detach(old).with_context(|| format!("detach {name}"))?;
                }
            }
            _ => bail!("program {name} is of an unexpected type (built from another commit?)"),
        }
        Ok(())
    }
}
