//! podman with everything of its own in one folder, in the calling thread's namespaces.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    render::said,
    support::{netns, tools::tool},
};

/// Where a cache of podman's is, whatever its configuration says.
const STATE: &str = "/var/lib/containers";

/// Two that run at one time would remove each other's control groups.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A machine of the test's own for containers. Dropping it removes all that ran on it.
pub struct Podman {
    /// Laid out as a system's root: `cargo xtask test` unpacks the programs there.
    programs: PathBuf,
    place: TempDir,
    state_is_new: bool,
    _turn: MutexGuard<'static, ()>,
}

impl Podman {
    /// Puts the calling thread into network and mount namespaces of its own, with an empty /run
    /// and /var/log, and gives podman the image. None, and the test says that it's skipped, without programs or image.
    pub fn enter() -> Option<Self> {
        let (programs, image) = (tool("NGRAPH_CONTAINERS")?, tool("NGRAPH_IMAGE")?);
        let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        netns::enter_new();
        netns::enter_new_mounts();
        let state_is_new = fs::create_dir(STATE).is_ok();
        for folder in ["/run", "/var/log", STATE] {
            mount("tmpfs", folder, "tmpfs", MountFlags::empty(), Some(c"mode=755")).unwrap();
        }
        let podman = Self { programs, place: TempDir::new().unwrap(), state_is_new, _turn: turn };
        podman.configure();
        podman.said(&["load", "--input", image.to_str().unwrap()]);
        Some(podman)
    }

    /// Its configuration is what a node of Kubernetes has: runc, control groups, the limits and
    /// the profile that a runtime of today sets by default.
    fn configure(&self) {
        let programs = self.programs.display();
        let place = self.place.path().display();
        // Version 4 of podman doesn't read a pod's hostPID: here every pod has it.
        let conf = format!(
            "[containers]\n\
             default_ulimits = [\"nofile=20000:20000\", \"nproc=20000:20000\"]\n\
             log_driver = \"k8s-file\"\n\
             pidns = \"host\"\n\
             [engine]\n\
             runtime = \"runc\"\n\
             cgroup_manager = \"cgroupfs\"\n\
             events_logger = \"file\"\n\
             conmon_path = [\"{programs}/usr/bin/conmon\"]\n\
             helper_binaries_dir = [\"{programs}/usr/bin\"]\n\
             [engine.runtimes]\n\
             runc = [\"{programs}/usr/sbin/runc\", \"{programs}/usr/bin/runc\"]\n\
             [network]\n\
             network_config_dir = \"{place}/networks\"\n"
        );
        // Copies of a few megabytes, and no mounts to be left behind.
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{place}/images\"\n\
             runroot = \"/run/containers\"\n"
        );
        let policy = r#"{"default":[{"type":"insecureAcceptAnything"}]}"#;
        self.write("containers.conf", &conf);
        self.write("storage.conf", &storage);
        self.write("home/.config/containers/policy.json", policy);
        fs::create_dir_all(self.path("tmp")).unwrap();
    }

    /// A path in the machine's own folder, which is gone with it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Writes a file there.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    /// A program that was brought with podman.
    pub fn beside(&self, path: &str) -> Command {
        let mut command = Command::new(self.programs.join(path));
        if self.programs != Path::new("/") {
            let kind = format!("{}-linux-gnu", env::consts::ARCH);
            let libraries = ["lib", "usr/lib"].map(|it| self.programs.join(it).join(&kind));
            command.env("LD_LIBRARY_PATH", env::join_paths(libraries).unwrap());
        }
        command
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.beside("usr/bin/podman");
        command
            .args(words)
            .env("HOME", self.path("home"))
            .env("TMPDIR", self.path("tmp"))
            .env("CONTAINERS_CONF", self.path("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", self.path("storage.conf"))
            // The test asks the probes, and no timer of systemd.
            .env("DISABLE_HC_SYSTEMD", "true");
        command
    }

    /// What podman says, which has to succeed.
    pub fn said(&self, words: &[&str]) -> String {
        said(&mut self.command(words)).trim().to_owned()
    }

    /// Starts the pod that a DaemonSet's template describes, called `ngraph`; its container is
    /// `ngraph-ngraph`. Besides the template's it has these variables, and isn't started anew by
    /// itself.
    pub fn play(&self, daemon_set: &Value, variables: &[(&str, &str)]) {
        let mut pod = daemon_set["spec"]["template"].clone();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = "ngraph".into();
        let spec = &mut pod["spec"];
        assert_eq!(spec["hostPID"], true);
        spec["restartPolicy"] = "Never".into();
        for volume in spec["volumes"].as_array().unwrap() {
            // podman makes the last folder alone, Kubernetes all that it is in; the kubelet's own
            // are there on a node.
            let path = Path::new(volume["hostPath"]["path"].as_str().unwrap());
            let is_the_kubelets = path.starts_with("/var/log");
            let needed = if is_the_kubelets { Some(path) } else { path.parent() };
            fs::create_dir_all(needed.unwrap()).unwrap();
        }
        let container = &mut spec["containers"][0];
        let variables = variables.iter().map(|it| json!({ "name": it.0, "value": it.1 }));
        container["env"].as_array_mut().unwrap().extend(variables);
        if container["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault" {
            // Version 4 of podman knows the field by its old name alone, and a default profile
            // that is older than CAP_BPF.
            let name = "container.seccomp.security.alpha.kubernetes.io/ngraph";
            pod["metadata"]["annotations"][name] = "localhost/seccomp.json".into();
        }
        let file = self.write("pod.json", &pod.to_string());
        let profiles = self.programs.join("usr/share/containers");
        let mut play = self.command(&["kube", "play", "--seccomp-profile-root"]);
        said(play.arg(profiles).arg(file));
    }

    /// Runs a command in the agent's container, as a probe does.
    pub fn exec(&self, command: &Value) -> Output {
        let words = command.as_array().unwrap().iter().map(|word| word.as_str().unwrap());
        let words: Vec<&str> = ["exec", "ngraph-ngraph"].into_iter().chain(words).collect();
        self.command(&words).output().unwrap()
    }

    /// The process of a container, by our numbers.
    pub fn process(&self, container: &str) -> u32 {
        self.said(&["inspect", "--format", "{{.State.Pid}}", container]).parse().unwrap()
    }

    /// Makes a pod with a network of its own and nothing in it but what keeps it; gives its
    /// process.
    pub fn another_pod(&self) -> u32 {
        let pod = self.said(&["pod", "create", "--network=none"]);
        self.said(&["pod", "start", &pod]);
        let infra = self.said(&["pod", "inspect", "--format", "{{.InfraContainerID}}", &pod]);
        self.process(&infra)
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let removed = self.command(&["pod", "rm", "--force", "--time=0", "--all"]).output();
        if !removed.is_ok_and(|output| output.status.success()) {
            eprintln!("pods are left");
        }
        let unmounted = unmount(STATE, UnmountFlags::DETACH);
        if self.state_is_new && unmounted.is_ok() {
            let _ = fs::remove_dir(STATE);
        }
        // What ran in a group may be a moment from its end.
        for _ in 0..100 {
            if groups().iter().filter(|group| !remove_empty(group)).count() == 0 {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        eprintln!("control groups are left: {:?}", groups());
    }
}

/// podman's own control groups, of each hierarchy.
fn groups() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten().map(|it| it.path());
    let groups = std::iter::once(root.to_owned()).chain(hierarchies);
    groups.map(|it| it.join("libpod_parent")).filter(|group| group.exists()).collect()
}

/// Removes a group and those in it; those in use stay, and the answer is no.
fn remove_empty(group: &Path) -> bool {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty(&entry.path());
        }
    }
    fs::remove_dir(group).is_ok()
}
