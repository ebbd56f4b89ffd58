//! `cargo xtask vm`: the kernel tests on a matrix of kernels and machines, each a guest.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, anyhow};

use crate::{
    apt::Apt,
    arch::Arch,
    cache::Cache,
    cargo::{self, Executable, Rustc},
    cross,
    guest::Guest,
    initramfs::{self, Payload},
    kernel, qemu, setup,
    tally::Tally,
    test,
};

/// As many guests as run at once: most have two processors.
const AT_ONCE: usize = 2;

/// Runs the kernel tests in `guests` and sums them up.
pub(crate) fn vm(guests: &[Guest], args: &[String]) -> Result<()> {
    setup::ensure()?;
    let rustc = Rustc::ask()?;
    let has_own = guests.iter().any(|guest| Some(guest.arch) == Arch::host());
    let built = if has_own { test::timed("build", || test::build(&rustc))? } else { Vec::new() };
    let tally = test::timed("guests", || matrix(guests, &rustc, &built, args))?;
    test::conclude(&tally)
}

/// Runs the kernel test in each of `guests`: the one among `built`, or another architecture's. A
/// guest that fails doesn't keep others from running.
pub(crate) fn matrix(
    wanted: &[Guest],
    rustc: &Rustc,
    built: &[Executable],
    args: &[String],
) -> Result<Tally> {
    let cache = Cache::open()?;
    let busybox = busybox(&Apt::open(&cache)?)?;
    let own = test::LIBTEST.map(str::to_owned);
    let args: Vec<String> = own.into_iter().chain(args.to_vec()).collect();
    let logs = cargo::root().join("target/vm");

    // One after the other: apt locks its folders. What can't be had is a failure of those guests
    // alone.
    let mut total = Tally::default();
    let mut guests = VecDeque::new();
    for arch in Arch::ALL {
        let of_arch: Vec<_> = wanted.iter().filter(|guest| guest.arch == arch).collect();
        if of_arch.is_empty() {
            continue;
        }
        let apt = Apt::open_for(&cache, arch)?;
        let programs = Programs::bring(arch, rustc, built, &apt).map(Arc::new);
        for guest in of_arch {
            let programs = programs.as_ref().map_err(|err| anyhow!("{err:#}"));
            let kernel = || kernel::fetch(guest, &cache, &apt, &busybox);
            match programs.and_then(|programs| Ok((kernel()?, Arc::clone(programs)))) {
                Ok((kernel, programs)) => guests.push_back((guest, kernel, programs)),
                Err(err) => total.fail(format!("[{}] {err:#}", guest.name)),
            }
        }
    }
    let guests = Mutex::new(guests);
    let total = Mutex::new(total);
    let next = || guests.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((guest, kernel, programs)) = next() {
                    let name = &guest.name;
                    let start = Instant::now();
                    let mut tally = Tally::default();
                    match boot(guest, &kernel, &programs, &args, &logs) {
                        Ok(counted) => tally = counted,
                        Err(err) => tally.fail(format!("{err:#}")),
                    }
                    let (took, sum) = (start.elapsed().as_secs(), tally.summary());
                    println!("[{name}] Linux {}: {sum}, in {took} s", kernel.release);
                    for failure in &mut tally.failures {
                        *failure = format!("[{name}] {failure}");
                    }
                    *total.lock().unwrap_or_else(PoisonError::into_inner) += tally;
                }
            });
        }
    });
    Ok(total.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// What runs in all guests of an architecture.
struct Programs {
    agent: PathBuf,
    test: PathBuf,
    busybox: PathBuf,
}

impl Programs {
    /// Takes this machine's from `built`, builds others, and sees that they can be run.
    fn bring(arch: Arch, rustc: &Rustc, built: &[Executable], apt: &Apt) -> Result<Self> {
        qemu::ensure(arch)?;
        let busybox = busybox(apt)?;
        let foreign;
        let built = if Some(arch) == Arch::host() {
            built
        } else {
            let name = format!("build for {}", arch.debian());
            foreign = test::timed(&name, || {
                let mut build = cross::cargo_static("test", cargo::TESTS, arch, rustc)?;
                let only = ["--package", "ngraph", "--test", "kernel", "--no-run"];
                cargo::executables(build.args(only))
            })?;
            &foreign
        };
        let (agent, test) = (cargo::agent(built)?, cargo::kernel_test(built)?);
        Ok(Self { agent: agent.to_owned(), test: test.to_owned(), busybox })
    }
}

fn busybox(apt: &Apt) -> Result<PathBuf> {
    Ok(apt.own("busybox-static")?.join("bin/busybox"))
}

fn boot(
    guest: &Guest,
    kernel: &kernel::Kernel,
    programs: &Programs,
    args: &[String],
    logs: &Path,
) -> Result<Tally> {
    let log = qemu::log_file(logs, &guest.name)?;
    let initramfs = logs.join(format!("{}.initramfs", guest.name));
    let args = guest.args(args);
    let payload = Payload { agent: &programs.agent, test: &programs.test, args: &args };
    fs::write(&initramfs, initramfs::pack(&payload, kernel, &programs.busybox)?)
        .with_context(|| format!("write {}", initramfs.display()))?;
    qemu::boot(guest, kernel, &initramfs, &log).with_context(|| {
        format!("guest with Linux {} (its console: {})", kernel.release, log.display())
    })
}
