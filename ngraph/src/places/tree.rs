//! Control groups by the number that the kernel calls them: their folder's inode number.

use std::{
    collections::HashMap,
    fs::{self, DirEntry},
    os::unix::fs::DirEntryExt as _,
    path::Path,
};

use super::cgroup::Spot;

/// Folders that a walk looks into, and how deep they may lie: a machine has hundreds.
const FOLDERS: usize = 20_000;
const DEPTH: usize = 16;

/// Every control group in which a container or a pod runs.
pub fn walk(root: &Path) -> HashMap<u64, Spot> {
    let mut walk = Walk { found: HashMap::new(), left: FOLDERS };
    walk.look(root, "", DEPTH);
    walk.found
}

struct Walk {
    found: HashMap<u64, Spot>,
    left: usize,
}

impl Walk {
    fn look(&mut self, folder: &Path, path: &str, depth: usize) {
        if depth == 0 {
            return;
        }
        // One that can't be read may have ended at this very moment.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(is_folder) {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            let path = format!("{path}/{}", entry.file_name().display());
            let spot = Spot::of_path(&path);
            if spot != Spot::default() {
                self.found.insert(entry.ino(), spot);
            }
            self.look(&entry.path(), &path, depth - 1);
        }
    }
}

fn is_folder(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn containers_are_found_by_their_folders_number_and_what_is_in_them_too() {
        let root = tempfile::tempdir().unwrap();
        let id = "ab".repeat(32);
        let scope = root.path().join(format!("system.slice/docker-{id}.scope"));
        fs::create_dir_all(scope.join("init.scope")).unwrap();
        fs::write(root.path().join("cgroup.procs"), "").unwrap();
        let found = walk(root.path());
        let number = |folder: &Path| folder.metadata().unwrap().ino();
        let container = Some(id);
        for folder in [scope.join("init.scope"), scope] {
            assert_eq!(found[&number(&folder)], Spot { pod: None, container: container.clone() });
        }
        assert_eq!(found.len(), 2, "system.slice is no container");
    }

    #[test]
    fn a_tree_that_is_not_there_has_none() {
        assert_eq!(walk(Path::new("/nonexistent")), HashMap::new());
    }
}
