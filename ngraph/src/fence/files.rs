//! Where the running agent can reach files, bounded by Landlock (Linux 5.13).
//!
//! Not with `--all`: whom Landlock bounds, the kernel hides every process from that isn't bound
//! as it is, and with it the namespaces that other processes live in.
//! <https://github.com/torvalds/linux/blob/v6.12/security/landlock/ptrace.c>

use std::{
    fmt, fs,
    path::{self, Path, PathBuf},
};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, RulesetStatus, Scope as Reach, make_bitflags, path_beneath_rules,
};

use crate::{
    config::{Config, Output, Scope},
    places,
};

/// Folders, and not the files in them: a file that is replaced is another one to Landlock, and
/// name servers change that way. The last two may be wherever the first is a link to.
const READ: [&str; 4] = ["/proc", "/sys", "/etc", "/run"];
const LINKS: [&str; 2] = ["/etc/resolv.conf", "/etc/hosts"];

/// The program, for a panic's backtrace; and where random numbers come from in a static binary,
/// which can't look for the C library's getrandom(): a resolver's queries take some.
const FILES: [&str; 3] = ["/proc/self/exe", "/dev/random", "/dev/urandom"];

/// Cleared from time to time, by systemd-tmpfiles and by people, with all that is in them.
const CLEARED: [&str; 4] = ["/tmp", "/var/tmp", "/run", "/dev/shm"];

/// What is done to the agent's file and to the folders that are made anew for it.
const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile
});

/// Where files can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// Below these folders.
    Bounded(Places),
    /// Wherever they could be before, and why.
    Open(&'static str),
}

/// Below which folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Places {
    read: Vec<PathBuf>,
    /// Read and written; none: nothing is.
    write: Option<PathBuf>,
}

/// Bounds this thread and those that it starts to what `config` needs, where the kernel can.
pub(super) fn restrict(config: &Config, lacks: &mut Vec<String>) -> Files {
    if config.scope == Scope::All {
        return Files::Open("Landlock would hide other processes' namespaces from --all");
    }
    let places = Places::of(config);
    let lack = match enforce(&places) {
        Ok(RulesetStatus::NotEnforced) => "the kernel has none, or it is off".to_owned(),
        Ok(_) => return Files::Bounded(places),
        Err(err) => err.to_string(),
    };
    lacks.push(format!("Landlock: {lack}"));
    Files::Open("no Landlock")
}

fn enforce(places: &Places) -> Result<RulesetStatus, RulesetError> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    // What the kernel doesn't know of these it isn't asked for.
    let status = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .scope(Reach::Signal)?
        .create()?
        .add_rules(path_beneath_rules(&places.read, read))?
        .add_rules(path_beneath_rules(FILES, AccessFs::ReadFile))?
        .add_rules(path_beneath_rules(&places.write, WRITE))?
        .restrict_self()?;
    Ok(status.ruleset)
}

impl Places {
    fn of(config: &Config) -> Self {
        let mut read: Vec<PathBuf> = READ.map(PathBuf::from).into();
        read.push(config.procfs.clone());
        if places::are_asked_for(&config.labels) {
            read.extend([places::PODS, places::LINKS].map(PathBuf::from));
        }
        let linked = LINKS.iter().filter_map(|link| fs::canonicalize(link).ok());
        read.extend(linked.filter_map(|file| file.parent().map(Path::to_owned)));
        read.extend(config.file.iter().flat_map(|file| around(file)));
        let mut places = Vec::new();
        // Each once, and none that lies in another.
        for place in read {
            if !places.iter().any(|known| place.starts_with(known)) {
                places.push(place);
            }
        }
        let write = match &config.output {
            Output::Folder(folder) => Some(room(folder)),
            Output::Stdout | Output::Nowhere => None,
        };
        Self { read: places, write }
    }
}

/// Where a file that may be replaced can be read again: the folder it is in, and the one that it
/// is a link into. One in the root folder can be read as it is and no other in its place, or
/// everything could be.
fn around(file: &Path) -> Vec<PathBuf> {
    let here = path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let there = fs::canonicalize(file).unwrap_or_else(|_| here.clone());
    let place = |file: PathBuf| match file.parent() {
        Some(folder) if folder.parent().is_some() => folder.to_owned(),
        _ => file,
    };
    vec![place(here), place(there)]
}

/// Below which folder `folder` can be made anew when it is gone: the one it is in, since a
/// folder that is made anew is another one to Landlock, as is one that is mounted anew.
fn room(folder: &Path) -> PathBuf {
    let folder = path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let there = folder.ancestors().find_map(|at| fs::canonicalize(at).ok()).unwrap_or(folder);
    let cleared = CLEARED.iter().map(Path::new).find(|cleared| there.starts_with(cleared));
    cleared.or(there.parent()).unwrap_or(&there).to_owned()
}

impl fmt::Display for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Places { read, write } = match self {
            Self::Bounded(places) => places,
            Self::Open(why) => return write!(f, "files as before ({why})"),
        };
        let read: Vec<String> = read.iter().map(|place| place.display().to_string()).collect();
        write!(f, "reads below {}, ", read.join(", "))?;
        match write {
            Some(place) => write!(f, "writes below {} (Landlock)", place.display()),
            None => write!(f, "writes nothing (Landlock)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_room_in_the_one_it_is_in() {
        assert_eq!(room(Path::new("/usr/bin")), Path::new("/usr"));
        assert_eq!(room(Path::new("/usr")), Path::new("/"));
        assert_eq!(room(Path::new("/")), Path::new("/"));
    }

    #[test]
    fn a_folder_that_gets_cleared_away_with_those_it_is_in_has_room_in_the_cleared_one() {
        let root = tempfile::tempdir_in("/tmp").unwrap();
        let folder = root.path().join("node_exporter/textfile");
        assert_eq!(room(&folder), Path::new("/tmp"));
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(room(&folder), Path::new("/tmp"));
    }

    #[test]
    fn the_configuration_is_read_again_where_it_is_and_where_a_link_leads() {
        let root = tempfile::tempdir_in("/tmp").unwrap();
        let link = root.path().join("ngraph.toml");
        std::os::unix::fs::symlink("/usr/lib/os-release", &link).unwrap();
        let there = fs::canonicalize("/usr/lib/os-release").unwrap();
        assert_eq!(around(&link), [root.path(), there.parent().unwrap()]);
        let in_root = Path::new("/ngraph.toml");
        assert_eq!(around(in_root), [in_root, in_root]);
    }

    #[test]
    fn a_link_has_room_where_it_leads() {
        let root = tempfile::tempdir_in("/tmp").unwrap();
        let link = root.path().join("link");
        std::os::unix::fs::symlink("/usr/bin", &link).unwrap();
        assert_eq!(room(&link), fs::canonicalize("/usr/bin").unwrap().parent().unwrap());
    }
}
