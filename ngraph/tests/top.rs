//! `ngraph top` in a terminal of the test's own.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::{
    net::TcpListener,
    process::{Command, Stdio},
};

use rustix::process::Signal;
use support::{
    agent::{Agent, command},
    is_root, isolated, netns, skip,
    terminal::Terminal,
    traffic::{held, refused_connects},
};

/// Runs a test where `top` can capture, in a network namespace of its own.
fn with_traffic(test: impl FnOnce() + Send) {
    if !is_root() {
        return skip("needs root");
    }
    isolated(|| {
        netns::enter_new();
        test();
    });
}

fn top(args: &[&str]) -> Command {
    let mut command = command(&["top", "--no-resolve", "--socket=off"]);
    command.args(args).env("TERM", "xterm-256color").env_remove("NO_COLOR");
    command
}

#[test]
fn it_shows_a_connection_obeys_keys_and_gives_the_terminal_back() {
    with_traffic(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut terminal = Terminal::start(top(&[]), 24, 100);
        terminal.wait_for("a header", |text| text.contains("capturing by itself, by "));
        assert!(terminal.is_raw() && terminal.has_other_screen());
        let one = held(&listener);
        let edge = |text: &str| text.matches("127.0.0.1").count() == 4;
        terminal.wait_for("both ends of an edge", edge);
        terminal.wait_for("its marks", |text| text.contains("+in ") && text.contains("+out "));

        terminal.type_("6");
        terminal.wait_for("rows by failures", |text| text.contains("failedv"));
        terminal.type_("6");
        terminal.wait_for("the other way round", |text| text.contains("failed^"));
        terminal.type_("/nobody");
        terminal.wait_for("a filter that fits nothing", |text| {
            text.contains("/nobody_") && !text.contains("127.0.0.1")
        });
        terminal.type_("\x1b");
        terminal.wait_for("all edges again", edge);
        terminal.type_(" ");
        terminal.wait_for("a pause", |text| text.contains("[paused]"));
        one.close();
        terminal.type_(" ");
        terminal.wait_for("that it's gone", |text| text.contains("-in ") && text.contains("-out "));
        terminal.wait_for("no edge after a while", |text| !text.contains("127.0.0.1"));
        terminal.type_("?");
        terminal.wait_for("help", |text| text.contains("sort by a column"));
        terminal.type_("x");
        terminal.wait_for("no help", |text| !text.contains("sort by a column"));
        terminal.type_("q");
        terminal.ended_well();
    });
}

#[test]
fn every_way_to_end_gives_the_terminal_back() {
    with_traffic(|| {
        for keys in ["\x1b", "\x03"] {
            let mut terminal = Terminal::start(top(&["--capture=procfs"]), 24, 80);
            terminal.wait_for("a screen", |text| text.contains("q: quit"));
            terminal.type_(keys);
            terminal.ended_well();
        }
        for signal in [Signal::TERM, Signal::INT] {
            let mut terminal = Terminal::start(top(&["--capture=procfs"]), 24, 80);
            terminal.wait_for("a screen", |text| text.contains("q: quit"));
            terminal.signal(signal);
            terminal.ended_well();
        }
    });
}

#[test]
fn it_keeps_to_the_size_that_the_terminal_has() {
    with_traffic(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _one = held(&listener);
        let mut terminal = Terminal::start(top(&[]), 24, 100);
        terminal.wait_for("all columns", |text| text.contains("since"));
        terminal.resize(10, 40);
        terminal.wait_for("the columns that matter", |text| {
            let header = text.lines().find(|line| line.contains("source"));
            header.is_some_and(|it| it.contains("openv") && !it.contains("since"))
                && text.contains("127.0.0.1")
        });
        terminal.resize(3, 7);
        terminal.resize(30, 120);
        terminal.wait_for("all columns again", |text| text.contains("since"));
        terminal.type_("q");
        terminal.ended_well();
    });
}

#[test]
fn failures_are_red_unless_no_colour_is_wanted() {
    with_traffic(|| {
        for (no_color, is_red) in [("", true), ("1", false)] {
            let mut command = top(&[]);
            command.env("NO_COLOR", no_color);
            let mut terminal = Terminal::start(command, 24, 100);
            terminal.wait_for("a screen", |text| text.contains("q: quit"));
            refused_connects("127.0.0.1", 3);
            terminal.wait_for("failures", |text| text.contains("!out"));
            assert_eq!(terminal.colours() > 0, is_red, "NO_COLOR={no_color}");
            terminal.type_("q");
            terminal.ended_well();
        }
    });
}

#[test]
fn it_shows_what_the_agent_at_the_socket_knows_while_there_is_one() {
    with_traffic(|| {
        let folder = tempfile::tempdir().unwrap();
        let socket = format!("--socket={}", folder.path().join("ngraph.sock").display());
        let agent = Agent::start(&[&*socket]);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _one = held(&listener);
        let mut command = command(&["top", &*socket]);
        command.env("TERM", "xterm-256color");
        let mut terminal = Terminal::start(command, 24, 100);
        terminal.wait_for("its source", |text| text.contains("ngraph top: the agent at /"));
        terminal.wait_for("both ends of an edge", |text| text.matches("127.0.0.1").count() == 4);
        assert!(agent.stop().0.success());
        terminal.wait_for("that it's gone", |text| text.contains("ask the agent at /"));
        let _agent = Agent::start(&[&*socket]);
        terminal.wait_for("that it's back", |text| text.contains("open 1 in, 1 out"));
        terminal.type_("q");
        terminal.ended_well();
    });
}

#[test]
fn an_agent_that_was_killed_makes_way_for_the_next() {
    with_traffic(|| {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("ngraph.sock");
        let option = format!("--socket={}", socket.display());
        let agent = Agent::start(&[&*option]);
        agent.signal(Signal::KILL);
        drop(agent);
        assert!(socket.exists());
        let _next = Agent::start(&[&*option]);
        let mut second = Agent::launch(&[&*option]);
        let (status, log) = second.end();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("another agent listens there"), "{log}");
    });
}

#[test]
fn where_no_agent_is_at_the_path_that_was_given_it_says_so() {
    with_traffic(|| {
        let command = command(&["top", "--socket=/nonexistent/ngraph.sock"]);
        let terminal = Terminal::start(command, 24, 100);
        terminal.wait_for("why", |text| {
            text.contains("ngraph: ask the agent at /nonexistent/ngraph.sock: no such file")
        });
    });
}

#[test]
fn without_a_terminal_it_says_what_there_is_instead() {
    let output = top(&[]).stdin(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr,
        "ngraph: show edges: stdout is no terminal (for a pipe there is ngraph watch, and ngraph \
         --once --output - --format json)\n"
    );
}
