//! The architectures that are built for and emulated, and what each is called by whom.

use std::env::consts;

/// An architecture that Debian has kernels, compilers and an emulator for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Arch {
    /// x86_64
    #[value(alias = "x86_64")]
    Amd64,
    /// aarch64
    #[value(alias = "aarch64")]
    Arm64,
}

impl Arch {
    pub(crate) const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// This machine's own, if it's one of them.
    pub(crate) fn host() -> Option<Self> {
        Self::ALL.into_iter().find(|arch| arch.rust() == consts::ARCH)
    }

    /// As Debian and container images call it.
    pub(crate) fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// As Rust, the kernel and QEMU call it.
    pub(crate) fn rust(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// As the ELF header of its programs calls it (`e_machine`).
    pub(crate) fn elf(self) -> u16 {
        match self {
            Self::Amd64 => 62,
            Self::Arm64 => 183,
        }
    }

    /// What rustc compiles for.
    pub(crate) fn triple(self) -> String {
        format!("{}-unknown-linux-gnu", self.rust())
    }

    /// As the GNU tools call it.
    pub(crate) fn gnu(self) -> String {
        format!("{}-linux-gnu", self.rust())
    }

    /// The package of the emulator.
    pub(crate) fn qemu_package(self) -> &'static str {
        match self {
            Self::Amd64 => "qemu-system-x86",
            Self::Arm64 => "qemu-system-arm",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_called_alike_by_rust_and_its_files() {
        let own = std::fs::read("/proc/self/exe").unwrap();
        if let Some(host) = Arch::host() {
            assert!(host.triple().starts_with(consts::ARCH));
            assert_eq!(own[18..20], host.elf().to_le_bytes());
        }
    }
}
