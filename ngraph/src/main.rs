//! The command: parse, run, print what went wrong, say it by the exit code.

use std::process::ExitCode;

use ngraph::{
    agent,
    cli::Command,
    config::{Config, Source},
    doctor, gather, healthcheck, logging, pages, top, watch,
};

fn main() -> ExitCode {
    let source = Source::new(std::env::args_os());
    let cli = source.read().unwrap_or_else(|err| err.exit());
    let config = || Config::try_from(&cli).unwrap_or_else(|err| err.exit());
    logging::init(cli.log_level, cli.log_format);
    let result = match &cli.command {
        Some(Command::Doctor { self_test }) => doctor::examine(&config(), *self_test),
        Some(Command::Healthcheck) => healthcheck::examine(&config()).map(|()| true),
        Some(Command::Graph(args)) => gather::graph(args, &cli).map(|()| true),
        Some(Command::Completions { shell }) => pages::completions(*shell).map(|()| true),
        Some(Command::Man) => pages::man().map(|()| true),
        Some(Command::Top) => top::run(config()).map(|()| true),
        Some(Command::Watch { queue }) => watch::run(config(), *queue).map(|()| true),
        None => agent::run(config(), source).map(|()| true),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(err) => {
            eprintln!("ngraph: {err:#}");
            ExitCode::FAILURE
        }
    }
}
