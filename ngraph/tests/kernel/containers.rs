//! Labels of containers: real control groups, and folders as the kubelet makes them.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use procfs::process::Process;
use rustix::{
    mount::{MountFlags, mount},
    net::{AddressFamily, SocketFlags, SocketType, connect, socket_with},
};

use super::support::{agent::Agent, metrics::Metrics, netns, skip, traffic::short_connections};
use crate::captures;

const CONNECTIONS: usize = 20;

/// A control group that looks like a pod's container, gone when dropped.
struct Group(PathBuf);

impl Group {
    /// Makes it below the root, where the second version is mounted.
    fn new(pod: &str, container: &str) -> Option<Self> {
        let mounts = Process::myself().unwrap().mountinfo().unwrap();
        let root = mounts.into_iter().find(|mount| mount.fs_type == "cgroup2")?.mount_point;
        let path = root.join(format!("kubepods-ngraph-{pod}/pod{pod}/{container}"));
        fs::create_dir_all(&path).expect("make a control group");
        Some(Self(path))
    }

    /// Has a process in it make short connections to `server` and then run `program`.
    fn connects(&self, server: SocketAddr, program: &str, argument: &str) -> Child {
        let group = File::options().write(true).open(self.0.join("cgroup.procs")).unwrap();
        let mut command = Command::new(program);
        command.arg(argument).stdin(Stdio::null()).stdout(Stdio::null());
        let make = move || -> io::Result<()> {
            (&group).write_all(b"0")?;
            for _ in 0..CONNECTIONS {
                let (family, flags) = (AddressFamily::INET, SocketFlags::CLOEXEC);
                connect(socket_with(family, SocketType::STREAM, flags, None)?, &server)?;
            }
            Ok(())
        };
        // SAFETY: between fork and exec it makes system calls alone, and allocates nothing.
        unsafe { command.pre_exec(make) };
        command.spawn().expect("start a process in the control group")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever was in it has ended, so the kernel lets it go, and then those around it.
        for folder in self.0.ancestors().take(3) {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// Folders as the kubelet makes them, which no other test sees.
fn kubelet(pod: &str, containers: &[&str]) {
    netns::enter_new_mounts();
    fs::create_dir_all("/var/log").expect("make /var/log");
    mount("none", "/var/log", "tmpfs", MountFlags::empty(), None).expect("mount a tmpfs");
    for container in containers {
        let folder = format!("/var/log/pods/shop_web-x2x4z_{pod}/{container}");
        fs::create_dir_all(folder).expect("make a pod's folder");
    }
    fs::create_dir("/var/log/containers").expect("make the links' folder");
}

fn a_connection_is_its_containers_and_its_pods_whether_the_process_lives_or_not(capture: &str) {
    netns::enter_new();
    let pod = format!("{:08x}-0000-4000-8000-{:012x}", std::process::id(), capture.len());
    let id = format!("{:064x}", u64::from(std::process::id()) << 8 | capture.len() as u64);
    let Some(group) = Group::new(&pod, &id) else {
        return skip("no cgroup2 is mounted");
    };
    kubelet(&pod, &["nginx", "proxy"]);
    let link = format!("/var/log/containers/web-x2x4z_shop_nginx-{id}.log");
    fs::write(Path::new(&link), "").expect("make the kubelet's link");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    let agent =
        Agent::start(&["--capture", capture, "--labels", "container,pod", "--labels=namespace"]);
    let mut ended = group.connects(server, "true", "");
    ended.wait().expect("wait for its end");
    let mut lives = group.connects(server, "sleep", "1000");
    short_connections("127.0.0.1:0", None, CONNECTIONS);
    let sum = |it: &Metrics, [container, pod, namespace]: [&str; 3]| {
        let place = [("container", container), ("pod", pod), ("namespace", namespace)];
        let labels = [&[("direction", "output")], &place[..]].concat();
        it.sum("ngraph_connections_opened_total", &labels)
    };
    let count = CONNECTIONS as u64;
    agent.expect("those of the container, and those of this test, which is in none", |it| {
        sum(it, ["nginx", "web-x2x4z", "shop"]) == 2 * count && sum(it, ["", "", ""]) == count
    });
    lives.kill().expect("end the process");
    lives.wait().expect("wait for its end");
}
captures!(a_connection_is_its_containers_and_its_pods_whether_the_process_lives_or_not: auto, kprobe, tracepoint);
