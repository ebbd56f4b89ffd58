//! Servers that answer as Prometheus should, and as it shouldn't.

use std::{
    io::{self, BufRead as _, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use crate::{drawn, graph, refused, text};

const EMPTY: &str = r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#;

/// One edge from both ends; for families that tell of another kind, none.
fn answer(path: &str) -> String {
    let series = |instance: &str, direction: &str, count: u32| {
        format!(
            r#"{{"metric":{{"instance":"{instance}:9100","job":"node","direction":"{direction}",
            "src_ip":"10.0.0.1","dest_ip":"10.0.0.2","peer_hostname":""}},"value":[1.5,"{count}"]}}"#
        )
    };
    if !path.contains("ngraph_connections_opened_total") {
        return EMPTY.to_owned();
    }
    let both = [series("web1", "output", 7), series("db1", "input", 6)].join(",");
    EMPTY.replace("[]", &format!("[{both}]"))
}

#[test]
fn an_edge_that_both_ends_tell_of_is_one_with_prometheus_names() {
    let server = Server::start(|path, stream| respond(stream, "200 OK", &answer(path)));
    let picture = drawn(&["--prometheus", &server.url, "--format", "mermaid"]);
    assert!(picture.contains("n0[\"db1<br/>10.0.0.2\"]"), "{picture}");
    assert!(picture.contains("  n1 -->|\"7\"| n0"), "{picture}");
    assert_eq!(picture.matches("-->").count(), 1, "{picture}");
}

#[test]
fn a_range_and_a_time_are_asked_for() {
    let server = Server::start(|path, stream| respond(stream, "200 OK", &answer(path)));
    let args = ["--range", "5m", "--at", "2026-11-27T05:00:00+01:00", "--format", "json"];
    let url = format!("{}/", server.url);
    let picture = drawn(&[&["--prometheus", &*url], &args[..]].concat());
    let rate = "\"detail__rate\": 0.023333333333333334";
    assert!(picture.contains(rate), "{picture}");
    let asked: Vec<String> = server.asked.try_iter().collect();
    assert_eq!(asked.len(), 4, "{asked:#?}");
    let time = "time=2026-11-27T05%3A00%3A00%2B01%3A00";
    for path in &asked {
        assert!(path.starts_with("/api/v1/query?query=") && path.contains(time), "{path}");
    }
    let ranged = asked.iter().filter(|path| path.contains("increase")).count();
    assert_eq!(ranged, 2, "{asked:#?}");
}

#[test]
fn an_older_time_is_what_a_diff_compares_with() {
    let server = Server::start(|path, stream| {
        let is_old = path.contains("time=1700000000");
        let body = if is_old { EMPTY.to_owned() } else { answer(path) };
        respond(stream, "200 OK", &body);
    });
    let said = refused(&["--prometheus", &server.url, "--diff", "1700000000"], b"");
    assert!(said.contains("knows no edges at that time"), "{said}");
}

#[test]
fn a_server_that_is_none_of_prometheus_is_a_clear_error() {
    let html = "<html><body>\x1b[31mgateway</body></html>";
    let json = |error: &str| format!(r#"{{"status":"error","errorType":"x","error":"{error}"}}"#);
    let long = format!("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{}", &EMPTY[..30]);
    for (response, error) in [
        (http("404 Not Found", html), "it answers 404 Not Found: <html><body>\\u{1b}[31mgateway"),
        (
            http("200 OK", html),
            "not what Prometheus answers (expected value at line 1 column 1): <html>",
        ),
        (
            http("400 Bad Request", &json("invalid parameter \\\"time\\\"")),
            "it refuses: invalid parameter \"time\"",
        ),
        (http("503 Unavailable", &json("query timed out")), "it refuses: query timed out"),
        (http("200 OK", &EMPTY[..30]), "not what Prometheus answers (EOF while parsing"),
        (http("200 OK", ""), "not what Prometheus answers (EOF while parsing"),
        (http("200 OK", EMPTY), "knows no edges at that time"),
        (long, "ask "),
        ("SSH-2.0-OpenSSH_9.2p1\r\n".to_owned(), "it doesn't speak HTTP: "),
        (String::new(), "ask "),
    ] {
        let answer = response.clone();
        let server = Server::start(move |_, stream| {
            let _ = stream.write_all(answer.as_bytes());
        });
        let said = refused(&["--prometheus", &server.url, "--format", "dot"], b"");
        assert!(said.starts_with("ngraph: ") && said.contains(error), "{response}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&server.url) && !said.contains('\x1b'), "{said}");
    }
}

#[test]
fn nobody_there_is_a_clear_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let said = refused(&["--prometheus", &url, "--format", "dot"], b"");
    assert!(
        said.starts_with(&format!("ngraph: ask {url}: ")) && said.contains("refused"),
        "{said}"
    );
}

#[test]
fn an_answer_that_never_comes_or_never_ends_is_given_up() {
    let (hold, held) = mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let silent = Server::start(move |_, _| {
        let _ = held.lock().unwrap().recv();
    });
    let args = ["--prometheus", &silent.url, "--timeout", "1s", "--format", "dot"];
    let said = refused(&args, b"");
    assert!(said.ends_with("it took too long (--timeout gives it more)\n"), "{said}");
    drop(hold);
    let endless = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b' '; 1 << 16]).is_ok() {}
    });
    let said = refused(&["--prometheus", &endless.url, "--format", "dot"], b"");
    assert!(said.ends_with("it answers more than 64 MiB\n"), "{said}");
}

#[test]
fn wrong_usage_is_told_before_anyone_is_asked() {
    for (args, error) in [
        (&["--prometheus", "https://p"][..], "--prometheus https://p: ngraph has no TLS"),
        (&["--prometheus", "p:9090"], "--prometheus p:9090: not a server such as http://"),
        (&["--prometheus", "http://p", "a.prom"], "cannot be used with"),
        (&["--range", "5m"], "--prometheus <URL>"),
        (&["--depth", "2"], "--focus <HOST>"),
        (&["--focus", "x", "--depth", "0"], "--depth 0: takes a whole number from 1 to 100"),
        (&["--min", "-1"], "--min -1: takes a whole number from 0"),
        (&["--group-by", "color"], "--group-by color: takes subnet, job, domain"),
        (&["--format", "png"], "--format png: takes html, svg, dot, mermaid, json, graphml"),
    ] {
        let output = graph(args, b"");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(error), "{args:?}: {said}");
    }
}

/// A server of as many connections as are made, until the test ends.
struct Server {
    url: String,
    /// The paths that were asked for.
    asked: mpsc::Receiver<String>,
}

impl Server {
    fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (told, asked) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let path = request(&stream).unwrap_or_default();
                let _ = told.send(path.clone());
                answer(&path, &mut stream);
            }
        });
        Self { url, asked }
    }
}

/// Reads a request's head and gives its path.
fn request(stream: &TcpStream) -> io::Result<String> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    Ok(first.split(' ').nth(1).unwrap_or_default().to_owned())
}

fn http(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
}

fn respond(stream: &mut TcpStream, status: &str, body: &str) {
    let _ = stream.write_all(http(status, body).as_bytes());
}
