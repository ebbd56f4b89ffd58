//! Host names as they may appear in the file: what a resolver answers is hostile until cleaned.

/// The longest host name in text, by RFC 1035 without the last dot.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// Gives `raw` in lower case and without its last dot, or `None` if it is no host name.
///
/// The owner of an address writes its PTR record, so a name may try to close the label's
/// quotes, to forge a line or to be endless. Whoever wants a Unicode name has it as `xn--`.
pub fn clean(raw: &str) -> Option<String> {
    let name = raw.strip_suffix('.').unwrap_or(raw);
    let is_host = name.len() <= MAX_NAME_BYTES && name.split('.').all(is_label);
    is_host.then(|| name.to_ascii_lowercase())
}

/// Gives the one name to show for an address: the smallest that is clean.
///
/// Name servers rotate their answers, and a label that changes makes another series.
pub fn choose<I>(names: I) -> Option<String>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    names.into_iter().filter_map(|raw| clean(raw.as_ref())).min()
}

fn is_label(label: &str) -> bool {
    (1..=MAX_LABEL_BYTES).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_lower_case_without_last_dot() {
        assert_eq!(clean("Db1.Example.COM."), Some("db1.example.com".into()));
        assert_eq!(clean("_dmarc.a-b.example"), Some("_dmarc.a-b.example".into()));
        assert_eq!(clean("localhost"), Some("localhost".into()));
        assert_eq!(clean("192.0.2.1"), Some("192.0.2.1".into()));
        assert_eq!(clean("xn--bcher-kva.example."), Some("xn--bcher-kva.example".into()));
    }

    #[test]
    fn hostile_text_is_no_name() {
        for raw in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            "a b",
            "a\"b",
            "a\\b",
            "a\nb",
            "a\\010b",
            "a\0",
            "a\\.b",
            "a{b}",
            "bücher.example",
            "a/b",
            "a:b",
            "\u{202e}moc",
            "a\r",
            "\x1b[31m",
        ] {
            assert_eq!(clean(raw), None, "{raw:?}");
        }
    }

    #[test]
    fn lengths_end_at_the_limits_of_dns() {
        let label = "a".repeat(63);
        let name = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        assert_eq!(name.len(), 253);
        assert_eq!(clean(&format!("{name}.")), Some(name.clone()));
        assert_eq!(clean(&format!("{name}b")), None);
        assert_eq!(clean(&"a".repeat(64)), None);
    }

    #[test]
    fn of_several_names_the_smallest_clean_one_is_taken() {
        let names = ["web.example.", "A\"", "API.example.", "api.example"];
        assert_eq!(choose(names), Some("api.example".into()));
        assert_eq!(choose(names.iter().rev()), Some("api.example".into()));
        assert_eq!(choose(["\n", ""]), None);
        assert_eq!(choose::<[&str; 0]>([]), None);
    }
}
