//! What changes around an agent that has given up its privileges.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
};

use rustix::mount::{MountFlags, mount};
use tempfile::TempDir;

use crate::{
    is_possible,
    support::{
        agent::{Agent, command},
        isolated,
        limited::{CAP_SYS_ADMIN, NOBODY, with_capabilities},
        netns,
        traffic::short_connections,
    },
};

/// Some user who is neither root nor nobody.
const OTHER: u32 = 1;

#[test]
fn root_goes_on_writing_a_folder_that_becomes_another_users() {
    if !is_possible() {
        return;
    }
    let folder = TempDir::new().unwrap();
    let agent = start_in(folder.path());
    for (owner, mode) in [(NOBODY, 0o755), (NOBODY, 0o700), (0, 0o500), (NOBODY, 0o1777)] {
        chown(folder.path(), Some(owner), Some(owner)).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
        chown(agent.file(), Some(OTHER), Some(OTHER)).unwrap();
        writes_on(&agent);
    }
}

#[test]
fn a_folder_that_is_removed_or_mounted_over_is_written_again_wherever_it_is() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        netns::enter_new_mounts();
        mount_at("/mnt");
        let folder = Path::new("/mnt/node_exporter/textfile");
        let agent = start_in(folder);
        fs::remove_dir_all(folder).unwrap();
        writes_on(&agent);
        mount_at(folder);
        writes_on(&agent);
    });
}

#[test]
fn where_admin_stands_in_for_tracing_it_stays_and_hooks_are_read_on() {
    if !is_possible() {
        return;
    }
    isolated(|| {
        netns::enter_new();
        let folder = TempDir::new().unwrap();
        let mut command = command(&["--interval=1", "--no-resolve", "--capture=tracepoint"]);
        command.arg("--output").arg(folder.path());
        with_capabilities(&mut command, &[CAP_SYS_ADMIN]);
        let agent = Agent::run(command, folder.path());
        agent.wait_for("the first file", |_| true);
        assert_eq!(agent.capabilities(), 1 << CAP_SYS_ADMIN);
        short_connections("127.0.0.1:0", None, 30);
        let metrics = agent.expect("30 both ways", |metrics| {
            (metrics.opened("output"), metrics.opened("input")) == (30, 30)
        });
        assert!(metrics.sum("ngraph_hook_seen_total", &[]) > 0, "{metrics:#?}");
    });
}

fn start_in(folder: &Path) -> Agent {
    let mut command = command(&["--interval=1", "--no-resolve", "--capture=procfs", "--output"]);
    command.arg(folder);
    let agent = Agent::run(command, folder);
    agent.wait_for("the first file", |_| true);
    agent
}

fn mount_at(at: impl AsRef<Path>) {
    mount("tmpfs", at.as_ref(), "tmpfs", MountFlags::empty(), None).unwrap();
}

/// Waits for two files more; none may fail.
fn writes_on(agent: &Agent) {
    agent.wait_for("a file", |_| true);
    let metrics = agent.settled();
    assert_eq!(metrics.sum("ngraph_write_failures_total", &[]), 0);
}
