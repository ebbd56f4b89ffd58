//! The rules of `TextFile`.

use std::{
    ffi::CString,
    os::unix::fs::{DirBuilderExt as _, symlink},
    thread,
};

use rustix::{
    mount::{self, MountFlags, MountPropagationFlags},
    thread::UnshareFlags,
};

use super::*;

#[test]
fn file_and_folders_are_readable_by_all_whatever_the_umask() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b");
    in_thread(UnshareFlags::FS, || {
        rustix::process::umask(Mode::from_raw_mode(0o077));
        TextFile::open(&dir).unwrap().write("a 1\n").unwrap();
    })
    .unwrap();
    assert_eq!(mode(&dir.join(NAME)), 0o644);
    assert_eq!((mode(&dir), mode(dir.parent().unwrap())), (0o755, 0o755));
}

#[test]
fn open_leaves_the_mode_of_a_folder_that_was_there() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("private");
    fs::DirBuilder::new().mode(0o700).create(&dir).unwrap();
    TextFile::open(&dir).unwrap();
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(names_in(&dir), [""; 0]);
}

#[test]
fn reader_never_sees_a_part_of_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = TextFile::open(dir.path()).unwrap();
    let texts: Vec<String> = (1..=3).map(|n| format!("sample {n}\n").repeat(n * 5_000)).collect();
    file.write(&texts[0]).unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for _ in 0..1_000 {
                let seen = fs::read_to_string(dir.path().join(NAME)).unwrap();
                assert!(texts.contains(&seen), "{} bytes", seen.len());
            }
        });
        for text in texts.iter().cycle().take_while(|_| !reader.is_finished()) {
            file.write(text).unwrap();
        }
    });
    assert_eq!(names_in(dir.path()), [NAME]);
}

#[test]
fn full_disk_keeps_the_last_file_and_leaves_no_other() {
    let dir = tempfile::tempdir().unwrap();
    on_small_disk(dir.path(), || {
        let mut file = TextFile::open(dir.path()).unwrap();
        file.write("last 1\n").unwrap();
        let err = file.write(&"x".repeat(1 << 20)).unwrap_err().to_string();
        let path = dir.path().join(NAME);
        assert_eq!(
            err,
            format!(
                "write {}: no space left on device (make room there, or choose another --output)",
                path.display()
            )
        );
        assert_eq!(fs::read_to_string(path).unwrap(), "last 1\n");
        assert_eq!(names_in(dir.path()), [NAME]);
        file.write("next 1\n").unwrap();
    });
}

#[test]
fn read_only_disk_keeps_the_last_file() {
    let dir = tempfile::tempdir().unwrap();
    on_small_disk(dir.path(), || {
        let mut file = TextFile::open(dir.path()).unwrap();
        file.write("last 1\n").unwrap();
        mount::mount_remount(dir.path(), MountFlags::RDONLY, c"").unwrap();
        let err = file.write("next 1\n").unwrap_err().to_string();
        assert!(err.contains(": read-only file system (mount it writable"), "{err}");
        assert_eq!(fs::read_to_string(dir.path().join(NAME)).unwrap(), "last 1\n");
        assert_eq!(names_in(dir.path()), [NAME]);
        let err = TextFile::open(dir.path()).err().unwrap().to_string();
        assert!(err.starts_with("write in the folder "), "{err}");
    });
}

#[test]
fn folder_that_may_not_be_written_keeps_the_last_file() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = TextFile::open(dir.path()).unwrap();
    file.write("last 1\n").unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o555)).unwrap();
    in_thread(UnshareFlags::FS, || {
        // Root may write everywhere; for others the mode is enough.
        if rustix::process::geteuid().is_root() {
            rustix::thread::set_thread_uid(rustix::thread::Uid::from_raw(65_534)).unwrap();
        }
        let err = file.write("next 1\n").unwrap_err().to_string();
        assert!(err.contains(": permission denied (run ngraph as root"), "{err}");
    })
    .unwrap();
    // Or the folder could not be removed.
    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(fs::read_to_string(dir.path().join(NAME)).unwrap(), "last 1\n");
    assert_eq!(names_in(dir.path()), [NAME]);
}

#[test]
fn folder_that_vanished_is_made_anew() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("a/b");
    let mut file = TextFile::open(&dir).unwrap();
    file.write("a 1\n").unwrap();
    fs::remove_dir_all(root.path().join("a")).unwrap();
    file.write("a 2\n").unwrap();
    assert_eq!(fs::read_to_string(dir.join(NAME)).unwrap(), "a 2\n");
}

#[test]
fn leftovers_of_a_crash_are_removed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let keep = [".other", "ngraph.prom", "ngraph.prom.old", "node.prom"];
    for name in keep.iter().chain(&[".ngraph.prom.Ab3dEf.tmp", ".ngraph.prom."]) {
        fs::write(dir.path().join(name), "a 1\n").unwrap();
    }
    TextFile::open(dir.path()).unwrap();
    assert_eq!(names_in(dir.path()), keep);
}

#[test]
fn what_is_no_folder_is_said_to_be_none() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::write(at("file"), "").unwrap();
    symlink("file", at("to-file")).unwrap();
    symlink("nothing", at("to-nothing")).unwrap();
    fs::create_dir_all(at("taken/ngraph.prom")).unwrap();
    for (name, text) in [
        ("file", "{} is not a folder (--output wants the folder of ngraph.prom)"),
        ("to-file", "{} is not a folder (--output wants the folder of ngraph.prom)"),
        (
            "file/sub",
            "make the folder {}: not a directory (--output wants a folder, and a part of this path is a file)",
        ),
        (
            "to-nothing",
            "make the folder {}: no such file or directory (a part of this path can't be made, or is a link to nothing: choose another --output)",
        ),
        ("taken", "{}/ngraph.prom is a folder, not a file (remove it, or choose another --output)"),
    ] {
        let err = TextFile::open(&at(name)).err().unwrap().to_string();
        assert_eq!(err, text.replace("{}", &at(name).display().to_string()));
    }
}

#[test]
fn folder_that_cannot_be_made_is_an_error() {
    // procfs says "not found" where others say "denied", and its parent is there.
    let err = TextFile::open(Path::new("/proc/ngraph/out")).err().unwrap().to_string();
    assert!(err.starts_with("make the folder /proc/ngraph/out: no such file"), "{err}");
}

#[test]
fn link_to_a_folder_is_followed() {
    let root = tempfile::tempdir().unwrap();
    let (real, link) = (root.path().join("real"), root.path().join("link"));
    fs::create_dir(&real).unwrap();
    symlink("real", &link).unwrap();
    TextFile::open(&link).unwrap().write("a 1\n").unwrap();
    assert_eq!(names_in(&real), [NAME]);
}

#[test]
fn link_in_the_place_of_the_file_is_replaced_and_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("victim"), "precious").unwrap();
    symlink("victim", dir.path().join(NAME)).unwrap();
    TextFile::open(dir.path()).unwrap().write("a 1\n").unwrap();
    assert_eq!(fs::read_to_string(dir.path().join("victim")).unwrap(), "precious");
    assert!(fs::symlink_metadata(dir.path().join(NAME)).unwrap().is_file());
}

#[test]
fn only_the_agents_own_file_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(NAME);
    let mut ours = TextFile::open(dir.path()).unwrap();
    fs::write(&path, "left by another\n").unwrap();
    ours.remove().unwrap();
    assert!(path.exists());

    ours.write("a 1\n").unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "a 2\n").unwrap();
    ours.remove().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "a 2\n");

    ours.write("a 3\n").unwrap();
    ours.remove().unwrap();
    assert!(!path.exists());
    ours.remove().unwrap();

    ours.write("a 4\n").unwrap();
    fs::remove_file(&path).unwrap();
    ours.remove().unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn names_in(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs `test` with a file system of 64 KiB on `dir`, which no other thread sees.
fn on_small_disk(dir: &Path, test: impl FnOnce() + Send) {
    let ran = in_thread(UnshareFlags::NEWNS, || {
        mount::mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .unwrap();
        let size = CString::new("size=64k").unwrap();
        mount::mount("none", dir, "tmpfs", MountFlags::empty(), size.as_c_str()).unwrap();
        test();
    });
    if let Err(err) = ran {
        writeln!(io::stderr(), "skipped: a mount namespace needs CAP_SYS_ADMIN: {err}").unwrap();
    }
}

/// Runs `test` in a thread that has unshared `what`: umask and mounts are of the thread
/// then, and the tests beside it notice nothing.
fn in_thread(what: UnshareFlags, test: impl FnOnce() + Send) -> io::Result<()> {
    thread::scope(|scope| {
        let tested = scope.spawn(|| {
            // SAFETY: only unsharing the table of file descriptors would be unsafe.
            unsafe { rustix::thread::unshare_unsafe(what) }?;
            test();
            Ok(())
        });
        tested.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
