//! The agent with less than root has: as nobody, or with a few capabilities.

use std::{
    fs,
    fs::Permissions,
    io,
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::agent;

/// A user who owns nothing.
pub const NOBODY: u32 = 65534;

/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/capability.h>
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

    fn binary(&self) -> PathBuf {
        self.place.path().join("ngraph")
    }
}

/// Has `command` run as nobody.
pub fn as_nobody(command: &mut Command) {
    command.uid(NOBODY).gid(NOBODY).current_dir(Path::new("/"));
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
