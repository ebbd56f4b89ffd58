//! What systemd's tools say of the files.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use tempfile::TempDir;

use crate::{deploy, has, said, support::agent::binary};

#[test]
fn systemd_finds_no_fault_with_the_units() {
    if !has("systemd-analyze") {
        return;
    }
    // The unit's program has to be where the unit says.
    let place = TempDir::new().unwrap();
    let unit = place.path().join("ngraph.service");
    let text = fs::read_to_string(deploy().join("ngraph.service")).unwrap();
    let program = place.path().join("ngraph");
    symlink(binary(), &program).unwrap();
    let here = text.replace("/usr/bin/ngraph", program.to_str().unwrap());
    assert_ne!(here, text);
    fs::write(&unit, here).unwrap();
    for dropins in [&[][..], &["all.conf", "nat.conf"]] {
        let folder = place.path().join("ngraph.service.d");
        fs::create_dir_all(&folder).unwrap();
        for dropin in dropins {
            fs::copy(deploy().join(dropin), folder.join(dropin)).unwrap();
        }
        let mut verify = Command::new("systemd-analyze");
        assert_eq!(said(verify.args(["verify", "--man=no"]).arg(&unit)), "");
    }
}

#[test]
fn the_score_is_the_one_that_is_told() {
    if !has("systemd-analyze") {
        return;
    }
    let mut security = Command::new("systemd-analyze");
    security
        .args(["security", "--offline=true", "--no-pager"])
        .arg(deploy().join("ngraph.service"));
    let table = said(&mut security);
    let score = table.lines().find(|line| line.contains("exposure level")).unwrap();
    let page = fs::read_to_string(deploy().join("../../docs/systemd.md")).unwrap();
    let words = score.split_whitespace().take(7);
    let score = words.collect::<Vec<_>>().join(" ");
    assert!(page.contains(&score), "docs/systemd.md doesn't tell: {score}\n{table}");
}

#[test]
fn the_folder_and_its_owner_are_made() {
    if !crate::support::is_root() {
        return crate::support::skip("needs root");
    }
    if !has("systemd-tmpfiles") || !has("systemd-sysusers") {
        return;
    }
    let root = TempDir::new().unwrap();
    fs::create_dir(root.path().join("etc")).unwrap();
    let run = |program: &str, args: &[&str], file: &str| {
        let mut command = Command::new(program);
        command.arg(format!("--root={}", root.path().display())).args(args);
        said(command.arg(deploy().join(file)))
    };
    run("systemd-sysusers", &[], "sysusers.d/ngraph.conf");
    let users = fs::read_to_string(root.path().join("etc/passwd")).unwrap();
    assert!(users.lines().any(|user| user.starts_with("ngraph:")), "{users}");
    run("systemd-tmpfiles", &["--create"], "tmpfiles.d/ngraph.conf");
    assert!(root.path().join(Path::new("run/ngraph/textfile")).is_dir());
}
