//! Services that another answers than was dialled: by real rules, in namespaces of the test's own.

use std::{
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd as _,
};

use super::support::{agent::Agent, dnat, has_btf, links, metrics::Metrics, netns, skip_earned};
use crate::captures;

const OPENED: &str = "ngraph_connections_opened_total";

/// A host with an address of its own, two services' addresses, and who answers each.
struct Host {
    own: IpAddr,
    services: [SocketAddr; 2],
    backends: [TcpListener; 2],
}

impl Host {
    /// In the calling thread's namespace, at the interface `link`.
    fn new(link: &str, ips: [&str; 3], prefix: u8) -> Self {
        let ips = ips.map(|ip| -> IpAddr { ip.parse().expect("an address") });
        let [own, one, other] = ips;
        ips.into_iter().for_each(|ip| links::add_address(link, ip, prefix));
        let services = [SocketAddr::new(one, 80), SocketAddr::new(other, 8080)];
        let backends = [own; 2].map(|ip| TcpListener::bind((ip, 0)).expect("listen"));
        let answered = |at: usize| (services[at], backends[at].local_addr().expect("an address"));
        dnat::translate(&[answered(0), answered(1)]);
        Self { own, services, backends }
    }

    /// Has each service called so many times, each call over at once.
    fn call(&self, counts: [usize; 2], mut dial: impl FnMut(SocketAddr) -> TcpStream) {
        for ((service, backend), count) in self.services.iter().zip(&self.backends).zip(counts) {
            for _ in 0..count {
                let client = dial(*service);
                drop(backend.accept().expect("accept"));
                drop(client);
            }
        }
    }

    /// What a file says of calls to each, by who answers and by who was called.
    fn told(&self, metrics: &Metrics) -> [u64; 2] {
        let own = self.own.to_string();
        [0, 1].map(|at| {
            let port = self.backends[at].local_addr().expect("an address").port().to_string();
            let service = self.services[at].to_string();
            let edge = [("direction", "output"), ("dest_ip", &*own), ("port", &port)];
            metrics.sum(OPENED, &[&edge[..], &[("service", &service)]].concat())
        })
    }
}

impl Host {
    /// Calls that are shown by what was dialled. The probes alone tell of an attempt before its SYN
    /// leaves, and the kernel tracks it from then on, so now and then one is asked for too early; if
    /// it is the first, those that follow aren't asked for. Of other hooks' connections none is.
    fn early(&self, capture: &str, metrics: &Metrics) -> u64 {
        let dialled = self.services.map(|service| {
            metrics.sum(OPENED, &[("direction", "output"), ("dest_ip", &*service.ip().to_string())])
        });
        let services = dialled.iter().filter(|&&calls| calls > 0).count() as u64;
        let most = if capture == "kprobe" { lookups(metrics, "untracked") } else { 0 };
        assert!(services <= most, "{dialled:?} as dialled: {metrics:#?}");
        dialled.iter().sum()
    }
}

const V4: [&str; 3] = ["10.0.0.1", "10.96.0.10", "10.96.0.20"];
const V6: [&str; 3] = ["fd00::1", "fd00::96:10", "fd00::96:20"];

fn dial(service: SocketAddr) -> TcpStream {
    TcpStream::connect(service).unwrap_or_else(|err| panic!("dial {service}: {err}"))
}

fn lookups(metrics: &Metrics, result: &str) -> u64 {
    metrics.sum("ngraph_translations_total", &[("result", result)])
}

fn a_service_is_shown_by_who_answers_and_beside_it_by_what_was_dialled(capture: &str) {
    for (ips, prefix) in [(V4, 8), (V6, 64)] {
        netns::enter_new();
        let host = Host::new("lo", ips, prefix);
        let labels = ["--capture", capture, "--labels", "service,port"];
        let labelled = Agent::start(&labels);
        host.call([20, 30], dial);
        // From here on connections are tracked here, so nobody has to ask for it.
        let plain = Agent::start(&["--capture", capture]);
        host.call([3, 4], dial);
        let metrics = labelled.expect("each by who answered", |it| {
            let [one, other] = host.told(it);
            one <= 23 && other <= 34 && one + other + host.early(capture, it) == 57
        });
        let own = host.own.to_string();
        let edge = |direction| [("direction", direction), ("dest_ip", &*own)];
        let all = ["output", "input"].map(|direction| metrics.sum(OPENED, &edge(direction)));
        let shown = 57 - host.early(capture, &metrics);
        let translated = lookups(&metrics, "translated");
        assert_eq!((all, translated), ([shown, 57], shown), "{metrics:#?}");
        let metrics = plain.expect("the same sums without labels", |it| {
            let early = host.early(capture, it);
            it.sum(OPENED, &edge("output")) + early == 7 && it.opened("output") == 7
        });
        assert_eq!(lookups(&metrics, "translated") + host.early(capture, &metrics), 7);
        let open = |it: &Metrics| it.sum("ngraph_live_connections", &[]);
        labelled.expect("and ends there", |it| open(it) == 0);
    }
}
captures!(a_service_is_shown_by_who_answers_and_beside_it_by_what_was_dialled: auto, kprobe, tracepoint);

fn who_dials_from_another_namespace_through_this_one_is_told_too(capture: &'static str) {
    if !has_btf() {
        return skip_earned("without BTF the hooks tell of the agent's own namespace alone");
    }
    netns::enter_new();
    let there = netns::current();
    netns::enter_new();
    let here = netns::current();
    links::veth("host", "pod", Some(there.as_fd()));
    links::up("host");
    // With --all an agent sees every test's namespace: these addresses are this one's.
    let net = capture.len();
    let ips = [format!("10.{net}.0.1"), format!("10.{net}.96.10"), format!("10.{net}.96.20")];
    let host = Host::new("host", [&ips[0], &ips[1], &ips[2]], 16);
    netns::enter(&there);
    links::up("pod");
    let pod: IpAddr = format!("10.{net}.0.2").parse().unwrap();
    links::add_address("pod", pod, 16);
    netns::enter(&here);
    let agent = Agent::start(&["--capture", capture, "--all", "--labels", "service,port"]);
    netns::enter(&there);
    host.call([5, 6], dial);
    agent.expect("each by who answered", |it| {
        let [one, other] = host.told(it);
        one <= 5 && other <= 6 && one + other + host.early(capture, it) == 11
    });
    let pod = pod.to_string();
    let metrics = agent.settled();
    let edges = |direction| metrics.sum(OPENED, &[("src_ip", &pod), ("direction", direction)]);
    assert_eq!([edges("output"), edges("input")], [11, 11], "{metrics:#?}");
}
captures!(who_dials_from_another_namespace_through_this_one_is_told_too: auto, kprobe, tracepoint);

fn what_nobody_translates_is_looked_up_once_a_destination(capture: &str) {
    netns::enter_new();
    let host = Host::new("lo", V4, 8);
    let agent = Agent::start(&["--capture", capture, "--labels", "service"]);
    host.call([1, 0], dial);
    let backend = host.backends[0].local_addr().unwrap();
    host.call([20, 0], |_| dial(backend));
    let metrics = agent.expect("all of them", |it| it.opened("output") == 21);
    let result = |result| lookups(&metrics, result);
    assert_eq!(["plain", "translated", "untracked", "failed"].map(result), [1, 1, 0, 0]);
    let direct = [("direction", "output"), ("service", "")];
    assert_eq!(metrics.sum(OPENED, &direct), 20, "nothing but its own address was dialled");
}
captures!(what_nobody_translates_is_looked_up_once_a_destination: auto, tracepoint);
