//! What a program's ELF headers tell: the architecture, and whether it asks for a dynamic loader.

use anyhow::{Context as _, Result, bail};

/// The program header that names the dynamic loader.
const PT_INTERP: u32 = 3;

/// The architecture that `elf` is for, by its number.
pub(crate) fn machine(elf: &[u8]) -> Result<u16> {
    check(elf)?;
    Ok(u16::from_le_bytes(bytes(elf, 0x12)?))
}

/// Tells whether `elf` runs without a dynamic loader.
pub(crate) fn is_static(elf: &[u8]) -> Result<bool> {
    check(elf)?;
    let table = u64::from_le_bytes(bytes(elf, 0x20)?);
    let entry_size = u16::from_le_bytes(bytes(elf, 0x36)?);
    let entries = u16::from_le_bytes(bytes(elf, 0x38)?);
    for entry in 0..u64::from(entries) {
        let offset = table.saturating_add(entry * u64::from(entry_size));
        if u32::from_le_bytes(bytes(elf, offset)?) == PT_INTERP {
            return Ok(false);
        }
    }
    Ok(true)
}

fn check(elf: &[u8]) -> Result<()> {
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        bail!("not a 64-bit little-endian ELF file");
    }
    Ok(())
}

fn bytes<const N: usize>(elf: &[u8], offset: u64) -> Result<[u8; N]> {
    let range = usize::try_from(offset).ok().and_then(|start| elf.get(start..)?.first_chunk());
    range.copied().with_context(|| format!("ends before offset {offset}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loader_makes_it_dynamic() {
        assert!(is_static(&program(&[1, 1])).unwrap());
        assert!(!is_static(&program(&[6, PT_INTERP, 1])).unwrap());
    }

    #[test]
    fn the_machine_is_the_one_it_was_compiled_for() {
        let mut elf = program(&[1]);
        elf[0x12] = 183;
        assert_eq!(machine(&elf).unwrap(), 183);
    }

    #[test]
    fn other_and_broken_files_are_refused() {
        assert!(is_static(b"#!/bin/sh").is_err());
        assert!(machine(b"#!/bin/sh").is_err());
        let whole = program(&[1, 1]);
        assert!(is_static(&whole[..whole.len() - 56]).is_err());
    }

    /// An ELF file of headers only, with program headers of these types.
    fn program(types: &[u32]) -> Vec<u8> {
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[0x20] = 64;
        elf[0x36] = 56;
        elf[0x38] = types.len() as u8;
        for kind in types {
            elf.extend(kind.to_le_bytes());
            elf.extend([0; 52]);
        }
        elf
    }
}
