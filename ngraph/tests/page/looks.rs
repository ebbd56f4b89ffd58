//! How it looks: pictures of small and large fleets, light, dark, and on a phone.
//!
//! They are kept in `target/page` for people to look at; that colours can be read is checked.

use std::{env, fs, path::Path};

use crate::{samples, view::View};

/// Pairs of colours that text is written with.
const TEXTS: [(&str, &str); 14] = [
    ("text", "ground"),
    ("text", "surface"),
    ("text", "node"),
    ("text", "outside"),
    ("text", "accent-soft"),
    ("muted", "ground"),
    ("muted", "surface"),
    ("accent", "surface"),
    ("accent", "accent-soft"),
    ("fail", "surface"),
    ("fail", "fail-soft"),
    ("new", "new-soft"),
    ("gone", "surface"),
    ("on-accent", "accent"),
];

/// Lines that have to be told from what is behind them.
const LINES: [(&str, &str); 6] = [
    ("edge", "ground"),
    ("fail", "ground"),
    ("new", "ground"),
    ("node-line", "ground"),
    ("outside-line", "ground"),
    ("control", "surface"),
];

#[test]
fn text_and_lines_stand_out_in_both_colours() {
    let Some(mut view) = View::of("5", &samples::five()) else { return };
    for colours in ["light", "dark"] {
        view.prefer(colours);
        assert_eq!(view.eval("document.documentElement.dataset.theme"), colours);
        for (pairs, least) in [(&TEXTS[..], 4.5), (&LINES[..], 3.0)] {
            for (front, behind) in pairs {
                let (front_light, behind_light) =
                    (light(&mut view, front), light(&mut view, behind));
                let (more, less) = (front_light.max(behind_light), front_light.min(behind_light));
                let contrast = (more + 0.05) / (less + 0.05);
                assert!(contrast >= least, "{colours}: {front} on {behind}: {contrast:.2}");
            }
        }
    }
}

/// How light a colour of the page's is, as WCAG 2 defines relative luminance.
fn light(view: &mut View, name: &str) -> f64 {
    let hex = view.eval(&format!(
        "getComputedStyle(document.documentElement).getPropertyValue('--{name}').trim()"
    ));
    let hex = hex.as_str().unwrap().to_owned();
    let part = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
}

#[test]
fn the_switch_turns_the_colours_of_page_and_drawing() {
    let Some(mut view) = View::of("5", &samples::five()) else { return };
    let look = "[getComputedStyle(document.body).backgroundColor, cy.nodes().style('color')]";
    let light = view.drawing(look);
    view.click("#theme");
    let dark = view.drawing(look);
    assert_ne!(light[0], dark[0]);
    assert_ne!(light[1], dark[1]);
    view.click("#theme");
    assert_eq!(view.drawing(look), light);
}

#[test]
fn small_and_large_fleets_are_kept_as_pictures() {
    for (name, document) in
        [("5", samples::five()), ("50", samples::fifty()), ("500", samples::largest())]
    {
        let Some(mut view) = View::of(name, &document) else { return };
        view.shoot(&format!("{name}-light"));
        view.prefer("dark");
        view.shoot(&format!("{name}-dark"));
        view.size(390, 844);
        view.open(&crate::artifact(&format!("{name}.html")));
        view.shoot(&format!("{name}-phone"));
        assert_eq!(view.complaints(), [""; 0]);
    }
}

#[test]
fn on_a_phone_the_panel_is_a_sheet_that_opens() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    view.size(390, 844);
    view.open(&crate::artifact("shop.html"));
    assert_eq!(view.texts("#hosts li").len(), 0);
    view.click("#handle");
    assert_eq!(view.texts("#hosts li").len(), 14);
    view.shoot("shop-phone-list");
    view.click("#handle");
    view.click_node("worker-1");
    assert!(view.text("#detail").contains("worker-1"));
    assert_eq!(view.eval("document.body.scrollWidth <= innerWidth"), true);
    view.shoot("shop-phone");
}

/// `BLESS=1` makes the README's picture anew.
#[test]
fn the_picture_of_the_readme_is_a_small_fleet() {
    let Some(mut view) = View::of("shop", &samples::shop()) else { return };
    view.click_node("worker-1");
    view.shoot("shop-chosen");
    view.keys(&["Escape"]);
    view.eval("document.activeElement.blur()");
    let picture = view.shoot("shop-light");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/pictures/graph.png");
    if env::var_os("BLESS").is_some_and(|bless| bless == "1") {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, &picture).unwrap();
    }
    // Not the same bytes: other machines have other fonts.
    let kept = fs::read(&file).unwrap();
    assert!(kept.starts_with(b"\x89PNG\r\n\x1a\n") && kept.len() < 200_000, "{}", kept.len());
}
