//! What samples and keys make of the state.

use super::*;

fn edge(destination: &str, open: u64, opened: u64, failed: u64) -> (Key, Counts) {
    let key = Key {
        is_inbound: false,
        source: "10.0.0.1".into(),
        destination: destination.into(),
        labels: "".into(),
    };
    (key, Counts { open, opened, failed, ..Counts::default() })
}

fn sample(seconds: u64, edges: Vec<(Key, Counts)>) -> Sample {
    Sample { at: Duration::from_secs(seconds), edges, ..Sample::default() }
}

fn model(edges: Vec<(Key, Counts)>) -> Model {
    let mut model = Model::new("test".to_owned());
    model.take(sample(100, edges));
    model
}

fn shown(model: &Model) -> Vec<(String, Mark)> {
    model.rows().iter().map(|row| (row.key.destination.to_string(), row.mark)).collect()
}

fn destinations(model: &Model) -> Vec<String> {
    shown(model).into_iter().map(|(destination, _)| destination).collect()
}

fn press(model: &mut Model, keys: &str) {
    keys.chars().for_each(|key| model.press(Press::Char(key)));
}

#[test]
fn a_rate_is_what_opened_between_two_samples() {
    let mut model = model(vec![edge("a", 1, 10, 0)]);
    assert_eq!(model.rows()[0].rate, 0.0);
    model.take(sample(102, vec![edge("a", 1, 16, 0), edge("b", 1, 4, 0)]));
    let rates: Vec<f64> = model.rows().iter().map(|row| row.rate).collect();
    assert_eq!(rates, [3.0, 2.0]);
}

#[test]
fn edges_are_marked_when_they_come_and_go_and_then_no_more() {
    let mut model = model(vec![edge("a", 1, 1, 0)]);
    assert_eq!(shown(&model), [("a".into(), Mark::None)], "it was there before us");
    model.take(sample(101, vec![edge("a", 0, 1, 0), edge("b", 1, 1, 0)]));
    assert_eq!(shown(&model), [("b".into(), Mark::New), ("a".into(), Mark::Gone)]);
    // Whether it's in the sample still or not.
    model.take(sample(104, vec![edge("b", 1, 1, 0)]));
    assert_eq!(shown(&model), [("b".into(), Mark::New), ("a".into(), Mark::Gone)]);
    model.take(sample(107, vec![edge("b", 1, 1, 0)]));
    assert_eq!(shown(&model), [("b".into(), Mark::None)]);
}

#[test]
fn an_idle_edge_is_shown_where_it_is_asked_for() {
    let mut model = model(vec![edge("idle", 0, 9, 2), edge("live", 1, 1, 0)]);
    assert_eq!(destinations(&model), ["live"]);
    press(&mut model, "i");
    assert_eq!(destinations(&model), ["live", "idle"]);
}

#[test]
fn failures_show_when_they_happen() {
    let mut model = model(vec![edge("a", 1, 1, 5)]);
    assert!(!model.rows()[0].is_failing);
    model.take(sample(101, vec![edge("a", 1, 1, 6)]));
    assert!(model.rows()[0].is_failing);
    model.take(sample(102, vec![edge("a", 1, 1, 6)]));
    assert!(!model.rows()[0].is_failing);
}

#[test]
fn any_column_sorts_either_way() {
    let mut model = model(vec![edge("a", 3, 1, 1), edge("b", 1, 1, 3), edge("c", 2, 1, 2)]);
    assert_eq!(destinations(&model), ["a", "c", "b"]);
    press(&mut model, "6");
    assert_eq!(
        (model.sort, destinations(&model)),
        (Column::Failures, ["b", "c", "a"].map(String::from).to_vec())
    );
    press(&mut model, "6");
    assert_eq!(destinations(&model), ["a", "c", "b"]);
    press(&mut model, "3");
    assert_eq!(destinations(&model), ["a", "b", "c"]);
    press(&mut model, "r");
    assert_eq!(destinations(&model), ["c", "b", "a"]);
    for (key, column) in [(Press::Left, Column::Source), (Press::Right, Column::Destination)] {
        model.press(key);
        assert_eq!(model.sort, column);
    }
    for _ in 0..7 {
        model.press(Press::Left);
    }
    assert_eq!(model.sort, Column::Destination, "all the way round");
}

#[test]
fn a_filter_is_written_taken_and_cleared() {
    let mut model = model(vec![edge("alpha", 1, 1, 0), edge("Beta", 1, 1, 0)]);
    press(&mut model, "/beq");
    model.press(Press::Backspace);
    assert_eq!((model.filter.as_str(), model.mode), ("be", Mode::Filter));
    assert_eq!(destinations(&model), ["Beta"]);
    model.press(Press::Enter);
    press(&mut model, "r");
    assert_eq!((model.filter.as_str(), model.mode), ("be", Mode::Choose));
    model.press(Press::Escape);
    assert!(model.filter.is_empty() && !model.is_over);
    model.press(Press::Escape);
    assert!(model.is_over);
}

#[test]
fn what_is_paused_does_not_change() {
    let mut model = model(vec![edge("a", 1, 1, 0)]);
    press(&mut model, " ");
    model.take(sample(101, vec![edge("b", 1, 1, 0)]));
    assert_eq!(destinations(&model), ["a"]);
    press(&mut model, " ");
    model.take(sample(103, vec![edge("a", 1, 7, 0)]));
    assert_eq!(model.rows()[0].rate, 2.0, "the rate is of all the time that passed");
}

#[test]
fn every_end_is_an_end() {
    for key in [Press::Char('q'), Press::Escape, Press::Interrupt] {
        let mut model = model(Vec::new());
        model.press(key);
        assert!(model.is_over, "{key:?}");
    }
    let mut model = model(Vec::new());
    press(&mut model, "?q");
    assert!(!model.is_over && model.mode == Mode::Choose, "any key closes the help");
    press(&mut model, "/q");
    assert!(!model.is_over);
    model.press(Press::Interrupt);
    assert!(model.is_over);
}

#[test]
fn rows_scroll_within_their_number() {
    let mut model = model((0..9).map(|n| edge(&n.to_string(), 1, 1, 0)).collect());
    model.press(Press::End);
    assert_eq!(model.offset, 8);
    model.press(Press::Scroll(-3));
    assert_eq!(model.offset, 5);
    model.press(Press::Scroll(-30));
    assert_eq!(model.offset, 0);
}

#[test]
fn the_peer_is_shown_by_its_name_unless_addresses_are_wanted() {
    let (key, counts) = edge("10.0.0.2", 1, 1, 0);
    let mut model = model(vec![(key, Counts { name: "db.example".into(), ..counts })]);
    assert_eq!(model.end(&model.rows()[0], true), "db.example");
    assert_eq!(model.end(&model.rows()[0], false), "10.0.0.1");
    press(&mut model, "n");
    assert_eq!(model.end(&model.rows()[0], true), "10.0.0.2");
}
