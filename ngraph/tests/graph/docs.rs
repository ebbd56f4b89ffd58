//! What docs/graph.md shows is what is printed, and docs/pictures has what the commands of
//! docs/getting-started.md draw.

use std::{env, fs, path::Path};

use crate::{drawn, graph, text};

#[test]
fn the_pictures_of_the_page_are_drawn_so() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/graph.md");
    let page = fs::read_to_string(page).unwrap();
    let mut shown = 0;
    for block in page.split("```console\n$ ngraph graph ").skip(1) {
        let (block, _) = block.split_once("```").unwrap();
        let (line, expected) = block.split_once('\n').unwrap();
        // What needs a server, or goes on in another program, isn't for this test.
        if line.contains(['>', '|']) || line.contains("--prometheus") {
            continue;
        }
        let output = graph(&line.split(' ').collect::<Vec<_>>(), b"");
        let printed = text(&output.stderr) + &text(&output.stdout);
        assert_eq!(printed, expected, "ngraph graph {line}");
        shown += 1;
    }
    assert!(shown >= 4, "{shown}");
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
