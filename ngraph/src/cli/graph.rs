//! The command line of `ngraph graph`, exactly as typed.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use crate::{
    config::{Format, value},
    picture::group::By,
};

/// What is drawn, and how.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct GraphArgs {
    /// Files of agents: ngraph.prom, or what node_exporter serves; - is stdin
    ///
    /// Of one host or of many. A folder is all its .prom files. Without any, it is the file that
    /// an agent with these options would write here.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,

    /// Ask this Prometheus server instead, such as http://prometheus:9090
    #[arg(
        long, value_name = "URL", conflicts_with = "files",
        value_parser = value::text(value::server), help_heading = PROMETHEUS
    )]
    pub prometheus: Option<String>,

    /// How it was at this time: a date as in RFC 3339, Unix seconds, or 1d for a day ago
    #[arg(long, value_name = "TIME", requires = "prometheus", help_heading = PROMETHEUS)]
    pub at: Option<String>,

    /// Connections opened within that time, and not since the agents started
    #[arg(
        long, value_name = "TIME", requires = "prometheus",
        value_parser = value::text(value::range), help_heading = PROMETHEUS
    )]
    pub range: Option<Duration>,

    /// How long an answer may take, from 1s to 1h
    #[arg(
        long, value_name = "TIME", requires = "prometheus", default_value = "1m",
        value_parser = value::text(value::timeout), help_heading = PROMETHEUS
    )]
    pub timeout: Duration,

    /// What is around this host: its address or name
    #[arg(long, value_name = "HOST", help_heading = WHAT)]
    pub focus: Option<String>,

    /// How many steps around it, from 1 to 100
    #[arg(
        long, value_name = "COUNT", requires = "focus", default_value = "1",
        value_parser = value::text(value::depth), allow_negative_numbers = true,
        help_heading = WHAT
    )]
    pub depth: usize,

    /// Leave out edges of fewer connections and failed attempts
    #[arg(
        long, value_name = "COUNT", default_value = "0",
        value_parser = value::text(value::least), allow_negative_numbers = true,
        help_heading = WHAT
    )]
    pub min: u64,

    /// Draw many hosts as one
    #[arg(long, value_name = "HOW", value_parser = value::choice::<By>(), help_heading = WHAT)]
    pub group_by: Option<By>,

    /// Tell what is new and what is gone since these files, or with --prometheus since this time
    ///
    /// A folder is all its .prom files. May be repeated.
    #[arg(long, value_name = "OLD", help_heading = WHAT)]
    pub diff: Vec<PathBuf>,

    /// What is printed
    // The agent's option has the same name, so this one takes its place: clap hands a global
    // option only to those that have none of that id.
    #[arg(
        long, value_name = "FORMAT", default_value = "html",
        value_parser = value::choice_of(&Format::PICTURES), help_heading = WHAT
    )]
    pub format: Format,
}

const PROMETHEUS: &str = "Prometheus";
const WHAT: &str = "Picture";

const EXAMPLES: &str = "\
Examples:
  This host, whose agent is running:
    ngraph graph >graph.html

  A fleet, from files that were brought together:
    ngraph graph *.prom >fleet.html

  A host whose node_exporter serves the file:
    curl -s http://web1:9100/metrics | ngraph graph - --format mermaid

  What the last hour's connections were, as Prometheus knows them, by network:
    ngraph graph --prometheus http://prometheus:9090 --range 1h --group-by subnet >hour.html

  What talks to a database, and what it talks to:
    ngraph graph *.prom --focus db1 >db1.html

  What is new since yesterday:
    ngraph graph today --diff yesterday >new.html";
