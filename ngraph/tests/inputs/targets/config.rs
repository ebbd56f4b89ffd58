//! Text as a command line, an environment and a file: a line is an argument, or a variable where
//! it begins as those of the agent do; what comes after a line of three dashes is the file.

use std::{
    env,
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
};

use ngraph::{
    cli,
    config::{Config, file::Settings},
};

pub fn run(bytes: &[u8]) {
    let dashes = b"---\n";
    let cut = bytes.windows(dashes.len()).position(|window| window == dashes);
    let (bytes, file) = match cut {
        Some(at) => (&bytes[..at], &bytes[at + dashes.len()..]),
        None => (bytes, &[][..]),
    };
    // What isn't UTF-8 isn't read.
    let settings = match str::from_utf8(file).map(|text| Settings::parse(&"file", text)) {
        Ok(Ok(settings)) => settings,
        Ok(Err(problem)) => {
            assert!(problem.starts_with("file:") && !problem.contains('\n'), "{problem}");
            Settings::default()
        }
        Err(_) => Settings::default(),
    };
    if let Err(error) = cli::parse_over(&settings, ["ngraph"]) {
        panic!("{settings:?} were taken one by one: {error}");
    }
    let (variables, args): (Vec<&[u8]>, Vec<&[u8]>) =
        bytes.split(|&byte| byte == b'\n').partition(|line| line.starts_with(b"NGRAPH_"));
    let environment = Environment::set(&variables);
    let program = OsString::from("ngraph");
    let args = args.into_iter().map(|arg| OsStr::from_bytes(arg).to_owned());
    match cli::parse_over(&settings, std::iter::once(program).chain(args)) {
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
