//! The kernel modules that tests need, taken from a kernel's packages in loading order.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::command;

/// What the tests use and Debian doesn't build in: pairs of interfaces between network
/// namespaces, socket listing over netlink, translation of addresses and the table of what is
/// translated. What they depend on comes along.
pub(crate) const WANTED: [&str; 5] =
    ["veth", "tcp_diag", "nft_chain_nat", "nft_nat", "nf_conntrack_netlink"];

/// Copies the wanted modules of `tree` to `folder`, uncompressed and numbered so that a
/// module's name sorts after those it needs.
///
/// A wanted module that isn't in `tree` is taken as built in.
pub(crate) fn extract(tree: &Path, busybox: &Path, folder: &Path) -> Result<()> {
    let mut found = BTreeMap::new();
    index(tree, &mut found)?;
    let mut loads = Loads { found, busybox, folder, done: Vec::new() };
    WANTED.iter().try_for_each(|name| loads.add(name))
}

struct Loads<'a> {
    found: BTreeMap<String, PathBuf>,
    busybox: &'a Path,
    folder: &'a Path,
    done: Vec<String>,
}

impl Loads<'_> {
    fn add(&mut self, name: &str) -> Result<()> {
        let Some(file) = self.found.get(name) else {
            return Ok(());
        };
        if self.done.iter().any(|done| done == name) {
            return Ok(());
        }
        let module = read(file, self.busybox)?;
        for needed in depends(&module) {
            self.add(&needed)?;
        }
        let target = self.folder.join(format!("{:02}-{name}.ko", self.done.len()));
        self.done.push(name.to_owned());
        fs::write(&target, module).with_context(|| format!("write {}", target.display()))
    }
}

/// Lists module files by the names that modules call each other.
fn index(folder: &Path, found: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            index(&path, found)?;
        } else if let Some(name) = path.file_name().and_then(|name| name.to_str())
            && let Some((name, _)) = name.split_once(".ko")
        {
            found.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}

/// A module's bytes. Busybox unpacks those of newer kernels, so the machine needs no xz and
/// the guest, which is slow, nothing to unpack.
fn read(file: &Path, busybox: &Path) -> Result<Vec<u8>> {
    if file.extension().is_some_and(|ext| ext == "xz") {
        command::output(Command::new(busybox).args(["xz", "-dc"]).arg(file))
    } else {
        fs::read(file).with_context(|| format!("read {}", file.display()))
    }
}

/// The modules that `module` needs, from its section of `name=value` strings.
fn depends(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(start) = module.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let value = module[start + KEY.len()..].split(|byte| *byte == 0).next();
    String::from_utf8_lossy(value.unwrap_or_default())
        .split(',')
        .filter(|name| !name.is_empty())
        .map(|name| name.replace('-', "_"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needed_modules_are_loaded_first_and_once() {
        let scratch = tempfile::tempdir().unwrap();
        let (tree, out) = (scratch.path().join("tree"), scratch.path().join("out"));
        fs::create_dir_all(tree.join("net")).unwrap();
        fs::create_dir(&out).unwrap();
        fs::write(tree.join("net/inet_diag.ko"), "ELF\0depends=\0").unwrap();
        fs::write(tree.join("net/tcp_diag.ko"), "ELF\0depends=inet_diag\0name=x\0").unwrap();
        fs::write(tree.join("veth.ko"), "ELF\0depends=inet-diag\0").unwrap();
        fs::write(tree.join("unwanted.ko"), "").unwrap();
        extract(&tree, Path::new("busybox"), &out).unwrap();
        let mut names: Vec<_> =
            fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["00-inet_diag.ko", "01-veth.ko", "02-tcp_diag.ko"]);
    }

    #[test]
    fn depends_may_be_missing_or_several() {
        assert!(depends(b"").is_empty());
        assert!(depends(b"\0depends=\0").is_empty());
        assert_eq!(depends(b"x\0depends=a-b,c\0"), ["a_b", "c"]);
    }
}
