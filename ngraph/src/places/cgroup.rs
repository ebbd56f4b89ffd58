//! What a control group's path tells: the container and the pod that its processes run in. Pure.

use std::ops::RangeInclusive;

/// What runs in a control group, by the ids that are in its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// The pod's uid, with dashes as the kubelet writes it.
    pub pod: Option<String>,
    /// The container's id, 64 hexadecimal digits.
    pub container: Option<String>,
}

/// The letters of an id that runtimes give.
const ID: usize = 64;
/// And of a pod's: a UUID, or of one that the kubelet has from a file, a hash.
const UID: RangeInclusive<usize> = 8..=64;

impl Spot {
    /// Reads a path below the hierarchy's root. Of a container within another it is the outer one,
    /// which is the one that this machine's runtime and kubelet know; but what the kubelet doesn't
    /// know, above a pod, is none of the pod's.
    pub fn of_path(path: &str) -> Self {
        let mut spot = Self::default();
        let mut is_kubelets = false;
        // Where runc isn't told of systemd, it makes one folder `slice:runtime:id`.
        for part in path.split(['/', ':']) {
            is_kubelets |= part.starts_with("kubepods");
            if let Some(uid) = pod(part).filter(|_| is_kubelets && spot.pod.is_none()) {
                spot = Self { pod: Some(uid), container: None };
            } else if spot.container.is_none() {
                spot.container = container(part);
            }
        }
        spot
    }

    /// Reads a process' /proc/PID/cgroup: the line that tells most. The second version's comes
    /// first; with the first one mounted beside it, a container may be in any of the others.
    pub fn of_process(text: &str) -> Self {
        let spots = text.lines().filter_map(path_of_line).map(|(_, path)| Self::of_path(path));
        let told = |spot: &Self| u8::from(spot.pod.is_some()) + u8::from(spot.container.is_some());
        // Of equals the last: the file begins with the last hierarchy that was mounted.
        spots.max_by_key(told).unwrap_or_default()
    }
}

/// The path in the second version's hierarchy, of a process' /proc/PID/cgroup.
pub fn unified(text: &str) -> Option<&str> {
    text.lines().filter_map(path_of_line).find(|(id, _)| *id == "0").map(|(_, path)| path)
}

/// Whether processes are in hierarchies of the first version, too: then the group that the kernel
/// names, which is the second's, may be one for all.
pub fn is_mixed(text: &str) -> bool {
    text.lines().filter_map(path_of_line).any(|(id, _)| id != "0")
}

/// Of a line `id:controllers:path`.
fn path_of_line(line: &str) -> Option<(&str, &str)> {
    let mut parts = line.splitn(3, ':');
    let (id, _, path) = (parts.next()?, parts.next()?, parts.next()?);
    Some((id, path))
}

/// `pod<uid>`, or by systemd `kubepods-burstable-pod<uid>.slice`, where a dash would be a level.
fn pod(part: &str) -> Option<String> {
    let name = part.strip_suffix(".slice").unwrap_or(part);
    let uid = match name.strip_prefix("pod") {
        Some(uid) => uid,
        None => name.strip_prefix("kubepods").and_then(|name| name.rsplit_once("-pod"))?.1,
    };
    let is_uid = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-' || byte == b'_';
    (UID.contains(&uid.len()) && uid.bytes().all(is_uid)).then(|| uid.replace('_', "-"))
}

/// `<id>`, or by systemd `cri-containerd-<id>.scope`.
fn container(part: &str) -> Option<String> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    let (runtime, id) = name.split_at_checked(name.len().checked_sub(ID)?)?;
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    // conmon watches over a container, and is none of it.
    let is_container = runtime.is_empty() || runtime.ends_with('-') && !runtime.contains("conmon");
    (is_container && id.bytes().all(is_hex)).then(|| id.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "0b7a9c1e-6a5d-4a39-8b55-3f4e5d6c7b8a";

    fn id() -> String {
        "0123456789abcdef".repeat(4)
    }

    fn spot(pod: Option<&str>, container: Option<String>) -> Spot {
        Spot { pod: pod.map(str::to_owned), container }
    }

    #[test]
    fn kubernetes_by_every_driver_and_runtime_is_a_pod_and_a_container() {
        let (id, under) = (id(), UID.replace('-', "_"));
        let slices =
            format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{under}.slice");
        for path in [
            format!("{slices}/cri-containerd-{id}.scope"),
            format!("{slices}/crio-{id}.scope"),
            format!("{slices}/docker-{id}.scope"),
            format!("{slices}/cri-containerd-{id}.scope/init.scope"),
            format!("/kubepods.slice/kubepods-pod{under}.slice/cri-containerd-{id}.scope"),
            format!("/kubepods/burstable/pod{UID}/{id}"),
            format!("/kubepods/pod{UID}/{id}"),
            format!("/kubepods/besteffort/pod{UID}/crio-{id}"),
            format!("/../../kubepods/besteffort/pod{UID}/{id}"),
            format!(
                "/system.slice/containerd.service/kubepods-burstable-pod{under}.slice:cri-containerd:{id}"
            ),
        ] {
            assert_eq!(Spot::of_path(&path), spot(Some(UID), Some(id.clone())), "{path}");
        }
        assert_eq!(Spot::of_path(&slices), spot(Some(UID), None), "between the pod's containers");
    }

    #[test]
    fn a_pod_from_a_file_has_a_hash_for_a_uid() {
        let hash = "8a5f1e0b9c7d6a4e3f2b1c0d9e8f7a6b";
        let path = format!("/kubepods/burstable/pod{hash}/{}", id());
        assert_eq!(Spot::of_path(&path), spot(Some(hash), Some(id())));
    }

    #[test]
    fn containers_without_kubernetes_are_their_id() {
        let id = id();
        for path in [
            format!("/docker/{id}"),
            format!("/system.slice/docker-{id}.scope"),
            format!("/machine.slice/libpod-{id}.scope/container"),
            format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{id}.scope"),
            format!("/default/{id}"),
            format!("/system.slice/nerdctl-{id}.scope"),
            format!("/docker/{id}/docker/{}", "f".repeat(64)),
        ] {
            assert_eq!(Spot::of_path(&path), spot(None, Some(id.clone())), "{path}");
        }
    }

    #[test]
    fn a_node_that_is_a_container_itself_is_not_its_pods() {
        let (node, id) = ("e".repeat(64), id());
        let path = format!("/docker/{node}/kubelet/kubepods/pod{UID}/{id}");
        assert_eq!(Spot::of_path(&path), spot(Some(UID), Some(id)));
    }

    #[test]
    fn what_is_no_container_is_none() {
        let (short, long) = ("a".repeat(63), "a".repeat(65));
        for path in [
            "/",
            "",
            "/system.slice/ssh.service",
            "/user.slice/user-0.slice/session-1.scope",
            "/kubepods.slice",
            "/pods/pod12345678",
            "/kubepods/pod",
            "/kubepods/podé/é",
            &format!("/machine.slice/libpod-conmon-{}.scope", id()),
            &format!("/docker/{short}"),
            &format!("/docker/{long}"),
            &format!("/x/{}", id().to_uppercase()),
        ] {
            assert_eq!(Spot::of_path(path), Spot::default(), "{path}");
        }
    }

    #[test]
    fn of_a_process_the_line_counts_that_tells_most() {
        let id = id();
        let text = format!(
            "12:memory:/kubepods/burstable/pod{UID}/{id}\n11:pids:/docker/{id}\n1:name=systemd:/\n0::/\n"
        );
        assert_eq!(Spot::of_process(&text), spot(Some(UID), Some(id.clone())));
        assert_eq!((unified(&text), is_mixed(&text)), (Some("/"), true));
        let text = format!("0::/system.slice/docker-{id}.scope\n");
        assert_eq!(Spot::of_process(&text), spot(None, Some(id)));
        assert!(!is_mixed(&text));
        for nothing in ["", "0::/\n", "x\n::\n", "\n\n"] {
            assert_eq!(Spot::of_process(nothing), Spot::default(), "{nothing}");
        }
    }
}
