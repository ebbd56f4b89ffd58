//! The interactive page: one file that needs nothing else, neither a server nor a network.

mod document;

pub use document::{Change, Document, Edge, Ends, Node, SMOOTH_EDGES, SMOOTH_NODES};

use std::borrow::Cow;

const TEMPLATE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const POLICY: &str = include_str!("policy.txt");

/// What others wrote, in the order in which each needs those before it.
const VENDOR: [&str; 6] = [
    include_str!("vendor/cytoscape.min.js"),
    include_str!("vendor/dagre.min.js"),
    include_str!("vendor/d3-dispatch.min.js"),
    include_str!("vendor/d3-quadtree.min.js"),
    include_str!("vendor/d3-timer.min.js"),
    include_str!("vendor/d3-force.min.js"),
];

const LICENSES: [&str; 3] = [
    include_str!("vendor/LICENSE.cytoscape"),
    include_str!("vendor/LICENSE.dagre"),
    include_str!("vendor/LICENSE.d3"),
];

/// One scope in several files, a job each.
const SCRIPT: [&str; 10] = [
    include_str!("script/model.js"),
    include_str!("script/layout.js"),
    include_str!("script/look.js"),
    include_str!("script/drawing.js"),
    include_str!("script/panel.js"),
    include_str!("script/choice.js"),
    include_str!("script/search.js"),
    include_str!("script/tables.js"),
    include_str!("script/export.js"),
    include_str!("script/start.js"),
];

/// The page that shows `document`.
pub fn html(document: &Document) -> String {
    let parts = [
        ("{policy}", Cow::from(POLICY.trim_end())),
        ("{title}", escape_text(&document.title).into()),
        ("{style}", STYLE.into()),
        ("{licenses}", escape_text(&LICENSES.join("\n\n")).into()),
        ("{document}", escape_json(document).into()),
        ("{vendor}", vendor().into()),
        ("{script}", script().into()),
    ];
    fill(TEMPLATE, &parts)
}

/// Without where to find maps of the sources: a browser's debugger would ask for them.
fn vendor() -> String {
    let lines = VENDOR.iter().flat_map(|file| file.lines());
    let lines: Vec<&str> = lines.filter(|line| !line.starts_with("//# source")).collect();
    lines.join("\n")
}

fn script() -> String {
    format!("(() => {{\n\"use strict\";\n{}}})();\n", SCRIPT.concat())
}

/// Puts each part where its mark is. Marks within parts are left alone: a title may be one.
fn fill(template: &str, parts: &[(&str, Cow<'_, str>)]) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((at, (mark, part))) =
        parts.iter().filter_map(|part| Some((rest.find(part.0)?, part))).min_by_key(|(at, _)| *at)
    {
        filled.push_str(&rest[..at]);
        filled.push_str(part);
        rest = &rest[at + mark.len()..];
    }
    filled.push_str(rest);
    filled
}

/// Text that is no markup.
fn escape_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The document as JSON in which nothing can end the element around it, or be taken for markup.
///
/// What is escaped can stand only within JSON's strings.
fn escape_json(document: &Document) -> String {
    let json = serde_json::to_string(document).expect("strings, numbers and lists are JSON");
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                escaped.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use data_encoding::{BASE64, HEXLOWER};
    use sha2::{Digest as _, Sha256};

    use super::*;

    const HOSTILE: &str = "</script><script>alert(1)</script>\u{2028}\u{2029}&amp;\"'";

    #[test]
    fn the_document_ends_no_element_and_reads_back() {
        let document = Document {
            notes: vec![HOSTILE.to_owned()],
            nodes: vec![Node { title: HOSTILE.to_owned(), ..Node::default() }],
            ..Document::default()
        };
        let escaped = escape_json(&document);
        assert!(!escaped.contains(['<', '>', '&', '\u{2028}', '\u{2029}']), "{escaped}");
        let read: serde_json::Value = serde_json::from_str(&escaped).unwrap();
        assert_eq!(read["notes"][0], HOSTILE);
        assert_eq!(read["nodes"][0]["title"], HOSTILE);
    }

    #[test]
    fn a_title_is_text_and_fills_in_nothing() {
        let title = "<b>{document}{script}".to_owned();
        let page = html(&Document { title, ..Document::default() });
        assert_eq!(page.matches("<title>&lt;b&gt;{document}{script}</title>").count(), 1);
        assert_eq!(page.matches("<script").count(), 3);
    }

    #[test]
    fn no_script_or_style_ends_its_element() {
        for part in [vendor(), script(), STYLE.to_owned()] {
            let part = part.to_lowercase();
            let ends = ["</script", "<script", "<!--", "</style"];
            assert!(!ends.iter().any(|end| part.contains(end)));
        }
    }

    #[test]
    fn the_policy_allows_these_scripts_and_styles_alone() {
        // The library adds this one by itself.
        let library = ".__________cytoscape_container { position: relative; }";
        let policy = format!(
            "default-src 'none'; script-src {} {}; style-src {} {}; base-uri 'none'; \
             form-action 'none'; require-trusted-types-for 'script'\n",
            hash(&vendor()),
            hash(&script()),
            hash(STYLE),
            hash(library),
        );
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/src/picture/page/policy.txt");
        if env::var_os("BLESS").is_some_and(|bless| bless == "1") {
            fs::write(file, &policy).unwrap();
        } else {
            assert_eq!(POLICY, policy, "BLESS=1 cargo test -p ngraph --lib page rewrites it");
        }
    }

    fn hash(text: &str) -> String {
        format!("'sha256-{}'", BASE64.encode(&Sha256::digest(text)))
    }

    #[test]
    fn what_others_wrote_is_what_their_packages_have() {
        let readme = include_str!("vendor/README.md");
        for file in VENDOR {
            let hash = HEXLOWER.encode(&Sha256::digest(file));
            assert_eq!(readme.matches(&hash).count(), 1, "{hash}: {}", &file[..80]);
        }
        assert_eq!(readme.matches(".min.js` |").count(), VENDOR.len());
    }
}
