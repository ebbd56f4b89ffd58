//! What the pages about pictures show is what is printed, and docs/pictures has what the commands of
//! docs/getting-started.md draw.

use std::{env, fs, os::unix::fs::symlink, path::Path, process::Command};

use crate::{
    drawn, fleet,
    support::{agent::binary, tools::tool},
    text,
};

#[test]
fn the_commands_of_the_pages_print_what_the_pages_show() {
    let Some(jq) = tool("NGRAPH_JQ") else { return };
    let tools = tempfile::tempdir().unwrap();
    symlink(binary(), tools.path().join("ngraph")).unwrap();
    symlink(jq, tools.path().join("jq")).unwrap();
    let path = env::join_paths([tools.path(), "/usr/bin".as_ref(), "/bin".as_ref()]).unwrap();
    let mut shown = 0;
    for page in ["graph.md", "dependencies.md", "firewall.md"] {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
        let page = fs::read_to_string(page).unwrap();
        for block in page.split("```console\n$ ngraph graph ").skip(1) {
            let (block, _) = block.split_once("```").unwrap();
            let (line, expected) = block.split_once('\n').unwrap();
            // What needs a server is tested with one.
            if line.contains("--prometheus") {
                continue;
            }
            let line = format!("ngraph graph {line}");
            let mut shell = Command::new("sh");
            shell.args(["-c", &line]).current_dir(fleet()).env("PATH", &path);
            let output = shell.output().unwrap();
            let printed = text(&output.stderr) + &text(&output.stdout);
            assert_eq!(printed, expected, "{line}");
            shown += 1;
        }
    }
    assert!(shown >= 10, "{shown}");
}

/// `BLESS=1` in the environment draws them anew.
#[test]
fn the_pictures_of_getting_started_are_made_by_its_commands() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let page = fs::read_to_string(docs.join("getting-started.md")).unwrap();
    let mut drawn_anew = 0;
    for line in page.lines().filter_map(|line| line.strip_prefix("$ ngraph graph ")) {
        let Some((args, picture)) = line.split_once(" >").filter(|it| it.1.ends_with(".svg"))
        else {
            continue;
        };
        let picture = docs.join("pictures").join(picture);
        let now = drawn(&args.split(' ').collect::<Vec<_>>());
        if env::var_os("BLESS").is_some_and(|bless| bless == "1") {
            fs::write(&picture, &now).unwrap();
        }
        assert!(fs::read_to_string(&picture).unwrap_or_default() == now, "{}", picture.display());
        drawn_anew += 1;
    }
    assert_eq!(drawn_anew, 2);
}
