//! More than a picture can show.

use std::{
    fmt::Write as _,
    io::{Read as _, Write as _},
    time::Duration,
};

use procfs::process::Process;
use serde_json::Value;

use crate::{graph, start, text};

/// Far more than is drawn.
const EDGES: usize = 100_000;

/// What a label may have in it, once it is read.
const HOSTILE: [&str; 6] = [
    "</script><script>document.title='run'</script>",
    "<img src=x onerror=alert(1)>",
    "--></style><svg onload=alert(1)>",
    "\u{202e}gnp.\u{0}\u{1b}[2J",
    "\"; drop table hosts; --\\",
    "a\nngraph_connections_opened_total 1",
];

/// What drawing may take: bytes of memory, and time.
const MEMORY: u64 = 500_000_000;
const TIME: Duration = Duration::from_secs(2);

#[test]
fn what_is_too_large_to_be_drawn_is_grouped_and_that_is_told() {
    let file = large();
    for format in ["svg", "html", "mermaid"] {
        let output = graph(&["-", "--format", format], file.as_bytes());
        let said = text(&output.stderr);
        assert!(output.status.success(), "{format}: {said}");
        assert!(said.contains("that can be drawn, so grouped by networks"), "{format}: {said}");
        // Each reader sees it, too.
        assert!(text(&output.stdout).contains("so grouped by networks"), "{format}");
    }
    let output = graph(&["-", "--format", "json"], file.as_bytes());
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["edges"].as_array().unwrap().len(), EDGES, "{}", text(&output.stderr));
}

#[test]
fn a_hundred_thousand_edges_of_hostile_names_run_nothing_and_cost_no_more_than_they_may() {
    let file = large();
    for format in ["svg", "html", "dot", "json", "graphml"] {
        // Once of three times: other work on the machine is no cost of this.
        let mut draws = (0..3).map(|_| draw(format, file.as_bytes()));
        let drawn = draws.find(|drawn| drawn.time < TIME);
        let drawn = drawn.unwrap_or_else(|| panic!("{format} took more than {TIME:?}"));
        assert!(drawn.memory < MEMORY, "{format} took {} bytes", drawn.memory);
        assert!(!drawn.text.contains('\u{202e}') && !drawn.text.contains('\u{1b}'), "{format}");
        if ["svg", "html", "graphml"].contains(&format) {
            for name in &HOSTILE[..3] {
                assert!(!drawn.text.contains(name), "{format} has {name}");
            }
        }
    }
}

struct Drawn {
    text: String,
    /// The most that was resident, in bytes.
    memory: u64,
    /// On a processor.
    time: Duration,
}

/// Draws and stops reading at the first byte, when there is nothing left to do but to be read.
fn draw(format: &str, file: &[u8]) -> Drawn {
    let mut child = start(&["-", "--format", format]);
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    stdin.write_all(file).unwrap();
    drop(stdin);
    let mut bytes = vec![0];
    stdout.read_exact(&mut bytes).unwrap();
    let process = Process::new(child.id() as i32).unwrap();
    let memory = process.status().unwrap().vmhwm.expect("a process that isn't over") * 1024;
    let stat = process.stat().unwrap();
    let ticks = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
    stdout.read_to_end(&mut bytes).unwrap();
    assert!(child.wait().unwrap().success(), "{format}");
    let time = Duration::from_secs_f64(ticks);
    Drawn { text: text(&bytes), memory, time }
}

/// One host that accepts from many.
fn large() -> String {
    let mut file = String::new();
    for i in 0..EDGES {
        let (net, high, low) = (18 + i / 50_000, i / 250 % 200, i % 250);
        let name = HOSTILE[i % HOSTILE.len()];
        let name = name.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        writeln!(
            file,
            "ngraph_connections_opened_total{{direction=\"input\",src_ip=\"198.{net}.{high}.{low}\",\
             dest_ip=\"10.0.0.1\",peer_hostname=\"{name}\",service=\"{name}\"}} {}",
            i + 1
        )
        .unwrap();
    }
    file
}
