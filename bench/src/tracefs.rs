//! The kernel's tracing files, which some tracers need and not every machine has mounted.

use std::{fs, path::Path};

use anyhow::{Context as _, Result};
use rustix::{
    mount::{MountFlags, MountPropagationFlags, mount, mount_change},
    thread::{UnshareFlags, unshare_unsafe},
};

/// Where tracers look for them.
const FOLDER: &str = "/sys/kernel/tracing";

/// Mounts them, for this thread and what it starts alone, where they aren't there.
pub(crate) fn mount_if_missing() -> Result<()> {
    if Path::new(FOLDER).join("events").exists() {
        return Ok(());
    }
    fs::metadata(FOLDER).with_context(|| format!("find {FOLDER}: a kernel without tracing?"))?;
    // SAFETY: only this thread's view of the mounts changes, and no memory.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.context("make a mount namespace")?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .context("keep mounts to a namespace of one's own")?;
    mount("tracefs", FOLDER, "tracefs", MountFlags::empty(), None)
        .with_context(|| format!("mount tracefs on {FOLDER}"))
}
