//! What is measured: nothing, the agent, a peer. How each is started, and its output counted.

use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context as _, Result};

/// A program that traces connections.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tracer {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
    /// What of its output tells of one end of a connection; none: it is the agent, whose file
    /// tells.
    pub(crate) ends: Option<Ends>,
}

/// Lines that tell of one end of a connection to certain ports: peers trace the whole machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Ends {
    /// Every line.
    Every,
    /// Those with these words.
    With(&'static str),
}

/// Prints a line for each socket that closes, as tcplife does.
const BPFTRACE: &str = "tracepoint:sock:inet_sock_set_state /args->protocol == 6 && args->newstate == 7/ \
                        { printf(\"%d %d %d %s\\n\", args->oldstate, args->sport, args->dport, comm); }";

impl Tracer {
    /// The agent: a file a second, which is fifteen times what it does by default.
    pub(crate) fn agent(program: PathBuf, more: &[&str]) -> Self {
        let args = ["--interval", "1", "--no-resolve"];
        let args = args.iter().chain(more).map(|&arg| arg.to_owned()).collect();
        Self { name: "ngraph".to_owned(), program, args, ends: None }
    }
}

/// `NAME=PATH`. Of names that aren't known, every line of output is taken for an end.
impl FromStr for Tracer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts =
            text.split_once('=').filter(|(name, path)| !name.is_empty() && !path.is_empty());
        let (name, path) = parts.ok_or("NAME=PATH is wanted, as in tcplife=/usr/sbin/tcplife")?;
        let (args, ends): (&[&str], _) = match name {
            "tcpstates" => (&[], Ends::With("-> ESTABLISHED")),
            "ss" => (&["-E", "-t", "-n", "-H"], Ends::Every),
            "bpftrace" => (&["-q", "-e", BPFTRACE], Ends::Every),
            _ => (&[], Ends::Every),
        };
        Ok(Self {
            name: name.to_owned(),
            program: path.into(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            ends: Some(ends),
        })
    }
}

impl Ends {
    /// How many ends of connections to `ports` an output tells of.
    pub(crate) fn count(self, output: &str, ports: &[u16]) -> u64 {
        let is_end = |line: &&str| match self {
            Self::Every => true,
            Self::With(words) => line.contains(words),
        };
        // `12.3` isn't port 12.
        let is_between = |it: char| it.is_whitespace() || it == ':';
        let is_ours = |line: &&str| {
            line.split(is_between).any(|word| word.parse().is_ok_and(|port| ports.contains(&port)))
        };
        output.lines().filter(is_end).filter(is_ours).count() as u64
    }

    /// How many ends of connections to `ports` a file of output tells of.
    pub(crate) fn count_in(self, file: &Path, ports: &[u16]) -> Result<u64> {
        let output = fs::read(file).with_context(|| format!("read {}", file.display()))?;
        Ok(self.count(&String::from_utf8_lossy(&output), ports))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_name_and_a_path() {
        let peer: Tracer = "tcplife=/usr/sbin/tcplife".parse().unwrap();
        assert_eq!((peer.name.as_str(), peer.ends), ("tcplife", Some(Ends::Every)));
        assert_eq!(peer.program, PathBuf::from("/usr/sbin/tcplife"));
        for bad in ["tcplife", "=/usr/sbin/tcplife", "tcplife="] {
            assert!(bad.parse::<Tracer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ends_are_lines_about_the_loads_own_ports() {
        let life = "PID COMM LADDR LPORT\n80 a 127.0.0.1 5000 127.0.0.1 8080 80.5\n\
                    43 b 127.0.0.1 443 127.0.0.1 5000 0.1\n42 a 127.0.0.1 5000 127.0.0.1 444 80.5\n";
        assert_eq!(Ends::Every.count(life, &[443, 8080]), 2);
        assert_eq!(Ends::Every.count("ESTAB 0 0 127.0.0.1:443 127.0.0.1:5000\n", &[443]), 1);
        let states =
            "SKADDR\n1 443 SYN_SENT    -> ESTABLISHED 0.1\n1 443 ESTABLISHED -> CLOSE 0.2\n";
        assert_eq!(Ends::With("-> ESTABLISHED").count(states, &[443]), 1);
    }
}
