//! Where the agent's own socket is: a path, the usual place, or nowhere.

use std::path::{Path, PathBuf};

/// Where the unit's folder has it.
const USUAL: &str = "/run/ngraph/ngraph.sock";

/// Where the agent's own socket is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// At the usual place, if its folder is there.
    Auto,
    /// Nowhere.
    Off,
    /// Here.
    At(PathBuf),
}

impl Socket {
    /// Its path, if it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Auto => Some(Path::new(USUAL)),
            Self::Off => None,
            Self::At(path) => Some(path),
        }
    }
}

/// Reads `--socket`.
///
/// # Errors
/// Where the path couldn't be a socket's: what it takes, for a user to read.
pub fn parse(text: &str) -> Result<Socket, String> {
    // sun_path of unix(7), less the zero at its end.
    const MOST: usize = 107;
    if text.eq_ignore_ascii_case("auto") {
        return Ok(Socket::Auto);
    }
    if text.eq_ignore_ascii_case("off") {
        return Ok(Socket::Off);
    }
    if !text.starts_with('/') || text.len() > MOST {
        return Err(format!("takes auto, off, or a path from / of at most {MOST} bytes"));
    }
    Ok(Socket::At(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_a_word_or_nothing() {
        assert_eq!((parse("auto"), parse("OFF")), (Ok(Socket::Auto), Ok(Socket::Off)));
        assert_eq!(parse("/run/x.sock"), Ok(Socket::At("/run/x.sock".into())));
        for wrong in ["", "x.sock", "./x", &format!("/{}", "x".repeat(107))] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Socket::Off.path(), None);
    }
}
