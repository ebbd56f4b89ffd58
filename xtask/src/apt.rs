//! Debian packages, unpacked and not installed, through an apt of our own.
//!
//! Its configuration, lists and downloads lie in the cache folder, so the system's apt is
//! neither changed nor needed to be root for. Signatures and checksums are apt's business.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::{arch::Arch, cache::Cache, command, sources};

/// A private apt.
pub(crate) struct Apt<'a> {
    cache: &'a Cache,
    folder: PathBuf,
    /// As Debian calls it.
    architecture: String,
    codename: String,
    /// Why the lists could not be renewed; told only if something isn't found in them.
    update_error: Option<String>,
}

/// Releases that hold the kernels of the matrix or the sources of a recent Rust.
const SUITES: [&str; 5] = ["bullseye", "bookworm", "trixie", "trixie-backports", "forky"];

/// New kernels come out every few days; asking for them more often than daily is noise.
const LISTS_LAST: Duration = Duration::from_secs(24 * 60 * 60);

impl<'a> Apt<'a> {
    /// Opens the private apt and renews its lists if they are old.
    pub(crate) fn open(cache: &'a Cache) -> Result<Self> {
        Self::of(cache, None)
    }

    /// As [`Apt::open`], with the packages of `arch` instead of this machine's.
    pub(crate) fn open_for(cache: &'a Cache, arch: Arch) -> Result<Self> {
        Self::of(cache, Some(arch).filter(|&arch| Some(arch) != Arch::host()))
    }

    fn of(cache: &'a Cache, foreign: Option<Arch>) -> Result<Self> {
        for program in ["apt-get", "apt-cache", "dpkg-deb"] {
            if command::find(program).is_none() {
                bail!("find {program} on the PATH: not there (is this a Debian?)");
            }
        }
        let codename = codename(&fs::read_to_string("/etc/os-release").unwrap_or_default())
            .context("use Debian's packages: /etc/os-release names no release of Debian")?;
        let (architecture, folder) = match foreign {
            Some(arch) => (arch.debian().to_owned(), cache.path(&format!("apt-{}", arch.debian()))),
            None => (own_architecture()?, cache.path("apt")),
        };
        let mut apt = Self { cache, folder, architecture, codename, update_error: None };
        apt.configure().context("set up a private apt")?;
        apt.update()?;
        Ok(apt)
    }

    /// Names of packages that begin with `prefix`, of which some may be mere mentions.
    pub(crate) fn names(&self, prefix: &str) -> Result<Vec<String>> {
        let names = command::text(self.command("apt-cache").args(["pkgnames", prefix]))?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Versions of `package`, newest first.
    pub(crate) fn versions(&self, package: &str) -> Result<Vec<Version>> {
        let table = command::text(self.command("apt-cache").args(["madison", package]))?;
        Ok(table.lines().filter_map(parse_madison).collect())
    }

    /// The packages that `package` depends on.
    pub(crate) fn depends(&self, package: &Version) -> Result<Vec<String>> {
        let record = self.command("apt-cache").args(["show", &package.spec()]).output()?;
        Ok(parse_depends(&String::from_utf8_lossy(&record.stdout)))
    }

    /// The folder of `package`'s files, in the version of this machine's own release.
    ///
    /// The release's libraries are what its programs are linked against.
    pub(crate) fn own(&self, package: &str) -> Result<PathBuf> {
        self.unpacked(&self.own_version(package)?)
    }

    /// Unpacks `package`, as [`Apt::own`], into `folder`, where others may lie.
    pub(crate) fn own_into(&self, package: &str, folder: &Path) -> Result<()> {
        self.unpack(&self.own_version(package)?, folder)
    }

    /// The packages that `package` of this machine's own release depends on.
    pub(crate) fn own_depends(&self, package: &str) -> Result<Vec<String>> {
        self.depends(&self.own_version(package)?)
    }

    /// `package` in the version of this machine's own release.
    pub(crate) fn own_version(&self, package: &str) -> Result<Version> {
        let versions = self.versions(package)?;
        let own = versions.into_iter().find(|version| version.suite == self.codename);
        own.with_context(|| self.not_found(package))
    }

    /// The folder of `package`'s files, kept in the cache.
    pub(crate) fn unpacked(&self, package: &Version) -> Result<PathBuf> {
        let name = format!("packages/{}", package.file_name());
        self.cache.folder(&name, |folder| self.unpack(package, folder))
    }

    /// Downloads `package` and unpacks it into `folder`.
    pub(crate) fn unpack(&self, package: &Version, folder: &Path) -> Result<()> {
        let spec = package.spec();
        eprintln!("fetch {spec}");
        let deb_folder = folder.join(".deb");
        fs::create_dir_all(&deb_folder)?;
        // Checks the package's SHA-256 against the signed lists.
        command::output(
            self.command("apt-get").args(["-q", "download", &spec]).current_dir(&deb_folder),
        )?;
        let deb = fs::read_dir(&deb_folder)?.next().context("apt-get download wrote no file")??;
        command::output(Command::new("dpkg-deb").arg("-x").arg(deb.path()).arg(folder))?;
        fs::remove_dir_all(&deb_folder).context("remove the unpacked package")
    }

    /// An error for a package that the lists don't hold.
    pub(crate) fn not_found(&self, package: &str) -> String {
        let update = match &self.update_error {
            Some(err) => format!("; renewing its lists failed: {err}"),
            None => String::new(),
        };
        format!("find the Debian package {package}: this machine's mirror lists none{update}")
    }

    fn configure(&self) -> Result<()> {
        let folder = self.folder.display();
        for sub in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(self.folder.join(sub))
                .with_context(|| format!("create {folder}/{sub}"))?;
        }
        let mut suites = SUITES.to_vec();
        if !suites.contains(&self.codename.as_str()) {
            suites.push(&self.codename);
        }
        let architecture = &self.architecture;
        let list = sources::render(&sources::mirror(&self.codename)?, &suites, architecture);
        // The hooks are the system's: they tell a desktop that its lists changed.
        // The sandbox user could not reach a cache in somebody's home. Containers turn off
        // apt's cache of parsed lists, which saves two seconds each time. By default a
        // mirror out of reach is no error.
        let conf = format!(
            "Dir::Etc::SourceList \"{folder}/debian.sources\";\n\
             Dir::Etc::SourceParts \"/dev/null\";\n\
             APT::Architecture \"{architecture}\";\n\
             APT::Architectures {{\"{architecture}\";}};\n\
             Dir::State::Lists \"{folder}/lists\";\n\
             Dir::Cache \"{folder}\";\n\
             Dir::Cache::PkgCache \"pkgcache.bin\";\n\
             Dir::Cache::SrcPkgCache \"srcpkgcache.bin\";\n\
             Dir::Cache::Archives \"{folder}/archives\";\n\
             APT::Sandbox::User \"root\";\n\
             Acquire::Retries \"3\";\n\
             #clear APT::Update;\n\
             APT::Update::Error-Mode \"any\";\n"
        );
        for (name, text) in [("debian.sources", list), ("apt.conf", conf)] {
            let file = self.folder.join(name);
            // Lists of another mirror or other suites are of no use.
            if fs::read_to_string(&file).ok().as_ref() != Some(&text) {
                let _ = fs::remove_file(self.stamp());
                fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
            }
        }
        Ok(())
    }

    fn update(&mut self) -> Result<()> {
        let age = fs::metadata(self.stamp())
            .and_then(|stamp| stamp.modified())
            .ok()
            .and_then(|written| written.elapsed().ok());
        if age.is_some_and(|age| age < LISTS_LAST) {
            return Ok(());
        }
        eprintln!("renew the lists of Debian packages");
        match command::output(self.command("apt-get").args(["-q", "update"])) {
            Ok(_) => fs::write(self.stamp(), "").context("write the time stamp of the lists")?,
            // A mirror may drop one old suite, or be out of reach for a while: what was
            // listed before, or by other suites, may be all that is needed.
            Err(err) => self.update_error = Some(format!("{err:#}")),
        }
        Ok(())
    }

    fn stamp(&self) -> PathBuf {
        self.folder.join("updated")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Not APT_CONFIG: that is read before the system's files, which would win.
        command.arg("-c").arg(self.folder.join("apt.conf")).env("LC_ALL", "C");
        command
    }
}

/// A package in one version, and the suite that holds it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Version {
    pub(crate) package: String,
    pub(crate) version: String,
    pub(crate) suite: String,
    architecture: String,
}

impl Version {
    /// What a folder of it is called.
    pub(crate) fn file_name(&self) -> String {
        let version = self.version.replace(':', ".");
        format!("{}_{version}_{}", self.package, self.architecture)
    }

    fn spec(&self) -> String {
        format!("{}={}", self.package, self.version)
    }
}

fn own_architecture() -> Result<String> {
    let said = command::text(Command::new("dpkg").arg("--print-architecture"))?;
    Ok(said.trim().to_owned())
}

/// The release's name. Derived systems have mirrors of their own, without Debian's kernels.
fn codename(os_release: &str) -> Option<String> {
    let value = |name| {
        let value = os_release.lines().find_map(|line| line.strip_prefix(name))?;
        Some(value.trim_matches('"'))
    };
    (value("ID=")? == "debian").then_some(value("VERSION_CODENAME=")?.to_owned())
}

/// Reads a line of `apt-cache madison`: `package | version | URI suite/component arch Packages`.
fn parse_madison(line: &str) -> Option<Version> {
    let mut columns = line.split('|').map(str::trim);
    let (package, version, source) = (columns.next()?, columns.next()?, columns.next()?);
    let mut source = source.split_whitespace().skip(1);
    let ((suite, _), architecture) = (source.next()?.split_once('/')?, source.next()?);
    Some(Version {
        package: package.to_owned(),
        version: version.to_owned(),
        suite: suite.to_owned(),
        architecture: architecture.to_owned(),
    })
}

/// Names in the `Depends` field of a record of `apt-cache show`, first alternatives only.
fn parse_depends(record: &str) -> Vec<String> {
    let depends = record.lines().find_map(|line| line.strip_prefix("Depends: "));
    depends
        .unwrap_or_default()
        .split(',')
        .filter_map(|depend| depend.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn madison_lines_give_version_and_suite() {
        let line = " busybox-static | 1:1.35.0-4+b1 | http://m.example/debian bookworm/main amd64 Packages";
        let version = parse_madison(line).unwrap();
        assert_eq!(version.spec(), "busybox-static=1:1.35.0-4+b1");
        assert_eq!(version.suite, "bookworm");
        assert_eq!(version.file_name(), "busybox-static_1.1.35.0-4+b1_amd64");
        assert_eq!(parse_madison("N: Unable to locate package"), None);
    }

    #[test]
    fn depends_are_names_without_versions_and_alternatives() {
        let record = "Package: a\nDepends: dracut | initramfs-tools (>= 0.1), linux-binary-7 (= 7-1)\nSize: 1\n";
        assert_eq!(parse_depends(record), ["dracut", "linux-binary-7"]);
        assert!(parse_depends("Package: a\n").is_empty());
    }

    #[test]
    fn codename_comes_from_os_release() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=bookworm\n").unwrap(), "bookworm");
        assert_eq!(codename("ID=\"debian\"\nVERSION_CODENAME=\"x\"\n").unwrap(), "x");
        assert_eq!(codename("ID=other\nVERSION_CODENAME=x\n"), None);
    }
}
