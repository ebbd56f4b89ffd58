//! Interfaces and addresses of the calling thread's network namespace, made over rtnetlink.

use std::{
    net::IpAddr,
    os::fd::{AsRawFd as _, BorrowedFd},
};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressHeaderFlags, AddressMessage},
    link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
};
use rustix::net::{self, RecvFlags, SendFlags, SocketType, netdevice};

/// Makes a pair of interfaces joined by a wire: `name` here, `peer` in the namespace
/// `there`, or here too.
pub fn veth(name: &str, peer: &str, there: Option<BorrowedFd>) {
    let mut other = LinkMessage::default();
    other.attributes = vec![LinkAttribute::IfName(peer.to_owned())];
    other.attributes.extend(there.map(|there| LinkAttribute::NetNsFd(there.as_raw_fd())));
    let info =
        vec![LinkInfo::Kind(InfoKind::Veth), LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(other)))];
    let mut link = LinkMessage::default();
    link.attributes = vec![LinkAttribute::IfName(name.to_owned()), LinkAttribute::LinkInfo(info)];
    let tried = format!("make the interfaces {name} and {peer}");
    ask(RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL, &tried);
}

/// Makes a bridge, which joins the wires of the interfaces that are put into it.
pub fn bridge(name: &str) {
    let info = vec![LinkInfo::Kind(InfoKind::Bridge)];
    let mut link = LinkMessage::default();
    link.attributes = vec![LinkAttribute::IfName(name.to_owned()), LinkAttribute::LinkInfo(info)];
    let tried = format!("make the bridge {name}");
    ask(RouteNetlinkMessage::NewLink(link), NLM_F_CREATE | NLM_F_EXCL, &tried);
}

/// Puts an interface into a bridge.
pub fn join(name: &str, bridge: &str) {
    let mut link = LinkMessage::default();
    link.header.index = index(name);
    link.attributes = vec![LinkAttribute::Controller(index(bridge))];
    ask(RouteNetlinkMessage::SetLink(link), 0, &format!("put {name} into {bridge}"));
}

/// Brings an interface up.
pub fn up(name: &str) {
    let mut link = LinkMessage::default();
    link.header.index = index(name);
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
    ask(RouteNetlinkMessage::SetLink(link), 0, &format!("bring {name} up"));
}

/// Gives an interface an address, usable at once.
pub fn add_address(name: &str, ip: IpAddr, prefix: u8) {
    let mut address = AddressMessage::default();
    address.header.family = if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    address.header.prefix_len = prefix;
    // Nobody else has it: no need to ask around for seconds.
    address.header.flags = AddressHeaderFlags::Nodad;
    address.header.index = index(name);
    address.attributes = vec![AddressAttribute::Local(ip), AddressAttribute::Address(ip)];
    let tried = format!("give {name} the address {ip}");
    ask(RouteNetlinkMessage::NewAddress(address), NLM_F_CREATE | NLM_F_EXCL, &tried);
}

/// An interface's number, which is the scope of its link-local addresses.
pub fn index(name: &str) -> u32 {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("make a socket");
    netdevice::name_to_index(&socket, name).unwrap_or_else(|err| panic!("find {name}: {err}"))
}

fn ask(request: RouteNetlinkMessage, flags: u16, tried: &str) {
    let mut message = NetlinkMessage::from(request);
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    let family = net::AddressFamily::NETLINK;
    // Protocol 0 is NETLINK_ROUTE.
    let socket = net::socket(family, SocketType::RAW, None).expect("make a socket");
    net::send(&socket, &bytes, SendFlags::empty()).expect("ask the kernel");
    let mut answer = [0; 4096];
    let (length, _) =
        net::recv(&socket, &mut answer[..], RecvFlags::empty()).expect("the kernel's answer");
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer[..length]);
    match answer.expect("an answer that makes sense").payload {
        NetlinkPayload::Error(err) if err.code.is_some() => panic!("{tried}: {}", err.to_io()),
        _ => {}
    }
}
