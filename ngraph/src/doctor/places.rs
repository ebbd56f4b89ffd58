//! Whether owners can be told by container and pod.

use super::finding::Finding;
use crate::{
    config::Config,
    labels::Label,
    places::{self, Roots, pods},
};

const NAME: &str = "containers";

/// Looks only where a label asks.
pub(super) fn look(config: &Config) -> Option<Finding> {
    if !places::are_asked_for(&config.labels) {
        return None;
    }
    let wants_pods =
        [Label::Pod, Label::Namespace].iter().any(|label| config.labels.contains(label));
    Some(judge(&Roots::of_machine(&config.procfs), wants_pods))
}

fn judge(roots: &Roots, wants_pods: bool) -> Finding {
    let groups = match &roots.groups {
        Some(groups) => format!("control groups at {}", groups.display()),
        None => format!("control groups by {}/PID/cgroup alone", roots.proc.display()),
    };
    let folder = roots.pods.display();
    match pods::count(&roots.pods) {
        Some(pods) => Finding::ok(NAME, format!("{groups}; pods in {folder}: {pods}")),
        None if wants_pods => {
            let remedy = "containers are told by their ids; in a container of the agent's own, \
                          mount the host's folder there, read-only";
            Finding::missing(NAME, format!("{groups}; {folder} can't be listed"), remedy)
        }
        None => Finding::ok(NAME, format!("{groups}; no pods: {folder} can't be listed")),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::doctor::finding::render;

    #[test]
    fn pods_are_missed_only_where_they_are_asked_for() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        let roots = Roots { proc: at("proc"), groups: None, pods: at("pods"), links: at("links") };
        assert!(render(&[judge(&roots, true)]).starts_with("missing containers"));
        assert!(render(&[judge(&roots, false)]).starts_with("ok      containers"));
        fs::create_dir_all(at("pods/shop_web_cafe-0001")).unwrap();
        let text = render(&[judge(&roots, true)]);
        assert!(text.starts_with("ok ") && text.ends_with("pods: 1\n"), "{text}");
    }
}
