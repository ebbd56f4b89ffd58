//! Where the root control group is: its programs are called by every socket of the machine.

use std::{fs::File, io, path::Path};

use anyhow::{Context as _, Result, anyhow, bail};
use procfs::process::Process;

/// Opens the root of the control groups' hierarchy, as the first process has it mounted, or
/// this one: below the /proc at `proc`.
///
/// # Errors
/// Where it isn't mounted (the second version of control groups), not to be read, or where
/// what is mounted is no root: a container that sees its own part alone.
pub fn root(proc: &Path) -> Result<File> {
    let mut why = anyhow!("nobody has cgroup2 mounted");
    for process in ["1", "self"] {
        match mounted(&proc.join(process)) {
            Ok(Some(root)) => return Ok(root),
            Ok(None) => {}
            Err(err) => why = err,
        }
    }
    Err(why).context("find the root control group")
}

/// As the process at `folder` has it.
fn mounted(folder: &Path) -> Result<Option<File>> {
    let mounts = Process::new_with_root(folder.to_owned()).and_then(|process| process.mountinfo());
    let mounts = mounts.with_context(|| format!("read {}/mountinfo", folder.display()))?;
    let Some(mount) = mounts.into_iter().find(|mount| mount.fs_type == "cgroup2") else {
        return Ok(None);
    };
    let point = mount.mount_point.strip_prefix("/").unwrap_or(&mount.mount_point);
    let path = folder.join("root").join(point);
    // Every group but the root has one.
    // https://docs.kernel.org/admin-guide/cgroup-v2.html#core-interface-files
    match path.join("cgroup.type").symlink_metadata() {
        Err(err) if err.kind() == io::ErrorKind::NotFound => {}
        Err(err) => return Err(err).with_context(|| format!("look into {}", path.display())),
        Ok(_) => bail!("{} is a part of it alone", path.display()),
    }
    File::open(&path).with_context(|| format!("open {}", path.display())).map(Some)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    /// A /proc in which process 1 has what `files` names at /cg.
    fn world(fs_type: &str, files: &[&str]) -> tempfile::TempDir {
        let proc = tempfile::tempdir().unwrap();
        let first = proc.path().join("1");
        let group = first.join("root/cg");
        fs::create_dir_all(&group).unwrap();
        files.iter().for_each(|file| fs::write(group.join(file), "").unwrap());
        let line = format!("30 23 0:26 / /cg rw,nosuid shared:4 - {fs_type} none rw\n");
        fs::write(first.join("mountinfo"), line).unwrap();
        symlink("1", proc.path().join("self")).unwrap();
        proc
    }

    #[test]
    fn the_root_is_where_the_first_process_has_it() {
        root(world("cgroup2", &["cgroup.procs"]).path()).unwrap();
    }

    #[test]
    fn without_it_the_error_says_what_is_missing() {
        let error = format!("{:#}", root(world("tmpfs", &[]).path()).unwrap_err());
        assert_eq!(error, "find the root control group: nobody has cgroup2 mounted");
    }

    #[test]
    fn a_part_of_the_hierarchy_is_not_taken_for_its_root() {
        let world = world("cgroup2", &["cgroup.procs", "cgroup.type"]);
        let error = format!("{:#}", root(world.path()).unwrap_err());
        assert!(error.ends_with("root/cg is a part of it alone"), "{error}");
    }
}
