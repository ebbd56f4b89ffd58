//! `Dns` against name servers of the test's own, on loopback ports that the system chose.

use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        Name, Record,
        rdata::{CNAME, PTR},
    },
};
use tokio::{net::UdpSocket, time::Instant};

use super::*;
use crate::names::{Answer, Limits, Names, hostname::clean};

const NOW: Duration = Duration::from_secs(1_000);

#[tokio::test]
async fn several_names_in_any_order_give_the_same_name() {
    let server = Server::start(|query, count| {
        let mut names = ["WEB.example", "api.example", "_x.example", "b_d.example"];
        names.rotate_left(count % 4);
        answer(query, names.map(|name| name.split('.').map(str::as_bytes).collect()).to_vec())
    })
    .await;
    for _ in 0..4 {
        let mut names = server.names(Limits::default());
        assert_eq!(name_of(&mut names, "192.0.2.1").await, "_x.example");
    }
    assert_eq!(server.queries(), 4);
}

#[tokio::test]
async fn ipv6_addresses_are_asked_for_too() {
    let server = Server::start(|query, _| {
        let is_ip6 = query.queries[0].name().to_ascii().ends_with("8.b.d.0.1.0.0.2.ip6.arpa.");
        answer(query, if is_ip6 { vec![vec![b"six"]] } else { vec![] })
    })
    .await;
    let mut names = server.names(Limits::default());
    assert_eq!(name_of(&mut names, "2001:db8::1").await, "six");
}

#[tokio::test]
async fn hostile_names_become_the_empty_name() {
    let server = Server::start(|query, count| {
        let label: &[u8] =
            [b"a\"} 1\nx{b=\"", b"a\\b".as_slice(), b"a\nb", b"a.b", b"\0", b"\xff\xfe", b"a b"]
                [count];
        answer(query, vec![vec![label, b"example"]])
    })
    .await;
    let mut names = server.names(Limits::default());
    for n in 0..7 {
        assert_eq!(name_of(&mut names, &format!("192.0.2.{n}")).await, "", "{n}");
    }
    assert_eq!(names.stats().lookups_ok, 7);
}

#[tokio::test]
async fn international_name_keeps_its_ascii_form() {
    let server =
        Server::start(|query, _| answer(query, vec![vec![b"xn--bcher-kva", b"example"]])).await;
    let mut names = server.names(Limits::default());
    assert_eq!(name_of(&mut names, "192.0.2.1").await, "xn--bcher-kva.example");
}

#[tokio::test]
async fn delegated_reverse_zone_is_followed() {
    // RFC 2317: the address's own name is an alias of one in the customer's zone.
    let server = Server::start(|query, _| {
        let zone = Name::from_ascii("1.0-25.2.0.192.in-addr.arpa.").unwrap();
        let mut message = reply(query);
        let alias = RData::CNAME(CNAME(zone.clone()));
        message.add_answer(Record::from_rdata(query.queries[0].name().clone(), 60, alias));
        message.add_answer(Record::from_rdata(zone, 60, ptr(&[b"customer", b"example"])));
        message.to_vec().unwrap()
    })
    .await;
    let mut names = server.names(Limits::default());
    assert_eq!(name_of(&mut names, "192.0.2.1").await, "customer.example");
}

#[tokio::test]
async fn address_without_a_name_is_an_answer_and_remembered() {
    let server = Server::start(|query, _| error(query, ResponseCode::NXDomain)).await;
    let mut names = server.names(Limits::default());
    for _ in 0..3 {
        assert_eq!(name_of(&mut names, "192.0.2.1").await, "");
    }
    assert_eq!((names.stats().lookups_ok, server.queries()), (1, 1));
}

#[tokio::test]
async fn server_failure_is_remembered() {
    let server = Server::start(|query, _| error(query, ResponseCode::ServFail)).await;
    let mut names = server.names(Limits::default());
    assert_eq!(name_of(&mut names, "192.0.2.1").await, "");
    let queries = server.queries();
    assert_eq!(name_of(&mut names, "192.0.2.1").await, "");
    assert_eq!((names.stats().lookups_failed, server.queries()), (1, queries));
}

#[tokio::test]
async fn only_our_own_cache_remembers() {
    let server = Server::start(|query, count| answer(query, vec![vec![[b"a", b"b"][count]]])).await;
    let dns = Dns::from_server(server.address).unwrap();
    for name in ["a.", "b."] {
        assert_eq!(dns.lookup(peer("192.0.2.1")).await.unwrap(), [name]);
    }
}

#[tokio::test]
async fn dead_server_fails_by_itself_before_the_limit() {
    let server = Server::start(|_, _| Vec::new()).await;
    let dns = Dns::from_server(server.address).unwrap();
    let start = Instant::now();
    let err = dns.lookup(peer("192.0.2.1")).await.unwrap_err();
    assert!(start.elapsed() < Limits::default().lookup_time, "{:?}", start.elapsed());
    assert!(format!("{err:#}").starts_with("ask the name servers: "), "{err:#}");
    assert!(server.queries() >= 2, "{}", server.queries());
}

#[tokio::test]
async fn answers_that_are_garbage_panic_nowhere() {
    let server = Server::start(|query, count| {
        let mut bytes = answer(query, vec![vec![b"name", b"example"]; 3]);
        match count % 4 {
            0 => bytes.truncate(count % bytes.len()),
            1 => bytes[2 + count % 30] ^= 0xff,
            2 => bytes.extend_from_slice(&[0xc0; 90]),
            _ => bytes[12..].fill(0xc0),
        }
        bytes
    })
    .await;
    let lookup_time = Duration::from_millis(200);
    let mut names = server.names(Limits { lookup_time, ..Limits::default() });
    let peers: Vec<IpAddr> = (0..100).map(|n| IpAddr::from([192, 0, 2, n])).collect();
    for peer in &peers {
        names.ask(*peer, NOW);
    }
    settle(&mut names).await;
    for peer in &peers {
        let Answer::Known(name) = names.ask(*peer, NOW) else {
            panic!("{peer} is pending");
        };
        assert!(name.is_empty() || clean(&name).is_some());
    }
}

#[tokio::test]
async fn hosts_file_answers_first_and_both_files_are_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let (conf, hosts) = (dir.path().join("resolv.conf"), dir.path().join("hosts"));
    fs::write(&conf, "search example\nnameserver 127.0.0.1\noptions timeout:30 attempts:9\n")
        .unwrap();
    let dns = Dns::from_files(&conf, &hosts).unwrap();
    for text in ["192.0.2.1 first\n", "192.0.2.1 second # longer\n"] {
        fs::write(&hosts, text).unwrap();
        let name = text.split_whitespace().nth(1).unwrap();
        assert_eq!(dns.lookup(peer("192.0.2.1")).await.unwrap(), [name]);
    }
    // A broken change keeps what was read before.
    fs::write(&conf, "").unwrap();
    assert_eq!(dns.lookup(peer("192.0.2.1")).await.unwrap(), ["second"]);
}

#[test]
fn configuration_that_cannot_be_used_is_an_error_value() {
    let dir = tempfile::tempdir().unwrap();
    let (conf, hosts) = (dir.path().join("resolv.conf"), dir.path().join("hosts"));
    let error = || format!("{:#}", Dns::from_files(&conf, &hosts).err().unwrap());
    let tried =
        format!("read {} (peers stay without names; --no-resolve asks for none): ", conf.display());
    assert_eq!(error(), format!("{tried}No such file or directory (os error 2)"));
    fs::write(&conf, "# empty\n").unwrap();
    assert_eq!(error(), format!("{tried}no nameservers found in config"));
    fs::write(&conf, [0xff, 0xfe, 0, b'\n']).unwrap();
    assert!(error().starts_with(&tried));
}

/// A name server that answers each query with the bytes that the test gives; none: not at all.
struct Server {
    address: SocketAddr,
    queries: Arc<AtomicUsize>,
}

impl Server {
    /// `answer` gets the query and how many there were before it.
    async fn start(answer: impl Fn(&Message, usize) -> Vec<u8> + Send + 'static) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let queries = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&queries);
        tokio::spawn(async move {
            let mut buffer = [0; 1_500];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                let query = Message::from_vec(&buffer[..length]).unwrap();
                let bytes = answer(&query, count.fetch_add(1, Ordering::SeqCst));
                if !bytes.is_empty() {
                    socket.send_to(&bytes, from).await.unwrap();
                }
            }
        });
        Self { address, queries }
    }

    fn names(&self, limits: Limits) -> Names {
        Names::start(Dns::from_server(self.address).unwrap(), limits)
    }

    fn queries(&self) -> usize {
        self.queries.load(Ordering::SeqCst)
    }
}

fn reply(query: &Message) -> Message {
    let mut message = Message::response(query.metadata.id, query.metadata.op_code);
    message.add_queries(query.queries.iter().cloned());
    message
}

fn answer(query: &Message, names: Vec<Vec<&[u8]>>) -> Vec<u8> {
    let mut message = reply(query);
    for labels in names {
        message.add_answer(Record::from_rdata(
            query.queries[0].name().clone(),
            3_600,
            ptr(&labels),
        ));
    }
    message.to_vec().unwrap()
}

fn error(query: &Message, code: ResponseCode) -> Vec<u8> {
    let mut message = reply(query);
    message.metadata.response_code = code;
    message.to_vec().unwrap()
}

fn ptr(labels: &[&[u8]]) -> RData {
    RData::PTR(PTR(Name::from_labels(labels.iter().copied()).unwrap()))
}

fn peer(address: &str) -> IpAddr {
    address.parse().unwrap()
}

async fn name_of(names: &mut Names, address: &str) -> String {
    names.ask(peer(address), NOW);
    settle(names).await;
    match names.ask(peer(address), NOW) {
        Answer::Known(name) => name.to_string(),
        Answer::Pending => panic!("{address} is pending"),
    }
}

async fn settle(names: &mut Names) {
    while names.stats().pending > 0 {
        names.ended().await;
        names.collect(NOW);
    }
}
