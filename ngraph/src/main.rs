//! The command: parse, run, print what went wrong, say it by the exit code.

use std::process::ExitCode;

use ngraph::{
    agent,
    cli::{self, Command},
    config::Config,
    doctor, logging, pages,
};

fn main() -> ExitCode {
    let cli = cli::parse_from(std::env::args_os()).unwrap_or_else(|err| err.exit());
    let config = Config::try_from(&cli).unwrap_or_else(|err| err.exit());
    logging::init(cli.log_level, cli.log_format);
    let result = match cli.command {
        Some(Command::Doctor { self_test }) => doctor::examine(&config, self_test),
        Some(Command::Completions { shell }) => pages::completions(shell).map(|()| true),
        Some(Command::Man) => pages::man().map(|()| true),
        None => agent::run(config).map(|()| true),
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
