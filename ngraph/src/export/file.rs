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

/// The file that node_exporter reads.
const NAME: &str = "ngraph.prom";
/// What a file that is being written begins with. node_exporter reads whatever ends in
/// `.prom`, hidden or not, so the end is another.
const TEMP_PREFIX: &str = ".ngraph.prom.";
const TEMP_SUFFIX: &str = ".tmp";

/// node_exporter runs as another user: neither a umask of 077 nor the 0600 of a temporary
/// file may keep it out.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// `ngraph.prom` in its folder.
pub struct TextFile {
    folder: PathBuf,
    target: PathBuf,
    written: Option<Identity>,
}

/// Tells one file from another, also if the inode is used again.
type Identity = (u64, u64, i64, i64);

impl TextFile {
    /// Makes the folder if it is missing, proves that it can be written, and removes what a
    /// crashed write left there.
    ///
    /// # Errors
    /// If a file can't be written in the folder.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        let file = Self { folder: dir.to_owned(), target: dir.join(NAME), written: None };
        let meta = make_folder(dir).map_err(|err| explain("make the folder", dir, &err))?;
        if !meta.is_dir() {
            bail!("{} is not a folder (--output wants the folder of {NAME})", dir.display());
        }
        if file.target.is_dir() {
            bail!(
                "{} is a folder, not a file (remove it, or choose another --output)",
                file.target.display()
            );
        }
        warn_if_open_to_all(dir, &meta);
        file.remove_leftovers();
        file.temp("").map_err(|err| explain("write in the folder", dir, &err))?;
        Ok(file)
    }

    /// Puts `text` in the place of the last file, at once.
    ///
    /// # Errors
    /// If that fails; the last file is then still there, and no other.
    pub fn write(&mut self, text: &str) -> anyhow::Result<()> {
        let written = self.replace(text).or_else(|err| {
            // systemd-tmpfiles clears /tmp, and people clear theirs.
            if err.kind() != io::ErrorKind::NotFound {
                return Err(err);
            }
            log::info!("{} is gone: making it anew", self.folder.display());
            make_folder(&self.folder)?;
            self.replace(text)
        });
        let written = written.map_err(|err| explain("write", &self.target, &err))?;
        self.written = Some(written);
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

    /// Only at the start: later such a file may be one that is being written.
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
fn reason(err: &io::Error) -> String {
    let inner = err.get_ref().and_then(|wrapper| wrapper.source());
    let cause = inner.and_then(|cause| cause.downcast_ref()).unwrap_or(err);
    let text = cause.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    words.to_lowercase()
}

#[cfg(test)]
mod tests;
