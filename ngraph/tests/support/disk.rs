//! A file system of a test's own, in a thread with mounts of its own.

use std::{
    ffi::CStr,
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};
use tempfile::TempDir;

use super::wait_for;

/// A folder that is one, until the thread's mounts end.
pub fn mounted(options: &CStr) -> TempDir {
    let folder = TempDir::new().unwrap();
    mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), options).unwrap();
    folder
}

pub fn make_read_only(disk: &Path) {
    // Not while the agent has a file open there for writing.
    wait_for("a moment without a writer", || mount_remount(disk, MountFlags::RDONLY, c"").ok());
}

pub fn make_writable(disk: &Path) {
    mount_remount(disk, MountFlags::empty(), c"").unwrap();
}

/// A file system in two places, so that it lives on when it is gone from the first.
pub struct Disk {
    at: TempDir,
    other: TempDir,
}

impl Disk {
    /// Makes one at a folder, for every user to read.
    pub fn mount(at: TempDir) -> Self {
        let other = TempDir::new().unwrap();
        fs::set_permissions(at.path(), Permissions::from_mode(0o755)).unwrap();
        mount("tmpfs", at.path(), "tmpfs", MountFlags::empty(), c"mode=755").unwrap();
        mount_bind(at.path(), other.path()).unwrap();
        Self { at, other }
    }

    /// The agent's folder on it, or what is in its place.
    pub fn folder(&self) -> PathBuf {
        self.at.path().join("textfile")
    }

    /// The file on it, wherever it is.
    pub fn last_good(&self) -> PathBuf {
        self.other.path().join("textfile/ngraph.prom")
    }

    pub fn away(&self) {
        // As `umount -l`: the agent has the folder open, by its lock.
        unmount(self.at.path(), UnmountFlags::DETACH).unwrap();
    }

    pub fn back(&self) {
        mount_bind(self.other.path(), self.at.path()).unwrap();
    }
}
