//! The agent with less than root has: as nobody, or with a few capabilities.

use std::{
    fs,
    fs::Permissions,
    io,
    io::ErrorKind,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{
    process::{Gid, Resource, Rlimit, Uid, setrlimit},
    thread::{self, CapabilitySet, CapabilitySets},
};
use tempfile::TempDir;

use super::{
    agent::{self, Agent},
    wait_for,
};

/// A user who owns nothing.
pub const NOBODY: u32 = 65534;

/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/capability.h>
pub const CAP_SYS_ADMIN: u32 = 21;
/// The same.
pub const CAP_PERFMON: u32 = 38;
/// The same.
pub const CAP_BPF: u32 = 39;
/// More than any kernel has: asking for one beyond its last is an error, and the end.
const CAPS: u32 = 64;

/// A place that nobody can reach, with a copy of the binary and a folder of nobody's own.
pub struct Place {
    place: TempDir,
}

impl Place {
    /// Makes it; needs root.
    pub fn new() -> Self {
        let place = TempDir::new().expect("make a folder");
        let open = Permissions::from_mode(0o755);
        fs::set_permissions(place.path(), open.clone()).expect("open the folder");
        let made = Self { place };
        fs::copy(agent::binary(), made.binary()).expect("copy the binary");
        fs::set_permissions(made.binary(), open).expect("let others run the binary");
        // A process that another test starts holds a copy of what wrote it until it executes.
        wait_for("the binary to be free", || {
            let result = Command::new(made.binary()).arg("--version").output();
            match result {
                Err(err) if err.kind() == ErrorKind::ExecutableFileBusy => None,
                result => Some(result.expect("run the binary")),
            }
        });
        fs::create_dir(made.output()).expect("make the output folder");
        chown(made.output(), Some(NOBODY), Some(NOBODY)).expect("give the folder to nobody");
        made
    }

    /// The folder that nobody may write to.
    pub fn output(&self) -> PathBuf {
        self.place.path().join("textfile")
    }

    /// A command that runs the agent as nobody, without capabilities.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = agent::command_of(&self.binary(), args);
        as_nobody(&mut command);
        command
    }

    /// Starts the agent as nobody with these capabilities, writing into that folder.
    pub fn start_with(&self, kept: CapabilitySet, args: &[&str]) -> Agent {
        let args: Vec<&str> =
            ["--interval=1", "--no-resolve"].into_iter().chain(args.iter().copied()).collect();
        let mut command = agent::command_of(&self.binary(), &args);
        command.arg("--output").arg(self.output());
        as_nobody_with(&mut command, kept);
        let agent = Agent::run(command, &self.output());
        agent.wait_for("the first file", |_| true);
        agent
    }

    fn binary(&self) -> PathBuf {
        self.place.path().join("ngraph")
    }
}

/// Has `command` run as nobody.
pub fn as_nobody(command: &mut Command) {
    command.uid(NOBODY).gid(NOBODY).current_dir(Path::new("/"));
}

/// Has `command`, run by root, run as nobody with these capabilities, as systemd does with
/// `User=`, `AmbientCapabilities=` and `LimitMEMLOCK=infinity`.
pub fn as_nobody_with(command: &mut Command, kept: CapabilitySet) {
    let change = move || {
        // Linux before 5.11 takes a map's memory from this limit. Where it can't be raised
        // the kernel is one that needs no limit.
        let all = Rlimit { current: None, maximum: None };
        let _ = setrlimit(Resource::Memlock, all);
        thread::set_keep_capabilities(true)?;
        thread::set_thread_groups(&[])?;
        thread::set_thread_gid(Gid::from_raw(NOBODY))?;
        thread::set_thread_uid(Uid::from_raw(NOBODY))?;
        let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: kept };
        thread::set_capabilities(None, sets)?;
        for cap in kept.iter() {
            thread::configure_capability_in_ambient_set(cap, true)?;
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes system calls alone, and allocates nothing; the
    // forked process has this one thread.
    unsafe { command.pre_exec(change) };
    command.current_dir(Path::new("/"));
}

/// Has `command`, run by root, end up with no capabilities but these.
pub fn with_capabilities(command: &mut Command, kept: &'static [u32]) {
    let drop_others = move || {
        for cap in (0..CAPS).filter(|cap| !kept.contains(cap)) {
            // SAFETY: this changes what the process may do, and no memory.
            if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, cap, 0, 0, 0) } != 0 {
                let err = io::Error::last_os_error();
                return if err.raw_os_error() == Some(libc::EINVAL) { Ok(()) } else { Err(err) };
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec it makes system calls alone, and allocates nothing.
    unsafe { command.pre_exec(drop_others) };
}
