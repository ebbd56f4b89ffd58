//! Where this kernel has the fields that move from version to version, from its own BTF.

use std::{fs, io, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use ngraph_common::{names::ABSENT, sock_common};

use super::btf::Btf;

/// The kernel's description of its own types, readable by everybody.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Byte offsets; [`ABSENT`] where BTF doesn't tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// `inum` in `struct net`.
    pub net_inum: u32,
    /// `sk_protocol` in `struct sock`.
    pub sk_protocol: u32,
    /// `sk_err` in `struct sock`.
    pub sk_err: u32,
    /// `inet_sport` in `struct inet_sock`.
    pub inet_sport: u32,
    /// `bpf_sock_ops_cb_flags` in `struct tcp_sock`; [`ABSENT`] too where a kernel is built
    /// without it.
    pub cb_flags: u32,
    /// `sk` in `struct socket`; [`ABSENT`] where snapshots do without it.
    pub socket_sk: u32,
}

impl Offsets {
    /// What is known without BTF: nothing. Namespaces are told apart by their address,
    /// protocols are not told apart, and failures have no reason.
    pub const UNKNOWN: Self = Self {
        net_inum: ABSENT,
        sk_protocol: ABSENT,
        sk_err: ABSENT,
        inet_sport: ABSENT,
        cb_flags: ABSENT,
        socket_sk: ABSENT,
    };

    /// Reads them from the BTF at `path`; `Ok(None)` where there is none.
    ///
    /// # Errors
    /// Where it can't be read or understood, and where the head of `struct sock` isn't where
    /// the kernel side reads it.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(err) => return Err(err).with_context(|| format!("read {}", path.display())),
        };
        Self::from_btf(&bytes).with_context(|| format!("look into {}", path.display())).map(Some)
    }

    /// Finds them in BTF.
    ///
    /// # Errors
    /// Where the bytes aren't BTF, lack one of the fields, or have the head of `struct sock`
    /// elsewhere than the kernel side reads it.
    pub fn from_btf(bytes: &[u8]) -> Result<Self> {
        let btf = Btf::new(bytes)?;
        for (field, expected) in sock_common::FIELDS {
            let found = btf.offset("sock_common", field)?;
            if found as usize != expected {
                bail!(
                    "this kernel has {field} of struct sock_common at {found}, not at {expected} \
                     (a kernel without CONFIG_NET_NS or CONFIG_IPV6?)"
                );
            }
        }
        Ok(Self {
            net_inum: btf.offset("net", "ns.inum")?,
            sk_protocol: btf.offset("sock", "sk_protocol")?,
            sk_err: btf.offset("sock", "sk_err")?,
            inet_sport: btf.offset("inet_sock", "inet_sport")?,
            socket_sk: Self::socket_sk(&btf).unwrap_or(ABSENT),
            cb_flags: btf.offset("tcp_sock", "bpf_sock_ops_cb_flags").unwrap_or(ABSENT),
        })
    }

    /// Of use only where a socket's state is where the kernel side reads it.
    fn socket_sk(btf: &Btf) -> Result<u32> {
        let (field, expected) = sock_common::STATE;
        ensure!(btf.offset("sock_common", field)? as usize == expected, "{field} is elsewhere");
        btf.offset("socket", "sk")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_btf_has_no_offsets_and_that_is_no_error() {
        assert_eq!(Offsets::read(Path::new("/nonexistent")).unwrap(), None);
    }

    #[test]
    fn a_file_that_is_no_btf_is_a_clear_error() {
        let error = format!("{:#}", Offsets::read(Path::new("/proc/self/stat")).unwrap_err());
        assert_eq!(error, "look into /proc/self/stat: not BTF of this byte order");
    }
}
