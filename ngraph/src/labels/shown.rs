//! What others chose, as a label may show it.

/// A command name as the kernel gives it, in letters that do no harm: any task may choose its
/// own. What isn't printable ASCII is `_`, and what follows the first zero is nothing.
pub(super) fn command(comm: &[u8; 16]) -> [u8; 16] {
    let mut shown = [0; 16];
    for (to, &byte) in shown.iter_mut().zip(comm.iter().take_while(|&&byte| byte != 0)) {
        *to = if byte == b' ' || byte.is_ascii_graphic() { byte } else { b'_' };
    }
    shown
}

/// The same as text.
pub(super) fn text(command: &[u8; 16]) -> String {
    command.iter().take_while(|&&byte| byte != 0).map(|&byte| char::from(byte)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(comm: &[u8; 16]) -> String {
        text(&command(comm))
    }

    #[test]
    fn a_command_name_is_shown_as_it_is() {
        assert_eq!(shown(b"curl\0\0\0\0\0\0\0\0\0\0\0\0"), "curl");
        assert_eq!(shown(b"Web Content \"x\"\0"), "Web Content \"x\"");
        assert_eq!(shown(&[0; 16]), "");
    }

    #[test]
    fn bytes_that_are_no_letters_are_underscores() {
        assert_eq!(shown(b"a\nb\x1b[1m\xff\xc3\xa9z\0\0\0\0\0"), "a_b_[1m___z");
        assert_eq!(shown(&[0xff; 16]), "_".repeat(16));
    }

    #[test]
    fn what_lies_behind_the_end_makes_no_other_name() {
        assert_eq!(command(b"sh\0leftover\0\0\0\0\0"), command(b"sh\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    }
}
