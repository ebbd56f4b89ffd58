//! Which Debian mirror this machine uses, read from apt's own source lists.
//!
//! No mirror is named in the code: companies and countries have their own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// A Debian mirror and the key that signs it.
#[derive(Debug, PartialEq)]
pub(crate) struct Mirror {
    uri: String,
    /// The value of `Signed-By`: a file, a fingerprint or a whole key of several lines.
    signed_by: Option<String>,
}

/// The mirror that serves this machine's own release.
pub(crate) fn mirror(codename: &str) -> Result<Mirror> {
    let mut entries = Vec::new();
    for file in list_files(Path::new("/etc/apt"))? {
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        if file.extension().is_some_and(|ext| ext == "sources") {
            entries.extend(parse_deb822(&text));
        } else {
            entries.extend(text.lines().filter_map(parse_line));
        }
    }
    pick(entries, codename).with_context(|| {
        format!("find a mirror in apt's source lists: none serves the component main of {codename}")
    })
}

/// The source list of `suites` on `mirror`, in deb822 form.
///
/// `Targets` leaves out what only package browsers read: translations, icons, file lists.
pub(crate) fn render(mirror: &Mirror, suites: &[&str], architecture: &str) -> String {
    let signed_by = match &mirror.signed_by {
        Some(value) => format!("Signed-By: {value}\n"),
        None => String::new(),
    };
    format!(
        "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nArchitectures: {architecture}\n\
         Targets: Packages\n{signed_by}",
        mirror.uri,
        suites.join(" "),
    )
}

/// One source: a deb822 stanza or a line.
#[derive(Debug, Default, PartialEq)]
struct Entry {
    uris: Vec<String>,
    suites: Vec<String>,
    components: Vec<String>,
    signed_by: Option<String>,
}

fn list_files(etc: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<_> = fs::read_dir(etc.join("sources.list.d"))
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ext| ext == "list" || ext == "sources"))
        .chain([etc.join("sources.list")].into_iter().filter(|path| path.exists()))
        .collect();
    files.sort();
    Ok(files)
}

/// Takes a source of `codename`. Others sign packages "for bookworm" too; only Debian's own
/// mirrors serve its point updates beside it, so such a mirror is preferred.
fn pick(entries: Vec<Entry>, codename: &str) -> Option<Mirror> {
    let has = |list: &[String], wanted: &str| list.iter().any(|item| item == wanted);
    let updates = format!("{codename}-updates");
    let with_updates: Vec<String> = entries
        .iter()
        .filter(|entry| has(&entry.suites, &updates))
        .flat_map(|entry| entry.uris.clone())
        .collect();
    entries
        .into_iter()
        .filter(|entry| has(&entry.suites, codename) && has(&entry.components, "main"))
        .flat_map(|entry| {
            let Entry { uris, signed_by, .. } = entry;
            uris.into_iter().map(move |uri| Mirror { uri, signed_by: signed_by.clone() })
        })
        .min_by_key(|mirror| !with_updates.contains(&mirror.uri))
}

/// Reads the stanzas of a `.sources` file.
fn parse_deb822(text: &str) -> Vec<Entry> {
    let mut entries = Vec::new();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    for stanza in lines.split(|line| line.trim().is_empty()) {
        let mut fields: Vec<(String, String)> = Vec::new();
        for line in stanza {
            if line.starts_with([' ', '\t']) {
                if let Some((_, value)) = fields.last_mut() {
                    value.push('\n');
                    value.push_str(line);
                }
            } else if let Some((name, value)) = line.split_once(':') {
                fields.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        let field = |name: &str| {
            let (_, value) = fields.iter().find(|(field, _)| field == name)?;
            Some(value.clone())
        };
        let words = |name: &str| words(&field(name).unwrap_or_default());
        let off = field("enabled")
            .is_some_and(|value| ["no", "false", "off", "0"].contains(&value.as_str()));
        if !off && words("types").contains(&"deb".to_owned()) {
            entries.push(Entry {
                uris: words("uris"),
                suites: words("suites"),
                components: words("components"),
                signed_by: field("signed-by"),
            });
        }
    }
    entries
}

/// Reads a line of a `.list` file: `deb [option=value ...] URI SUITE COMPONENT...`.
fn parse_line(line: &str) -> Option<Entry> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut parts = words(rest).into_iter();
    Some(Entry {
        uris: vec![parts.next()?],
        suites: vec![parts.next()?],
        components: parts.collect(),
        signed_by: options
            .split_whitespace()
            .find_map(|option| option.strip_prefix("signed-by="))
            .map(|files| files.replace(',', " ")),
    })
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEB822: &str = "\
Types: deb deb-src
# a comment in the middle
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian.gpg

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://src.example/debian
Suites: bookworm
Components: main
";

    #[test]
    fn deb822_stanzas_that_are_on_and_binary_are_read() {
        let entries = parse_deb822(DEB822);
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].suites, ["bookworm", "bookworm-updates"]);
        assert_eq!(pick(entries, "bookworm"), Some(example("/usr/share/keyrings/debian.gpg")));
    }

    #[test]
    fn a_key_inside_a_stanza_is_kept_with_its_lines() {
        let key = "\n -----BEGIN-----\n .\n abc\n -----END-----";
        let text = format!(
            "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n\
             Signed-By:{key}\n"
        );
        assert_eq!(pick(parse_deb822(&text), "bookworm"), Some(example(key)));
        let list = render(&example(key), &["bookworm"], "amd64");
        assert_eq!(parse_deb822(&list)[0].signed_by.as_deref(), Some(key));
    }

    #[test]
    fn one_line_sources_are_read() {
        let line =
            "deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main # x";
        let entry = parse_line(line).unwrap();
        assert_eq!(pick(vec![entry], "bookworm"), Some(example("/k.gpg")));
        for other in ["", "# deb http://a b c", "deb-src http://a bookworm main", "deb"] {
            assert_eq!(parse_line(other), None, "{other}");
        }
    }

    #[test]
    fn a_mirror_with_point_updates_is_preferred() {
        let list = "deb http://vendor.example/apt bookworm main\n\
                    deb http://mirror.example/debian bookworm main\n\
                    deb http://mirror.example/debian bookworm-updates main";
        let mirror = pick(list.lines().filter_map(parse_line).collect(), "bookworm").unwrap();
        assert_eq!(mirror.uri, "http://mirror.example/debian");
    }

    #[test]
    fn other_suites_and_components_are_no_mirror() {
        let list = "deb http://vendor.example/apt tool-bookworm main\n\
                    deb http://vendor.example/apt bookworm stable";
        assert_eq!(pick(list.lines().filter_map(parse_line).collect(), "bookworm"), None);
    }

    fn example(signed_by: &str) -> Mirror {
        Mirror {
            uri: "http://mirror.example/debian".to_owned(),
            signed_by: Some(signed_by.to_owned()),
        }
    }
}
