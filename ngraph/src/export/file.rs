//! The textfile's life: a whole `ngraph.prom` or the last whole one, never half of it.

use std::{
    fs::{self, File, Metadata, Permissions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{anyhow, bail};
use rustix::fs::{Mode, OFlags};
use tempfile::NamedTempFile;

use super::lock::FolderLock;

/// The file that node_exporter reads.
pub(crate) const NAME: &str = "ngraph.prom";
/// What a file that is being written begins with. node_exporter reads whatever ends in
/// `.prom`, hidden or not, so the end is another.
const TEMP_PREFIX: &str = ".ngraph.prom.";
const TEMP_SUFFIX: &str = ".tmp";

/// node_exporter runs as another user: neither a umask of 077 nor the 0600 of a temporary
/// file may keep it out.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// How often a lock that somebody else has is asked for again at the start, ten times a
/// second: the agent before may be ending.
const LOCK_RETRIES: u32 = 20;

/// `ngraph.prom` in its folder, which no other agent writes to meanwhile.
pub struct TextFile {
    folder: PathBuf,
    target: PathBuf,
    written: Option<Identity>,
    lock: Option<FolderLock>,
}

/// Tells one file from another, also if the inode is used again.
type Identity = (u64, u64, i64, i64);

impl TextFile {
    /// Makes the folder if it is missing, proves that it can be written, locks it, and removes
    /// what a crashed write left there. May wait two seconds for the lock.
    ///
    /// # Errors
    /// If a file can't be written in the folder, or another agent has it.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let (folder, target) = (dir.to_owned(), dir.join(NAME));
        let mut file = Self { folder, target, written: None, lock: None };
        file.enter(LOCK_RETRIES)?;
        Ok(file)
    }

    /// Puts `text` in the place of the last file, at once.
    ///
    /// # Errors
    /// If that fails; the last file is then still there, and no other.
    pub fn write(&mut self, text: &str) -> anyhow::Result<()> {
        self.enter_anew_where_left()?;
        let written = match self.replace(text) {
            // At this very moment.
            Err(err) if err.kind() == io::ErrorKind::NotFound => {
                self.enter_anew_where_left()?;
                self.replace(text)
            }
            written => written,
        };
        self.written = Some(written.map_err(|err| explain("write", &self.target, &err))?);
        Ok(())
    }

    /// Removes `ngraph.prom`, lest its last numbers be served for ever; not the file of
    /// another agent that has taken the place meanwhile.
    ///
    /// # Errors
    /// If the file is this agent's and can't be removed.
    pub fn remove(&mut self) -> anyhow::Result<()> {
        let Some(written) = self.written.take() else {
            return Ok(());
        };
        let removed = match fs::symlink_metadata(&self.target) {
            Ok(meta) if identity(&meta) == written => fs::remove_file(&self.target),
            Ok(_) => Ok(()),
            Err(err) => Err(err),
        };
        match removed {
            Err(err) if err.kind() != io::ErrorKind::NotFound => {
                Err(explain("remove", &self.target, &err))
            }
            _ => Ok(()),
        }
    }

    /// Makes the folder its own: everything it says here is said once a folder, since it is
    /// said when all that can fail is done.
    fn enter(&mut self, lock_retries: u32) -> anyhow::Result<()> {
        let dir = &self.folder;
        // Before another is taken: it may be the same.
        self.lock = None;
        let meta = make_folder(dir).map_err(|err| explain("make the folder", dir, &err))?;
        if !meta.is_dir() {
            bail!("{} is not a folder (--output wants the folder of {NAME})", dir.display());
        }
        if self.target.is_dir() {
            bail!(
                "{} is a folder, not a file (remove it, or choose another --output)",
                self.target.display()
            );
        }
        self.temp("").map_err(|err| explain("write in the folder", dir, &err))?;
        self.lock = Some(FolderLock::take(dir, lock_retries)?);
        warn_if_open_to_all(dir, &meta);
        self.remove_leftovers();
        Ok(())
    }

    /// systemd-tmpfiles clears /tmp, people clear theirs, and file systems come and go.
    fn enter_anew_where_left(&mut self) -> anyhow::Result<()> {
        let found = fs::metadata(&self.folder);
        let is_ours = |meta| self.lock.as_ref().is_some_and(|lock| lock.is_on(meta));
        if found.as_ref().is_ok_and(is_ours) {
            return Ok(());
        }
        let was_home = self.lock.is_some();
        self.enter(0)?;
        let dir = self.folder.display();
        match found {
            Ok(_) if was_home => log::info!("{dir} is another folder: files go on there"),
            Err(_) if was_home => log::info!("{dir} was gone and is made anew"),
            // Whoever told of the trouble tells of its end.
            _ => {}
        }
        Ok(())
    }

    fn replace(&self, text: &str) -> io::Result<Identity> {
        let file = self.temp(text)?.persist(&self.target)?;
        Ok(identity(&file.metadata()?))
    }

    /// Writes `text` to a file beside the target that is gone when dropped.
    ///
    /// No fsync: the rename alone decides what a reader sees, and after a power cut the next
    /// file is an interval away. Waiting for a slow disk would delay every file instead.
    fn temp(&self, text: &str) -> io::Result<NamedTempFile> {
        let mut temp = tempfile::Builder::new()
            .prefix(TEMP_PREFIX)
            .suffix(TEMP_SUFFIX)
            .tempfile_in(&self.folder)?;
        temp.write_all(text.as_bytes())?;
        temp.as_file().set_permissions(Permissions::from_mode(FILE_MODE))?;
        Ok(temp)
    }

    /// With the lock in hand: without it such a file may be one that is being written.
    fn remove_leftovers(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries.filter(is_leftover) {
            let path = entry.path();
            match fs::remove_file(&path) {
                Ok(()) => {
                    log::info!("removed {}, left by a write that was interrupted", path.display())
                }
                Err(err) => log::warn!("{:#}", explain("remove the leftover", &path, &err)),
            }
        }
    }
}

/// Makes `dir` and what it is in, and tells what there is, be it made or found.
fn make_folder(dir: &Path) -> io::Result<Metadata> {
    let made = match (fs::create_dir(dir), dir.parent()) {
        (Err(err), Some(parent)) if err.kind() == io::ErrorKind::NotFound => {
            make_folder(parent)?;
            fs::create_dir(dir)
        }
        (made, _) => made,
    };
    match made {
        Ok(()) => {
            // Of the folder just made and of no link that somebody has put in its place.
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let made = File::from(rustix::fs::open(dir, flags, Mode::empty())?);
            made.set_permissions(Permissions::from_mode(FOLDER_MODE))?;
            made.metadata()
        }
        Err(err) if err.kind() == io::ErrorKind::AlreadyExists => fs::metadata(dir),
        Err(err) => Err(err),
    }
}

fn warn_if_open_to_all(dir: &Path, meta: &Metadata) {
    let mode = Mode::from_raw_mode(meta.mode());
    if mode.contains(Mode::WOTH) && !mode.contains(Mode::SVTX) {
        log::warn!(
            "{}: every user can replace the files in this folder (chmod o-w it, or choose another --output)",
            dir.display()
        );
    }
}

fn is_leftover(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    name.as_encoded_bytes().starts_with(TEMP_PREFIX.as_bytes())
}

fn identity(meta: &Metadata) -> Identity {
    (meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec())
}

/// Says what was tried, on what, why it failed, and what helps where that is known.
fn explain(tried: &str, path: &Path, err: &io::Error) -> anyhow::Error {
    use io::ErrorKind::{
        NotADirectory, NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    let remedy = match err.kind() {
        PermissionDenied => {
            " (run ngraph as root or as the folder's owner, or choose another --output)"
        }
        ReadOnlyFilesystem => " (mount it writable, or choose another --output)",
        StorageFull | QuotaExceeded => " (make room there, or choose another --output)",
        NotADirectory => " (--output wants a folder, and a part of this path is a file)",
        NotFound => {
            " (a part of this path can't be made, or is a link to nothing: choose another --output)"
        }
        _ => "",
    };
    anyhow!("{tried} {}: {}{remedy}", path.display(), reason(err))
}

/// Gives the system's words for `err`, without the number and the path that wrap them.
pub(crate) fn reason(err: &io::Error) -> String {
    let inner = err.get_ref().and_then(|wrapper| wrapper.source());
    let cause = inner.and_then(|cause| cause.downcast_ref()).unwrap_or(err);
    let text = cause.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    words.to_lowercase()
}

#[cfg(test)]
mod tests;
