//! As much as is promised to stay smooth, and more.

use serde_json::json;

use crate::{samples, view::View};

#[test]
fn the_largest_picture_is_drawn_while_it_is_moved() {
    let document = samples::largest();
    let Some(mut view) = View::of("500", &document) else { return };
    assert_eq!(view.text("#status"), "500 hosts, 3,000 edges");
    assert!(view.text("#notes").contains("grouped"));
    assert_eq!(view.complaints(), [""; 0]);

    view.eval(
        "{ window.frames_drawn = 0; const start = performance.now(); const count = () => { \
         window.frames_drawn += 1; window.spent = performance.now() - start; requestAnimationFrame(count) }; \
         requestAnimationFrame(count) }",
    );
    let before = view.drawing("cy.pan()");
    let place = |step: u32| json!([40 + 5 * step, 220 + 2 * step]);
    view.mouse("mouseMoved", &place(0));
    view.mouse("mousePressed", &place(0));
    for step in 1..=60 {
        view.mouse("mouseDragged", &place(step));
    }
    view.mouse("mouseReleased", &place(60));
    let after = view.drawing("cy.pan()");
    assert!(after["x"].as_f64().unwrap() - before["x"].as_f64().unwrap() > 200.0, "{after}");
    let frames = view.eval("[window.frames_drawn, window.spent]");
    let (drawn, spent) = (frames[0].as_f64().unwrap(), frames[1].as_f64().unwrap());
    println!("500 nodes, 3,000 edges: {drawn} frames in {spent:.0} ms of moving");
    assert!(drawn >= 10.0, "{drawn} frames of 60 moves");
    view.shoot("500-moved");

    // And it answers: a search, a host, a filter.
    view.keys(&["/"]);
    view.write("auth-2");
    view.keys(&["Enter"]);
    assert_eq!(view.text("#detail-title"), "auth-2");
    view.shoot("500-chosen");
    view.keys(&["Escape", "Escape"]);
    view.click("#failing");
    assert!(view.text("#status").contains(" of 3,000 edges"));
}

#[test]
fn what_nobody_grouped_opens_all_the_same() {
    let Some(mut view) = View::of("1000", &samples::twice(&samples::largest())) else { return };
    assert_eq!(view.text("#status"), "1,000 hosts, 6,000 edges");
    assert_eq!(view.complaints(), [""; 0]);
}
