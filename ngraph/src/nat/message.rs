//! What the kernel's table of tracked connections is asked, and what it answers. Pure.

use std::net::IpAddr;

use anyhow::{Context as _, Result, bail, ensure};
use netlink_packet_core::{
    NLM_F_REQUEST, NLMSG_ERROR, NetlinkBuffer, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
    conntrack::{ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Protocol, Tuple},
};

use crate::flow::{Endpoint, Flow};

/// What the kernel answers to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The connection is tracked, and who answers it is this one.
    Answers(Endpoint),
    /// No such connection is tracked.
    Untracked,
    /// The question failed, by this error's number.
    Failed(i32),
}

/// An entry of the table: subsystem `NFNL_SUBSYS_CTNETLINK`, message `IPCTNL_MSG_CT_NEW`.
/// <https://github.com/torvalds/linux/blob/v6.12/include/uapi/linux/netfilter/nfnetlink_conntrack.h>
const ENTRY: u16 = 1 << 8;

/// No such entry.
const ENOENT: i32 = 2;

/// Asks for the connection that a socket with this flow opened. Of several questions an answer
/// has its number.
pub fn question(flow: &Flow, number: u32) -> Vec<u8> {
    let (local, peer) = (flow.local.ip(), flow.peer.ip());
    let family = match peer {
        IpAddr::V4(_) => NetfilterProtoFamily::IPv4,
        IpAddr::V6(_) => NetfilterProtoFamily::IPv6,
    };
    let opened = vec![
        Tuple::Ip(vec![IPTuple::SourceAddress(local), IPTuple::DestinationAddress(peer)]),
        Tuple::Proto(vec![
            ProtoTuple::Protocol(Protocol::Tcp),
            ProtoTuple::SourcePort(flow.local_port),
            ProtoTuple::DestinationPort(flow.peer_port),
        ]),
    ];
    let get = ConntrackMessage::Get(vec![ConntrackAttribute::CtaTupleOrig(opened)]);
    let question = NetfilterMessage::new(NetfilterHeader::new(family, 0, 0), get);
    let mut message = NetlinkMessage::from(question);
    message.header.flags = NLM_F_REQUEST;
    message.header.sequence_number = number;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Reads an answer, and the number of its question.
///
/// # Errors
/// Where it makes no sense.
pub fn answer(bytes: &[u8]) -> Result<(u32, Answer)> {
    let read = "read an answer about a tracked connection";
    // Looked at first, since of other subsystems' messages the library trusts the lengths.
    let kind = NetlinkBuffer::new_checked(bytes).context(read)?.message_type();
    ensure!([ENTRY, NLMSG_ERROR].contains(&kind), "an answer of another kind, {kind}");
    let message = NetlinkMessage::<NetfilterMessage>::deserialize(bytes).context(read)?;
    let number = message.header.sequence_number;
    let answer = match message.payload {
        NetlinkPayload::Error(error) => match error.raw_code().checked_neg() {
            Some(ENOENT) => Answer::Untracked,
            Some(code) => Answer::Failed(code),
            None => bail!("an error of no number"),
        },
        NetlinkPayload::InnerMessage(NetfilterMessage {
            inner: NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)),
            ..
        }) => Answer::Answers(who_answers(&attributes).context("an entry without its answerer")?),
        _ => bail!("an answer of another kind"),
    };
    Ok((number, answer))
}

/// Whom the replies come from: where the connection goes, whoever was dialled.
fn who_answers(attributes: &[ConntrackAttribute]) -> Option<Endpoint> {
    let reply = attributes.iter().find_map(|attribute| match attribute {
        ConntrackAttribute::CtaTupleReply(reply) => Some(reply),
        _ => None,
    })?;
    let (mut address, mut port) = (None, None);
    for part in reply {
        match part {
            Tuple::Ip(parts) => {
                address = parts.iter().find_map(|part| match part {
                    IPTuple::SourceAddress(ip) => Some(*ip),
                    _ => None,
                });
            }
            Tuple::Proto(parts) => {
                port = parts.iter().find_map(|part| match part {
                    ProtoTuple::SourcePort(port) => Some(*port),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    Some(Endpoint { address: address?.into(), port: port? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::NetnsId;

    fn flow(local: &str, peer: &str) -> Flow {
        let [local, peer]: [IpAddr; 2] = [local, peer].map(|ip| ip.parse().unwrap());
        let (local, peer) = (local.into(), peer.into());
        Flow { netns: NetnsId(1), local, local_port: 50_000, peer, peer_port: 80 }
    }

    fn entry(number: u32, ip: &str, port: u16) -> Vec<u8> {
        let reply = vec![
            Tuple::Ip(vec![
                IPTuple::SourceAddress(ip.parse().unwrap()),
                IPTuple::DestinationAddress("192.0.2.1".parse().unwrap()),
            ]),
            Tuple::Proto(vec![
                ProtoTuple::Protocol(Protocol::Tcp),
                ProtoTuple::SourcePort(port),
                ProtoTuple::DestinationPort(50_000),
            ]),
        ];
        let new = ConntrackMessage::New(vec![ConntrackAttribute::CtaTupleReply(reply)]);
        let header = NetfilterHeader::new(NetfilterProtoFamily::IPv4, 0, 0);
        let mut message = NetlinkMessage::from(NetfilterMessage::new(header, new));
        message.header.sequence_number = number;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    #[test]
    fn a_question_has_the_sockets_own_view_of_its_connection() {
        for (local, peer) in [("10.0.0.1", "10.96.0.10"), ("fd00::1", "fd00:96::10")] {
            let bytes = question(&flow(local, peer), 7);
            let message = NetlinkMessage::<NetfilterMessage>::deserialize(&bytes).unwrap();
            assert_eq!(message.header.sequence_number, 7);
            let text = format!("{:?}", message.payload);
            for part in [local, peer, "SourcePort(50000)", "DestinationPort(80)", "Tcp"] {
                assert!(text.contains(part), "{part} in {text}");
            }
        }
    }

    #[test]
    fn who_replies_is_where_a_connection_goes() {
        let (number, answer) = answer(&entry(9, "10.0.7.7", 8080)).unwrap();
        let ip: IpAddr = "10.0.7.7".parse().unwrap();
        let endpoint = Endpoint { address: ip.into(), port: 8080 };
        assert_eq!((number, answer), (9, Answer::Answers(endpoint)));
    }

    #[test]
    fn an_error_is_a_failure_unless_nothing_is_tracked() {
        let error = |code: i32| {
            let mut bytes = vec![36, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0];
            bytes.extend(code.to_ne_bytes());
            bytes.extend([0; 16]);
            answer(&bytes).map_err(drop)
        };
        assert_eq!(error(-2), Ok((5, Answer::Untracked)));
        assert_eq!(error(-1), Ok((5, Answer::Failed(1))));
        assert_eq!(error(i32::MIN), Err(()));
    }

    #[test]
    fn half_an_answer_is_an_error() {
        let whole = entry(9, "10.0.7.7", 8080);
        for length in 0..whole.len() {
            assert!(answer(&whole[..length]).is_err(), "{length}");
        }
    }
}
