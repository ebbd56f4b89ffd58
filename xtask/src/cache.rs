//! The folder of what was downloaded or built, shared by all clones of one user.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
};

use anyhow::{Context as _, Result};

/// The cache folder. What stands in it under its final name is whole.
pub(crate) struct Cache(PathBuf);

impl Cache {
    /// Opens `$NGRAPH_CACHE`, else `$XDG_CACHE_HOME/ngraph`, else `~/.cache/ngraph`.
    pub(crate) fn open() -> Result<Self> {
        let set = |name| env::var_os(name).filter(|value| !value.is_empty());
        let folder = set("NGRAPH_CACHE")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(set("XDG_CACHE_HOME")?).join("ngraph")))
            .or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache/ngraph")))
            .context("find the cache folder: set HOME or NGRAPH_CACHE")?;
        Self::at(&folder)
    }

    /// Opens `folder` as the cache.
    pub(crate) fn at(folder: &Path) -> Result<Self> {
        // Absolute, since programs are started in other folders with paths of the cache.
        fs::create_dir_all(folder)
            .and_then(|()| folder.canonicalize())
            .map(Self)
            .with_context(|| format!("create the cache folder {}", folder.display()))
    }

    /// A path in the cache.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The folder `name`, which `make` fills if it isn't there.
    ///
    /// `make` works in a folder beside it that is renamed when all is done: an interrupted
    /// download is never taken for a whole one.
    pub(crate) fn folder(
        &self,
        name: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = self.path(name);
        if folder.exists() {
            return Ok(folder);
        }
        self.remove_abandoned();
        let part = self.path(&format!("{PART}{}-{}", process::id(), name.replace('/', "-")));
        let result = fs::create_dir_all(&part)
            .and_then(|()| fs::create_dir_all(folder.parent().unwrap_or(&self.0)))
            .with_context(|| format!("create {}", part.display()))
            .and_then(|()| make(&part))
            .and_then(|()| match fs::rename(&part, &folder) {
                // Another process was faster; both made the same thing.
                Err(_) if folder.exists() => Ok(()),
                renamed => renamed.with_context(|| format!("rename to {}", folder.display())),
            });
        // Nothing is left to remove after a rename; and a failure to tidy up must not hide
        // why `make` failed.
        let _ = fs::remove_dir_all(&part);
        result.map(|()| folder)
    }

    /// As [`Cache::folder`], made anew where `check` finds fault with what is there: the cache may
    /// come from another machine, with other system libraries.
    pub(crate) fn checked(
        &self,
        name: &str,
        make: impl Fn(&Path) -> Result<()>,
        check: impl Fn(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = self.folder(name, &make)?;
        if check(&folder).is_ok() {
            return Ok(folder);
        }
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
        let folder = self.folder(name, &make)?;
        check(&folder).map(|()| folder)
    }

    /// Removes what processes that are gone have left half-done.
    fn remove_abandoned(&self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let pid = name.to_str().and_then(|name| name.strip_prefix(PART)?.split_once('-'));
            if let Some((pid, _)) = pid
                && !Path::new("/proc").join(pid).exists()
            {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

/// How names of folders in the making begin; the process id follows.
const PART: &str = ".part-";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_download_leaves_nothing() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Cache::at(scratch.path()).unwrap();
        let failed = cache.folder("a/b", |part| {
            fs::write(part.join("half"), "x")?;
            anyhow::bail!("interrupted")
        });
        assert_eq!(failed.unwrap_err().to_string(), "interrupted");
        assert!(!cache.path("a/b").exists());
        assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "only a/");
    }

    #[test]
    fn what_is_there_is_not_made_again() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Cache::at(scratch.path()).unwrap();
        let first = cache.folder("a", |part| Ok(fs::write(part.join("whole"), "x")?)).unwrap();
        let second = cache.folder("a", |_| panic!("made twice")).unwrap();
        assert_eq!(first, second);
        assert!(second.join("whole").exists());
    }

    #[test]
    fn what_does_not_work_is_made_again_once() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Cache::at(scratch.path()).unwrap();
        fs::create_dir(cache.path("a")).unwrap();
        let make = |part: &Path| Ok(fs::write(part.join("whole"), "x")?);
        let check = |folder: &Path| fs::read(folder.join("whole")).map(drop).context("broken");
        assert!(cache.checked("a", make, check).unwrap().join("whole").exists());
        let broken = cache.checked("b", |_| Ok(()), check);
        assert_eq!(broken.unwrap_err().to_string(), "broken");
    }

    #[test]
    fn remains_of_dead_processes_are_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let cache = Cache::at(scratch.path()).unwrap();
        let dead = cache.path(&format!("{PART}999999999-a"));
        let alive = cache.path(&format!("{PART}{}-b", process::id()));
        fs::create_dir(&dead).unwrap();
        fs::create_dir(&alive).unwrap();
        cache.folder("c", |_| Ok(())).unwrap();
        assert!(!dead.exists());
        assert!(alive.exists());
    }
}
