//! `cargo xtask vm`: the kernel tests on a matrix of kernels, each in a guest.

use std::{
    collections::VecDeque,
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    thread,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    apt::Apt,
    cache::Cache,
    cargo::{self, Executable, Rustc},
    initramfs::{self, Payload},
    kernel, qemu, setup,
    tally::Tally,
    test,
};

/// The oldest kernel with all that the agent may need, two long-term ones, the newest.
pub(crate) const KERNELS: [&str; 4] = ["5.10", "6.1", "6.12", "7"];

/// Tests of what a kernel of the matrix is built without, which are no tests there.
fn lacks(kernel: &str) -> &'static [&'static str] {
    match kernel {
        // Debian's 5.10 for clouds has no MPTCP.
        "5.10" => &["--skip=mptcp"],
        _ => &[],
    }
}

/// Tests at once in a guest: most wait for the agent's next file, not for a processor.
const THREADS: &str = "--test-threads=4";

/// As many guests as run at once: two have two processors each.
const AT_ONCE: usize = 2;

/// Runs the kernel tests on `kernels` and sums them up.
pub(crate) fn vm(kernels: &[String], args: &[String]) -> Result<()> {
    setup::ensure()?;
    let built = test::timed("build", || test::build(&Rustc::ask()?))?;
    let tally = test::timed("guests", || matrix(kernels, &built, args))?;
    test::conclude(&tally)
}

/// Runs the kernel test among `built` on each of `kernels`.
pub(crate) fn matrix(kernels: &[String], built: &[Executable], args: &[String]) -> Result<Tally> {
    if cfg!(not(target_arch = "x86_64")) {
        bail!("run guests: their kernels are for x86_64, and this machine isn't (use --no-vm)");
    }
    let own = test::LIBTEST.into_iter().chain([THREADS]).map(str::to_owned);
    let args: Vec<String> = own.chain(args.to_vec()).collect();
    let payload =
        Payload { agent: cargo::agent(built)?, test: cargo::kernel_test(built)?, args: &args };
    run(kernels, &payload)
}

/// Runs `payload` on each of `kernels`; a guest that fails doesn't keep others from running.
fn run(kernels: &[String], payload: &Payload) -> Result<Tally> {
    qemu::ensure()?;
    let cache = Cache::open()?;
    let apt = Apt::open(&cache)?;
    let busybox = apt.own("busybox-static")?.join("bin/busybox");
    let logs = cargo::root().join("target/vm");

    // One after the other: apt locks its folders. A kernel that can't be had is a failure
    // of that kernel alone.
    let mut total = Tally::default();
    let mut guests = VecDeque::new();
    for name in kernels {
        match kernel::fetch(name, &cache, &apt, &busybox) {
            Ok(kernel) => guests.push_back((name, kernel)),
            Err(err) => total.fail(format!("[{name}] {err:#}")),
        }
    }
    let guests = Mutex::new(guests);
    let total = Mutex::new(total);
    let next = || guests.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, kernel)) = next() {
                    let mut tally = Tally::default();
                    match guest(name, &kernel, payload, &busybox, &logs) {
                        Ok(counted) => tally = counted,
                        Err(err) => tally.fail(format!("{err:#}")),
                    }
                    println!("[{name}] Linux {}: {}", kernel.release, tally.summary());
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

fn guest(
    name: &str,
    kernel: &kernel::Kernel,
    payload: &Payload,
    busybox: &Path,
    logs: &Path,
) -> Result<Tally> {
    let log = qemu::log_file(logs, name)?;
    let initramfs = logs.join(format!("{name}.initramfs"));
    let lacks = lacks(name).iter().map(|&arg| arg.to_owned());
    let args: Vec<String> = payload.args.iter().cloned().chain(lacks).collect();
    let payload = Payload { args: &args, ..*payload };
    fs::write(&initramfs, initramfs::pack(&payload, kernel, busybox)?)
        .with_context(|| format!("write {}", initramfs.display()))?;
    qemu::boot(name, kernel, &initramfs, &log).with_context(|| {
        format!("guest with Linux {} (its console: {})", kernel.release, log.display())
    })
}
