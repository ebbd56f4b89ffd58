//! `--listen`: what Prometheus gets of the agent itself, and what hostile clients get.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
};

use support::{
    agent::{Agent, command},
    disk, http, is_root, isolated, netns, skip,
    tools::tool,
    wait_for,
};
use tempfile::TempDir;

const PROCFS: &str = "--capture=procfs";
const LISTEN: &str = "--listen=127.0.0.1:0";

#[test]
fn what_is_served_is_the_file_byte_by_byte_and_promtool_finds_no_fault_with_it() {
    let agent = Agent::start_as_given(&["--interval=1h", "--no-resolve", PROCFS, LISTEN]);
    let address = address(&agent);
    let body = wait_for("the file to be served", || http::get(address, "/metrics").ok());
    assert_eq!(body, fs::read_to_string(agent.file()).unwrap());
    let page = include_str!("../../docs/http.md");
    let told = agent.log().replace(&address.port().to_string(), "9930");
    let told = told.lines().find(|line| line.contains(" serves ")).unwrap();
    assert!(page.contains(told.split_once(' ').unwrap().1), "{told}");
    let head = said(address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    let head = head.split("\r\n\r\n").next().unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for header in [
        "content-type: text/plain; version=0.0.4; charset=utf-8",
        &format!("content-length: {}", body.len()),
    ] {
        assert!(head.lines().any(|line| line == header), "{header} in {head}");
    }
    let Some(promtool) = tool("NGRAPH_PROMTOOL") else {
        return;
    };
    let mut check = Command::new(promtool);
    let mut check = check.args(["check", "metrics"]).stdin(Stdio::piped()).spawn().unwrap();
    check.stdin.take().unwrap().write_all(body.as_bytes()).unwrap();
    assert!(check.wait().unwrap().success());
}

#[test]
fn other_pages_and_methods_are_refused() {
    let agent = Agent::start(&[PROCFS, LISTEN]);
    let address = address(&agent);
    wait_for("the first file", || http::get(address, "/metrics").ok());
    for (request, status, part) in [
        ("GET /healthz", 200, "\r\n\r\nok\n"),
        ("GET /healthz?verbose=1", 200, "\r\n\r\nok\n"),
        ("GET /", 404, "there is no such page; there is: /healthz, /metrics\n"),
        ("GET /metrics/", 404, "there is no such page"),
        ("GET /../etc/passwd", 404, "there is no such page"),
        ("POST /metrics", 405, "\r\nallow: GET, HEAD\r\n"),
        ("DELETE /metrics", 405, "only GET and HEAD\n"),
        ("OPTIONS *", 404, "there is no such page"),
    ] {
        let answer = said(address, &format!("{request} HTTP/1.1\r\nHost: x\r\n\r\n"));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert!(answer.contains(part), "{request}: {answer}");
    }
    let head = said(address, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(head.contains("\r\ncontent-length: 3\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn an_agent_that_can_write_no_file_is_unwell_and_tells_why() {
    if !is_root() {
        return skip("needs root");
    }
    isolated(|| {
        netns::enter_new_mounts();
        let folder = disk::mounted(c"mode=755");
        let mut command = command(&["--interval=1", "--no-resolve", PROCFS, LISTEN, "--output"]);
        command.arg(folder.path());
        let agent = Agent::run(command, folder.path());
        let address = address(&agent);
        let well = |is_well: bool| {
            move || {
                let answer = said(address, "GET /healthz HTTP/1.0\r\n\r\n");
                answer
                    .starts_with(if is_well { "HTTP/1.0 200" } else { "HTTP/1.0 503" })
                    .then_some(answer)
            }
        };
        wait_for("an agent that is well", well(true));
        disk::make_read_only(folder.path());
        let answer = wait_for("an agent that isn't", well(false));
        assert!(answer.contains("\r\n\r\nno file: ") && answer.contains("read-only"), "{answer}");
        disk::make_writable(folder.path());
        wait_for("an agent that is well again", well(true));
    });
}

#[test]
fn who_connects_and_says_little_keeps_nobody_from_asking_and_the_agent_from_nothing() {
    let agent = Agent::start(&[PROCFS, LISTEN]);
    let address = address(&agent);
    let mut idle: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    for stream in idle.iter_mut().skip(100) {
        // Those who came first are let go already.
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ");
    }
    wait_for("an answer all the same", || http::get(address, "/metrics").ok());
    let metrics = agent.settled();
    let of_http = [("of", "http")];
    assert_eq!(metrics.sum("ngraph_capacity", &of_http), 64);
    assert!(metrics.sum("ngraph_capacity_reached_total", &of_http) >= 200 - 64, "{metrics:#?}");
    let descriptors = metrics.sum("ngraph_process_open_fds", &[]);
    assert!(descriptors < 64 + 32, "{descriptors} descriptors");
    wait_for("an answer after them all", || http::get(address, "/healthz").ok());
    drop(idle);
}

#[test]
fn a_head_of_any_size_grows_no_memory() {
    let agent = Agent::start(&[PROCFS, LISTEN]);
    let address = address(&agent);
    let resident = || agent.settled().sum("ngraph_process_resident_memory_bytes", &[]);
    let before = resident();
    let clients: Vec<_> = (0..16)
        .map(|_| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ");
                // Refused in the middle: what it says then may be lost by the reset.
                let _ = stream.write_all(&vec![b'x'; 8 << 20]);
                let mut answer = String::new();
                let _ = stream.read_to_string(&mut answer);
                answer
            })
        })
        .collect();
    for client in clients {
        let answer = client.join().unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
    let after = resident();
    assert!(after < before + (8 << 20), "{before} bytes before, {after} after");
    wait_for("an answer after them", || http::get(address, "/metrics").ok());
}

#[test]
fn who_closes_his_end_after_asking_is_answered() {
    let agent = Agent::start(&[PROCFS, LISTEN]);
    let address = address(&agent);
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    // Who says nothing and closes is no trouble.
    drop(TcpStream::connect(address).unwrap());
    agent.settled();
}

#[test]
fn an_agent_that_is_told_to_end_waits_for_nobody_who_asks() {
    let agent = Agent::start(&[PROCFS, LISTEN]);
    let stream = TcpStream::connect(address(&agent)).unwrap();
    let (status, log) = agent.stop();
    assert!(status.success(), "{log}");
    drop(stream);
}

#[test]
fn a_port_alone_is_that_of_every_address() {
    let agent = Agent::start(&[PROCFS, "--listen=:0"]);
    let port = address(&agent).port();
    let address = (Ipv4Addr::LOCALHOST, port).into();
    wait_for("an answer", || http::get(address, "/metrics").ok());
}

#[test]
fn an_address_that_can_not_be_had_is_failure_at_the_start() {
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let taken = other.local_addr().unwrap();
    for (listen, problem) in [
        (
            taken.to_string(),
            "address already in use (stop what listens there, or choose another --listen)",
        ),
        (
            "192.0.2.1:9930".to_owned(),
            "cannot assign requested address (no interface has this address: choose another \
             --listen, such as :9930)",
        ),
    ] {
        let folder = TempDir::new().unwrap();
        let mut command = command(&["--listen", &listen, "--output"]);
        let output = command.arg(folder.path()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert_eq!(stderr, format!("ngraph: listen at {listen}: {problem}\n"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it left something");
    }
}

#[test]
fn without_a_folder_it_is_served_and_not_printed() {
    let printed = tempfile::NamedTempFile::new().unwrap();
    let mut command = command(&["--interval=1", "--no-resolve", PROCFS, LISTEN, "--output=-"]);
    command.stdout(File::create(printed.path()).unwrap());
    let agent = Agent::run(command, printed.path().parent().unwrap());
    let address = address(&agent);
    let first = wait_for("a file to be served", || http::get(address, "/metrics").ok());
    wait_for("the next", || http::get(address, "/metrics").ok().filter(|next| *next != first));
    assert_eq!(http::get(address, "/healthz").unwrap(), "ok\n");
    assert!(agent.stop().0.success());
    assert_eq!(fs::read_to_string(printed.path()).unwrap(), "");
}

#[test]
fn who_asks_is_an_inbound_connection_like_any_other() {
    if !is_root() {
        return skip("needs root");
    }
    isolated(|| {
        netns::enter_new();
        let agent = Agent::start(&[LISTEN]);
        let address = address(&agent);
        for _ in 0..3 {
            wait_for("an answer", || http::get(address, "/healthz").ok());
        }
        agent.expect("each of them", |metrics| metrics.opened("input") == 3);
    });
}

/// Where it serves, as its log tells.
fn address(agent: &Agent) -> SocketAddr {
    let text = wait_for("the address", || {
        let log = agent.log();
        let from = log.split_once("serves http://")?.1;
        Some(from.split_once("/metrics and /healthz")?.0.to_owned())
    });
    text.parse().unwrap()
}

/// The whole answer to what is said.
fn said(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
