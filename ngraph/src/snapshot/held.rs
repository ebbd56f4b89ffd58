//! The fast way to a snapshot: what the kernel's iterator over open files tells of TCP sockets.
//!
//! It shows what some process holds, of every namespace, and no more: not a connection that
//! nobody has accepted yet, nor one that its process has closed and that still says goodbye.
//! What it doesn't show may well be there.

use std::io::{ErrorKind, Read};

use anyhow::{Context as _, Result, ensure};
use foldhash::{HashSet, HashSetExt as _};
use ngraph_common::held::{HeldSocket, state};
use zerocopy::FromBytes as _;

use super::{Row, RowState, Snapshot};
use crate::flow::{Address, Flow, NetnsId};

/// Twice of what the kernel gives at once.
/// (`bpf_seq_read`) <https://github.com/torvalds/linux/blob/v6.12/kernel/bpf/bpf_iter.c>
const CHUNK: usize = 1 << 16;
const RECORD: usize = size_of::<HeldSocket>();

/// Reads `records` to their end, and adds to `snapshot` what they tell, of sockets that are
/// `likely` so many.
///
/// # Errors
/// Where reading fails, or ends in the middle of a record. What was read until then is added.
pub fn read(mut records: impl Read, likely: usize, snapshot: &mut Snapshot) -> Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut filled = 0;
    // A socket is shown by each of its descriptors, and children may have thousands of them.
    let mut shown = HashSet::with_capacity(likely);
    snapshot.rows.reserve(likely);
    loop {
        match records.read(&mut chunk[filled..]) {
            Ok(0) => break,
            Ok(bytes) => filled += bytes,
            // Many files in a row that are no sockets: it goes on behind those.
            Err(err) if matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(err) => return Err(err).context("read the iterator over open files"),
        }
        let whole = filled - filled % RECORD;
        for record in chunk[..whole].chunks_exact(RECORD) {
            if let Ok(socket) = HeldSocket::read_from_bytes(record)
                && shown.insert(socket.sock)
            {
                add(snapshot, &socket);
            }
        }
        chunk.copy_within(whole..filled, 0);
        filled -= whole;
    }
    ensure!(filled == 0, "the iterator over open files ends in the middle of a record");
    Ok(())
}

fn add(snapshot: &mut Snapshot, socket: &HeldSocket) {
    let flow = Flow {
        netns: NetnsId(socket.netns as u32),
        local_port: socket.local_port,
        peer_port: socket.peer_port,
        local: Address(socket.local),
        peer: Address(socket.peer),
    };
    let state = match socket.state {
        state::LISTEN => {
            return snapshot.listeners.insert(flow.netns, flow.local, flow.local_port);
        }
        state::SYN_SENT => RowState::Attempt,
        state::ESTABLISHED
        | state::FIN_WAIT1
        | state::FIN_WAIT2
        | state::CLOSE_WAIT
        | state::LAST_ACK
        | state::CLOSING => RowState::Connection,
        _ => return,
    };
    snapshot.rows.push(Row { flow, state });
}

#[cfg(test)]
mod tests {
    use std::io;

    use zerocopy::IntoBytes as _;

    use super::*;
    use crate::flow::Role;

    /// Gives as much at a time as each of `sizes`, and an error for zero.
    struct Slowly<'a>(&'a [u8], Vec<usize>);

    impl Read for Slowly<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.1.pop() {
                Some(0) => Err(ErrorKind::WouldBlock.into()),
                Some(size) => self.0.by_ref().take(size as u64).read(buffer),
                None => self.0.read(buffer),
            }
        }
    }

    fn socket(sock: u64, state: u8) -> HeldSocket {
        HeldSocket { sock, state, netns: 7, local_port: sock as u16, ..HeldSocket::default() }
    }

    fn ports(snapshot: &Snapshot) -> Vec<u16> {
        snapshot.rows.iter().map(|row| row.flow.local_port).collect()
    }

    #[test]
    fn a_socket_with_several_descriptors_is_one_row() {
        let sockets = [1, 2, 1, 3, 2].map(|sock| socket(sock, state::ESTABLISHED));
        let mut snapshot = Snapshot::default();
        read(sockets.as_bytes(), 0, &mut snapshot).unwrap();
        assert_eq!(ports(&snapshot), [1, 2, 3]);
    }

    #[test]
    fn states_are_attempts_connections_listeners_or_nothing() {
        let sockets = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 255]
            .map(|state| socket(u64::from(state) + 100, state));
        let mut snapshot = Snapshot::default();
        read(sockets.as_bytes(), 0, &mut snapshot).unwrap();
        assert_eq!(ports(&snapshot), [101, 102, 104, 105, 108, 109, 111]);
        assert_eq!(snapshot.rows[1].state, RowState::Attempt);
        let flow = Flow { local_port: 110, ..snapshot.rows[0].flow };
        assert_eq!(snapshot.listeners.role_of(&flow), Role::Inbound);
        assert_eq!(snapshot.listeners.role_of(&snapshot.rows[0].flow), Role::Outbound);
    }

    #[test]
    fn records_come_in_any_pieces() {
        let sockets = [1, 2, 3].map(|sock| socket(sock, state::ESTABLISHED));
        for size in 1..=RECORD * 2 {
            let mut snapshot = Snapshot::default();
            read(Slowly(sockets.as_bytes(), vec![0, size, 0, size]), 0, &mut snapshot).unwrap();
            assert_eq!(ports(&snapshot), [1, 2, 3], "{size}");
        }
    }

    #[test]
    fn an_end_in_the_middle_of_a_record_is_an_error_and_the_ones_before_count() {
        let sockets = [1, 2].map(|sock| socket(sock, state::ESTABLISHED));
        let mut snapshot = Snapshot::default();
        let cut = &sockets.as_bytes()[..RECORD + 1];
        read(cut, 0, &mut snapshot).unwrap_err();
        assert_eq!(ports(&snapshot), [1]);
    }
}
