//! What to do other than being the agent.

use clap::Subcommand;
use clap_complete::Shell;

use super::graph::GraphArgs;
use crate::config::value;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Tell what this machine offers the agent, and what is missing
    ///
    /// A line each for kernel, hooks, privileges, mounts and the output folder, with the remedy
    /// where something is missing. Exits with 1 if the agent could not run at all.
    Doctor {
        /// Open 1000 connections to itself, and tell how many were captured, how many the
        /// kernel counted, and how many were lost
        #[arg(long)]
        self_test: bool,
    },
    /// Tell by the exit code whether an agent runs and has written its file lately
    ///
    /// For a container's probe: 0 if one wrote the file in --output within three intervals, as
    /// --interval has it, else 1 and a line that says why. Needs nothing but to read the folder.
    Healthcheck,
    /// Draw who talks to whom, from the files of one host or many
    ///
    /// Hosts are joined by their addresses, and what both ends tell of one edge is one edge.
    Graph(GraphArgs),
    /// Show the live edges in a terminal
    ///
    /// Asks the agent at --socket; where there is none, it captures by itself. ? tells the keys, q
    /// ends it. NO_COLOR is respected.
    Top,
    /// Print a line of JSON for each connection that opens, closes or fails
    ///
    /// Captures by itself, beside an agent or without one, and writes nothing but these lines.
    /// docs/live.md tells their fields. For example, who is refused: ngraph watch | jq
    /// 'select(.reason == "refused")'
    Watch {
        /// Lines that wait for a slow reader, up to 10000000; those beyond are dropped and counted
        #[arg(
            long, value_name = "LINES", default_value = "65536",
            value_parser = value::text(value::queue), allow_negative_numbers = true
        )]
        queue: usize,
    },
    /// Print a shell's completions
    ///
    /// For bash: ngraph completions bash >/usr/share/bash-completion/completions/ngraph
    Completions {
        /// The shell that they are for
        shell: Shell,
    },
    /// Print the manual page
    ///
    /// To read it: ngraph man | man -l -
    Man,
}
