//! The portable way to a snapshot: /proc/PID/net/tcp and tcp6 of one process a namespace.

use std::{io::BufReader, net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context as _, Result, anyhow, bail};
use procfs::{
    ProcError,
    net::{TcpNetEntry, TcpState},
    process::Process,
};

use super::{
    Look, Row, RowState, Snapshot, Tables, namespaces, namespaces::Witnesses, table::Table,
};
use crate::{
    config::Scope,
    flow::{Flow, NetnsId},
};

/// Reads the TCP tables of the namespaces in `scope` under the proc file system `root`.
/// `now` tells the boot time.
///
/// # Errors
/// Where the agent's own namespace can't be read. Another one's trouble is a problem noted
/// in the snapshot, which doesn't cover that namespace.
pub fn take(root: &Path, scope: Scope, now: impl Fn() -> Duration) -> Result<Snapshot> {
    let (root, tables) = (root.to_owned(), Tables::All);
    super::take(Look { root, scope, held: None, tables, likely: 0 }, now)
}

/// Reads the TCP tables of these namespaces, through their processes, into the snapshot.
///
/// # Errors
/// As for [`take`].
pub(super) fn read(
    root: &Path,
    scope: Scope,
    witnesses: Witnesses,
    snapshot: &mut Snapshot,
) -> Result<()> {
    let mut nonsense = 0;
    for (netns, processes) in witnesses {
        match read_through(root, netns, &processes) {
            Ok((process, tables)) => {
                snapshot.namespaces.insert(netns);
                snapshot.processes.insert(netns, process.to_string());
                for table in tables {
                    nonsense += table.nonsense;
                    table.entries.iter().for_each(|entry| add(snapshot, netns, entry));
                }
            }
            Err(err) if scope == Scope::Own => return Err(err),
            // Its processes have left it, and most likely it ended with that.
            Err(_) if processes.iter().all(|&process| !lives_in(root, process, netns)) => {}
            Err(err) => snapshot.problems.push(format!("skip namespace {}: {err:#}", netns.0)),
        }
    }
    if nonsense > 0 {
        // Without their number, which may be another each time: a problem is told once.
        let problem = "some lines of TCP tables make no sense and are left out";
        snapshot.problems.push(format!("{problem} ({}/PID/net/tcp, tcp6)", root.display()));
    }
    Ok(())
}

/// Reads a namespace's tables through the first of its processes that lives long enough.
fn read_through(root: &Path, netns: NetnsId, processes: &[i32]) -> Result<(i32, Vec<Table>)> {
    let mut why = None;
    for &id in processes {
        match tables_of(root, netns, id) {
            Ok(tables) => return Ok((id, tables)),
            Err(err) => why = Some(err),
        }
    }
    Err(why.unwrap_or_else(|| anyhow!("no process lives in it")))
}

fn tables_of(root: &Path, netns: NetnsId, id: i32) -> Result<Vec<Table>> {
    let path = root.join(id.to_string());
    let process = Process::new_with_root(path.clone())
        .with_context(|| format!("look at {}", path.display()))?;
    let tables = tables(root, &process)?;
    // Afterwards: what was read is of the namespace that it lived in all the time.
    if !lives_in(root, id, netns) {
        bail!("{} isn't in namespace {} any more", path.display(), netns.0);
    }
    Ok(tables)
}

fn lives_in(root: &Path, id: i32, netns: NetnsId) -> bool {
    namespaces::of_process(&root.join(id.to_string())).is_ok_and(|found| found == netns)
}

fn tables(root: &Path, process: &Process) -> Result<Vec<Table>> {
    let mut tables = vec![table(root, process, "net/tcp")?];
    match table(root, process, "net/tcp6") {
        Ok(v6) => tables.push(v6),
        // A kernel without IPv6 has no such table, and nothing to show in it.
        Err(err) if is_missing(&err) && process.is_alive() => {}
        Err(err) => return Err(err),
    }
    Ok(tables)
}

fn table(root: &Path, process: &Process, name: &str) -> Result<Table> {
    let path = || root.join(process.pid().to_string()).join(name);
    let read = || format!("read {}", path().display());
    let file = process.open_relative(name).with_context(read)?;
    Table::read(BufReader::new(file)).with_context(read)
}

fn is_missing(err: &anyhow::Error) -> bool {
    matches!(err.downcast_ref(), Some(ProcError::NotFound(_)))
}

fn add(snapshot: &mut Snapshot, netns: NetnsId, entry: &TcpNetEntry) {
    let state = match entry.state {
        TcpState::Listen => {
            let SocketParts { address, port } = entry.local_address.into();
            return snapshot.listeners.insert(netns, address, port);
        }
        TcpState::SynSent => RowState::Attempt,
        // Without an inode this is the stand-in that TIME_WAIT begins with.
        TcpState::FinWait2 if entry.inode == 0 => return,
        TcpState::Established
        | TcpState::FinWait1
        | TcpState::FinWait2
        | TcpState::CloseWait
        | TcpState::LastAck
        | TcpState::Closing => RowState::Connection,
        _ => return,
    };
    let local: SocketParts = entry.local_address.into();
    let peer: SocketParts = entry.remote_address.into();
    let flow = Flow {
        netns,
        local: local.address,
        local_port: local.port,
        peer: peer.address,
        peer_port: peer.port,
    };
    snapshot.rows.push(Row { flow, state });
}

struct SocketParts {
    address: crate::flow::Address,
    port: u16,
}

impl From<SocketAddr> for SocketParts {
    fn from(socket: SocketAddr) -> Self {
        Self { address: socket.ip().into(), port: socket.port() }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::{clock, flow::Role};

    #[test]
    fn both_ends_of_a_connection_are_there_with_their_direction() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let snapshot = take(Path::new("/proc"), Scope::Own, clock::since_boot).unwrap();
        let port = client.local_addr().unwrap().port();
        let ends: Vec<_> = (snapshot.rows.iter())
            .filter(|row| [row.flow.local_port, row.flow.peer_port].contains(&port))
            .collect();
        assert_eq!(ends.len(), 2, "{ends:?}");
        for row in ends {
            let is_client = row.flow.local_port == port;
            let role = if is_client { Role::Outbound } else { Role::Inbound };
            assert_eq!(snapshot.listeners.role_of(&row.flow), role);
        }
    }

    #[test]
    fn a_listening_socket_and_a_connection_in_time_wait_are_no_rows() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        drop(client);
        drop(server);
        let snapshot = take(Path::new("/proc"), Scope::Own, clock::since_boot).unwrap();
        assert!(!snapshot.rows.iter().any(|row| row.flow.local_port == port), "{snapshot:?}");
    }
}
