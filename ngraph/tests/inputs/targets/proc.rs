//! Text as the files of /proc that a snapshot reads: in the input's first line the target
//! of the link `ns/net`, then, each behind an empty line, the tables `tcp` and `tcp6`.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::Path,
    time::Duration,
};

use ngraph::{config::Scope, snapshot::procfs::take};

pub fn run(bytes: &[u8]) {
    let Some((link, tables)) = split(bytes, b"\n") else { return };
    // No link has such a target.
    if link.is_empty() || link.contains(&0) || link.len() > 4_000 {
        return;
    }
    let root = tempfile::tempdir().expect("a folder");
    let process = root.path().join("1");
    for folder in ["ns", "net"] {
        fs::create_dir_all(process.join(folder)).expect("a folder in it");
    }
    symlink("1", root.path().join("self")).expect("a link to it");
    symlink(OsStr::from_bytes(link), process.join("ns/net")).expect("a link in it");
    let (tcp, tcp6) = split(tables, b"\n\n").map_or((tables, None), |(a, b)| (a, Some(b)));
    fs::write(process.join("net/tcp"), tcp).expect("a table");
    if let Some(tcp6) = tcp6 {
        fs::write(process.join("net/tcp6"), tcp6).expect("another table");
        // One without a `tcp6` is a kernel without IPv6 only where its process is alive.
        fs::write(process.join("stat"), "1 (a) S 0").expect("a state");
    }
    for scope in [Scope::Own, Scope::All] {
        check(root.path(), scope, tables.iter().filter(|&&byte| byte == b'\n').count());
    }
}

fn check(root: &Path, scope: Scope, lines: usize) {
    let now = || Duration::from_secs(1);
    match take(root, scope, now) {
        Ok(snapshot) => {
            assert!(snapshot.rows.len() <= lines, "{snapshot:?}");
            for row in &snapshot.rows {
                assert!(snapshot.namespaces.contains(&row.flow.netns), "{row:?}");
                snapshot.listeners.role_of(&row.flow);
            }
        }
        Err(err) => assert!(!format!("{err:#}").is_empty()),
    }
}

fn split<'a>(bytes: &'a [u8], at: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let start = bytes.windows(at.len()).position(|window| window == at)?;
    Some((&bytes[..start], &bytes[start + at.len()..]))
}
