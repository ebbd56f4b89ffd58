//! Attaches one hook. Programs are named after what they attach to.

use anyhow::{Context as _, Result, bail};
use aya::programs::{Program, kprobe::KProbeLinkId, raw_trace_point::RawTracePointLinkId};
use log::debug;
use ngraph_common::{
    event::hook,
    names::{PROGRAMS, SECOND_WITNESS},
};

use super::{Tracer, probe};
use crate::hooks::HOOKS;

/// What holds a program to its hook.
pub(super) enum Link {
    RawTracePoint(RawTracePointLinkId),
    KProbe(KProbeLinkId),
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
            _ => bail!("program {name} is of an unexpected type (built from another commit?)"),
        }
        Ok(())
    }
}
