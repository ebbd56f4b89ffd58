//! node_exporter, as it runs beside an agent.

use std::{
    fs::{self, Permissions},
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{http, limited::as_nobody, metrics::Metrics, wait_for};

/// node_exporter with its textfile collector alone, as another user than the agent's.
pub struct Exporter {
    child: Child,
    /// Where it answers.
    pub address: SocketAddr,
    _place: TempDir,
}

impl Exporter {
    /// Starts it at any port of `ip`, in the calling thread's network namespace, which is a
    /// test's own: there a port that was free stays free.
    pub fn start(program: &Path, folder: &Path, ip: impl Into<IpAddr>) -> Self {
        let listener = TcpListener::bind((ip.into(), 0)).expect("bind");
        let address = listener.local_addr().expect("its address");
        drop(listener);
        let (mut command, place) = for_nobody(program);
        command
            .args(["--collector.disable-defaults", "--collector.textfile"])
            .arg(format!("--collector.textfile.directory={}", folder.display()))
            .arg(format!("--web.listen-address={address}"))
            .stderr(Stdio::null());
        let child = start(&mut command);
        let exporter = Self { child, address, _place: place };
        wait_for("node_exporter's first answer", || exporter.get().ok());
        exporter
    }

    /// What it serves now.
    pub fn scrape(&self) -> Metrics {
        Metrics::parse(&self.get().expect("node_exporter's answer"))
    }

    fn get(&self) -> io::Result<String> {
        http::get(self.address, "/metrics")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that runs a copy of `program` as nobody, and where the copy lies: the original may
/// lie in root's own folders.
pub fn for_nobody(program: &Path) -> (Command, TempDir) {
    let place = TempDir::new().expect("make a folder");
    fs::set_permissions(place.path(), Permissions::from_mode(0o755)).expect("open the folder");
    let copy = place.path().join(program.file_name().expect("a program's name"));
    fs::copy(program, &copy).expect("copy a program");
    let mut command = Command::new(&copy);
    as_nobody(&mut command);
    (command, place)
}

/// Starts a copied program: a process that another test starts holds what wrote the copy until
/// it executes its own.
pub fn start(command: &mut Command) -> Child {
    wait_for("the program to be free", || match command.spawn() {
        Err(err) if err.kind() == io::ErrorKind::ExecutableFileBusy => None,
        result => Some(result.expect("start a program")),
    })
}
