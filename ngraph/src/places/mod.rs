//! Where the owners of connections run: container, pod and namespace, from control groups and
//! the kubelet's folders. No runtime and no API server is asked. Looked up for control groups
//! that aren't known yet, and kept in bounds.

pub mod cgroup;
pub mod pods;
mod tree;

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use procfs::process::Process;

use crate::{
    flow::Owner,
    labels::{Label, Labels, Place},
};
use cgroup::Spot;

/// Where the kubelet keeps its pods' logs, and the links to them that name containers by id.
pub const PODS: &str = "/var/log/pods";
/// The latter.
pub const LINKS: &str = "/var/log/containers";

/// Owners' places that are kept, about 300 bytes each.
const MOST: usize = 8_192;
/// How long one that nobody asks for is kept.
const UNUSED: Duration = Duration::from_secs(600);
/// How long an answer holds that may get better: the kubelet's link is on its way.
const RETRY: Duration = Duration::from_secs(10);
/// How long a process stays where it was found, where its control group doesn't tell: then it may
/// be another that got its id.
const PROCESS: Duration = Duration::from_secs(60);
/// Letters of a container's id that people write.
const SHORT_ID: usize = 12;

/// Where it is looked.
#[derive(Clone, Debug)]
pub struct Roots {
    /// The proc file system.
    pub proc: PathBuf,
    /// The second version's control groups; none: not mounted.
    pub groups: Option<PathBuf>,
    /// The pods' logs.
    pub pods: PathBuf,
    /// The links to them.
    pub links: PathBuf,
}

impl Roots {
    /// This machine's, with a proc file system of one's own.
    pub fn of_machine(proc: &Path) -> Self {
        let mounts = Process::new_with_root(proc.join("self")).and_then(|it| it.mountinfo());
        let mut mounts = mounts.into_iter().flatten();
        let groups = mounts.find(|mount| mount.fs_type == "cgroup2").map(|mount| mount.mount_point);
        Self { proc: proc.to_owned(), groups, pods: PODS.into(), links: LINKS.into() }
    }
}

/// Knows where owners run.
#[derive(Debug)]
pub struct Places {
    roots: Roots,
    labels: Labels,
    /// Whether a control group may be one for all, so that each process is asked.
    is_mixed: bool,
    known: HashMap<Asked, Known>,
    walked_at: Option<Duration>,
    walked: HashMap<u64, Spot>,
}

/// What a place is known by: a control group's number, and a process where that isn't enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Asked {
    group: u64,
    process: u32,
}

#[derive(Debug)]
struct Known {
    place: Option<Arc<Place>>,
    used_at: Duration,
    until: Duration,
}

/// The labels that tell of places.
const LABELS: [Label; 3] = [Label::Container, Label::Pod, Label::Namespace];

/// Whether any of these labels tells of places.
pub fn are_asked_for(labels: &Labels) -> bool {
    LABELS.iter().any(|label| labels.contains(label))
}

impl Places {
    /// Tells of places what `labels` ask for; none if they don't ask for any.
    pub fn new(roots: Roots, labels: &Labels) -> Option<Self> {
        if !are_asked_for(labels) {
            return None;
        }
        let labels = labels.clone();
        let own = fs::read_to_string(roots.proc.join("self/cgroup")).unwrap_or_default();
        Some(Self {
            is_mixed: cgroup::is_mixed(&own),
            roots,
            labels,
            known: HashMap::new(),
            walked_at: None,
            walked: HashMap::new(),
        })
    }

    /// Where an owner runs; none: in no container, or nobody knows. `now` is the boot time.
    pub fn of(&mut self, owner: &Owner, now: Duration) -> Option<Arc<Place>> {
        let process = if self.is_mixed { owner.pid } else { 0 };
        let asked = Asked { group: owner.cgroup, process };
        if let Some(known) = self.known.get_mut(&asked)
            && now < known.until
        {
            known.used_at = now;
            return known.place.clone();
        }
        let (place, holds) = self.look(owner, now);
        if self.known.len() >= MOST {
            self.forget(now);
        }
        if self.known.len() < MOST {
            let known = Known { place: place.clone(), used_at: now, until: now + holds };
            self.known.insert(asked, known);
        }
        place
    }

    /// Forgets whom nobody has asked for in a while, such as containers that have ended. Where
    /// there's no room, everyone.
    pub fn forget(&mut self, now: Duration) {
        self.known.retain(|_, known| now.saturating_sub(known.used_at) < UNUSED);
        if self.known.len() >= MOST {
            self.known.clear();
        }
    }

    /// Looks, and tells how long the answer holds.
    fn look(&mut self, owner: &Owner, now: Duration) -> (Option<Arc<Place>>, Duration) {
        let Some(spot) = self.spot(owner, now) else {
            return (None, RETRY);
        };
        // A control group's number and path are its own as long as it lives.
        let longest = if self.is_mixed { PROCESS } else { Duration::MAX / 4 };
        let (place, is_certain) = self.place(&spot);
        let place = (place != Place::default()).then(|| Arc::new(place));
        (place, if is_certain { longest } else { RETRY })
    }

    fn spot(&mut self, owner: &Owner, now: Duration) -> Option<Spot> {
        let path = self.roots.proc.join(owner.pid.to_string()).join("cgroup");
        if let Ok(text) = fs::read_to_string(path)
            && self.is_group(&text, owner.cgroup)
        {
            return Some(Spot::of_process(&text));
        }
        // It has ended, or it is hidden from us, but its control group may be there.
        let root = self.roots.groups.as_deref()?;
        if self.walked_at.is_none_or(|at| now.saturating_sub(at) >= RETRY) {
            self.walked_at = Some(now);
            self.walked = tree::walk(root);
        }
        self.walked.get(&owner.cgroup).cloned()
    }

    /// Whether a process is in the control group of that number: else it isn't the one that was
    /// told of, and has its id from another pid namespace, or after it. What can't be seen may be.
    fn is_group(&self, text: &str, number: u64) -> bool {
        let (Some(root), Some(path)) = (&self.roots.groups, cgroup::unified(text)) else {
            return true;
        };
        let folder = root.join(path.trim_start_matches('/'));
        folder.metadata().map_or(true, |meta| meta.ino() == number)
    }

    /// The names of a place, as far as they are asked for, and whether there are no better ones.
    fn place(&self, spot: &Spot) -> (Place, bool) {
        let Roots { pods, links, .. } = &self.roots;
        let found = spot.pod.as_ref().map(|uid| pods::find(pods, uid));
        let is_lost = found == Some(None);
        let found = found.flatten();
        let id = spot.container.as_deref().unwrap_or_default();
        let named = found
            .as_ref()
            .filter(|_| !id.is_empty())
            .and_then(|(_, folder)| pods::container(pods, links, folder, id));
        let is_certain = !is_lost && (found.is_none() || id.is_empty() || named.is_some());
        let (namespace, pod) = found.map(|(pod, _)| (pod.namespace, pod.name)).unwrap_or_default();
        let container = named.unwrap_or_else(|| id.chars().take(SHORT_ID).collect());
        let wanted = |label, name| if self.labels.contains(&label) { name } else { String::new() };
        let place = Place {
            container: wanted(Label::Container, container),
            pod: wanted(Label::Pod, pod),
            namespace: wanted(Label::Namespace, namespace),
        };
        (place, is_certain)
    }
}

#[cfg(test)]
mod tests;
