//! Clocks that jump, and clocks that are the agent's alone.

use std::{fs, io, net::TcpListener, os::unix::process::CommandExt as _};

use rustix::{
    process::Signal,
    thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe},
    time::{ClockId, Timespec, clock_gettime, clock_settime},
};
use tempfile::TempDir;

use super::support::{
    agent::{self, Agent},
    netns, snapshots_without_btf,
    tally::Tally,
    traffic::{Held, held, short_connections},
};
use crate::captures;

const HOUR: i64 = 3600;

/// The machine's clock, set back for as long as this lives.
struct SetBack;

impl SetBack {
    fn by_an_hour() -> Self {
        set_clock(-HOUR);
        Self
    }
}

impl Drop for SetBack {
    fn drop(&mut self) {
        set_clock(HOUR);
    }
}

fn set_clock(seconds: i64) {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Realtime);
    let time = Timespec { tv_sec: tv_sec + seconds, tv_nsec };
    clock_settime(ClockId::Realtime, time).expect("set the clock");
}

fn a_clock_set_back_changes_no_count_and_keeps_no_file_from_being_written(capture: &str) {
    netns::enter_new();
    let agent = Agent::start(&["--capture", capture]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let one = held(&listener);
    agent.wait_for("one is open", |it| Tally::of(it) == Tally::open(1));
    {
        let _back = SetBack::by_an_hour();
        short_connections("127.0.0.1:0", None, 10);
        let open = Tally { output: 11, input: 11, ..Tally::open(1) };
        agent.expect("ten more, and files go on", |it| Tally::of(it) == open);
    }
    one.close();
    short_connections("127.0.0.1:0", None, 10);
    agent.expect("twenty-one, none open", |it| Tally::of(it) == Tally::closed(21));
}
captures!(alone a_clock_set_back_changes_no_count_and_keeps_no_file_from_being_written: auto, tracepoint);

/// An agent in a time namespace of its own, whose time since boot is `offset` seconds off
/// that of the kernel side.
fn agent_at(offset: i64, args: &[&str]) -> (Agent, TempDir) {
    let folder = TempDir::new().unwrap();
    let mut command = agent::command(&["--interval=1", "--no-resolve"]);
    command.arg("--output").arg(folder.path()).args(args);
    let offsets = format!("boottime {offset} 0\n");
    // SAFETY: between fork and exec it makes system calls alone, and allocates nothing.
    unsafe { command.pre_exec(move || enter_time(&offsets)) };
    let agent = Agent::run(command, folder.path());
    agent.wait_for("the first file", |_| true);
    let clocks = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/time")).unwrap();
    assert_ne!(clocks(&agent.pid().to_string()), clocks("self"), "the agent has our clocks");
    (agent, folder)
}

/// Puts the calling process, which has one thread, into a new time namespace.
fn enter_time(offsets: &str) -> io::Result<()> {
    // SAFETY: a time namespace is no memory of this process; the one in force is changed
    // below, where the kernel sees to the page that the clocks are read from.
    unsafe { unshare_unsafe(UnshareFlags::NEWTIME)? };
    fs::write("/proc/self/timens_offsets", offsets)?;
    let namespace = fs::File::open("/proc/self/ns/time_for_children")?;
    Ok(move_into_link_name_space(
        std::os::fd::AsFd::as_fd(&namespace),
        Some(LinkNameSpaceType::Time),
    )?)
}

fn counts_right_at(offset: i64, capture: &str) {
    netns::enter_new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let older = held(&listener);
    let args = ["--capture", capture];
    let (agent, _folder) = agent_at(offset, &[&args[..], snapshots_without_btf()].concat());
    let newer = held(&listener);
    short_connections("127.0.0.1:0", None, 10);
    let open = Tally { output: 11, input: 11, ..Tally::open(2) };
    agent.wait_for("eleven, and two open", |it| Tally::of(it) == open);
    older.close();
    newer.close();
    agent.expect("none is left open", |it| Tally::of(it) == Tally::closed(11));
}

fn an_agent_whose_boot_was_days_earlier_counts_right(capture: &str) {
    counts_right_at(1_000_000, capture);
}
captures!(an_agent_whose_boot_was_days_earlier_counts_right: auto, kprobe, tracepoint);

fn an_agent_whose_boot_was_later_counts_right(capture: &str) {
    let since_boot = clock_gettime(ClockId::Boottime).tv_sec;
    counts_right_at(-since_boot / 2, capture);
}
captures!(an_agent_whose_boot_was_later_counts_right: auto, kprobe, tracepoint);

fn an_agent_whose_boot_was_later_mends_what_was_lost(capture: &str) {
    netns::enter_new();
    let since_boot = clock_gettime(ClockId::Boottime).tv_sec;
    let args = ["--capture", capture, "--ring-bytes", "4096"];
    let (agent, _folder) = agent_at(-since_boot / 2, &args);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let all: Vec<Held> = (0..5).map(|_| held(&listener)).collect();
    agent.wait_for("five are open", |it| Tally::of(it) == Tally::open(5));
    // Stopped, the agent takes nothing out of its ring, which the others' events fill.
    agent.signal(Signal::STOP);
    short_connections("127.0.0.1:0", None, 50);
    all.into_iter().for_each(Held::close);
    agent.signal(Signal::CONT);
    let metrics = agent.expect("none is left open", |it| Tally::of(it) == Tally::closed(55));
    let repaired = metrics.sum("ngraph_snapshot_repairs_total", &[("kind", "close")]);
    assert!(repaired > 0, "no end was missing: {metrics:#?}");
}
captures!(an_agent_whose_boot_was_later_mends_what_was_lost: auto, tracepoint);
