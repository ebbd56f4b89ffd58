//! `cargo xtask vm`: the kernel tests on a matrix of kernels and machines, each a guest.

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    apt::Apt,
    cache::Cache,
    cargo::{self, Executable, Rustc},
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
    let built = test::timed("build", || test::build(&Rustc::ask()?))?;
    let tally = test::timed("guests", || matrix(guests, &built, args))?;
    test::conclude(&tally)
}

/// Runs the kernel test among `built` in each of `guests`.
pub(crate) fn matrix(guests: &[Guest], built: &[Executable], args: &[String]) -> Result<Tally> {
    if cfg!(not(target_arch = "x86_64")) {
        bail!("run guests: their kernels are for x86_64, and this machine isn't (use --no-vm)");
    }
    let own = test::LIBTEST.map(str::to_owned);
    let args: Vec<String> = own.into_iter().chain(args.to_vec()).collect();
    let payload =
        Payload { agent: cargo::agent(built)?, test: cargo::kernel_test(built)?, args: &args };
    run(guests, &payload)
}

/// Runs `payload` in each of `wanted`; a guest that fails doesn't keep others from running.
fn run(wanted: &[Guest], payload: &Payload) -> Result<Tally> {
    qemu::ensure()?;
    let cache = Cache::open()?;
    let apt = Apt::open(&cache)?;
    let busybox = apt.own("busybox-static")?.join("bin/busybox");
    let logs = cargo::root().join("target/vm");

    // One after the other: apt locks its folders. A kernel that can't be had is a failure
    // of that kernel alone.
    let mut total = Tally::default();
    let mut guests = VecDeque::new();
    for guest in wanted {
        match kernel::fetch(&guest.kernel, &cache, &apt, &busybox) {
            Ok(kernel) => guests.push_back((guest, kernel)),
            Err(err) => total.fail(format!("[{}] {err:#}", guest.name)),
        }
    }
    let guests = Mutex::new(guests);
    let total = Mutex::new(total);
    let next = || guests.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((guest, kernel)) = next() {
                    let name = &guest.name;
                    let start = Instant::now();
                    let mut tally = Tally::default();
                    match boot(guest, &kernel, payload, &busybox, &logs) {
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

fn boot(
    guest: &Guest,
    kernel: &kernel::Kernel,
    payload: &Payload,
    busybox: &Path,
    logs: &Path,
) -> Result<Tally> {
    let log = qemu::log_file(logs, &guest.name)?;
    let initramfs = logs.join(format!("{}.initramfs", guest.name));
    let args = guest.args(payload.args);
    let payload = Payload { args: &args, ..*payload };
    fs::write(&initramfs, initramfs::pack(&payload, kernel, busybox)?)
        .with_context(|| format!("write {}", initramfs.display()))?;
    qemu::boot(guest, kernel, &initramfs, &log).with_context(|| {
        format!("guest with Linux {} (its console: {})", kernel.release, log.display())
    })
}
