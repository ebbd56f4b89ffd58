//! What cargo can't say: setup, run, the kernel matrix, the fuzzer, the static binary.
//!
//! This file only reads the command line; each verb is a file of its own.

mod apt;
mod arch;
mod bench;
mod bpf_linker;
mod cache;
mod cargo;
mod command;
mod containers;
mod cpio;
mod crate_tool;
mod cross;
mod deb;
mod digest;
mod dist;
mod elf;
mod fuzz;
mod grafana;
mod guest;
mod image;
mod initramfs;
mod install;
mod instructions;
mod kernel;
mod kubernetes;
mod libraries;
mod lint;
mod modules;
mod package;
mod peers;
mod qemu;
mod registries;
mod root;
mod rpm;
mod run;
mod rust_src;
mod setup;
mod soak;
mod sources;
mod tally;
mod test;
mod tools;
mod vm;

use std::process::ExitCode;

use arch::Arch;
use clap::{Parser, Subcommand};
use guest::{GUESTS, Guest};

/// What cargo can't say, in one place: `cargo xtask VERB`.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Bring what the eBPF side needs and the machine lacks: rust-src and bpf-linker
    Setup,
    /// Build the agent as you and run it as root
    Run {
        /// Arguments of ngraph
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Build the static binary at target/dist/ngraph
    Dist {
        /// For another machine than this one: target/dist/arm64/ngraph
        #[arg(long, value_name = "ARCH")]
        arch: Option<Arch>,
    },
    /// Make Debian's package of it at target/dist/ngraph.deb, and install and purge it once
    Deb,
    /// Make a package of RPM of it at target/dist/ngraph.rpm, and install and remove it once
    Rpm,
    /// Make an image for containers of it at target/dist/ngraph.oci.tar
    Image {
        /// For another machine than this one, as `dist`
        #[arg(long, value_name = "ARCH")]
        arch: Option<Arch>,
    },
    /// Run clippy on the host's and on the kernel's side; a warning is an error
    Lint,
    /// Run every test on this machine, then the kernel tests in each guest of the matrix
    Test {
        /// Leave out the guests
        #[arg(long)]
        no_vm: bool,
        /// The guests, as for `vm`
        #[arg(long, value_delimiter = ',', default_values = GUESTS, value_name = "GUEST")]
        guests: Vec<Guest>,
        /// Arguments of libtest: a filter, --exact, ...
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Measure what tracing costs, with the agent and beside its peers
    Bench(bench::Options),
    /// Count the instructions that events take on their way to the file; too many are an error
    Instructions(instructions::Options),
    /// Feed the agent's parsers bad input for a while; a panic or a broken rule is an error
    Fuzz {
        /// Targets, of fuzz/fuzz_targets; none: all
        targets: Vec<String>,
        /// How long each runs
        #[arg(long, default_value_t = 20)]
        seconds: u32,
    },
    /// Run the agent under churn and see that nothing grows and nothing is lost
    Soak {
        /// How long
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
        minutes: u32,
    },
    /// Run the kernel tests in guests
    Vm {
        /// Kernel versions, as far as they matter, and what is special: 5.10, 6.12-1cpu, 7-arm64
        #[arg(default_values = GUESTS, value_name = "GUEST")]
        guests: Vec<Guest>,
        /// Arguments of libtest: a filter, --exact, ...
        #[arg(last = true)]
        args: Vec<String>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().verb {
        Verb::Setup => setup::setup(),
        Verb::Run { args } => run::run(&args),
        Verb::Dist { arch } => dist::dist(arch),
        Verb::Deb => deb::deb(),
        Verb::Rpm => rpm::rpm(),
        Verb::Image { arch } => image::image(arch),
        Verb::Lint => lint::lint(),
        Verb::Test { no_vm, guests, args } => test::test(if no_vm { &[] } else { &guests }, &args),
        Verb::Bench(options) => bench::bench(&options),
        Verb::Instructions(options) => instructions::instructions(&options),
        Verb::Fuzz { targets, seconds } => fuzz::fuzz(&targets, seconds),
        Verb::Soak { minutes } => soak::soak(minutes),
        Verb::Vm { guests, args } => vm::vm(&guests, &args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(err) => {
            eprintln!("xtask: {err:#}");
            ExitCode::FAILURE
        }
    }
}
