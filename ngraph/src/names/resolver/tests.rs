//! `Dns` against name servers of the test's own, on loopback ports that the system chose.

use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_resolver::proto::{
    op::{Message, ResponseCode},
    rr::{
        Name,
        rdata::{CNAME, PTR},
    },
};
use tokio::net::UdpSocket;

use super::*;
use crate::names::{Answer, Limits, Names, hostname::clean};

const NOW: Duration = Duration::from_secs(1_000);

#[tokio::test]
async fn ten_names_in_any_order_give_the_same_name() {
    let server = Server::start(|query, count| {
        let mut names: Vec<_> = (0..9).map(|n| format!("web{n}.example")).collect();
        names.insert(4, "API.example".to_owned());
        // Every order of neighbours, and both directions.
        names.rotate_left(count % 10);
        if count % 2 == 1 {
            names.reverse();
        }
        let labels = names.iter().map(|name| name.split('.').map(str::as_bytes).collect());
        answer(query, labels.collect())
    })
    .await;
    for _ in 0..20 {
        let mut names = server.names(Limits::default());
        assert_eq!(name_of(&mut names, "192.0.2.1").await, "api.example");
    }
    assert_eq!(server.queries(), 20);
}

/// What a name server may answer to a question, and what becomes of it.
const LIES: [(&str, Lie); 14] = [
    ("nothing", |_| Vec::new()),
    ("no message", |query| query.metadata.id.to_be_bytes().to_vec()),
    ("bytes of no sense", |query| {
        let noise = (0..4_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8);
        query.metadata.id.to_be_bytes().into_iter().chain(noise).collect()
    }),
    ("half a message", |query| {
        let mut bytes = answer(query, vec![vec![b"half", b"example"]]);
        bytes.truncate(bytes.len() - 9);
        bytes
    }),
    ("another message's number", |query| {
        let mut bytes = answer(query, vec![vec![b"forged", b"example"]]);
        bytes[0] ^= 0x55;
        bytes
    }),
    ("another question", |query| {
        let mut message = reply(query);
        let other = Name::from_ascii("9.2.0.192.in-addr.arpa.").unwrap();
        message.queries[0].set_name(other.clone());
        message.add_answer(Record::from_rdata(other, 60, ptr(&[b"forged", b"example"])));
        message.to_vec().unwrap()
    }),
    ("the name of another address", |query| {
        let mut message = reply(query);
        let other = Name::from_ascii("9.2.0.192.in-addr.arpa.").unwrap();
        message.add_answer(Record::from_rdata(other, 60, ptr(&[b"forged", b"example"])));
        message.to_vec().unwrap()
    }),
    ("a name that points at itself", |query| {
        with_rdata(query, |at| [0xc0 | (at >> 8) as u8, at as u8].to_vec())
    }),
    ("a name of pointers in a circle", |query| {
        with_rdata(query, |at| {
            let to = |at: usize| [0xc0 | (at >> 8) as u8, at as u8];
            [to(at + 2), to(at)].concat()
        })
    }),
    ("a name of 300 characters", |query| {
        let label = [&[60], [b'a'; 60].as_slice()].concat();
        with_rdata(query, |_| [label.repeat(5), vec![0]].concat())
    }),
    ("a name that ends in the middle", |query| with_rdata(query, |_| b"\x3fabc".to_vec())),
    ("the empty name", |query| answer(query, vec![vec![]])),
    ("a script", |query| answer(query, vec![vec![b"</script>", b"<b>", b"example"]])),
    ("more than fits, without TCP", |query| {
        let mut message = reply(query);
        message.metadata.truncation = true;
        message.to_vec().unwrap()
    }),
];

#[tokio::test]
async fn whatever_a_name_server_says_is_no_name_and_harms_no_other() {
    let server = Server::start(|query, _| {
        let name = query.queries[0].name().to_ascii();
        let asked: usize = name.split('.').next().unwrap().parse().unwrap();
        match LIES.get(asked) {
            Some((_, lie)) => lie(query),
            None => answer(query, vec![vec![b"good", b"example"]]),
        }
    })
    .await;
    let lookup_time = Duration::from_secs(1);
    let mut names = server.names(Limits { lookup_time, ..Limits::default() });
    let peers = || (0..LIES.len() + 9).map(|n| IpAddr::from([192, 0, 2, n as u8]));
    for peer in peers() {
        names.ask(peer, NOW);
    }
    settle(&mut names).await;
    for (n, peer) in peers().enumerate() {
        let (what, expected) = LIES.get(n).map_or(("", "good.example"), |(what, _)| (*what, ""));
        assert_eq!(names.ask(peer, NOW), Answer::Known(expected.into()), "{what}");
    }
}

#[tokio::test]
async fn a_flood_of_peers_and_a_dead_name_server_cost_no_more_than_the_limits() {
    let server = Server::start(|_, _| Vec::new()).await;
    let limits = Limits {
        queued: 64,
        entries: 256,
        lookup_time: Duration::from_millis(50),
        ..Limits::default()
    };
    let mut names = server.names(limits);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
    let (mut most_tasks, mut most_descriptors, before) = (0, 0, descriptors());
    let mut failed = 0;
    for round in 0..20u32 {
        for peer in 0..5_000u32 {
            names.ask(IpAddr::from((0x0a00_0000 + round * 5_000 + peer).to_be_bytes()), NOW);
        }
        names.ended().await;
        failed += names.collect(NOW);
        let stats = names.stats();
        assert!(stats.pending <= limits.at_once + limits.queued + 1, "{stats:?}");
        assert!(stats.cached <= limits.entries, "{stats:?}");
        most_tasks = most_tasks.max(tasks());
        most_descriptors = most_descriptors.max(descriptors());
    }
    assert!(failed >= 20, "{failed} lookups ended");
    // The server, the starter, and for each lookup itself and its exchange.
    assert!(most_tasks <= 2 + 2 * limits.at_once, "{most_tasks} tasks");
    // Tests beside this one have descriptors, too: few, as against a flood.
    assert!(most_descriptors < before + 200, "{before} descriptors, then {most_descriptors}");
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
    let err = dns.lookup(peer("192.0.2.1")).await.unwrap_err();
    assert!(format!("{err:#}").starts_with("ask the name servers: "), "{err:#}");
    assert!(server.queries() > RETRIES, "{}", server.queries());
    // It isn't the limit that ended it: the attempts are over before.
    assert!(ATTEMPT_TIME * (RETRIES as u32 + 1) < Limits::default().lookup_time);
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

type Lie = fn(&Message) -> Vec<u8>;

/// An answer whose PTR record has these bytes, made for the place where they begin.
fn with_rdata(query: &Message, bytes: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let mut message = answer(query, vec![vec![]]);
    // The root's name, a single zero, is the last of it; before it stands its length.
    message.truncate(message.len() - 3);
    let bytes = bytes(message.len() + 2);
    message.extend((bytes.len() as u16).to_be_bytes());
    message.extend(bytes);
    message
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
