//! The iterator over open files: every TCP socket that some process holds, of all namespaces,
//! in one pass.

use std::fs::File;

use anyhow::{Context as _, Result, anyhow, bail};
use aya::{
    Btf, Ebpf,
    programs::{Iter, Program},
};
use ngraph_common::names::HELD_SOCKETS;

use super::{Tracer, probe};

/// What the iterator is over.
const FILES: &str = "task_file";

impl Tracer {
    /// Loads the iterator's program, for [`Tracer::held_sockets`] to work from here on.
    ///
    /// # Errors
    /// Where this kernel has no such iterator, or not what its program needs.
    pub fn load_held(&mut self) -> Result<()> {
        let program = program(&mut self.ebpf)?;
        // A second time: the loader keeps what it read to itself.
        let btf = Btf::from_sys_fs().context("read the kernel's BTF")?;
        program.load(FILES, &btf).map_err(|err| explain(&err.into()))
    }

    /// A new pass: a file of one `HeldSocket` after the other, each of the moment in which it
    /// is read.
    ///
    /// # Errors
    /// Where the program isn't loaded, or the kernel refuses.
    pub fn held_sockets(&mut self) -> Result<File> {
        let program = program(&mut self.ebpf)?;
        let mut open = || -> Result<File> {
            let link = program.attach()?;
            // The file keeps the program, and the link ends here.
            Ok(program.take_link(link)?.into_file()?)
        };
        open()
            .map_err(|err| probe::explain(&err))
            .with_context(|| format!("open a {FILES} iterator"))
    }
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Iter> {
    match ebpf.program_mut(HELD_SOCKETS) {
        Some(Program::Iter(program)) => Ok(program),
        _ => bail!("no iterator {HELD_SOCKETS} in the object (built from another commit?)"),
    }
}

/// A helper that the kernel lacks it tells in the midst of all that the verifier says: one
/// that it has never heard of by number, one that isn't for these programs by name.
fn explain(err: &anyhow::Error) -> anyhow::Error {
    match lacks(&format!("{err:#}")) {
        Some(helper) => anyhow!("the kernel has no helper {helper} (since Linux 5.11)"),
        None => probe::explain(err),
    }
}

fn lacks(verdict: &str) -> Option<&str> {
    if verdict.contains("invalid func unknown#162") {
        return Some("bpf_sock_from_file");
    }
    verdict.split_once("unknown func ")?.1.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_that_a_kernel_lacks_is_named() {
        let by_number = "4: (85) call unknown#162\ninvalid func unknown#162\nverification";
        assert_eq!(lacks(by_number), Some("bpf_sock_from_file"));
        assert_eq!(lacks("unknown func bpf_sock_from_file#162"), Some("bpf_sock_from_file#162"));
        assert_eq!(lacks("R1 invalid mem access"), None);
    }
}
