//! Places, on a machine that a test has made.

use tempfile::TempDir;

use super::*;

const UID: &str = "0b7a9c1e-6a5d-4a39-8b55-3f4e5d6c7b8a";

/// A machine: /proc, the control groups, the kubelet's folders.
struct Machine(TempDir);

fn id() -> String {
    "0123456789abcdef".repeat(4)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

impl Machine {
    fn new(own: &str) -> Self {
        let machine = Self(tempfile::tempdir().unwrap());
        machine.write("proc/self/cgroup", own);
        machine.folder("groups");
        machine.folder("pods");
        machine.folder("links");
        machine
    }

    fn folder(&self, path: &str) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn write(&self, path: &str, text: &str) {
        self.folder(path.rsplit_once('/').unwrap().0);
        fs::write(self.0.path().join(path), text).unwrap();
    }

    /// Makes a control group and gives its number.
    fn group(&self, path: &str) -> u64 {
        self.folder(&format!("groups{path}")).metadata().unwrap().ino()
    }

    fn process(&self, pid: u32, text: &str) {
        self.write(&format!("proc/{pid}/cgroup"), text);
    }

    fn places(&self, labels: &[Label]) -> Places {
        let at = |path| self.0.path().join(path);
        let roots = Roots {
            proc: at("proc"),
            groups: Some(at("groups")),
            pods: at("pods"),
            links: at("links"),
        };
        Places::new(roots, &labels.iter().copied().collect()).unwrap()
    }
}

const ALL: [Label; 3] = [Label::Container, Label::Pod, Label::Namespace];

fn owner(pid: u32, cgroup: u64) -> Owner {
    Owner { pid, cgroup, comm: [0; 16] }
}

fn of(places: &mut Places, owner: &Owner, now: Duration) -> [String; 3] {
    let place = places.of(owner, now).as_deref().cloned().unwrap_or_default();
    [place.container, place.pod, place.namespace]
}

#[test]
fn a_pods_process_is_told_by_container_pod_and_namespace() {
    let machine = Machine::new("0::/\n");
    let path = format!("/kubepods/burstable/pod{UID}/{}", id());
    let group = machine.group(&path);
    machine.process(7, &format!("0::{path}\n"));
    machine.folder(&format!("pods/shop_web-x2x4z_{UID}/nginx"));
    let mut places = machine.places(&ALL);
    assert_eq!(of(&mut places, &owner(7, group), secs(1)), ["nginx", "web-x2x4z", "shop"]);
    let mut places = machine.places(&[Label::Pod]);
    assert_eq!(of(&mut places, &owner(7, group), secs(1)), ["", "web-x2x4z", ""]);
}

#[test]
fn a_container_without_a_pod_is_its_short_id_and_the_rest_is_none() {
    let machine = Machine::new("0::/\n");
    let path = format!("/system.slice/docker-{}.scope", id());
    let (docker, ssh) = (machine.group(&path), machine.group("/system.slice/ssh.service"));
    machine.process(7, &format!("0::{path}\n"));
    machine.process(8, "0::/system.slice/ssh.service\n");
    let mut places = machine.places(&ALL);
    assert_eq!(of(&mut places, &owner(7, docker), secs(1)), ["0123456789ab", "", ""]);
    assert_eq!(of(&mut places, &owner(8, ssh), secs(1)), ["", "", ""]);
}

#[test]
fn a_control_group_is_looked_up_once_and_another_process_of_it_never() {
    let machine = Machine::new("0::/\n");
    let path = format!("/docker/{}", id());
    let group = machine.group(&path);
    machine.process(7, &format!("0::{path}\n"));
    let mut places = machine.places(&ALL);
    let known = of(&mut places, &owner(7, group), secs(1));
    fs::remove_dir_all(machine.0.path().join("proc")).unwrap();
    fs::remove_dir_all(machine.0.path().join("groups")).unwrap();
    assert_eq!(of(&mut places, &owner(9, group), secs(500)), known);
    places.forget(secs(1_000));
    assert_eq!(places.known.len(), 1, "asked for since");
    places.forget(secs(1_200));
    assert_eq!(places.known.len(), 0, "ended");
}

#[test]
fn a_process_that_has_ended_is_told_by_its_control_group() {
    let machine = Machine::new("0::/\n");
    let group = machine.group(&format!("/docker/{}", id()));
    // Its id is another process' already.
    machine.process(7, "0::/\n");
    let mut places = machine.places(&ALL);
    assert_eq!(of(&mut places, &owner(7, group), secs(1))[0], "0123456789ab");
    assert_eq!(of(&mut places, &owner(8, group + 1_000_000), secs(1))[0], "", "nobody knows");
    assert_eq!(places.walked_at, Some(secs(1)));
}

#[test]
fn with_the_first_version_beside_each_process_is_asked_and_asked_again() {
    let machine = Machine::new("1:name=systemd:/\n0::/\n");
    let root = machine.group("/");
    machine.process(7, &format!("4:memory:/docker/{}\n0::/\n", id()));
    machine.process(8, "4:memory:/\n0::/\n");
    let mut places = machine.places(&ALL);
    assert_eq!(of(&mut places, &owner(7, root), secs(1))[0], "0123456789ab");
    assert_eq!(of(&mut places, &owner(8, root), secs(1))[0], "");
    machine.process(8, &format!("4:memory:/docker/{}\n0::/\n", id()));
    assert_eq!(of(&mut places, &owner(8, root), secs(60))[0], "");
    assert_eq!(of(&mut places, &owner(8, root), secs(61))[0], "0123456789ab", "another by then");
}

#[test]
fn a_name_that_comes_later_is_taken_then() {
    let machine = Machine::new("0::/\n");
    let path = format!("/kubepods/pod{UID}/{}", id());
    let group = machine.group(&path);
    machine.process(7, &format!("0::{path}\n"));
    let mut places = machine.places(&ALL);
    assert_eq!(of(&mut places, &owner(7, group), secs(1)), ["0123456789ab", "", ""]);
    machine.folder(&format!("pods/shop_web_{UID}/nginx"));
    machine.folder(&format!("pods/shop_web_{UID}/proxy"));
    assert_eq!(of(&mut places, &owner(7, group), secs(11)), ["0123456789ab", "web", "shop"]);
    machine.write(&format!("links/web_shop_proxy-{}.log", id()), "");
    assert_eq!(of(&mut places, &owner(7, group), secs(21)), ["proxy", "web", "shop"]);
}

#[test]
fn there_is_a_bound_however_many_are_asked_for() {
    let machine = Machine::new("0::/\n");
    let mut places = machine.places(&ALL);
    for group in 0..20_000 {
        places.of(&owner(1, group), secs(1));
        assert!(places.known.len() <= MOST);
    }
}

#[test]
fn nobody_is_looked_for_unless_a_label_asks() {
    let roots = Roots::of_machine(Path::new("/proc"));
    assert!(Places::new(roots, &Labels::from([Label::Port, Label::Netns])).is_none());
}
