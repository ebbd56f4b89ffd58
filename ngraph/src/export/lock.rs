//! One agent a folder: an flock(2) on the folder itself.
//!
//! Two agents in one folder would replace each other's file by turns, and every counter in it
//! would jump. A lock on the folder leaves nothing behind, is free at once however its holder
//! ends, and no reader of the folder sees it. The price: whoever may read the folder can lock
//! it too, and so keep an agent from starting, which then names the process. systemd-tmpfiles
//! does so for moments, and in turn clears no folder that is locked (tmpfiles.d(5), "Age").

use std::{
    fmt::Write as _,
    fs::{File, Metadata},
    io::{self, ErrorKind},
    os::unix::fs::MetadataExt as _,
    path::Path,
    thread,
    time::Duration,
};

use anyhow::bail;
use procfs::{LockType, process::Process};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, major, minor, open};

/// Between two tries to take a lock.
const PAUSE: Duration = Duration::from_millis(100);

/// The lock on a folder; free when dropped.
#[derive(Debug)]
pub(super) struct FolderLock {
    /// None where the file system has no such locks.
    locked: Option<File>,
    folder: (u64, u64),
}

impl FolderLock {
    /// Takes the lock on `dir`, which is a folder; tries again so many times while somebody
    /// else has it. Goes on without one, and says so, where the folder can't be locked.
    ///
    /// # Errors
    /// If somebody else has it.
    pub(super) fn take(dir: &Path, retries: u32) -> anyhow::Result<Self> {
        for retries_left in (0..=retries).rev() {
            match try_lock(dir, FlockOperation::NonBlockingLockExclusive) {
                Ok(lock) => return Ok(lock),
                Err(err) if err.kind() == ErrorKind::WouldBlock && retries_left == 0 => break,
                Err(err) if err.kind() == ErrorKind::WouldBlock => {
                    if retries_left == retries {
                        log::debug!("wait for the lock of the folder {}", dir.display());
                    }
                    thread::sleep(PAUSE);
                }
                Err(err) => {
                    log::warn!(
                        "lock the folder {}: {err}: another agent that writes there would go unnoticed",
                        dir.display()
                    );
                    let folder = dir.metadata().map(|meta| identity(&meta)).unwrap_or_default();
                    return Ok(Self { locked: None, folder });
                }
            }
        }
        bail!(
            "lock the folder {}: {} has it (two agents can't share a folder: stop that one, or \
             choose another --output)",
            dir.display(),
            holder(dir)
        )
    }

    /// Whether it is the lock of the folder that this describes.
    pub(super) fn is_on(&self, folder: &Metadata) -> bool {
        self.folder == identity(folder)
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Some(locked) = &self.locked {
            // Closing would do, were it not for a process that has been forked off and holds
            // a copy until it runs its program. It can't fail on a file that is open.
            let _ = flock(locked, FlockOperation::Unlock);
        }
    }
}

fn try_lock(dir: &Path, operation: FlockOperation) -> io::Result<FolderLock> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let locked = File::from(open(dir, flags, Mode::empty())?);
    flock(&locked, operation)?;
    let folder = identity(&locked.metadata()?);
    Ok(FolderLock { locked: Some(locked), folder })
}

fn identity(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

/// Whether somebody has the lock on `dir` at this moment, to keep others out. Any number may ask
/// at one time: none of them is taken for an agent.
///
/// # Errors
/// If the folder can't be opened or locked.
pub(crate) fn is_held(dir: &Path) -> io::Result<bool> {
    match try_lock(dir, FlockOperation::NonBlockingLockShared) {
        Ok(_) => Ok(false),
        Err(err) if err.kind() == ErrorKind::WouldBlock => Ok(true),
        Err(err) => Err(err),
    }
}

/// Who has the lock on `dir` at this moment, and so keeps an agent out; none: nobody, or the
/// folder can't be locked.
pub(crate) fn who_has(dir: &Path) -> Option<String> {
    let refused = try_lock(dir, FlockOperation::NonBlockingLockExclusive).err()?;
    (refused.kind() == ErrorKind::WouldBlock).then(|| holder(dir))
}

fn holder(dir: &Path) -> String {
    named_holder(dir).unwrap_or_else(|| "another process".to_owned())
}

/// The process that has the lock on `dir`, where /proc/locks tells: it doesn't of one in
/// another pid namespace (`locks_show`), and some file systems have another device number there.
/// <https://github.com/torvalds/linux/blob/v6.12/fs/locks.c>
fn named_holder(dir: &Path) -> Option<String> {
    let meta = dir.metadata().ok()?;
    let device = (major(meta.dev()), minor(meta.dev()));
    // Who waits for a lock stands behind its holder.
    let lock = procfs::locks().ok()?.into_iter().find(|lock| {
        lock.lock_type == LockType::FLock
            && (lock.devmaj, lock.devmin, lock.inode) == (device.0, device.1, meta.ino())
    })?;
    let pid = lock.pid?;
    let mut holder = format!("process {pid}");
    if let Ok(stat) = Process::new(pid).and_then(|process| process.stat()) {
        let _ = write!(holder, " ({})", stat.comm.escape_debug());
    }
    Some(holder)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_lock_is_one_at_a_time_and_its_holder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(dir.path(), 0).unwrap();
        let refused = FolderLock::take(dir.path(), 0).unwrap_err().to_string();
        let comm = fs::read_to_string("/proc/self/comm").unwrap();
        let expected = format!(
            "lock the folder {}: process {} ({}) has it (two agents can't share a folder: stop \
             that one, or choose another --output)",
            dir.path().display(),
            std::process::id(),
            comm.trim_end(),
        );
        assert_eq!(refused, expected);
        drop(lock);
        FolderLock::take(dir.path(), 0).unwrap();
    }

    #[test]
    fn who_asks_whether_it_is_held_holds_it_against_no_other_who_asks() {
        let dir = tempfile::tempdir().unwrap();
        let asking = try_lock(dir.path(), FlockOperation::NonBlockingLockShared).unwrap();
        assert!(!is_held(dir.path()).unwrap());
        drop(asking);
        let lock = FolderLock::take(dir.path(), 0).unwrap();
        assert!(is_held(dir.path()).unwrap());
        drop(lock);
        assert!(!is_held(dir.path()).unwrap());
        assert!(is_held(&dir.path().join("gone")).is_err());
    }

    #[test]
    fn a_lock_that_is_soon_free_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let lock = FolderLock::take(dir.path(), 0).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| FolderLock::take(dir.path(), 600).map(drop));
            thread::sleep(PAUSE / 2);
            drop(lock);
            waiting.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_folder_in_the_place_of_the_locked_one_is_another() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a");
        fs::create_dir(&dir).unwrap();
        let lock = FolderLock::take(&dir, 0).unwrap();
        assert!(lock.is_on(&dir.metadata().unwrap()));
        fs::remove_dir(&dir).unwrap();
        fs::create_dir(&dir).unwrap();
        assert!(!lock.is_on(&dir.metadata().unwrap()));
        FolderLock::take(&dir, 0).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_locked_is_gone_on_with() {
        // One that may be written and not read is opened for reading by nobody but root;
        // nor is what is no folder, by anybody.
        let file = tempfile::NamedTempFile::new().unwrap();
        let lock = FolderLock::take(file.path(), 0).unwrap();
        assert!(lock.locked.is_none());
        assert!(lock.is_on(&file.path().metadata().unwrap()));
    }
}
