//! What agents tell: each edge once an agent and direction, whatever further labels it has.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use serde::Deserialize;

use super::{exposition, figures::Figures, readable::readable};
use crate::{
    flow::{Reason, Role},
    graph::{EdgeRow, Peer},
    labels::Label,
};

/// Ports told of one edge at most, and addresses that were dialled; what is beyond is left out.
const MAX_PORTS: usize = 16;
const MAX_DIALLED: usize = 16;

/// All that was read.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    /// Who told, in the order in which they were first met.
    pub agents: Vec<Agent>,
    /// What they told.
    pub edges: BTreeMap<Key, Report>,
    /// The names that peers' addresses were told with; of several the smallest.
    pub names: BTreeMap<IpAddr, String>,
    /// When the newest was written, in Unix seconds.
    pub written_at: Option<u64>,
    by_name: BTreeMap<String, usize>,
}

/// Who tells: the host that an agent is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Where it was read: a file's name, a server's.
    pub source: String,
    /// The label that Prometheus gave it.
    pub instance: Option<String>,
    /// The other one.
    pub job: Option<String>,
}

/// What makes an edge as one agent tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Index of [`Reports::agents`].
    pub agent: usize,
    /// The local socket's part.
    pub role: Role,
    /// The local address; none of the folded edge.
    pub local: Option<IpAddr>,
    /// The other end.
    pub peer: Peer,
}

/// An edge as one agent tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The counts.
    pub figures: Figures,
    /// Whether connections are told of, and not failed attempts alone.
    pub has_connections: bool,
    /// Ports, where agents tell them.
    pub ports: BTreeSet<u16>,
    /// What was dialled where another answered (NAT), where agents tell it.
    pub dialled: BTreeSet<String>,
}

impl Report {
    /// Takes in a port as a label has it, where it has one.
    fn add_port(&mut self, label: &str) {
        if let Ok(port) = label.parse()
            && self.ports.len() < MAX_PORTS
        {
            self.ports.insert(port);
        }
    }

    /// Takes in a service as a label has it, where it has one.
    fn add_dialled(&mut self, label: &str) {
        if !label.is_empty() && self.dialled.len() < MAX_DIALLED {
            self.dialled.insert(readable(label));
        }
    }
}

/// A family that edges are told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Unique connections, a family a direction.
    Unique(Role),
    /// Connections opened.
    Opened,
    /// Attempts that failed.
    Failures,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::Unique(Role::Inbound), Self::Unique(Role::Outbound), Self::Opened, Self::Failures];

    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unique(Role::Inbound) => "network_connections_input_total",
            Self::Unique(Role::Outbound) => "network_connections_output_total",
            Self::Opened => "ngraph_connections_opened_total",
            Self::Failures => "ngraph_connect_failures_total",
        }
    }

    /// The family of that name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }
}

/// The family that tells when a file was written.
const WRITTEN_AT: &str = "ngraph_last_write_timestamp_seconds";

/// Whether a family is an agent's at all: a file with none is something else.
fn is_an_agents(name: &str) -> bool {
    name.starts_with("ngraph_") || Family::of(name).is_some()
}

/// The labels that mean something here; any others may be there.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Labels<'a> {
    #[serde(borrow)]
    src_ip: Cow<'a, str>,
    #[serde(borrow)]
    dest_ip: Cow<'a, str>,
    #[serde(borrow)]
    peer_hostname: Cow<'a, str>,
    #[serde(borrow)]
    direction: Cow<'a, str>,
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    instance: Cow<'a, str>,
    #[serde(borrow)]
    job: Cow<'a, str>,
    #[serde(borrow)]
    port: Cow<'a, str>,
    #[serde(borrow)]
    service: Cow<'a, str>,
}

impl<'a> Labels<'a> {
    /// Takes a label in.
    pub fn set(&mut self, name: &str, value: Cow<'a, str>) {
        let place = match name {
            "src_ip" => &mut self.src_ip,
            "dest_ip" => &mut self.dest_ip,
            "peer_hostname" => &mut self.peer_hostname,
            "direction" => &mut self.direction,
            "reason" => &mut self.reason,
            "instance" => &mut self.instance,
            "job" => &mut self.job,
            "port" => &mut self.port,
            "service" => &mut self.service,
            _ => return,
        };
        *place = value;
    }
}

impl Reports {
    /// Reads a whole text in Prometheus' format; `source` names it.
    ///
    /// # Errors
    /// Where it is none, is broken, or has nothing of an agent's.
    pub fn read(&mut self, source: &str, text: &[u8]) -> Result<(), String> {
        let mut is_an_agents = false;
        let hint = |is_an_agents| match is_an_agents {
            true => "",
            false => " (wanted is an agent's ngraph.prom, or what node_exporter serves of it)",
        };
        // The last piece is what follows the last line's end.
        let mut lines = text.split(|&byte| byte == b'\n');
        let rest = lines.next_back().unwrap_or_default();
        for (number, line) in (1..).zip(lines) {
            let read = std::str::from_utf8(line)
                .map_err(|_| "not UTF-8".to_owned())
                .and_then(|line| self.read_line(source, line));
            is_an_agents |=
                read.map_err(|err| format!("line {number}: {err}{}", hint(is_an_agents)))?;
        }
        if !rest.is_empty() {
            let hint = hint(is_an_agents);
            return Err(format!("it ends in the middle of a line: it was cut{hint}"));
        }
        if !is_an_agents {
            return Err(format!("no metric of ngraph's in it{}", hint(false)));
        }
        Ok(())
    }

    /// Whether the line is an agent's.
    fn read_line(&mut self, source: &str, line: &str) -> Result<bool, String> {
        let Some(sample) = exposition::sample(line)? else { return Ok(false) };
        if let Some(family) = Family::of(sample.name) {
            let mut labels = Labels::default();
            sample.labels(|name, value| labels.set(name, value))?;
            self.add(source, family, &labels, sample.value)?;
        } else if sample.name == WRITTEN_AT && sample.value >= 0.0 {
            self.written_at = self.written_at.max(Some(sample.value as u64));
        }
        Ok(is_an_agents(sample.name))
    }

    /// Takes a sample in that was read in `source`.
    ///
    /// # Errors
    /// Where it makes no sense: why.
    pub fn add(
        &mut self,
        source: &str,
        family: Family,
        labels: &Labels<'_>,
        value: f64,
    ) -> Result<(), String> {
        // Every count that a float holds exactly, and no infinity.
        if !(0.0..=9_007_199_254_740_992.0).contains(&value) {
            return Err(format!("{value} is no count"));
        }
        let count = value.round() as u64;
        let role = match (family, &*labels.direction) {
            (Family::Unique(role), _) => role,
            (Family::Failures, _) | (Family::Opened, "output") => Role::Outbound,
            (Family::Opened, "input") => Role::Inbound,
            (Family::Opened, other) => {
                let direction = exposition::quoted(other);
                return Err(format!("direction={direction} is neither input nor output"));
            }
        };
        let (local, peer) = match role {
            Role::Inbound => (("dest_ip", &labels.dest_ip), ("src_ip", &labels.src_ip)),
            Role::Outbound => (("src_ip", &labels.src_ip), ("dest_ip", &labels.dest_ip)),
        };
        let peer = match &**peer.1 {
            "other" => Peer::Other,
            text => Peer::Address(address(peer.0, text)?),
        };
        let local = match (&**local.1, peer) {
            ("", Peer::Other) => None,
            (text, _) => Some(address(local.0, text)?),
        };
        let agent = self.agent(source, labels);
        let report = self.edges.entry(Key { agent, role, local, peer }).or_default();
        let mut figures = Figures::default();
        match family {
            Family::Unique(_) => figures.unique = count,
            Family::Opened => figures.opened = count,
            Family::Failures => figures.failed[reason(&labels.reason) as usize] = count,
        }
        report.figures.add(&figures);
        report.has_connections |= family != Family::Failures;
        report.add_port(&labels.port);
        report.add_dialled(&labels.service);
        if let Peer::Address(peer) = peer {
            self.name(peer, &labels.peer_hostname);
        }
        Ok(())
    }

    /// What an agent would write: its own view, as that of the host `name`.
    pub fn of_rows(name: &str, rows: &[EdgeRow]) -> Self {
        let mut reports = Self::default();
        let labels = Labels { instance: Cow::Borrowed(name), ..Labels::default() };
        let agent = reports.agent(name, &labels);
        for row in rows {
            let figures =
                Figures { opened: row.opened.unwrap_or(0), unique: row.unique, failed: row.failed };
            let has_connections = row.opened.is_some() || row.unique > 0;
            let key = Key { agent, role: row.role, local: row.local, peer: row.peer };
            let report = reports.edges.entry(key).or_default();
            report.figures.add(&figures);
            report.has_connections |= has_connections;
            let label = |wanted: Label| {
                let label = row.labels.iter().find(|(label, _)| *label == wanted.name());
                label.map_or("", |(_, value)| value)
            };
            report.add_port(label(Label::Port));
            report.add_dialled(label(Label::Service));
            if let Peer::Address(peer) = row.peer {
                reports.name(peer, &row.name);
            }
        }
        reports
    }

    /// An instance is an agent wherever it is read; without that label a source is one.
    fn agent(&mut self, source: &str, labels: &Labels<'_>) -> usize {
        let instance = &*labels.instance;
        // No instance is empty, so a file of any name is none of them.
        let key = if instance.is_empty() { format!("\0{source}") } else { instance.to_owned() };
        let agents = &mut self.agents;
        *self.by_name.entry(key).or_insert_with(|| {
            let some = |text: &str| (!text.is_empty()).then(|| readable(text));
            agents.push(Agent {
                source: readable(source),
                instance: some(instance),
                job: some(&labels.job),
            });
            agents.len() - 1
        })
    }

    fn name(&mut self, address: IpAddr, name: &str) {
        // Every host is its own localhost.
        if name.is_empty() || address.is_loopback() {
            return;
        }
        match self.names.get_mut(&address) {
            Some(known) if known.as_str() <= name => {}
            Some(known) => *known = readable(name),
            None => {
                self.names.insert(address, readable(name));
            }
        }
    }
}

fn address(label: &str, text: &str) -> Result<IpAddr, String> {
    let address: Result<IpAddr, _> = text.parse();
    Ok(address
        .map_err(|_| format!("{label}={} is no address", exposition::quoted(text)))?
        .to_canonical())
}

/// A reason that a later agent may have is one of the others.
fn reason(text: &str) -> Reason {
    Reason::ALL.into_iter().find(|reason| reason.label() == text).unwrap_or(Reason::Other)
}
