//! The guests of the matrix: a kernel, and what is special about the machine it runs on.

use std::str::FromStr;

use anyhow::{Context as _, Result, bail};

use crate::arch::Arch;

/// The oldest kernel with all that the agent may need, two long-term ones, the newest.
///
/// Machines that differ are run by name. Most is said by `5.10-1cpu`, since the oldest kernel
/// keeps as many kretprobes at once as it has processors; `7-4cpu`, since the newest preempts
/// programs; `6.1-nobtf`, the oldest that has MPTCP, which counts twice then.
pub(crate) const GUESTS: [&str; 4] = ["5.10", "6.1", "6.12", "7"];

/// Processors of a guest that isn't special.
const CPUS: u8 = 2;

/// Tests that processors matter for.
const OF_PROCESSORS: [&str; 6] =
    ["alone::", "company::", "counts::", "loss::", "namespaces::", "start::"];

/// One guest.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Guest {
    /// As typed: `6.12-1cpu`.
    pub(crate) name: String,
    /// As far as it matters: `6.12`.
    pub(crate) kernel: String,
    pub(crate) arch: Arch,
    pub(crate) cpus: u8,
    pub(crate) has_btf: bool,
}

impl Guest {
    /// The arguments of libtest for this guest, besides its threads.
    ///
    /// A filter of the user's takes the place of the guest's own.
    pub(crate) fn args(&self, user: &[String]) -> Vec<String> {
        let mut args = user.to_vec();
        if self.cpus != CPUS && user.iter().all(|arg| arg.starts_with('-')) {
            args.extend(OF_PROCESSORS.map(str::to_owned));
        }
        if self.kernel == "5.10" {
            // Debian's 5.10 for clouds is built without MPTCP, and bpf_sock_from_file, which the
            // iterator over open files needs, is of 5.11.
            args.extend(["--skip=mptcp", "--skip=held::"].map(str::to_owned));
        }
        args.push(if self.kernel.starts_with('7') {
            // 7.3 refuses to turn ftrace off: operation not supported.
            "--skip=silenced_by_ftrace".to_owned()
        } else {
            // Those before it don't preempt tracepoints and have no need of that program.
            "--skip=a_control_groups_program".to_owned()
        });
        args
    }
}

impl FromStr for Guest {
    type Err = anyhow::Error;

    /// Reads a kernel and the words behind it: `6.12`, `6.12-1cpu`, `6.1-arm64-nobtf`.
    fn from_str(name: &str) -> Result<Self> {
        let mut words = name.split('-');
        let kernel = words.next().unwrap_or_default().to_owned();
        let arch = Arch::host().unwrap_or(Arch::Amd64);
        let mut guest = Self { name: name.to_owned(), kernel, arch, cpus: CPUS, has_btf: true };
        for word in words {
            if let Some(arch) = Arch::ALL.into_iter().find(|arch| arch.debian() == word) {
                guest.arch = arch;
                continue;
            }
            match word.strip_suffix("cpu") {
                Some(count) => {
                    let count = count.parse().ok().filter(|cpus| (1..=64).contains(cpus));
                    guest.cpus =
                        count.with_context(|| format!("{name}: `{word}` is no 1cpu to 64cpu"))?;
                }
                None if word == "nobtf" => guest.has_btf = false,
                None => {
                    bail!(
                        "{name}: `{word}` is not `arm64`, `amd64`, `nobtf` or a number with `cpu`"
                    )
                }
            }
        }
        Ok(guest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(name: &str) -> Guest {
        name.parse().unwrap()
    }

    #[test]
    fn a_name_is_a_kernel_and_what_is_special() {
        let plain = guest("6.12");
        assert_eq!((plain.kernel.as_str(), plain.cpus, plain.has_btf), ("6.12", 2, true));
        let special = guest("7-4cpu-nobtf");
        assert_eq!((special.kernel.as_str(), special.cpus, special.has_btf), ("7", 4, false));
        assert_eq!(special.name, "7-4cpu-nobtf");
        let foreign = guest("6.12-arm64-1cpu");
        assert_eq!((foreign.arch, foreign.cpus), (Arch::Arm64, 1));
        assert_eq!(guest("6.12-amd64").arch, Arch::Amd64);
        for wrong in ["6.12-", "6.12-0cpu", "6.12-cpu", "6.12-65cpu", "6.12-btf"] {
            assert!(wrong.parse::<Guest>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_processors_run_what_processors_matter_for_unless_a_filter_says_otherwise() {
        let args = |name: &str, user: &[&str]| {
            guest(name).args(&user.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
        };
        let skip = "--skip=a_control_groups_program";
        assert_eq!(args("6.12", &[]), [skip]);
        assert_eq!(args("6.1-nobtf", &[]), [skip]);
        assert_eq!(args("6.12-4cpu", &[]), [&OF_PROCESSORS[..], &[skip]].concat());
        assert_eq!(args("6.12-4cpu", &["owner"]), ["owner", skip]);
        assert_eq!(args("7-1cpu", &["owner"]), ["owner", "--skip=silenced_by_ftrace"]);
        assert_eq!(args("5.10-1cpu", &["owner"]), ["owner", "--skip=mptcp", "--skip=held::", skip]);
        assert_eq!(args("6.12-1cpu", &["--exact"]).len(), 2 + OF_PROCESSORS.len());
    }

    #[test]
    fn the_matrix_can_be_read() {
        for name in GUESTS {
            name.parse::<Guest>().unwrap();
        }
    }
}
