//! `cargo xtask image`: the static binary as an image of the Open Container Initiative, one file.
//!
//! Written here and not by a container tool: it is two tar files and three JSON texts, needs no
//! root and nothing installed, and the same binary gives the same digest.
//! <https://github.com/opencontainers/image-spec/blob/v1.1.1/image-layout.md>

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::{arch::Arch, command, digest::sha256, dist, elf};

/// What the manifests call it, before the version.
const NAME: &str = "localhost/ngraph";

/// Builds the binary for `arch`, else for this machine, makes the image of it and tells how it's
/// called.
pub(crate) fn image(arch: Option<Arch>) -> Result<()> {
    let binary = dist::build(arch)?;
    // Another architecture's program can't be asked here, but this one's says the same.
    let release = Release::of(&dist::build(None)?)?;
    let file = binary.with_file_name("ngraph.oci.tar");
    let digest = write(&binary, &release, &file)?;
    println!("{}: {NAME}:{} {digest}", file.display(), release.version);
    Ok(())
}

/// Writes the image of a binary into `file` and gives its digest.
pub(crate) fn write(binary: &Path, release: &Release, file: &Path) -> Result<String> {
    let program = fs::read(binary).with_context(|| format!("read {}", binary.display()))?;
    let machine = elf::machine(&program);
    let machine =
        machine.with_context(|| format!("read the ELF header of {}", binary.display()))?;
    let arch = Arch::ALL.into_iter().find(|arch| arch.elf() == machine);
    let arch = arch.with_context(|| format!("name ELF's machine {machine} in an image"))?;
    let image = Image::of(&program, arch, release)?;
    fs::write(file, image.layout()?).with_context(|| format!("write {}", file.display()))?;
    Ok(image.manifest.digest())
}

/// What a binary says that it is.
pub(crate) struct Release {
    version: String,
    commit: String,
}

impl Release {
    /// Asks a binary that runs here.
    pub(crate) fn of(binary: &Path) -> Result<Self> {
        let said = command::text(Command::new(binary).arg("--version"))?;
        let words = said.trim().strip_prefix("ngraph ").and_then(|said| said.split_once(' '));
        let Some((version, commit)) = words else {
            bail!("{} --version says `{}`, which tells no commit", binary.display(), said.trim());
        };
        let commit = commit.trim_matches(['(', ')']).to_owned();
        Ok(Self { version: version.to_owned(), commit })
    }
}

/// A part of an image, which is named after its sum.
struct Blob {
    media_type: &'static str,
    bytes: Vec<u8>,
}

impl Blob {
    fn json(media_type: &'static str, value: &Value) -> Self {
        Self { media_type, bytes: value.to_string().into_bytes() }
    }

    fn digest(&self) -> String {
        format!("sha256:{}", sha256(&self.bytes))
    }

    fn descriptor(&self) -> Value {
        json!({
            "mediaType": self.media_type,
            "digest": self.digest(),
            "size": self.bytes.len(),
        })
    }
}

/// An image: what it consists of and how it is called.
struct Image {
    layer: Blob,
    config: Blob,
    manifest: Blob,
    version: String,
}

impl Image {
    fn of(program: &[u8], arch: Arch, release: &Release) -> Result<Self> {
        let layer = Blob {
            media_type: "application/vnd.oci.image.layer.v1.tar",
            bytes: tar([("ngraph", 0o755, program)]).context("pack the binary")?,
        };
        let config = json!({
            "architecture": arch.debian(),
            "os": "linux",
            // The same each time, or the digest wouldn't be.
            "created": EPOCH,
            "config": {
                "Entrypoint": ["/ngraph"],
                "Labels": {
                    "org.opencontainers.image.title": "ngraph",
                    "org.opencontainers.image.description": "Tells who talks to whom over TCP",
                    "org.opencontainers.image.licenses": "MIT",
                    "org.opencontainers.image.version": release.version,
                    "org.opencontainers.image.revision": release.commit,
                },
            },
            "rootfs": { "type": "layers", "diff_ids": [layer.digest()] },
            "history": [{ "created": EPOCH, "created_by": "cargo xtask image" }],
        });
        let config = Blob::json("application/vnd.oci.image.config.v1+json", &config);
        let manifest_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": manifest_type,
            "config": config.descriptor(),
            "layers": [layer.descriptor()],
        });
        let manifest = Blob::json(manifest_type, &manifest);
        Ok(Self { layer, config, manifest, version: release.version.clone() })
    }

    /// The whole of it as one tar file.
    fn layout(&self) -> Result<Vec<u8>> {
        let name = format!("{NAME}:{}", self.version);
        let mut descriptor = self.manifest.descriptor();
        // podman reads the first, containerd the second.
        descriptor["annotations"] = json!({
            "org.opencontainers.image.ref.name": name,
            "io.containerd.image.name": name,
        });
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [descriptor],
        });
        let index = index.to_string();
        let mut files = vec![
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.as_slice()),
            ("index.json".to_owned(), index.as_bytes()),
        ];
        for blob in [&self.manifest, &self.config, &self.layer] {
            files.push((format!("blobs/sha256/{}", sha256(&blob.bytes)), &blob.bytes));
        }
        let files = files.iter().map(|(name, bytes)| (name.as_str(), 0o644, *bytes));
        tar(files).context("pack the image")
    }
}

const EPOCH: &str = "1970-01-01T00:00:00Z";

/// A tar file of root's files, of no time.
fn tar<'a>(files: impl IntoIterator<Item = (&'a str, u32, &'a [u8])>) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, mode, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(bytes.len() as u64);
        archive.append_data(&mut header, name, bytes)?;
    }
    Ok(archive.into_inner()?)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read as _};

    use super::*;
    use crate::cargo;

    fn image() -> Image {
        let release = Release { version: "1.2.3".to_owned(), commit: "abc".to_owned() };
        Image::of(b"a program", Arch::Arm64, &release).unwrap()
    }

    fn unpack(archive: &[u8]) -> BTreeMap<String, (u32, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let name = entry.path().unwrap().display().to_string();
            (name, (entry.header().mode().unwrap(), bytes))
        });
        entries.collect()
    }

    #[test]
    fn each_part_is_found_by_its_sum_from_the_index_on() {
        let files = unpack(&image().layout().unwrap());
        let part = |descriptor: &Value| {
            let sum = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
            let bytes = &files[&format!("blobs/sha256/{sum}")].1;
            assert_eq!((sha256(bytes), bytes.len()), (sum.to_owned(), size(descriptor)));
            bytes.clone()
        };
        let index: Value = serde_json::from_slice(&files["index.json"].1).unwrap();
        let described = &index["manifests"][0];
        let name = &described["annotations"]["org.opencontainers.image.ref.name"];
        assert_eq!(name, "localhost/ngraph:1.2.3");
        let manifest: Value = serde_json::from_slice(&part(described)).unwrap();
        let config: Value = serde_json::from_slice(&part(&manifest["config"])).unwrap();
        assert_eq!(config["config"]["Entrypoint"], json!(["/ngraph"]));
        assert_eq!(config["architecture"], "arm64");
        assert_eq!(config["rootfs"]["diff_ids"][0], manifest["layers"][0]["digest"]);
        let layer = unpack(&part(&manifest["layers"][0]));
        let program = ("ngraph".to_owned(), (0o755, b"a program".to_vec()));
        assert_eq!(layer, BTreeMap::from([program]), "nothing else is in it");
        assert_eq!(files.len(), 5);
    }

    fn size(descriptor: &Value) -> usize {
        descriptor["size"].as_u64().unwrap().try_into().unwrap()
    }

    #[test]
    fn the_same_program_gives_the_same_bytes() {
        assert_eq!(image().layout().unwrap(), image().layout().unwrap());
    }

    #[test]
    fn what_users_build_with_containers_is_the_same_image() {
        let read = |file: &str| fs::read_to_string(cargo::root().join(file)).unwrap();
        let containerfile = read("deploy/Containerfile");
        let config: Value = serde_json::from_slice(&image().config.bytes).unwrap();
        let entrypoint = format!("ENTRYPOINT {}", config["config"]["Entrypoint"]);
        assert!(containerfile.ends_with(&format!("\n{entrypoint}\n")), "{containerfile}");
        for (label, value) in config["config"]["Labels"].as_object().unwrap() {
            let is_told = containerfile.contains(&format!("{label}={value}"));
            // What a build can't know of itself is left out.
            let is_of_a_release = label.ends_with(".version") || label.ends_with(".revision");
            assert!(is_told || is_of_a_release, "{label}={value}: {containerfile}");
        }
        let toolchain = read("rust-toolchain.toml");
        let channel = toolchain.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
        assert!(containerfile.contains(&format!("FROM docker.io/library/rust:{channel} AS")));
    }
}
