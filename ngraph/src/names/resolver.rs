//! Who is asked for the name of an address: a trait, and the system's DNS behind it.

use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::rr::{RData, Record},
    system_conf::parse_resolv_conf,
};

use super::hosts::Hosts;

/// One of two attempts; together they end before `Limits::lookup_time` does by default.
const ATTEMPT_TIME: Duration = Duration::from_millis(950);
const RETRIES: usize = 1;

/// Tells the names of an address. An argument of `Names`, so that its tests need no luck.
pub trait Resolve: Send + Sync + 'static {
    /// Gives the names of `peer` as they were answered, none if it has none; an error if
    /// nobody could tell. May take for ever: `Names` ends it.
    fn lookup(&self, peer: IpAddr) -> impl Future<Output = anyhow::Result<Vec<String>>> + Send;
}

/// The hosts file and the name servers of the system.
///
/// Both files are read again when they have changed: an agent runs for months, and a machine
/// gets other name servers meanwhile.
pub struct Dns {
    files: Option<Files>,
    current: Mutex<Current>,
}

impl Dns {
    /// Reads /etc/resolv.conf and /etc/hosts.
    ///
    /// # Errors
    /// If there is no name server to ask. The agent can go on without names.
    pub fn from_system() -> anyhow::Result<Self> {
        Self::from_files("/etc/resolv.conf", "/etc/hosts")
    }

    /// Reads these two files instead; a missing hosts file is an empty one.
    ///
    /// # Errors
    /// If there is no name server to ask.
    pub fn from_files(
        resolv_conf: impl Into<PathBuf>,
        hosts: impl Into<PathBuf>,
    ) -> anyhow::Result<Self> {
        let files = Files { resolv_conf: resolv_conf.into(), hosts: hosts.into() };
        let current = Mutex::new(files.read()?);
        Ok(Self { files: Some(files), current })
    }

    /// Asks this name server and nothing else, not even the hosts file.
    ///
    /// # Errors
    /// If the resolver can't be set up.
    pub fn from_server(server: SocketAddr) -> anyhow::Result<Self> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut to| {
            to.port = server.port();
            to
        });
        let server = NameServerConfig::new(server.ip(), true, connections.into());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let current = Current {
            dns: set_up(config, ResolverOpts::default())?,
            hosts: Arc::default(),
            read_at: [None, None],
        };
        Ok(Self { files: None, current: Mutex::new(current) })
    }

    /// Gives what the files say, reading them again if they are not those read before.
    fn current(&self) -> Current {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(files) = &self.files
            && files.stamps() != current.read_at
        {
            match files.read() {
                Ok(changed) => *current = changed,
                Err(err) => {
                    log::warn!("{err:#}; the name servers of before are asked");
                    // Once per change: the next reading is after the next change.
                    current.read_at = files.stamps();
                }
            }
        }
        current.clone()
    }
}

impl Resolve for Dns {
    async fn lookup(&self, peer: IpAddr) -> anyhow::Result<Vec<String>> {
        let Current { dns, hosts, .. } = self.current();
        if let Some(name) = hosts.name(peer) {
            return Ok(vec![name.to_owned()]);
        }
        match dns.reverse_lookup(peer).await {
            Ok(found) => Ok(ptr_names(found.answers())),
            // NXDOMAIN, and NOERROR without a PTR: it is certain that there is no name.
            Err(NetError::Dns(DnsError::NoRecordsFound(_))) => Ok(Vec::new()),
            Err(err) => Err(anyhow!(err).context("ask the name servers")),
        }
    }
}

/// The paths of the system's configuration.
struct Files {
    resolv_conf: PathBuf,
    hosts: PathBuf,
}

/// What the files said when they were read. Cheap to clone.
#[derive(Clone)]
struct Current {
    dns: TokioResolver,
    hosts: Arc<Hosts>,
    read_at: [Option<Stamp>; 2],
}

/// Device, inode, size, seconds and nanoseconds of the last change: another file has others.
type Stamp = (u64, u64, u64, i64, i64);

impl Files {
    fn read(&self) -> anyhow::Result<Current> {
        // Before the contents: a change in between shows as one.
        let read_at = self.stamps();
        let path = self.resolv_conf.display();
        let no_names =
            || format!("read {path} (peers stay without names; --no-resolve asks for none)");
        let text = fs::read(&self.resolv_conf).with_context(no_names)?;
        let (config, options) = parse_resolv_conf(text)
            .map_err(|err| match err {
                // Without hickory's "io error: ", for the usual "no nameservers found in config".
                NetError::Io(err) => anyhow!("{err}"),
                err => anyhow!(err),
            })
            .with_context(no_names)?;
        let hosts = fs::read(&self.hosts).or_else(|err| match err.kind() {
            io::ErrorKind::NotFound => Ok(Vec::new()),
            _ => Err(err).with_context(|| format!("read {}", self.hosts.display())),
        })?;
        Ok(Current {
            dns: set_up(config, options)?,
            hosts: Arc::new(Hosts::parse(&String::from_utf8_lossy(&hosts))),
            read_at,
        })
    }

    fn stamps(&self) -> [Option<Stamp>; 2] {
        [stamp(&self.resolv_conf), stamp(&self.hosts)]
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}

fn set_up(config: ResolverConfig, options: ResolverOpts) -> anyhow::Result<TokioResolver> {
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        .with_options(options);
    let options = builder.options_mut();
    options.timeout = ATTEMPT_TIME;
    options.attempts = RETRIES;
    // There is one cache, with times of our own, and `Hosts` stands for hickory's.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    builder.build().context("set up the resolver")
}

/// Gives the names in the PTR records among `answers`, in ASCII: a Unicode form would not
/// survive the cleaning.
pub fn ptr_names(answers: &[Record]) -> Vec<String> {
    let name = |record: &Record| match &record.data {
        RData::PTR(name) => Some(name.to_ascii()),
        _ => None,
    };
    answers.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests;
