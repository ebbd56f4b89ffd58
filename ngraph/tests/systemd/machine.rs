//! A systemd of the test's own, in namespaces, on this machine's files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    deploy, said,
    support::{self, agent::binary, metrics::Metrics, wait_for},
};

/// The machine. Dropping it ends all that runs on it.
pub struct Machine {
    boot: Child,
    /// Its first process.
    init: u32,
    group: PathBuf,
    place: TempDir,
}

impl Machine {
    /// Boots one in the calling thread's network namespace; none where this kernel lacks what that
    /// takes, and says so.
    pub fn boot() -> Option<Self> {
        let place = TempDir::new().unwrap();
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let groups = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let Some(groups) = groups.into_iter().find(|fields| fields[2] == "cgroup2") else {
            support::skip_earned("this machine has no control groups of version 2");
            return None;
        };
        let name = place.path().file_name().unwrap().to_str().unwrap();
        let group = Path::new(groups[1]).join(format!("ngraph-test{name}"));
        fs::create_dir(&group).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd/boot.sh");
        let log = place.path().with_extension("log");
        let boot = Command::new("unshare")
            .args(["--mount", "--propagation=private", "sh"])
            .arg(script)
            .arg(place.path())
            .arg(&group)
            .args([binary(), deploy()])
            .stdin(Stdio::null())
            .stdout(fs::File::create(&log).unwrap())
            .stderr(fs::File::options().append(true).open(&log).unwrap())
            .spawn()
            .unwrap();
        let mut machine = Self { boot, init: 0, group, place };
        wait_for("systemd to be up", || {
            let ended = machine.boot.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?}: {}", fs::read_to_string(&log).unwrap());
            machine.init = child_of(machine.boot.id())?;
            let state = machine.command(&["systemctl", "is-system-running"]).output().unwrap();
            (state.stdout == b"running\n").then_some(())
        });
        let _ = fs::remove_file(log);
        Some(machine)
    }

    /// What a command on the machine says, which has to succeed.
    pub fn run(&self, words: &[&str]) -> String {
        said(&mut self.command(words))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--target={}", self.init));
        command.args(["--mount", "--pid", "--cgroup", "--ipc", "--root", "--wd"]);
        // It takes the root folder for a chroot, which it is.
        command.args(["env", "SYSTEMD_IGNORE_CHROOT=1"]).args(words);
        command
    }

    /// Where a file of the machine is for us.
    pub fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init))
    }

    /// Runs the commands that a page shows with a root's prompt, below a heading that begins so,
    /// in the project's folder.
    pub fn follow(&self, page: &str, heading: &str) {
        let below = page.split_once(heading).expect("the heading").1;
        let section = below.split("\n## ").next().unwrap_or(below);
        let block = section.split("```console\n").nth(1).expect("commands below the heading");
        let block = block.split("```").next().unwrap_or(block);
        for command in block.lines().map(|line| line.strip_prefix("# ").expect("a root's prompt")) {
            self.run(&["sh", "-c", &format!("cd /project && {command}")]);
        }
    }

    /// Files that were written since the machine began and whose paths have `part`.
    pub fn written(&self, part: &str) -> Vec<String> {
        // Not from within: the machine sees them among the files that are beneath.
        let place = self.place.path().display();
        let written = format!("/proc/{}/root{place}/written", self.boot.id());
        let found = said(Command::new("find").arg(written).args(["-not", "-type", "c"]));
        found.lines().filter(|line| line.contains(part)).map(str::to_owned).collect()
    }

    /// A property of the service.
    pub fn property(&self, name: &str) -> String {
        self.run(&["systemctl", "show", "--value", "--property", name, "ngraph"]).trim().to_owned()
    }

    /// The agent's last file, if there is one.
    pub fn metrics(&self) -> Option<Metrics> {
        let text = fs::read_to_string(self.path("/run/ngraph/textfile/ngraph.prom"));
        text.ok().map(|text| Metrics::parse(&text))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.boot.kill();
        let _ = self.boot.wait();
        // A group can go once nobody is in it.
        for _ in 0..100 {
            if remove_groups(&self.group).is_ok() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        eprintln!("{} is left", self.group.display());
    }
}

fn remove_groups(group: &Path) -> io::Result<()> {
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_groups(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

/// The one child of a process, by our numbers.
fn child_of(process: u32) -> Option<u32> {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
