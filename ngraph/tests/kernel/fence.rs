//! What the running agent has given up, and that it does its work without.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::ErrorKind,
    net::TcpListener,
    os::fd::AsFd as _,
    process::Command,
};

use log::LevelFilter;
use ngraph::{
    collect::{Loops, capture},
    config::Config,
    fence,
    hooks::HookSet,
    logging,
};
use ngraph_common::event::hook;
use rustix::{
    io::Errno,
    mount::{MountFlags, mount},
    thread::{CapabilitySet, move_into_link_name_space},
};
use tempfile::TempDir;

use super::support::{agent::Agent, isolated, netns, traffic, wait_for};
use crate::captures;

const TRACING: CapabilitySet = CapabilitySet::BPF.union(CapabilitySet::PERFMON);
const FOLDER: CapabilitySet = CapabilitySet::DAC_OVERRIDE.union(CapabilitySet::FOWNER);

fn every_thread_keeps_what_the_agent_needs_and_no_more(capture: &str) {
    let traces = if capture == "procfs" { CapabilitySet::empty() } else { TRACING };
    for (scope, others) in
        [(None, CapabilitySet::empty()), (Some("--all"), CapabilitySet::SYS_PTRACE)]
    {
        netns::enter_new();
        let args = ["--snapshot-interval=1s", "--capture", capture].into_iter().chain(scope);
        let agent = Agent::start(&args.collect::<Vec<_>>());
        // Snapshots are made beside the loop.
        let threads = wait_for("a second thread", || {
            let threads = threads(agent.pid());
            (threads.len() > 1).then_some(threads)
        });
        let kept = format!("{:016x}", (traces | FOLDER | others).bits());
        let none = format!("{:016x}", 0);
        for thread in threads {
            for (name, expected) in [
                ("CapPrm", &*kept),
                ("CapEff", &kept),
                ("CapInh", &none),
                ("CapAmb", &none),
                ("CapBnd", &none),
                ("NoNewPrivs", "1"),
                ("Seccomp", "2"),
            ] {
                assert_eq!(thread[name], expected, "{name} of {}", thread["Name"]);
            }
        }
        // With --all it sees every test's namespace: these addresses are this one's.
        let server = format!("127.9.8.{}", capture.as_bytes()[0]);
        traffic::short_connections(&format!("{server}:0"), None, 20);
        let listener = TcpListener::bind((&*server, 0)).unwrap();
        let held = traffic::held(&listener);
        let edge = [("dest_ip", &*server)];
        agent.expect("what happens behind the fence", |metrics| {
            let opened = metrics.sum("ngraph_connections_opened_total", &edge);
            let open = metrics.sum("network_connections_input_total", &edge);
            // Each in both directions; snapshots miss the short ones.
            (capture == "procfs" || opened == 42) && open == 1
        });
        held.close();
    }
}
captures!(every_thread_keeps_what_the_agent_needs_and_no_more: auto, kprobe, tracepoint, procfs);

/// The status of each of a process' threads.
fn threads(pid: u32) -> Vec<BTreeMap<String, String>> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    // One may end meanwhile.
    let texts = tasks.filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
    let fields = |text: String| {
        let split = text.lines().filter_map(|line| line.split_once(':'));
        split.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
    };
    texts.map(fields).collect()
}

fn hooks_are_attached_and_proven_anew_behind_the_fence(capture: &'static str) {
    let folder = TempDir::new().unwrap();
    let config = config(&folder, &["--capture", capture]);
    // Of hooks that are left out, and why.
    logging::init(LevelFilter::Info, config.log_format);
    isolated(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let hooks = capture::open(&config, &mut Loops::default()).unwrap().hooks;
            assert!(hooks.states_speak());
            fence::raise(&config);
            assert_eq!(capture::open(&config, &mut Loops::default()).unwrap().hooks, anew(hooks));
        });
    });
}
captures!(hooks_are_attached_and_proven_anew_behind_the_fence: auto, tracepoint);

/// Of these hooks those that CAP_BPF and CAP_PERFMON attach: a control group's program takes
/// CAP_NET_ADMIN, and on Debian's kernels kprobes take CAP_SYS_ADMIN.
fn anew(hooks: HookSet) -> HookSet {
    let paranoia = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap();
    if paranoia.trim().parse::<i32>().unwrap() > 2 {
        return HookSet::default().with(hook::SET_STATE);
    }
    hooks.without(hook::SOCK_OPS)
}

fn nothing_is_executed_traced_mounted_or_reached_elsewhere(capture: &'static str) {
    let folder = TempDir::new().unwrap();
    let config = config(&folder, &["--capture", capture]);
    let execute = || Command::new("/proc/self/exe").arg("--help").output();
    execute().unwrap();
    isolated(|| {
        let report = fence::raise(&config);
        assert_eq!(execute().unwrap_err().kind(), ErrorKind::PermissionDenied, "exec");
        let mounted = mount("tmpfs", folder.path(), "tmpfs", MountFlags::empty(), None);
        assert_eq!(mounted, Err(Errno::PERM), "mount");
        let namespace = File::open("/proc/self/ns/net").unwrap();
        let entered = move_into_link_name_space(namespace.as_fd(), None);
        assert_eq!(entered, Err(Errno::PERM), "setns");
        let (attach, nobody): (libc::c_long, libc::c_long) = (libc::PTRACE_ATTACH.into(), 0);
        // SAFETY: no process is traced: the kernel refuses, or finds no process 0.
        let traced = unsafe { libc::syscall(libc::SYS_ptrace, attach, nobody, nobody, nobody) };
        let errno = std::io::Error::last_os_error().raw_os_error();
        assert_eq!((traced, errno), (-1, Some(libc::EPERM)), "ptrace");

        fs::write(folder.path().join("ngraph.prom"), "").unwrap();
        assert_eq!(report.to_string().ends_with("(Landlock)"), has_landlock(), "{report:?}");
        if has_landlock() {
            let elsewhere = "/written-past-the-fence";
            let written = File::create(elsewhere).map(drop);
            let _ = fs::remove_file(elsewhere);
            assert_eq!(written.unwrap_err().kind(), ErrorKind::PermissionDenied, "write");
            let listed = fs::read_dir("/").map(drop);
            assert_eq!(listed.unwrap_err().kind(), ErrorKind::PermissionDenied, "read");
        }
    });
}
captures!(nothing_is_executed_traced_mounted_or_reached_elsewhere: auto);

/// Asked of the kernel itself; there since Linux 5.13.
fn has_landlock() -> bool {
    const NONE: libc::c_long = 0;
    const VERSION: libc::c_long = 1;
    // SAFETY: asked for its version, the call reads no memory.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, NONE, NONE, VERSION) > 0 }
}

fn config(folder: &TempDir, args: &[&str]) -> Config {
    let output = ["ngraph", "--output", folder.path().to_str().unwrap()];
    let cli = ngraph::cli::parse_from(output.iter().chain(args)).unwrap();
    Config::try_from(&cli).unwrap()
}
