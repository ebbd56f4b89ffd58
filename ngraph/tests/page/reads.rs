//! What a reader does: opens, searches, picks, filters, by pointer and by keys alone.

use crate::{samples, view::View};

#[test]
fn a_page_opens_without_a_complaint_and_asks_for_nothing() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    assert_eq!(view.complaints(), [""; 0]);
    assert_eq!(view.requests(), [""; 0]);
    assert_eq!(view.text("h1"), "shop, production");
    assert_eq!(view.text("#status"), "14 hosts, 18 edges");
    assert_eq!(view.drawing("cy.nodes().length"), 14);
    // All of it is in sight, and as large as may be.
    let fits = "{ const b = cy.elements().renderedBoundingBox(); \
                return b.x1 >= 0 && b.y1 >= 0 && b.x2 <= cy.width() && b.y2 <= cy.height() \
                && (b.w > cy.width() / 2 || b.h > cy.height() / 2) }";
    assert_eq!(view.drawing(fits), true);
}

#[test]
fn a_picture_of_nothing_says_so() {
    let mut document = samples::shop();
    document.nodes.clear();
    let Some(mut view) = View::of("nothing", &document) else { return };
    let notes = view.text("#notes");
    assert!(notes.contains("There is no host to draw."), "{notes}");
    assert!(notes.contains("18 edges of hosts that are not in the document left out."), "{notes}");
    view.click("#zoom-fit");
    for save in ["#save-svg", "#save-png"] {
        view.click(save);
        assert!(view.text("#status").contains("nothing to save"), "{save}");
    }
    view.click("#view-tables");
    assert_eq!(view.complaints(), [""; 0]);
}

#[test]
fn search_finds_by_name_and_by_address() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    view.keys(&["/"]);
    assert_eq!(view.eval("document.activeElement.id"), "search");
    for (words, found) in [("WEB-", 3), ("10.0.5.", 2), ("2001:db8", 1), ("nothing", 0)] {
        view.eval("document.getElementById('search').select()");
        view.write(words);
        assert_eq!(view.texts("#hosts li").len(), found, "{words}");
        assert_eq!(view.text("#status"), format!("{found} found in 14 hosts"), "{words}");
        assert_eq!(view.drawing("cy.nodes('.faded').length"), 14 - found, "{words}");
    }
    view.keys(&["Escape"]);
    assert_eq!(view.texts("#hosts li").len(), 14);
    assert_eq!(view.drawing("cy.nodes('.faded').length"), 0);
}

#[test]
fn a_click_and_keys_show_the_same_host() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    view.click_node("worker-1");
    let clicked = view.text("#detail");
    for part in [
        "worker-1\n",
        "10.0.4.11",
        "Connects to (3)",
        "mail.example.net\nfailed: 4 refused, 17 timeout",
        "port 5432",
        "0.857/s",
        "told by the connecting end alone",
    ] {
        assert!(clicked.contains(part), "{part}: {clicked}");
    }
    view.keys(&["Escape"]);
    assert_eq!(view.eval("document.getElementById('detail').hidden"), true);

    view.keys(&["/"]);
    view.write("worker");
    view.keys(&["Enter"]);
    assert_eq!(view.text("#detail"), clicked);
    assert_eq!(view.drawing("cy.nodes('.chosen').data('of').title"), "worker-1");

    // The focus goes back to the list, from where arrows lead on.
    view.keys(&[
        "Escape",
        "Escape",
        "/",
        "ArrowDown",
        "ArrowDown",
        "ArrowDown",
        "ArrowUp",
        "Enter",
    ]);
    assert_eq!(view.text("#detail-title"), "mail.example.net");
    // And from host to host, along an edge: after the way back comes the first one.
    view.keys(&["Tab", "Tab", "Enter"]);
    assert_eq!(view.text("#detail-title"), "worker-1");
    assert_eq!(view.complaints(), [""; 0]);
}

#[test]
fn a_click_on_an_edge_tells_all_of_it() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    view.drawing("void cy.edges().filter(e => e.data('of').is_translated).emit('tap')");
    let detail = view.text("#detail");
    for part in ["api-1 → payments.example.com", "12", "3,600", "1.71/s", "translated on the way"]
    {
        assert!(detail.contains(part), "{part}: {detail}");
    }
}

#[test]
fn filters_hide_what_they_say() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    view.click("#failing");
    assert_eq!(view.text("#status"), "2 of 14 hosts, 1 of 18 edges");
    assert_eq!(view.drawing("cy.edges(':visible').length"), 1);
    assert_eq!(view.texts("#hosts li").len(), 2);
    view.click("#failing");

    view.click("#internal");
    assert_eq!(view.text("#status"), "11 of 14 hosts, 15 of 18 edges");
    view.click("#internal");

    view.eval("document.getElementById('minimum').select()");
    view.write("100");
    assert_eq!(view.text("#status"), "6 of 14 hosts, 5 of 18 edges");
    view.click("#view-tables");
    let rows = view.texts("#edge-table tbody tr");
    assert_eq!(rows.len(), 5, "{rows:?}");
}

#[test]
fn tables_tell_the_same_and_sort() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    view.keys(&["Tab", "Enter"]);
    assert_eq!(view.eval("document.activeElement.id"), "tables", "by the first stop of the keys");
    assert_eq!(view.texts("#edge-table tbody tr").len(), 18);
    assert_eq!(view.texts("#node-table tbody tr").len(), 14);
    view.click("#edge-table th:nth-child(3) button");
    assert_eq!(view.texts("#edge-table tbody th")[0], "clients");
    assert_eq!(view.eval("document.querySelectorAll('[aria-sort=descending]').length"), 1);
    view.click("#edge-table th:nth-child(3) button");
    assert_eq!(view.texts("#edge-table tbody th")[0], "db-2");
    view.keys(&["/"]);
    view.write("worker");
    assert_eq!(view.texts("#edge-table tbody tr").len(), 3);
    assert_eq!(view.texts("#node-table tbody tr").len(), 1);
}

#[test]
fn the_drawing_moves_by_drag_and_keys() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    view.drawing("cy.container().focus()");
    let before = view.drawing("[cy.pan().x, cy.zoom()]");
    view.keys(&["ArrowLeft", "+"]);
    let after = view.drawing("[cy.pan().x, cy.zoom()]");
    assert_ne!(before[0], after[0]);
    assert!(after[1].as_f64() > before[1].as_f64());
    view.keys(&["0"]);
    assert_eq!(view.drawing("[cy.pan().x, cy.zoom()]"), before);

    let place = "{ const p = cy.nodes().first().renderedPosition(); \
                 const b = cy.container().getBoundingClientRect(); return [b.x + p.x, b.y + p.y] }";
    let from = view.drawing(place);
    let to =
        serde_json::json!([from[0].as_f64().unwrap() + 40.0, from[1].as_f64().unwrap() + 25.0]);
    view.mouse("mouseMoved", &from);
    view.mouse("mousePressed", &from);
    let mut halfway = to.clone();
    halfway[0] = from[0].clone();
    for step in [&halfway, &to] {
        view.mouse("mouseDragged", step);
    }
    view.mouse("mouseReleased", &to);
    let now = view.drawing(place);
    let distance = |axis: usize| (now[axis].as_f64().unwrap() - to[axis].as_f64().unwrap()).abs();
    assert!(distance(0) < 3.0 && distance(1) < 3.0, "dragged to {to}, is at {now}");
}
