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
    /// Attaches a hook's program, and where it is attached already, anew.
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
        let (link, is_loaded) = (self.links.remove(name), program.fd().is_ok());
        let link = match (program, link) {
            (Program::RawTracePoint(program), link) => {
                if let Some(Link::RawTracePoint(link)) = link {
                    program.detach(link).with_context(|| format!("detach {name}"))?;
                }
                if !is_loaded {
                    program.load().map_err(|err| probe::explain(&err.into()))?;
                }
                let link = program.attach(target).map_err(|err| probe::explain(&err.into()))?;
                Link::RawTracePoint(link)
            }
            (Program::KProbe(program), link) => {
                if let Some(Link::KProbe(link)) = link {
                    program.detach(link).with_context(|| format!("detach {name}"))?;
                }
                if !is_loaded {
                    program.load().map_err(|err| probe::explain(&err.into()))?;
                }
                let link =
                    program.attach(target, 0).map_err(|err| probe::explain_kprobe(&err.into()))?;
                Link::KProbe(link)
            }
            _ => bail!("program {name} is of an unexpected type (built from another commit?)"),
        };
        self.links.insert(name, link);
        Ok(())
    }
}
