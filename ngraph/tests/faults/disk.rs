//! A full disk.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    mem::MaybeUninit,
    path::Path,
};

use rustix::{
    fs::inotify,
    mount::{MountFlags, mount},
};
use tempfile::TempDir;

use crate::{
    is_possible, lines,
    support::{
        agent::{Agent, command},
        isolated, netns,
    },
};

#[test]
fn a_full_disk_keeps_the_last_good_file_and_is_told_once() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        let folder = TempDir::new().unwrap();
        netns::enter_new_mounts();
        mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), c"size=256k").unwrap();
        let mut command = command(&["--interval=1", "--no-resolve", "--capture=procfs"]);
        command.arg("--output").arg(folder.path());
        let agent = Agent::run(command, folder.path());
        agent.wait_for("the first file", |_| true);

        let filler = fill(folder.path());
        wait_for_attempts(folder.path(), 1);
        let last_good = fs::read_to_string(agent.file()).unwrap();
        wait_for_attempts(folder.path(), 3);
        assert_eq!(fs::read_to_string(agent.file()).unwrap(), last_good);
        let entries = folder.path().read_dir().unwrap().count();
        assert_eq!(entries, 2, "beside the file and the filler, half a file is left");

        fs::remove_file(filler).unwrap();
        let metrics = agent
            .wait_for("files again", |metrics| metrics.sum("ngraph_write_failures_total", &[]) > 0);
        // Three were begun here; the third may have been seen before it failed.
        let failures = metrics.sum("ngraph_write_failures_total", &[]);
        assert!(failures >= 3, "{failures} failures");
        agent.expect("no further failure", |metrics| {
            metrics.sum("ngraph_write_failures_total", &[]) == failures
        });
        let log = agent.stop().1;
        assert_eq!(lines(&log, "no space left on device").len(), 1, "{log}");
        assert_eq!(lines(&log, "files are written again").len(), 1, "{log}");
    });
}

/// Leaves no byte of room in `folder`.
fn fill(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("filler");
    let mut file = File::create(&path).unwrap();
    loop {
        match file.write_all(&[0; 4096]) {
            Ok(()) => {}
            Err(err) if err.kind() == ErrorKind::StorageFull => break path,
            Err(err) => panic!("{err}"),
        }
    }
}

/// Waits until the agent has given up `count` files that it had begun in `folder`.
fn wait_for_attempts(folder: &Path, count: usize) {
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC).unwrap();
    inotify::add_watch(&watch, folder, inotify::WatchFlags::DELETE).unwrap();
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut events = inotify::Reader::new(watch, &mut buffer);
    for _ in 0..count {
        events.next().unwrap();
    }
}
