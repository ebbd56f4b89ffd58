//! Programs of others that tests run, and are told of by variables.

use std::{env, path::PathBuf};

use super::skip;

/// The program that a variable names; else says that the test is skipped.
pub fn tool(variable: &str) -> Option<PathBuf> {
    let tool = env::var_os(variable).map(PathBuf::from);
    if tool.is_none() {
        skip(&format!("{variable} names no program (cargo xtask test brings it)"));
    }
    tool
}
