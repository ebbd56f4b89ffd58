//! The output folder: who can write it, who can read it. Leaves nothing behind.

use std::{fs, io, os::unix::fs::PermissionsExt as _, path::Path};

use super::finding::Finding;
use crate::{config::Output, export::lock};

/// Whether the agent could write there, and node_exporter read.
pub(super) fn look(output: &Output) -> Vec<Finding> {
    match output {
        Output::Stdout => vec![Finding::ok("output", "stdout")],
        Output::Nowhere => vec![Finding::ok("output", "none but what is served")],
        Output::Folder(folder) => {
            let exists = folder.exists();
            let mut findings = vec![writable(folder, exists)];
            if exists {
                findings.push(readable(folder));
                findings.extend(locked(folder));
            }
            findings
        }
    }
}

fn writable(folder: &Path, exists: bool) -> Finding {
    let remedy = "run as root or as the folder's owner, or choose another --output";
    let at = if exists { folder } else { existing_parent(folder) };
    // A file without a name: nobody ever sees it.
    let tried = if at.is_dir() { tempfile::tempfile_in(at).map(drop) } else { Err(not_a_folder()) };
    match tried {
        Ok(()) if exists => Finding::ok("output", format!("{} can be written", folder.display())),
        Ok(()) => Finding::ok("output", format!("{} will be made", folder.display())),
        Err(err) => {
            let text = format!("write in {}: {}", at.display(), words(&err));
            Finding::missing("output", text, remedy).needed()
        }
    }
}

/// One agent a folder.
fn locked(folder: &Path) -> Option<Finding> {
    let holder = lock::who_has(folder)?;
    let text = format!("{holder} has the lock of {}", folder.display());
    let remedy = "two agents can't share a folder: stop that one, or choose another --output";
    Some(Finding::missing("lock", text, remedy).needed())
}

/// node_exporter runs as a user of its own, and lists the folder.
fn readable(folder: &Path) -> Finding {
    const READ: u32 = 0o005;
    const PASS: u32 = 0o001;
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let closed = whole.ancestors().find(|at| {
        let wanted = if *at == whole { READ } else { PASS };
        fs::metadata(at).is_ok_and(|meta| meta.permissions().mode() & wanted != wanted)
    });
    if let Some(closed) = closed {
        let text =
            format!("{} is closed to other users, such as node_exporter's", closed.display());
        return Finding::missing("readers", text, format!("chmod o+rx {}", closed.display()));
    }
    let private = if whole.starts_with("/tmp") { " and without PrivateTmp" } else { "" };
    let text = format!(
        "every user; node_exporter with --collector.textfile.directory={}{private}",
        folder.display()
    );
    Finding::ok("readers", text)
}

/// The folder in which the missing part would be made.
fn existing_parent(folder: &Path) -> &Path {
    let here = Path::new(".");
    let exists = |at: &&Path| at.symlink_metadata().is_ok();
    let named = |at: &&Path| !at.as_os_str().is_empty();
    folder.ancestors().filter(named).find(exists).unwrap_or(here)
}

fn not_a_folder() -> io::Error {
    io::Error::from(io::ErrorKind::NotADirectory)
}

/// The system's words, without the path that tempfile adds and the number.
fn words(err: &io::Error) -> String {
    match err.raw_os_error() {
        Some(code) => {
            let text = io::Error::from_raw_os_error(code).to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
        None => err.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{DirBuilder, Permissions};

    use super::*;
    use crate::doctor::finding::{can_run, render};

    #[test]
    fn a_folder_that_is_missing_is_told_and_not_made() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("a/b");
        let findings = look(&Output::Folder(folder.clone()));
        assert!(can_run(&findings));
        assert!(render(&findings).ends_with(&format!("{} will be made\n", folder.display())));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_file_in_the_place_of_the_folder_keeps_the_agent_from_running() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for at in [file.path().to_owned(), file.path().join("below")] {
            let findings = look(&Output::Folder(at));
            assert!(!can_run(&findings));
            let expected = format!("write in {}: not a directory (", file.path().display());
            assert!(render(&findings).contains(&expected), "{findings:?}");
        }
    }

    #[test]
    fn a_folder_closed_to_other_users_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("textfile");
        DirBuilder::new().create(&folder).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(parent.path(), Permissions::from_mode(0o700)).unwrap();
        let whole = fs::canonicalize(parent.path()).unwrap();
        let closed = format!("{} is closed to other users", whole.display());
        assert!(render(&[readable(&folder)]).contains(&closed));
        fs::set_permissions(parent.path(), Permissions::from_mode(0o711)).unwrap();
        let open = readable(&folder);
        assert!(!render(std::slice::from_ref(&open)).contains(&closed), "{open:?}");
        fs::set_permissions(&folder, Permissions::from_mode(0o711)).unwrap();
        assert_ne!(readable(&folder), open);
    }
}
