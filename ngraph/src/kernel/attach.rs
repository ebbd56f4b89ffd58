//! Attaches one hook. Programs are named after what they attach to.

use anyhow::{Result, bail};
use aya::programs::Program;
use log::debug;
use ngraph_common::{
    event::hook,
    names::{PROGRAMS, SECOND_WITNESS},
};

use super::{Tracer, probe};
use crate::hooks::HOOKS;

impl Tracer {
    /// Loads a hook's program and attaches it.
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

    fn attach_program(&mut self, name: &str, target: &str) -> Result<()> {
        let Some(program) = self.ebpf.program_mut(name) else {
            bail!("program {name} is missing from the object (built from another commit?)");
        };
        match program {
            Program::RawTracePoint(program) => {
                program.load().map_err(|err| probe::explain(&err.into()))?;
                program.attach(target).map_err(|err| probe::explain(&err.into()))?;
            }
            Program::KProbe(program) => {
                program.load().map_err(|err| probe::explain(&err.into()))?;
                program.attach(target, 0).map_err(|err| probe::explain(&err.into()))?;
            }
            _ => bail!("program {name} is of an unexpected type (built from another commit?)"),
        }
        Ok(())
    }
}
