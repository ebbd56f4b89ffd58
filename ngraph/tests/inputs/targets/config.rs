//! Text as a command line and an environment: a line is an argument, or a variable where
//! it begins as those of the agent do.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

use ngraph::{cli, config::Config};

pub fn run(bytes: &[u8]) {
    let (variables, args): (Vec<&[u8]>, Vec<&[u8]>) =
        bytes.split(|&byte| byte == b'\n').partition(|line| line.starts_with(b"NGRAPH_"));
    let environment = Environment::set(&variables);
    let program = OsString::from("ngraph");
    let args = args.into_iter().map(|arg| OsStr::from_bytes(arg).to_owned());
    match cli::parse_from(std::iter::once(program).chain(args)) {
        Ok(cli) => match Config::try_from(&cli) {
            Ok(config) => check(&config),
            Err(error) => assert_eq!(error.exit_code(), 2, "{error}"),
        },
        // What --help and --version print is no error.
        Err(error) => assert!([0, 2].contains(&error.exit_code()), "{error}"),
    }
    drop(environment);
}

/// What the rest of the agent relies on.
fn check(config: &Config) {
    assert!((1..=3_600).contains(&config.interval.as_secs()), "{config:?}");
    assert!(config.edge_ttl >= config.interval, "{config:?}");
    assert!((1..=1_000_000).contains(&config.max_edges), "{config:?}");
    assert!(config.ring_bytes.is_power_of_two(), "{config:?}");
    assert!(config.snapshot_interval.is_none_or(|every| !every.is_zero()), "{config:?}");
}

/// Variables of this process, set until dropped.
struct Environment(Vec<OsString>);

impl Environment {
    fn set(lines: &[&[u8]]) -> Self {
        let mut names = Vec::new();
        for line in lines {
            let mut parts = line.splitn(2, |&byte| byte == b'=');
            let (Some(name), Some(value)) = (parts.next(), parts.next()) else { continue };
            // The C library takes no such variable.
            if line.contains(&0) {
                continue;
            }
            // SAFETY: std has a lock for the environment, and nobody else in this program
            // asks the C library for a variable.
            unsafe { env::set_var(OsStr::from_bytes(name), OsStr::from_bytes(value)) };
            names.push(OsStr::from_bytes(name).to_owned());
        }
        Self(names)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        for name in &self.0 {
            // SAFETY: as above.
            unsafe { env::remove_var(name) };
        }
    }
}
