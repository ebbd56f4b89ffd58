//! Names are others': whatever they are, they are text.

use crate::{samples, view::View};

#[test]
fn a_hostile_name_runs_nothing_and_is_shown_as_text() {
    let document = samples::hostile();
    let Some(mut view) = View::of("hostile", &document) else { return };
    let shown = view.texts("#hosts .name");
    assert_eq!(shown.len(), document.nodes.len());
    assert!(shown.contains(&samples::HOSTILE[0].to_owned()), "{shown:?}");
    assert!(shown.contains(&"\u{fffd}1-bew\u{fffd}\u{fffd}".to_owned()), "{shown:?}");
    for at in 0..document.nodes.len() {
        view.eval(&format!("document.querySelectorAll('#hosts button')[{at}].click()"));
        view.keys(&["Escape"]);
    }
    view.click("#view-tables");
    view.click("#view-graph");
    assert_eq!(view.eval("typeof window.ran"), "undefined");
    assert_eq!(view.eval("document.scripts.length"), 3);
    assert_eq!(view.eval("document.images.length"), 0);
    assert_eq!(view.complaints(), [""; 0]);
    assert_eq!(view.requests(), [""; 0]);
}

#[test]
fn a_long_name_widens_nothing() {
    let Some(mut view) = View::of("hostile", &samples::hostile()) else { return };
    for width in [1280, 390] {
        view.size(width, 800);
        for selector in ["body", "#panel", "#hosts", "#notes"] {
            let wide = view.eval(&format!(
                "(e => e.scrollWidth > e.clientWidth)(document.querySelector('{selector}'))"
            ));
            assert_eq!(wide, false, "{selector} at {width}");
        }
    }
    let widest = view.drawing("Math.max(...cy.nodes().map(n => n.width()))");
    assert!(widest.as_f64().unwrap() < 300.0, "{widest}");
}

#[test]
fn the_policy_stops_scripts_and_requests_that_got_in_all_the_same() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    for attempt in [
        "const s = document.createElement('script'); s.append('window.ran = 1'); document.body.append(s)",
        "document.body.setAttribute('onclick', 'window.ran = 1'); document.body.click()",
        "document.body.innerHTML = '<img src=x onerror=window.ran=1>'",
        "eval('window.ran = 1')",
    ] {
        // Some are refused where they are tried, some where they would take effect.
        view.eval(&format!("try {{ {attempt} }} catch {{}}"));
        assert_eq!(view.eval("typeof window.ran"), "undefined", "{attempt}");
    }
    let asked = view.eval("fetch('http://127.0.0.1:9/').then(() => 'answered', () => 'refused')");
    assert_eq!(asked, "refused");
    let complaints = view.complaints();
    assert!(complaints.iter().any(|text| text.contains("connect-src")), "{complaints:?}");
}
