//! Texts that are kept as files.

use std::{env, fs, path::Path};

/// Compares with a file of `tests/golden`; with `BLESS=1` in the environment, writes it.
pub fn assert_golden(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("BLESS").is_some_and(|bless| bless == "1") {
        return fs::write(&path, actual).expect("tests/golden can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        actual == expected,
        "{} differs (BLESS=1 cargo test rewrites it); this is printed:\n{actual}",
        path.display()
    );
}
