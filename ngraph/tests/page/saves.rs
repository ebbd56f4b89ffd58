//! Files that are saved from the page show what it shows.

use std::{fs, path::PathBuf};

use data_encoding::BASE64;
use serde_json::json;

use crate::{samples, view::View};

#[test]
fn svg_is_well_formed_and_names_every_host() {
    for (name, document) in [("shop", samples::shop()), ("hostile", samples::hostile())] {
        let Some(mut view) = View::of(name, &document) else { return };
        let file = save(&mut view, "svg");
        // As a document of its own: a fault in it would be shown in its place.
        view.open(&file);
        assert_eq!(view.eval("document.documentElement.nodeName"), "svg");
        assert_eq!(view.eval("document.querySelectorAll('parsererror').length"), 0);
        for (kind, wanted) in [("node", document.nodes.len()), ("edge", document.edges.len())] {
            let count = format!("document.querySelectorAll('g.{kind}').length");
            assert_eq!(view.eval(&count), wanted, "{name}: {kind}");
        }
        assert_eq!(view.eval("document.scripts?.length ?? 0"), 0);
        assert_eq!(view.texts("g.node text").len(), document.nodes.len());
        // Not a number is what a line to nowhere would have.
        assert!(!fs::read_to_string(&file).unwrap().contains("NaN"));
        view.size(1280, 800);
        view.shoot(&format!("{name}-svg"));
    }
}

#[test]
fn a_saved_file_has_what_the_filters_left() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    view.click("#failing");
    let svg = fs::read_to_string(save(&mut view, "svg")).unwrap();
    assert!(svg.contains(">worker-1<") && svg.contains(">mail.example.net<"), "{svg}");
    assert!(!svg.contains(">lb-1<"), "{svg}");
}

#[test]
fn png_shows_every_host() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    let file = save(&mut view, "png");
    let png = BASE64.encode(&fs::read(file).unwrap());
    // Where each box is within the whole, a little right of its left edge, and its colour.
    let boxes = view.drawing(
        "{ const all = cy.elements().boundingBox(); return cy.nodes().map(node => { \
         const box = node.boundingBox({ includeLabels: false }); \
         return [(box.x1 + 7 - all.x1) / all.w, ((box.y1 + box.y2) / 2 - all.y1) / all.h, \
         node.style('background-color').match(/\\d+/g).join()] }) }",
    );
    // The page's own policy would keep it from showing a picture.
    view.leave();
    let filled = view.eval(&format!(
        "new Promise((done, failed) => {{
            const picture = new Image();
            picture.onerror = () => failed('not decoded');
            picture.onload = () => {{
                const canvas = document.createElement('canvas');
                [canvas.width, canvas.height] = [picture.width, picture.height];
                const pen = canvas.getContext('2d');
                pen.drawImage(picture, 0, 0);
                done({boxes}.filter(([x, y, colour]) => {{
                    const [left, top] = [x * picture.width, y * picture.height].map(Math.round);
                    const [r, g, b] = pen.getImageData(left, top, 1, 1).data;
                    return colour === `${{r}},${{g}},${{b}}`;
                }}).length);
            }};
            picture.src = 'data:image/png;base64,{png}';
        }})"
    ));
    assert_eq!(filled, 14);
}

/// Presses a button that saves; gives back the file, once it is whole.
fn save(view: &mut View, kind: &str) -> PathBuf {
    let folder = view.browser.saves();
    fs::create_dir_all(&folder).unwrap();
    let saving = json!({ "behavior": "allow", "downloadPath": folder, "eventsEnabled": true });
    view.browser.call("Browser.setDownloadBehavior", saving);
    view.click(&format!("#save-{kind}"));
    let is_done = |event: &serde_json::Value| event["params"]["state"] == "completed";
    while !view.browser.events.iter().any(is_done) {
        view.browser.wait_for_event("Browser.downloadProgress");
    }
    folder.join(format!("ngraph.{kind}"))
}
