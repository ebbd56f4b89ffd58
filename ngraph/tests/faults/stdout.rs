//! The file on stdout.

use std::process::Stdio;

use crate::{
    run,
    support::{
        agent::{command, ends_well_after_a_line},
        metrics::Metrics,
    },
};

const ONCE: [&str; 5] = ["--once", "--output", "-", "--no-resolve", "--capture=procfs"];

#[test]
fn once_prints_one_file() {
    let (code, stdout, stderr) = run(command(&ONCE));
    assert_eq!(code, Some(0), "{stderr}");
    let metrics = Metrics::parse(&stdout);
    assert_eq!(metrics.with("ngraph_build_info", &[]).count(), 1);
}

#[test]
fn json_is_one_object_with_schema_and_edges() {
    let mut command = command(&ONCE);
    command.arg("--format=json");
    let (code, stdout, stderr) = run(command);
    assert_eq!(code, Some(0), "{stderr}");
    let object: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(object["schema"], 1);
    assert!(object["edges"].is_array(), "{stdout}");
    assert!(object["hooks"].is_object(), "{stdout}");
    assert!(stdout.ends_with("}\n"), "{stdout}");
}

#[test]
fn a_reader_who_never_reads_is_no_failure() {
    let mut command = command(&ONCE);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    command.stdout(writer).stderr(Stdio::piped());
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(!stderr.contains("ERROR") && !stderr.contains("ngraph:"), "{stderr}");
}

#[test]
fn a_reader_who_has_seen_enough_ends_the_agent_without_failure() {
    let args = ["--interval=1", "--output", "-", "--no-resolve", "--capture=procfs"];
    ends_well_after_a_line(command(&args));
}
