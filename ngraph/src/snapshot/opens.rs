//! The kernel's own counts of connections opened in a namespace, through one of its
//! processes.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};

use super::namespaces;
use crate::{audit::Opens, flow::NetnsId, graph::PerRole};

/// Reads `net/snmp` of the process that `root` shows as `process` (a process id, or `self`).
///
/// # Errors
/// Where it can't be read, or the process doesn't live in `netns`: it has ended, and another
/// may have its id.
pub fn read(root: &Path, process: &str, netns: NetnsId) -> Result<Opens> {
    let path = root.join(process);
    let file = path.join("net/snmp");
    let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let Some(opens) = parse(&text) else {
        bail!("read {}: it tells no Tcp: ActiveOpens and PassiveOpens", file.display());
    };
    // Afterwards: what was read is of the namespace that it lived in all the time.
    if namespaces::of_process(&path)? != netns {
        bail!("{} isn't in namespace {} any more", path.display(), netns.0);
    }
    Ok(opens)
}

/// Finds the two among the columns of the two lines `Tcp:`. The procfs crate wants all the
/// other protocols, too, and Linux 7 has no UdpLite any more.
fn parse(text: &str) -> Option<Opens> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next()?.split(' '), lines.next()?.split(' '));
    let columns: Vec<(&str, &str)> = names.zip(values).collect();
    let value = |name| columns.iter().find(|column| column.0 == name)?.1.parse().ok();
    Some(PerRole::new(value("PassiveOpens")?, value("ActiveOpens")?))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::flow::Role;

    #[test]
    fn a_connection_counts_at_either_end() {
        let root = Path::new("/proc");
        let netns = namespaces::of_process(&root.join("self")).unwrap();
        let before = read(root, "self", netns).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let after = read(root, "self", netns).unwrap();
        for role in Role::ALL {
            assert!(after.of(role) > before.of(role), "{before:?}, {after:?}");
        }
    }

    #[test]
    fn only_the_columns_that_are_asked_for_must_be_there() {
        let text = "Ip: X\nIp: 1\nTcp: RtoMin ActiveOpens PassiveOpens\nTcp: 200 -1 7\n";
        assert_eq!(parse(text), None, "no number");
        assert_eq!(parse(&text.replace("-1", "5")), Some(PerRole::new(7, 5)));
        for text in ["", "Tcp: ActiveOpens PassiveOpens\n", "Tcp: A\nTcp: 1\n", "Tcp: \nTcp: \n"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_process_of_another_namespace_or_none_is_an_error() {
        let root = Path::new("/proc");
        assert!(read(root, "self", NetnsId(1)).is_err());
        assert!(read(root, "0", NetnsId(1)).is_err());
    }
}
