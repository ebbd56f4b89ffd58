//! Text from anywhere as text that is safe to show: names and labels are others' words.

use std::fmt::Write as _;

/// Longer text is cut, with an ellipsis: no format has room for more.
const MAX_CHARS: usize = 80;

/// The same text with what isn't seen made visible (control characters, marks that turn the
/// writing's direction, unassigned ones), and cut where it is endless.
///
/// Quotes and angle brackets stay: each format has its own way with them.
pub fn readable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(MAX_CHARS));
    for (i, character) in text.chars().enumerate() {
        if i == MAX_CHARS {
            shown.push('…');
            break;
        }
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            // What XML 1.0 has no way to say, escaped or not.
            '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(shown, "{}", character.escape_unicode());
            }
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_stay_as_they_are() {
        for name in ["db1.example.com", "10.0.0.1:9100", "bücher", "a b", "<b>\"x\\'", "日本"] {
            assert_eq!(readable(name), name);
        }
    }

    #[test]
    fn what_is_not_seen_is_made_visible() {
        assert_eq!(readable("\x1b[31m\r\n"), "\\u{1b}[31m\\r\\n");
        assert_eq!(readable("\u{202e}moc"), "\\u{202e}moc");
        assert_eq!(readable("\u{200b}\u{feff}\u{2066}"), "\\u{200b}\\u{feff}\\u{2066}");
        assert_eq!(readable("\0\u{9b}\u{2028}\u{ffff}"), "\\0\\u{9b}\\u{2028}\\u{ffff}");
    }

    #[test]
    fn endless_text_is_cut() {
        assert_eq!(readable(&"a".repeat(300)), "a".repeat(80) + "…");
        assert_eq!(readable(&"é".repeat(80)), "é".repeat(80));
    }
}
