//! Attaches one hook: programs are named after what they attach to.

use anyhow::{Result, bail};
use aya::programs::Program;
use log::debug;
use ngraph_common::names::PROGRAMS;

use super::{Tracer, probe};
use crate::hooks::HOOKS;

impl Tracer {
    /// Loads a hook's program and attaches it.
    ///
    /// # Errors
    /// Why the kernel refused, and what to do where that is known.
    pub fn attach(&mut self, hook: u8) -> Result<()> {
        let name = PROGRAMS[usize::from(hook)];
        let Some(program) = self.ebpf.program_mut(name) else {
            bail!("program {name} is missing from the object (built from another commit?)");
        };
        match program {
            Program::RawTracePoint(program) => {
                program.load().map_err(|err| probe::explain(&err.into()))?;
                program.attach(name).map_err(|err| probe::explain(&err.into()))?;
            }
            Program::KProbe(program) => {
                program.load().map_err(|err| probe::explain(&err.into()))?;
                program.attach(name, 0).map_err(|err| probe::explain(&err.into()))?;
            }
            _ => bail!("program {name} is of an unexpected type (built from another commit?)"),
        }
        debug!("attached {}", HOOKS[usize::from(hook)].name);
        Ok(())
    }
}
