//! A file system of a test's own, in a thread with mounts of its own.

use std::{ffi::CStr, path::Path};

use rustix::mount::{MountFlags, mount, mount_remount};
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
