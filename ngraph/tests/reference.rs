//! `docs/reference.md` is made from the code: the options of the command line, and the families of
//! a file that has all of them. `BLESS=1` in the environment writes it.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::Path};

use clap::{Arg, CommandFactory as _};
use ngraph::{
    audit::Line,
    cli::Cli,
    export,
    flow::{NetnsId, Reason, Role},
    graph::{EdgeRow, Peer, View},
    health::{Capacity, Health, ProgramRuns},
    nat::Counts,
};

const HEAD: &str = "\
# Reference

Made from the code by `BLESS=1 cargo test --package ngraph --test reference`.
";

#[test]
fn the_reference_is_what_the_code_says() {
    let text = format!("{HEAD}\n{}\n{}\n{}", options(), commands(), metrics());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference.md");
    if env::var_os("BLESS").is_some_and(|bless| bless == "1") {
        return fs::write(&path, text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == written,
        "{HEAD}\ndocs/reference.md differs; this is what the code says:\n{text}"
    );
}

fn options() -> String {
    let mut text = "## Options\n".to_owned();
    let command = Cli::command();
    let mut heading = None;
    for arg in command.get_arguments().filter(|arg| arg.get_env().is_some()) {
        if heading != arg.get_help_heading() {
            heading = arg.get_help_heading();
            let heading = heading.unwrap();
            write!(text, "\n### {heading}\n\n| option | environment | default | is |\n").unwrap();
            text += "| --- | --- | --- | --- |\n";
        }
        writeln!(
            text,
            "| `{}` | `{}` | {} | {} |",
            written(arg),
            arg.get_env().unwrap().display(),
            default(arg),
            about(arg)
        )
        .unwrap();
    }
    text
}

fn written(arg: &Arg) -> String {
    let long = arg.get_long().unwrap();
    match arg.get_value_names().filter(|_| arg.get_action().takes_values()) {
        Some(names) => format!("--{long} {}", names.join(" ")),
        None => format!("--{long}"),
    }
}

fn default(arg: &Arg) -> String {
    if !arg.get_action().takes_values() {
        return "off".to_owned();
    }
    let values = arg.get_default_values().iter().map(|value| format!("`{}`", value.display()));
    let values: Vec<String> = values.collect();
    if values.is_empty() { "none".to_owned() } else { values.join(", ") }
}

/// All that `--help` says of an option, in one line.
fn about(arg: &Arg) -> String {
    let short = arg.get_help().unwrap().to_string();
    let long = arg.get_long_help().map(ToString::to_string);
    let text = long.unwrap_or(short);
    // A paragraph's first line is a title and has no full stop.
    let paragraphs =
        text.split("\n\n").map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "));
    let text = paragraphs.collect::<Vec<_>>().join(". ");
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}`: {help}", value.get_name()),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    let text = if values.is_empty() { text } else { format!("{text}. {}", values.join("; ")) };
    text.replace('|', "\\|")
}

fn commands() -> String {
    let mut text = "## Commands\n\n`ngraph` alone is the agent.\n\n".to_owned();
    text += "| command | does |\n| --- | --- |\n";
    for command in Cli::command().get_subcommands().filter(|it| it.get_name() != "help") {
        let about = command.get_about().unwrap();
        writeln!(text, "| `ngraph {}` | {about} |", command.get_name()).unwrap();
    }
    text
}

/// The families of a file that has one of everything.
fn metrics() -> String {
    let file = export::prometheus(&view(), &health());
    let mut families: Vec<(&str, &str, &str)> = Vec::new();
    let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in file.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|it| it.split_once(' ')) {
            families.push((name, "", help));
        } else if let Some((_, kind)) =
            line.strip_prefix("# TYPE ").and_then(|it| it.split_once(' '))
        {
            families.last_mut().unwrap().1 = kind;
        } else if let Some((name, rest)) = line.split_once('{') {
            let of = rest.split("=\"").map(|part| part.rsplit([',', '{', '"']).next().unwrap());
            let count = rest.matches("=\"").count();
            labels.insert(name, of.take(count).collect());
        }
    }
    let mut text = "## Metrics\n\nA family without a sample isn't in the file.\n\n".to_owned();
    text += "| family | type | labels | is |\n| --- | --- | --- | --- |\n";
    for (name, kind, help) in families {
        let labels = labels.get(name).map(|labels| labels.join(", ")).unwrap_or_default();
        writeln!(text, "| `{name}` | {kind} | {labels} | {help} |").unwrap();
    }
    text
}

fn view() -> View {
    let row = |role| EdgeRow {
        role,
        local: Some("10.0.0.1".parse().unwrap()),
        peer: Peer::Address("10.0.0.2".parse().unwrap()),
        name: "db.example".into(),
        labels: Vec::new(),
        open: 1,
        unique: 1,
        opened: Some(1),
        failed: [1; Reason::ALL.len()],
        age: std::time::Duration::ZERO,
    };
    View { rows: Role::ALL.map(row).into(), waiting: 0 }
}

fn health() -> Health {
    Health {
        attached: [Some(true); _],
        audit: vec![Line { netns: NetnsId(1), role: Role::Inbound, kernel: 1, captured: 1 }],
        capacities: vec![Capacity { of: "edges", most: 1, reached: 0 }],
        translations: Some(Counts::default()),
        programs: vec![ProgramRuns { name: "tcp_connect", seconds: 0.0, runs: 1 }],
        ..Health::default()
    }
}
