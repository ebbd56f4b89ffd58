//! Where the kernel's own counts stood when the hooks were attached.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;

use crate::{
    audit::Opens,
    config::Scope,
    flow::NetnsId,
    snapshot::{namespaces, opens},
};

/// The kernel's counts of a namespace before the hooks were attached, and after.
#[derive(Clone, Copy, Debug)]
pub struct Bracket {
    /// Before the first was.
    pub before: Opens,
    /// After the last was proven.
    pub after: Opens,
}

/// The kernel's own counts of each namespace in scope, as far as they can be read.
///
/// # Errors
/// Where /proc can't be read.
pub fn opens(root: &Path, scope: Scope) -> Result<BTreeMap<NetnsId, Opens>> {
    let witnesses = match scope {
        Scope::Own => namespaces::own(root)?,
        Scope::All => namespaces::all(root, &mut Vec::new())?,
    };
    let read = |(netns, processes): (_, Vec<i32>)| {
        let mut ids = processes.iter().map(ToString::to_string);
        ids.find_map(|id| opens::read(root, &id, netns).ok()).map(|opens| (netns, opens))
    };
    Ok(witnesses.into_iter().filter_map(read).collect())
}

/// Two readings as one. A namespace that came meanwhile had none before.
pub fn between(
    before: &BTreeMap<NetnsId, Opens>,
    after: &BTreeMap<NetnsId, Opens>,
) -> BTreeMap<NetnsId, Bracket> {
    let bracket = |(&netns, &after): (&NetnsId, &Opens)| {
        let before = before.get(&netns).copied().unwrap_or_default();
        (netns, Bracket { before, after })
    };
    after.iter().map(bracket).collect()
}
