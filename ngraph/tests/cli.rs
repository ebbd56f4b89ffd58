//! The command line of the real binary: help, wrong values, the environment.
//!
//! Nearly every case ends in a usage error that tells what was understood, so that no
//! agent runs: `--format json` without `--once --output -` names what is missing, and an
//! `--edge-ttl` below the interval names the interval.

use std::{
    collections::BTreeSet,
    env,
    io::Write as _,
    process::{Command, Output, Stdio},
};

#[path = "support/golden.rs"]
mod golden;

use clap::CommandFactory as _;
use golden::assert_golden;
use ngraph::cli::Cli;

#[test]
fn help_is_the_golden_text() {
    for (args, golden) in
        [("-h", "help-short.txt"), ("--help", "help-long.txt"), ("graph --help", "help-graph.txt")]
    {
        let output = ngraph(&[], args);
        assert_eq!(output.status.code(), Some(0), "{args}");
        assert!(output.stderr.is_empty(), "{args}: {}", text(&output.stderr));
        assert_golden(golden, text(&output.stdout));
    }
}

#[test]
fn help_does_not_depend_on_the_environment() {
    let environment = [("NGRAPH_OUTPUT", ""), ("NGRAPH_INTERVAL", "1m"), ("NGRAPH_ALL", "maybe")];
    let output = ngraph(&environment, "-h");
    assert_eq!(output.status.code(), Some(0));
    assert_golden("help-short.txt", text(&output.stdout));
}

#[test]
fn the_manual_page_has_every_option_and_is_troff_without_a_fault() {
    let page = ngraph(&[], "man");
    assert_eq!(page.status.code(), Some(0));
    let plain = text(&page.stdout).replace('\\', "");
    for option in options() {
        assert!(plain.contains(&option), "{option}: {plain}");
    }
    let focus = "\n.TP\n\\fB\\-\\-focus HOST\\fR\n";
    assert!(text(&page.stdout).contains(focus), "a command's own options: {plain}");
    let check = Command::new("groff").args(["-man", "-ww", "-z"]).stdin(Stdio::piped()).spawn();
    let Ok(mut check) = check else {
        return eprintln!("skipped: this machine has no groff");
    };
    check.stdin.take().unwrap().write_all(&page.stdout).unwrap();
    assert!(check.wait().unwrap().success());
}

#[test]
fn completions_have_every_option() {
    for shell in ["bash", "zsh", "fish"] {
        let completions = ngraph(&[], &format!("completions {shell}"));
        assert_eq!(completions.status.code(), Some(0), "{shell}");
        for option in options() {
            let name = option.trim_start_matches('-');
            assert!(text(&completions.stdout).contains(name), "{shell}: {option}");
        }
    }
    let unknown = ngraph(&[], "completions tcsh");
    assert_eq!(unknown.status.code(), Some(2));
}

/// Every option that the help tells of.
fn options() -> Vec<String> {
    let help = ngraph(&[], "-h");
    let words = text(&help.stdout).split_whitespace();
    let options: Vec<_> = words.filter(|word| word.starts_with("--")).map(str::to_owned).collect();
    assert!(options.len() > 10, "{options:?}");
    options
}

#[test]
fn version_tells_the_commit() {
    let output = ngraph(&[], "--version");
    assert_eq!(output.status.code(), Some(0));
    let version = text(&output.stdout);
    let commit = version
        .strip_prefix(concat!("ngraph ", env!("CARGO_PKG_VERSION"), " ("))
        .and_then(|rest| rest.strip_suffix(")\n"));
    assert!(commit.is_some_and(|commit| !commit.is_empty()), "{version:?}");
}

#[test]
fn wrong_usage_is_code_2_and_says_why() {
    for (args, message) in [
        ("--interval 0", "--interval 0: too short (takes 1s to 1h)"),
        ("--interval 61m", "--interval 61m: too long (takes 1s to 1h)"),
        (
            "--interval 99999999999999999999",
            "--interval 99999999999999999999: too long (takes 1s to 1h)",
        ),
        (
            "--interval -5",
            "--interval -5: not a duration such as 30, 30s, 5m or 1h30m (takes 1s to 1h)",
        ),
        (
            "--interval 1.5s",
            "--interval 1.5s: not a duration such as 30, 30s, 5m or 1h30m (takes 1s to 1h)",
        ),
        (
            "--interval=",
            "--interval '': not a duration such as 30, 30s, 5m or 1h30m (takes 1s to 1h)",
        ),
        (
            "--interval \x1b[31m",
            "--interval \\u{1b}[31m: not a duration such as 30, 30s, 5m or 1h30m (takes 1s to 1h)",
        ),
        ("--snapshot-interval 0", "--snapshot-interval 0: too short (takes auto, or 1s to 1d)"),
        ("--snapshot-interval 25h", "--snapshot-interval 25h: too long (takes auto, or 1s to 1d)"),
        ("--edge-ttl 31d", "--edge-ttl 31d: too long (takes 1s to 30d)"),
        (
            "--edge-ttl 1",
            "--edge-ttl 1s: shorter than --interval 15s, so connections could leave before they are written (make it 15s or more)",
        ),
        ("--output=", "a value is required for '--output <DIR>' but none was supplied"),
        ("--capture ebpf", "--capture ebpf: takes auto, kprobe, tracepoint, procfs"),
        ("--exclude 10.0.0.0/33", "--exclude 10.0.0.0/33: prefix length is more than 32"),
        ("--exclude ::1,::/129", "--exclude ::/129: prefix length is more than 128"),
        (
            "--include 10.0.0.0/x",
            "--include 10.0.0.0/x: prefix length is not a number from 0 to 32",
        ),
        (
            "--include example.com",
            "--include example.com: not an address or network such as 10.1.2.3, 10.0.0.0/8 or fd00::/8",
        ),
        ("--max-edges 0", "--max-edges 0: takes a whole number from 1 to 1000000"),
        ("--max-edges 1000001", "--max-edges 1000001: takes a whole number from 1 to 1000000"),
        ("--ring-bytes 2048", "--ring-bytes 2048: takes a whole number from 4096 to 1073741824"),
        (
            "--ring-bytes 5000",
            "--ring-bytes 5000: not a power of two (the nearest are 4096 and 8192)",
        ),
        ("--format yaml", "--format yaml: takes prom, json, html, svg, dot, mermaid, graphml"),
        ("graph --format prom", "--format prom: takes html, svg, dot, mermaid, json, graphml"),
        (
            "--format json",
            "--format json: works only with --once --output - (add --once --output -)",
        ),
        (
            "--format json --once",
            "--format json: works only with --once --output - (add --output -)",
        ),
        (
            "--format json --output -",
            "--format json: works only with --once --output - (add --once)",
        ),
        ("--log-level loud", "--log-level loud: takes off, error, warn, info, debug, trace"),
        ("--log-format xml", "--log-format xml: takes text, json"),
        ("doctor --interval 0", "--interval 0: too short (takes 1s to 1h)"),
        ("--interval 0 doctor", "--interval 0: too short (takes 1s to 1h)"),
        ("--frobnicate", "unexpected argument '--frobnicate' found"),
        ("frobnicate", "unrecognized subcommand 'frobnicate'"),
    ] {
        assert_usage_error(&[], args, message);
    }
}

#[test]
fn the_seeds_command_line_is_understood() {
    // Everything on it was taken if what is refused is only what was added.
    assert_interval(&[], "--interval=30 --output=/path/to/metrics --all", "30s");
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_default() {
    assert_interval(&[], "", "15s");
    assert_interval(&[("NGRAPH_INTERVAL", "1m")], "", "1m");
    assert_interval(&[("NGRAPH_INTERVAL", "1m")], "--interval 90", "1m30s");
    assert_interval(&[("NGRAPH_INTERVAL", "nonsense")], "--interval 90", "1m30s");
    assert_interval(&[("NGRAPH_INTERVAL", "1m")], "doctor", "1m");
    assert_interval(&[("NGRAPH_INTERVAL", "1m")], "--interval 90 doctor", "1m30s");
    assert_interval(&[("NGRAPH_INTERVAL", "1m")], "doctor --interval 90", "1m30s");
}

#[test]
fn booleans_from_the_environment() {
    for yes in ["1", "true", "True", "yes", "YES", "on"] {
        assert_once(&[("NGRAPH_ONCE", yes)], "", true);
    }
    for no in ["0", "false", "FALSE", "no", "No", "off", ""] {
        assert_once(&[("NGRAPH_ONCE", no)], "", false);
        assert_once(&[("NGRAPH_ONCE", no)], "--once", true);
    }
    for name in ["NGRAPH_ONCE", "NGRAPH_ALL", "NGRAPH_KEEP", "NGRAPH_NO_RESOLVE"] {
        let message =
            format!("{name}=maybe: takes 1, true, yes or on; 0, false, no, off or nothing");
        assert_usage_error(&[(name, "maybe")], "", &message);
        assert_usage_error(&[(name, "maybe")], "doctor", &message);
    }
}

#[test]
fn an_empty_variable_is_none() {
    let empty: Vec<_> = VARIABLES.iter().map(|(name, _)| (*name, "")).collect();
    assert_once(&empty, "", false);
    assert_interval(&empty, "", "15s");
    assert_interval(&empty, "doctor", "15s");
}

#[test]
fn every_option_has_a_variable_and_errors_name_it() {
    let command = Cli::command();
    let options: BTreeSet<String> = (command.get_arguments())
        .filter(|arg| !["help", "version"].contains(&arg.get_id().as_str()))
        .map(|arg| format!("NGRAPH_{}", arg.get_id().as_str().to_uppercase().replace('-', "_")))
        .collect();
    let variables = VARIABLES.iter().map(|(name, _)| (*name).to_owned());
    assert_eq!(variables.collect::<BTreeSet<_>>(), options);
    for (name, wrong) in VARIABLES {
        let Some(wrong) = wrong else { continue };
        let output = ngraph(&[(*name, *wrong)], "");
        assert_eq!(output.status.code(), Some(2), "{name}={wrong}");
        let stderr = text(&output.stderr);
        assert!(stderr.starts_with(&format!("error: {name}={wrong}: ")), "{stderr}");
    }
    let lists = [("NGRAPH_EXCLUDE", "10.0.0.0/8, ::1"), ("NGRAPH_INCLUDE", "0.0.0.0/0,::/33")];
    assert_once(&lists, "", false);
}

#[test]
fn one_json_object_goes_to_stdout() {
    let args = "--once --capture procfs --output - --no-resolve --format json";
    let output = ngraph(&[], args);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(value.is_object(), "{value}");
}

#[test]
fn the_agents_own_view_is_drawn_as_a_picture() {
    for (format, start) in [
        ("dot", "digraph ngraph {"),
        ("mermaid", "flowchart LR"),
        ("graphml", "<?xml "),
        ("svg", "<svg "),
        ("html", "<!doctype html>"),
    ] {
        let args = format!("--once --capture procfs --output - --no-resolve --format {format}");
        let output = ngraph(&[], &args);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        assert!(text(&output.stdout).starts_with(start), "{}", text(&output.stdout));
    }
}

/// Every variable, with a value that is refused where there is one: any text is a path.
const VARIABLES: &[(&str, Option<&str>)] = &[
    ("NGRAPH_CONFIG", None),
    ("NGRAPH_INTERVAL", Some("0")),
    ("NGRAPH_OUTPUT", None),
    ("NGRAPH_LISTEN", Some("9930")),
    ("NGRAPH_SOCKET", None),
    ("NGRAPH_ONCE", Some("2")),
    ("NGRAPH_FORMAT", Some("x")),
    ("NGRAPH_KEEP", Some("2")),
    ("NGRAPH_ALL", Some("2")),
    ("NGRAPH_CAPTURE", Some("x")),
    ("NGRAPH_SNAPSHOT_INTERVAL", Some("x")),
    ("NGRAPH_PROCFS", None),
    ("NGRAPH_RING_BYTES", Some("x")),
    ("NGRAPH_EXCLUDE", Some("x")),
    ("NGRAPH_INCLUDE", Some("x")),
    ("NGRAPH_NO_RESOLVE", Some("2")),
    ("NGRAPH_MAX_EDGES", Some("x")),
    ("NGRAPH_EDGE_TTL", Some("x")),
    ("NGRAPH_LABELS", Some("x")),
    ("NGRAPH_MAX_CONNECTIONS", Some("x")),
    ("NGRAPH_LOG_LEVEL", Some("x")),
    ("NGRAPH_LOG_FORMAT", Some("x")),
];

fn assert_interval(environment: &[(&str, &str)], args: &str, interval: &str) {
    let message = format!(
        "--edge-ttl 1s: shorter than --interval {interval}, so connections could leave before \
         they are written (make it {interval} or more)"
    );
    assert_usage_error(environment, &format!("{args} --edge-ttl 1"), &message);
}

fn assert_once(environment: &[(&str, &str)], args: &str, once: bool) {
    let missing = if once { "--output -" } else { "--once --output -" };
    let message = format!("--format json: works only with --once --output - (add {missing})");
    assert_usage_error(environment, &format!("{args} --format json"), &message);
}

fn assert_usage_error(environment: &[(&str, &str)], args: &str, message: &str) {
    let output = ngraph(environment, args);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let case = format!("{environment:?} {args:?}: {stderr}");
    assert_eq!(output.status.code(), Some(2), "{case}");
    assert_eq!(stdout, "", "{case}");
    let expected = format!("error: {message}");
    assert_eq!(stderr.lines().next(), Some(expected.as_str()), "{case}");
    assert!(stderr.ends_with("For more information, try '--help'.\n"), "{case}");
}

/// Runs the binary where nothing of the machine shows: no terminal, and no variable of its
/// own but those given.
fn ngraph(environment: &[(&str, &str)], args: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ngraph"));
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("NGRAPH_") {
            command.env_remove(name);
        }
    }
    command
        .args(args.split(' ').filter(|arg| !arg.is_empty()))
        .env("COLUMNS", "100")
        .env_remove("CLICOLOR_FORCE")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the binary prints UTF-8")
}
