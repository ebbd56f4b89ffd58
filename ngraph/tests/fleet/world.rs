//! Three hosts on a wire: network namespaces, each with an agent and a node_exporter, and
//! Prometheus in one more that reaches them all and has no agent.
//!
//! All of it ends with the test: processes are killed, and a namespace ends with what is in it.

use std::{
    fs::{self, File, Permissions},
    net::{IpAddr, Ipv4Addr, TcpListener, TcpStream},
    os::{fd::AsFd as _, unix::fs::PermissionsExt as _},
    path::Path,
};

use tempfile::TempDir;

use crate::{
    prometheus::Prometheus,
    support::{
        agent::{Agent, command},
        exporter::Exporter,
        links, netns,
    },
};

/// Programs that a fleet is made of.
pub struct Programs {
    pub node_exporter: std::path::PathBuf,
    pub prometheus: std::path::PathBuf,
}

/// The fleet. The calling thread is in the hub's namespace, where Prometheus is.
pub struct Fleet {
    pub prometheus: Prometheus,
    pub hosts: Vec<Host>,
    pub hub: Place,
}

/// A host with an agent.
pub struct Host {
    pub name: &'static str,
    pub place: Place,
    _agent: Agent,
    exporter: Exporter,
    pub folder: TempDir,
}

/// A network namespace and its address.
pub struct Place {
    pub ip: IpAddr,
    namespace: File,
}

/// The agents' own options. c doesn't count b, so that there is an edge with a silent end.
const HOSTS: [(&str, &[&str]); 3] = [("a", &[]), ("b", &[]), ("c", &["--exclude=10.77.0.12"])];

impl Fleet {
    /// Makes all of it and waits until Prometheus has known each agent for as long as the rules
    /// look back.
    pub fn start(programs: &Programs) -> Self {
        netns::enter_new();
        let hub = Place { ip: Ipv4Addr::new(10, 77, 0, 1).into(), namespace: netns::current() };
        links::bridge("wire");
        links::up("wire");
        links::add_address("wire", hub.ip, 24);
        let numbered = HOSTS.into_iter().zip(11..);
        let hosts: Vec<Host> = numbered
            .map(|((name, options), number)| {
                let ip = Ipv4Addr::new(10, 77, 0, number).into();
                let host = Host::start(name, Place::beside(&hub, name, ip), options, programs);
                hub.enter();
                host
            })
            .collect();
        let targets: Vec<_> = hosts.iter().map(|it| (it.name, it.exporter.address)).collect();
        let prometheus = Prometheus::start(&programs.prometheus, &targets);
        prometheus.wait_for("agents known for long enough", |prometheus| {
            let query = format!("ngraph_build_info offset {}", crate::prometheus::WINDOW);
            prometheus.query(&query).unwrap().len() == hosts.len()
        });
        Self { prometheus, hosts, hub }
    }

    /// Where a host of that name is, or the hub.
    pub fn place(&self, name: &str) -> &Place {
        self.hosts.iter().find(|host| host.name == name).map_or(&self.hub, |host| &host.place)
    }

    /// Makes connections between two places, one after the other, each closed at once.
    pub fn connect(&self, from: &str, to: &str, count: usize) {
        let (from, to) = (self.place(from), self.place(to));
        to.enter();
        let listener = TcpListener::bind((to.ip, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        from.enter();
        for _ in 0..count {
            let client = TcpStream::connect(address).unwrap();
            drop(listener.accept().unwrap());
            drop(client);
        }
        self.hub.enter();
    }

    /// Tries to connect to a port where nobody listens.
    pub fn refused(&self, from: &str, to: &str, count: usize) {
        let to = self.place(to);
        to.enter();
        // Bound all the while, so that nobody else listens on it.
        let port = crate::support::sockets::bound((to.ip, 0).into());
        let address = crate::support::sockets::address(&port);
        self.place(from).enter();
        for _ in 0..count {
            TcpStream::connect(address).unwrap_err();
        }
        self.hub.enter();
    }
}

impl Host {
    fn start(name: &'static str, place: Place, options: &[&str], programs: &Programs) -> Self {
        place.enter();
        let folder = TempDir::new().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let agent = agent(folder.path(), options);
        let exporter = Exporter::start(&programs.node_exporter, folder.path(), place.ip);
        Self { name, place, _agent: agent, exporter, folder }
    }
}

fn agent(folder: &Path, options: &[&str]) -> Agent {
    let mut command = command(&["--interval=1", "--no-resolve", "--output"]);
    command.arg(folder).args(options);
    let agent = Agent::run(command, folder);
    agent.wait_for("the first file", |_| true);
    agent
}

impl Place {
    /// A new namespace on the hub's wire.
    fn beside(hub: &Self, name: &str, ip: IpAddr) -> Self {
        netns::enter_new();
        let place = Self { ip, namespace: netns::current() };
        hub.enter();
        links::veth(name, "eth0", Some(place.namespace.as_fd()));
        links::join(name, "wire");
        links::up(name);
        place.enter();
        links::add_address("eth0", ip, 24);
        links::up("eth0");
        place
    }

    fn enter(&self) {
        netns::enter(&self.namespace);
    }
}
