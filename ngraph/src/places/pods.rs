//! What the kubelet's folders of logs tell of a pod: no other source on the host has the names.
//! <https://github.com/kubernetes/kubernetes/blob/v1.31.0/pkg/kubelet/kuberuntime/helpers.go>

use std::{fs, path::Path};

/// A pod's names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// The namespace that it is in.
    pub namespace: String,
    /// Its own name.
    pub name: String,
}

/// Finds a pod by its uid, in the folder of the pods' logs; with it the folder of its own.
pub fn find(pods: &Path, uid: &str) -> Option<(Pod, String)> {
    names(pods).find_map(|folder| {
        let (pod, found) = parse(&folder)?;
        (found == uid).then_some((pod, folder))
    })
}

/// A container's name within its pod: by the link that the kubelet makes for its log, which has
/// its id. A moment before it does, a pod's only container is told by its folder.
pub fn container(pods: &Path, links: &Path, folder: &str, id: &str) -> Option<String> {
    let linked = names(links).find_map(|link| linked(&link, id));
    linked.or_else(|| {
        let mut containers = names(&pods.join(folder)).filter_map(|name| clean(&name));
        containers.next().filter(|_| containers.next().is_none())
    })
}

/// How many pods' folders there are; none: it can't be listed.
pub fn count(pods: &Path) -> Option<usize> {
    fs::read_dir(pods).ok()?;
    Some(names(pods).filter(|name| parse(name).is_some()).count())
}

/// `<namespace>_<pod>_<uid>`: no name has an underscore.
pub fn parse(folder: &str) -> Option<(Pod, &str)> {
    let (rest, uid) = folder.rsplit_once('_')?;
    let (namespace, name) = rest.split_once('_')?;
    (!uid.is_empty())
        .then(|| Some((Pod { namespace: clean(namespace)?, name: clean(name)? }, uid)))?
}

/// `<pod>_<namespace>_<container>-<id>.log`.
pub fn linked(link: &str, id: &str) -> Option<String> {
    let name = link.strip_suffix(".log")?.strip_suffix(id)?.strip_suffix('-')?;
    clean(name.rsplit_once('_')?.1)
}

/// A name as Kubernetes has them.
fn clean(name: &str) -> Option<String> {
    let is_plain = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.'
    };
    ((1..=253).contains(&name.len()) && name.bytes().all(is_plain)).then(|| name.to_owned())
}

fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(namespace: &str, name: &str) -> Pod {
        Pod { namespace: namespace.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_folder_names_namespace_pod_and_uid() {
        let folder = "shop_web-5d9c7b-x2x4z_0b7a9c1e-6a5d-4a39-8b55-3f4e5d6c7b8a";
        let uid = "0b7a9c1e-6a5d-4a39-8b55-3f4e5d6c7b8a";
        assert_eq!(parse(folder), Some((pod("shop", "web-5d9c7b-x2x4z"), uid)));
        let from_file = "kube-system_etcd-node1.example_8a5f1e0b9c7d";
        assert_eq!(parse(from_file).unwrap().0, pod("kube-system", "etcd-node1.example"));
    }

    #[test]
    fn a_folder_of_another_kind_names_nothing() {
        for folder in ["", "_", "__", "a_b", "a__c", "_b_c", "a_b_", "A_b_c", "a_b\n_c", "a_b_x_c"]
        {
            assert_eq!(parse(folder), None, "{folder}");
        }
    }

    #[test]
    fn a_link_names_the_container_of_its_id() {
        let link = "web-x2x4z_shop_nginx-cafe.log";
        assert_eq!(linked(link, "cafe"), Some("nginx".to_owned()));
        for (link, id) in
            [(link, "beef"), ("nginx-cafe.log", "cafe"), ("a_b_c-cafe", "cafe"), ("", "")]
        {
            assert_eq!(linked(link, id), None, "{link}");
        }
    }

    #[test]
    fn a_container_of_several_is_told_by_its_link_alone() {
        let root = tempfile::tempdir().unwrap();
        let (pods, links) = (root.path().join("pods"), root.path().join("containers"));
        fs::create_dir_all(pods.join("shop_web_cafe-0001/nginx")).unwrap();
        fs::create_dir_all(&links).unwrap();
        let (found, folder) = find(&pods, "cafe-0001").unwrap();
        assert_eq!(found, pod("shop", "web"));
        let name = |id: &str| container(&pods, &links, &folder, id);
        assert_eq!(name("beef"), Some("nginx".to_owned()), "there is no other");
        fs::create_dir(pods.join(&folder).join("proxy")).unwrap();
        assert_eq!(name("beef"), None);
        fs::write(links.join("web_shop_proxy-beef.log"), "").unwrap();
        assert_eq!(name("beef"), Some("proxy".to_owned()));
        assert_eq!((count(&pods), count(&root.path().join("none"))), (Some(1), None));
    }
}
