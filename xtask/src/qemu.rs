//! One guest: starts QEMU, follows its console and ends it when it's done or stuck.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{arch::Arch, command, guest::Guest, install, kernel::Kernel, tally::Tally};

/// Software emulation runs a suite in five minutes, or twice that where the machine has other
/// work; a guest that takes longer than this is stuck.
const PATIENCE: Duration = Duration::from_secs(25 * 60);

/// The first program runs five seconds after the start; one that takes longer than this is stuck.
const START: Duration = Duration::from_secs(3 * 60);

/// What the kernel prints when it can't go on. It may hang instead of rebooting.
const FATAL: [&str; 4] = [
    "Kernel panic",
    "detected stalls on CPUs",
    "self-detected stall on CPU",
    "RCU grace-period kthread stack dump",
];

/// After a fatal line the stack trace is worth waiting for.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// As often a guest is started that doesn't come as far as its first program. Emulated processors
/// that change code beside each other, as a kernel does while it starts, fall over now and then;
/// nothing of ours has run then. What happens later is never tried again.
const STARTS: u32 = 3;

/// Installs the emulator of `arch` if it isn't there.
pub(crate) fn ensure(arch: Arch) -> Result<()> {
    let (program, package) = (program(arch), arch.qemu_package());
    let remedy = format!("install {package}, so that {program} is on the PATH");
    install::ensure(&program, &[package], &remedy)
}

fn program(arch: Arch) -> String {
    format!("qemu-system-{}", arch.rust())
}

/// Boots `guest`'s `kernel` with `initramfs`; counts the tests that the guest ran.
///
/// `log` gets all that the guest said, and the terminal too, each line after `[name]`.
pub(crate) fn boot(guest: &Guest, kernel: &Kernel, initramfs: &Path, log: &Path) -> Result<Tally> {
    let mut console = run(guest, kernel, initramfs, log)?;
    for start in 1..STARTS {
        let Some(why) = console.stillborn() else { break };
        println!("[{}] start {start} of {STARTS}: {why}: started again", guest.name);
        console = run(guest, kernel, initramfs, log)?;
    }
    console.verdict(&kernel.release)
}

/// Runs the guest to its end, or until it is stuck.
fn run(guest: &Guest, kernel: &Kernel, initramfs: &Path, log: &Path) -> Result<Console> {
    let name = &guest.name;
    let mut log = File::create(log).with_context(|| format!("create {}", log.display()))?;
    let mut machine = Machine::start(guest, &kernel.vmlinuz, initramfs)?;
    let lines = follow(&mut machine.0)?;
    let mut console = Console::default();
    let mut patience = START;
    let mut deadline = Instant::now() + patience;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left) {
            Ok(line) => {
                writeln!(log, "{line}").context("write the guest's log")?;
                if console.read(&line) {
                    println!("[{name}] {line}");
                }
                if patience == START && console.release.is_some() {
                    patience = PATIENCE;
                    deadline = Instant::now() + patience;
                }
                if console.is_fatal(&line) {
                    deadline = deadline.min(Instant::now() + LAST_WORDS);
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                console.trouble.get_or_insert_with(|| {
                    format!("ended by the watchdog after {} s", patience.as_secs())
                });
                break;
            }
        }
    }
    Ok(console)
}

/// A guest's machine, and its kernel's command line.
fn machine(arch: Arch) -> (&'static [&'static str], &'static str) {
    match arch {
        // The emulated processors' time stamps agree, though the kernel can't prove it: without
        // its trust each look at the clock would go through the emulated HPET, one at a time.
        Arch::Amd64 => (&["-cpu", "max"], "console=ttyS0 tsc=reliable clocksource=tsc"),
        // Newer processors sign their return addresses, which takes the emulator long.
        Arch::Arm64 => (&["-machine", "virt", "-cpu", "cortex-a72"], "console=ttyAMA0"),
    }
}

/// Told to the guest's first program, which reads it on the kernel's command line.
const HIDE_BTF: &str = "ngraph.nobtf";

/// A running QEMU, which dies with the thread that started it.
struct Machine(Child);

impl Machine {
    fn start(guest: &Guest, vmlinuz: &Path, initramfs: &Path) -> Result<Self> {
        let hide = if guest.has_btf { "" } else { HIDE_BTF };
        let (machine, line) = machine(guest.arch);
        let mut command = Command::new(program(guest.arch));
        // Emulation in software: that works everywhere, and /dev/kvm in a nested guest may
        // open and yet not run a stock kernel.
        command
            .args(["-accel", "tcg", "-m", "1024"])
            .args(machine)
            .args(["-smp", &guest.cpus.to_string()])
            .args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-net", "none"])
            .arg("-no-reboot")
            .arg("-kernel")
            .arg(vmlinuz)
            .arg("-initrd")
            .arg(initramfs)
            .args(["-append", &format!("{line} panic=-1 quiet {hide}")])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        // SAFETY: prctl is a plain system call, which is all that may be done after fork.
        unsafe {
            // However we end, the guest doesn't run on alone.
            command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::KILL))?));
        }
        command.spawn().map(Self).with_context(|| command::show(&command))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended by itself, which is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads the console in a thread of its own, since reading can't be given a deadline.
fn follow(machine: &mut Child) -> Result<mpsc::Receiver<String>> {
    let console = machine.stdout.take().context("open the guest's console")?;
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// What was read from a guest's console.
#[derive(Default)]
struct Console {
    tally: Tally,
    release: Option<String>,
    exit: Option<String>,
    trouble: Option<String>,
    /// Tests that failed, and those that libtest called slow and that didn't end: all there
    /// is to go by when a guest doesn't get to its end.
    failed: BTreeSet<String>,
    slow: BTreeSet<String>,
}

impl Console {
    /// Takes a line; gives back whether it's worth showing.
    fn read(&mut self, line: &str) -> bool {
        // The firmware leaves terminal codes before the first line.
        if let Some((_, said)) = line.split_once("ngraph-guest: ") {
            if let Some(release) = said.strip_prefix("kernel ") {
                self.release = Some(release.to_owned());
            } else if let Some(code) = said.strip_prefix("exit ") {
                self.exit = Some(code.to_owned());
            }
        }
        self.read_test(line);
        self.tally.read(line)
    }

    /// Reads `test NAME ... ok` and `test NAME has been running for over 60 seconds`.
    fn read_test(&mut self, line: &str) {
        let Some((name, state)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(' '))
        else {
            return;
        };
        if state.starts_with("has been running") {
            self.slow.insert(name.to_owned());
        } else if state.starts_with("... ") {
            self.slow.remove(name);
            if state.ends_with("FAILED") {
                self.failed.insert(name.to_owned());
            }
        }
    }

    /// Tells how far the tests came.
    fn progress(&self) -> String {
        let list = |what, names: &BTreeSet<String>| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            (!names.is_empty()).then(|| format!("; {what}: {}", names.join(", ")))
        };
        [list("failed so far", &self.failed), list("not ended", &self.slow)]
            .into_iter()
            .flatten()
            .collect()
    }

    fn is_fatal(&mut self, line: &str) -> bool {
        // A test may print such words, but only after the kernel's time stamp is it serious.
        let is_fatal = line.contains("] ") && FATAL.iter().any(|words| line.contains(words));
        if is_fatal {
            self.trouble.get_or_insert_with(|| line.to_owned());
        }
        is_fatal
    }

    /// Tells how the guest ended if none of its programs ran.
    fn stillborn(&self) -> Option<&str> {
        let ended = self.trouble.as_deref().unwrap_or("ended before its first program ran");
        self.release.is_none().then_some(ended)
    }

    fn verdict(self, release: &str) -> Result<Tally> {
        if let Some(why) = self.stillborn() {
            bail!("{why}");
        }
        if let Some(trouble) = &self.trouble {
            bail!("{trouble}{}", self.progress());
        }
        if let Some(booted) = self.release.as_deref().filter(|booted| *booted != release) {
            bail!("booted Linux {booted} instead of {release}");
        }
        match self.exit.as_deref() {
            Some("0") if self.tally.suites == 0 => bail!("the tests printed no result"),
            Some(code) if code != "0" && self.tally.failed == 0 => {
                bail!("the tests ended with exit code {code} and no result")
            }
            Some(_) => Ok(self.tally),
            None => bail!("ended in the middle of the tests{}", self.progress()),
        }
    }
}

/// The file that a guest's console is kept in.
pub(crate) fn log_file(folder: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder.join(format!("{name}.log")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
    const BAD: &str =
        "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";

    #[test]
    fn a_whole_run_is_counted() {
        let tally = read(&["\x1b[2J\x1bcngraph-guest: kernel 6.1.0", OK, "ngraph-guest: exit 0"]);
        assert_eq!(tally.unwrap().passed, 2);
        let tally = read(&["ngraph-guest: kernel 6.1.0", BAD, "ngraph-guest: exit 101"]);
        assert_eq!(tally.unwrap().failed, 1);
    }

    #[test]
    fn what_is_not_a_whole_run_is_an_error() {
        for (lines, error) in [
            (vec![], "ended before its first program ran"),
            (vec!["ngraph-guest: kernel 5.4.0"], "booted Linux 5.4.0 instead of 6.1.0"),
            (vec!["ngraph-guest: kernel 6.1.0", OK], "ended in the middle of the tests"),
            (
                vec!["ngraph-guest: kernel 6.1.0", "ngraph-guest: exit 0"],
                "the tests printed no result",
            ),
            (
                vec!["ngraph-guest: kernel 6.1.0", "ngraph-guest: exit 139"],
                "the tests ended with exit code 139 and no result",
            ),
            (
                vec!["ngraph-guest: kernel 6.1.0", "[    9.1] Kernel panic - not syncing: x"],
                "[    9.1] Kernel panic - not syncing: x",
            ),
        ] {
            let said = read(&lines).err().map(|err| err.to_string());
            assert_eq!(said.as_deref(), Some(error), "{lines:?}");
        }
    }

    #[test]
    fn only_a_guest_whose_first_program_never_ran_is_started_again() {
        let panic = "[    1.2] Kernel panic - not syncing: Fatal exception in interrupt";
        for (lines, ended) in [
            (vec![], Some("ended before its first program ran")),
            (vec![panic], Some(panic)),
            (vec!["ngraph-guest: kernel 6.1.0"], None),
            (vec!["ngraph-guest: kernel 6.1.0", panic], None),
        ] {
            assert_eq!(console(&lines).stillborn(), ended, "{lines:?}");
        }
    }

    #[test]
    fn an_early_end_names_the_tests_to_look_at() {
        let said = read(&[
            "ngraph-guest: kernel 6.1.0",
            "test a ... ok",
            "test b ... FAILED",
            "test c has been running for over 60 seconds",
            "test d has been running for over 60 seconds",
            "test c ... ok",
        ]);
        assert_eq!(
            said.unwrap_err().to_string(),
            "ended in the middle of the tests; failed so far: b; not ended: d"
        );
    }

    fn read(lines: &[&str]) -> Result<Tally> {
        console(lines).verdict("6.1.0")
    }

    fn console(lines: &[&str]) -> Console {
        let mut console = Console::default();
        for line in lines {
            console.read(line);
            console.is_fatal(line);
        }
        console
    }
}
