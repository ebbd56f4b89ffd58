//! The image where it goes: to a node's containerd and to a registry, by the page's commands; and
//! the one that a container tool builds.

use std::{
    env,
    fs::{self, Permissions},
    net::{SocketAddr, TcpListener},
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Child, Command},
};

use serde_json::Value;

use crate::{
    page::page,
    podman::Podman,
    project,
    render::said,
    support::{agent::binary, http, is_root, isolated, skip, wait_for},
};

/// How the page's commands begin that bring an image somewhere.
pub const TO_A_NODE: &str = "sudo ctr ";
pub const TO_A_REGISTRY: &str = "skopeo ";

/// Where the page has the image.
const FILE: &str = "target/dist/ngraph.oci.tar";

#[test]
fn a_node_takes_the_image_by_the_pages_command() {
    on_a_machine(|podman| {
        let containerd = containerd(podman);
        let words = words(TO_A_NODE, &[(FILE, image().to_str().unwrap())]);
        // The one by default, overlayfs, can't lie on every file system.
        said(ctr(podman).args(&words[1..]).arg("--snapshotter=native"));
        let images = said(ctr(podman).args(["--namespace=k8s.io", "images", "list", "--quiet"]));
        assert_eq!(images.trim(), format!("localhost/ngraph:{}", env!("CARGO_PKG_VERSION")));
        drop(containerd);
    });
}

#[test]
fn a_registry_takes_the_image_by_the_pages_command_and_gives_it_back() {
    on_a_machine(|podman| {
        let (registry, address) = registry(podman);
        let there = address.to_string();
        let words = words(
            TO_A_REGISTRY,
            &[(FILE, image().to_str().unwrap()), ("registry.example", &there)],
        );
        said(skopeo(podman).args(&words[1..]).arg("--dest-tls-verify=false"));
        let name = words.last().unwrap();
        let told = said(skopeo(podman).args(["inspect", "--tls-verify=false", name]));
        let told: Value = serde_json::from_str(&told).unwrap();
        let labels = &told["Labels"];
        let version = &labels["org.opencontainers.image.version"];
        assert_eq!(*version, env!("CARGO_PKG_VERSION"));
        assert_eq!(told["RepoTags"][0], *version, "the page's tag");

        let name = name.trim_start_matches("docker://");
        podman.said(&["pull", "--tls-verify=false", name]);
        assert_is_the_agent_alone(podman, name);
        drop(registry);
    });
}

#[test]
fn the_containerfile_makes_an_image_of_what_is_built_and_nothing_else() {
    on_a_machine(|podman| {
        let base = stands_in_for_rust(podman);
        let containerfile = fs::read_to_string(project("deploy/Containerfile")).unwrap();
        let from = containerfile.lines().find_map(|line| line.strip_prefix("FROM ")).unwrap();
        let from = from.split(' ').next().unwrap();
        podman.said(&["build", "--tag", from, base.to_str().unwrap()]);

        // The file's own words, without what reaches the world.
        let command = containerfile.lines().find_map(|line| line.split("podman ").nth(1)).unwrap();
        let (file, here) = (project("deploy/Containerfile"), project(""));
        let mut words: Vec<&str> = command.split(' ').collect();
        for word in &mut words {
            *word = match *word {
                "deploy/Containerfile" => file.to_str().unwrap(),
                "." => here.to_str().unwrap(),
                word => word.trim_end_matches('.'),
            };
        }
        words.splice(1..1, ["--pull=never", "--network=none"]);
        podman.said(&words);

        assert_is_the_agent_alone(podman, "ngraph");
    });
}

/// A machine for containers, unless the test is skipped.
fn on_a_machine(test: impl FnOnce(&Podman) + Send) {
    if !is_root() {
        return skip("needs root");
    }
    isolated(|| {
        if let Some(podman) = Podman::enter() {
            test(&podman);
        }
    });
}

fn image() -> PathBuf {
    env::var_os("NGRAPH_IMAGE").expect("what podman was given").into()
}

/// The image has one file, which it starts: the agent under test.
fn assert_is_the_agent_alone(podman: &Podman, image: &str) {
    let entrypoint = ["image", "inspect", "--format", "{{.Config.Entrypoint}}", image];
    assert_eq!(podman.said(&entrypoint), "[/ngraph]");
    let container = podman.said(&["create", image]);
    let (files, folder) = (podman.path("files.tar"), podman.path("files"));
    podman.said(&["export", "--output", files.to_str().unwrap(), &container]);
    fs::create_dir(&folder).unwrap();
    said(Command::new("tar").arg("-xf").arg(&files).arg("-C").arg(&folder));
    let listed = said(Command::new("tar").arg("-tf").arg(&files));
    let found: Vec<&str> = listed.lines().filter(|name| !name.ends_with('/')).collect();
    assert_eq!(found, ["ngraph"]);
    let version = |program: &Path| said(Command::new(program).arg("--version"));
    assert_eq!(version(&folder.join("ngraph")), version(&binary()));
}

/// The page's command that begins so, without `sudo`, in words of which some are others here.
fn words(begin: &str, others: &[(&str, &str)]) -> Vec<String> {
    let page = page();
    let mut lines = page.lines().filter_map(|line| line.trim_start().strip_prefix("$ "));
    let line = lines.find(|line| line.starts_with(begin)).unwrap();
    let mut line = line.trim_start_matches("sudo ").to_owned();
    for (word, other) in others {
        assert!(line.contains(word), "{line}");
        line = line.replace(word, other);
    }
    line.split(' ').map(str::to_owned).collect()
}

fn ctr(podman: &Podman) -> Command {
    let mut ctr = podman.beside("usr/bin/ctr");
    ctr.arg("--address").arg(podman.path("containerd.sock"));
    ctr
}

fn skopeo(podman: &Podman) -> Command {
    let mut skopeo = podman.beside("usr/bin/skopeo");
    skopeo.arg("--insecure-policy");
    skopeo
}

/// A process that ends with this.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A node's containerd, without the part that the kubelet speaks to.
fn containerd(podman: &Podman) -> Server {
    let [root, state, socket] = ["containerd", "containerd.state", "containerd.sock"]
        .map(|name| podman.path(name).display().to_string());
    let config = format!(
        "version = 2\nroot = \"{root}\"\nstate = \"{state}\"\n\
         disabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n[grpc]\naddress = \"{socket}\"\n"
    );
    let config = podman.write("containerd.toml", &config);
    let mut containerd = podman.beside("usr/bin/containerd");
    containerd.arg("--log-level=error").arg("--config").arg(config);
    let server = Server(containerd.spawn().unwrap());
    let answers = || ctr(podman).arg("version").output().unwrap().status.success();
    wait_for("containerd", || answers().then_some(()));
    server
}

fn registry(podman: &Podman) -> (Server, SocketAddr) {
    // In the test's own network namespace a port that was free stays free.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{address}\"}}\n",
        podman.path("registry").display()
    );
    let config = podman.write("registry.yaml", &config);
    let mut registry = podman.beside("usr/bin/docker-registry");
    let server = Server(registry.arg("serve").arg(config).spawn().unwrap());
    wait_for("the registry", || http::get(address, "/v2/").ok());
    (server, address)
}

/// The files of an image in the place of the one with a toolchain, which builds the agent under test
/// in no time: what `cargo xtask dist` does is tested elsewhere.
fn stands_in_for_rust(podman: &Podman) -> PathBuf {
    let cargo = "#!/bin/sh\n\
        [ \"$*\" = \"xtask dist\" ] && [ -f Cargo.lock ] && [ -e .git ] && [ ! -e target ] || exit 1\n\
        mkdir -p target/dist && cp /built target/dist/ngraph\n";
    let cargo = podman.write("base/bin/cargo", cargo);
    let base = podman.path("base");
    fs::set_permissions(cargo, Permissions::from_mode(0o755)).unwrap();
    fs::copy(podman.beside("bin/busybox").get_program(), base.join("bin/busybox")).unwrap();
    for name in ["sh", "mkdir", "cp"] {
        symlink(Path::new("busybox"), base.join("bin").join(name)).unwrap();
    }
    fs::copy(binary(), base.join("built")).unwrap();
    podman.write("base/Containerfile", "FROM scratch\nCOPY . /\nENV PATH=/bin\n");
    base
}
