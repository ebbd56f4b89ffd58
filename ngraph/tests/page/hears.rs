//! What a screen reader is told, by the browser's own tree of it.

use serde_json::json;

use crate::{samples, view::View};

#[test]
fn hosts_failures_and_results_are_told_in_words() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    let told = told(&mut view);
    for (role, name) in [
        ("button", "worker-1, internal, agent runs here, 13 connections, 21 failed"),
        ("button", "clients, external, group of 212, 1,840 connections"),
        ("button", "web-3, internal, agent runs here, 150 connections, new"),
        ("searchbox", "Find a host by name or address"),
        ("button", "Skip the drawing: all hosts and connections as tables"),
        ("checkbox", "Failures only"),
        ("group", "Filters"),
        ("complementary", "Hosts and details"),
    ] {
        let wanted = (role.to_owned(), name.to_owned());
        assert!(told.contains(&wanted), "{wanted:?}: {told:?}");
    }
    assert!(told.iter().any(|(role, _)| role == "status"), "{told:?}");
    let drawing = told.iter().find(|(role, _)| role == "application").unwrap();
    assert!(drawing.1.starts_with("Drawing of 14 hosts and 18 edges."), "{}", drawing.1);
}

#[test]
fn whatever_can_be_pressed_has_a_name() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    view.click("#view-tables");
    view.click("#hosts button");
    let told = told(&mut view);
    assert!(told.iter().any(|(role, _)| role == "columnheader"), "{told:?}");
    assert!(told.contains(&("table".to_owned(), "Connects to".to_owned())), "{told:?}");
    let nameless = told.iter().filter(|(role, name)| {
        ["button", "checkbox", "searchbox", "spinbutton", "combobox", "table"]
            .contains(&role.as_str())
            && name.trim().is_empty()
    });
    assert_eq!(nameless.count(), 0, "{told:?}");
}

/// Role and name of all that is told.
fn told(view: &mut View) -> Vec<(String, String)> {
    let tree = view.browser.call("Accessibility.getFullAXTree", json!({}));
    let nodes = tree["nodes"].as_array().unwrap().iter();
    let text = |value: &serde_json::Value| value["value"].as_str().unwrap_or_default().to_owned();
    nodes
        .filter(|node| node["ignored"] != true)
        .map(|node| (text(&node["role"]), text(&node["name"])))
        .collect()
}
