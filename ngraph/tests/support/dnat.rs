//! Translation of addresses in the calling thread's network namespace, made over nftables'
//! netlink: what is dialled is answered by another.

use std::net::{IpAddr, SocketAddr};

use netlink_packet_core::{
    DefaultNla, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterProtoFamily,
    nftables::{
        ChainAttribute, ChainMessage, Cmp, DataAttribute, ExpressionAttribute, Expressions, Hook,
        Immediate, InetHookNumber, ListAttribute, NfTablesMessage, Operator, Payload, Register,
        RuleAttribute, RuleMessage, TableAttribute, TableMessage,
    },
    none::ControlMessage,
};
use rustix::net::{self, RecvFlags, SendFlags, SocketType, netlink};

const TABLE: &str = "ngraph";
/// nftables among netfilter's parts.
const NFTABLES: u16 = 10;

/// Has each of `services` answered by its backend: for who dials here, and for packets that come
/// from elsewhere. All are of one family of addresses.
pub fn translate(services: &[(SocketAddr, SocketAddr)]) {
    let is_v4 = services[0].0.is_ipv4();
    let family = if is_v4 { NetfilterProtoFamily::IPv4 } else { NetfilterProtoFamily::IPv6 };
    let mut parts: Vec<NfTablesMessage> = vec![NfTablesMessage::NewTable(TableMessage {
        attributes: vec![TableAttribute::Name(TABLE.to_owned())],
    })];
    for (chain, hook) in
        [("here", InetHookNumber::LocalOut), ("elsewhere", InetHookNumber::PreRouting)]
    {
        parts.push(NfTablesMessage::NewChain(ChainMessage {
            attributes: vec![
                ChainAttribute::Table(TABLE.to_owned()),
                ChainAttribute::Name(chain.to_owned()),
                ChainAttribute::Hook(vec![
                    Hook::Number(hook.into()),
                    Hook::Priority(-100_i32 as u32),
                ]),
                ChainAttribute::Type("nat".to_owned()),
            ],
        }));
        for &(service, backend) in services {
            parts.push(NfTablesMessage::NewRule(RuleMessage {
                attributes: vec![
                    RuleAttribute::Table(TABLE.to_owned()),
                    RuleAttribute::Chain(chain.to_owned()),
                    RuleAttribute::Expressions(rule(service, backend)),
                ],
            }));
        }
    }
    commit(family, parts);
}

/// Of packets to `service`, takes `backend` for the destination.
fn rule(service: SocketAddr, backend: SocketAddr) -> Vec<ListAttribute<ExpressionAttribute>> {
    /// Parts of a packet by their headers, and fields by their places there.
    const NETWORK: u32 = 1;
    const TRANSPORT: u32 = 2;
    let place = if service.is_ipv4() { 16 } else { 24 };
    let address = bytes(service.ip());
    let length = address.len() as u32;
    [
        equals(NETWORK, place, length, address),
        equals(TRANSPORT, 2, 2, service.port().to_be_bytes().into()),
        vec![load(Register::Reg1, bytes(backend.ip()))],
        vec![load(Register::Reg2, backend.port().to_be_bytes().into())],
        vec![nat(service.is_ipv4())],
    ]
    .concat()
}

fn equals(
    base: u32,
    place: u32,
    length: u32,
    value: Vec<u8>,
) -> Vec<ListAttribute<ExpressionAttribute>> {
    vec![
        Expressions::Payload(vec![
            Payload::DestinationRegister(Register::Reg1),
            Payload::Base(base),
            Payload::Offset(place),
            Payload::Len(length),
        ])
        .into(),
        Expressions::Cmp(vec![
            Cmp::SourceRegister(Register::Reg1),
            Cmp::Op(Operator::Equal),
            Cmp::Data(DataAttribute::Value(value)),
        ])
        .into(),
    ]
}

fn load(register: Register, value: Vec<u8>) -> ListAttribute<ExpressionAttribute> {
    Expressions::Immediate(vec![
        Immediate::DestinationRegister(register),
        Immediate::Data(DataAttribute::Value(value)),
    ])
    .into()
}

/// To the address in the first register and the port in the second.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/netfilter/nf_tables.h>
fn nat(is_v4: bool) -> ListAttribute<ExpressionAttribute> {
    let (kind, family, address, port) = (1, 2, 3, 5);
    let destination = 1_u32;
    let family_number: u32 = if is_v4 { 2 } else { 10 };
    let number = |name: u16, value: u32| DefaultNla::new(name, value.to_be_bytes().into());
    Expressions::Other {
        expression_type: "nat".to_owned(),
        attributes: vec![
            number(kind, destination),
            number(family, family_number),
            number(address, Register::Reg1.into()),
            number(port, Register::Reg2.into()),
        ],
    }
    .into()
}

fn bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().into(),
        IpAddr::V6(ip) => ip.octets().into(),
    }
}

/// Has the kernel take all parts or none.
fn commit(family: NetfilterProtoFamily, parts: Vec<NfTablesMessage>) {
    let mut batch = Vec::new();
    let around = |batch: &mut Vec<u8>, message: ControlMessage| {
        let header = NetfilterHeader::new(NetfilterProtoFamily::Unspec, 0, NFTABLES);
        append(batch, NetfilterMessage::new(header, message), NLM_F_REQUEST);
    };
    let count = parts.len();
    around(&mut batch, ControlMessage::BatchBegin);
    for part in parts {
        let header = NetfilterHeader::new(family, 0, 0);
        let flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK;
        append(&mut batch, NetfilterMessage::new(header, part), flags);
    }
    around(&mut batch, ControlMessage::BatchEnd);
    let kind = net::AddressFamily::NETLINK;
    let socket = net::socket(kind, SocketType::RAW, Some(netlink::NETFILTER)).expect("a socket");
    net::send(&socket, &batch, SendFlags::empty()).expect("send nftables' rules");
    let mut answered = 0;
    while answered < count {
        let mut answer = [0; 8_192];
        let (length, _) =
            net::recv(&socket, &mut answer[..], RecvFlags::empty()).expect("the kernel's answer");
        let mut rest = &answer[..length];
        while !rest.is_empty() {
            let message = NetlinkMessage::<NetfilterMessage>::deserialize(rest);
            let message = message.expect("an answer that makes sense");
            match message.payload {
                NetlinkPayload::Error(err) if err.code.is_some() => {
                    panic!("translate addresses: {}", err.to_io())
                }
                _ => answered += 1,
            }
            rest = &rest[(message.header.length as usize).next_multiple_of(4).min(rest.len())..];
        }
    }
}

fn append(batch: &mut Vec<u8>, message: NetfilterMessage, flags: u16) {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    batch.extend(bytes);
}
