//! The dashboard's queries are answered by a Prometheus that has scraped real agents.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use crate::{deploy, programs, prometheus::Prometheus, support::isolated, world::Fleet};

#[test]
fn every_panel_of_the_dashboard_has_an_answer() {
    let Some(programs) = programs() else {
        return;
    };
    isolated(|| {
        let fleet = Fleet::start(&programs);
        let dashboard = dashboard();
        let queries: Vec<_> = panels(&dashboard).flat_map(queries).collect();
        assert!(queries.len() > 25, "{queries:#?}");
        for (title, query) in queries {
            // Once there is an answer for one host alone, too, the filter is right.
            for host in [".*", "b"] {
                let query = filled(&query, host);
                let what = format!("an answer to {title}: {query}");
                let is_optional = host == "b" && ["Failures", "Top failures"].contains(&&*title);
                fleet.prometheus.wait_for(&what, |prometheus| {
                    let found =
                        prometheus.query(&query).unwrap_or_else(|err| panic!("{what}: {err}"));
                    if found.is_empty() {
                        // What went before is forgotten after a while.
                        traffic(&fleet);
                    }
                    is_optional || !found.is_empty()
                });
            }
        }
        the_graph_has_what_its_panel_asks_for(&fleet.prometheus, &dashboard);
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            if let Some(values) = variable["definition"].as_str() {
                let (metric, label) = values
                    .strip_prefix("label_values(")
                    .and_then(|rest| rest.strip_suffix(")")?.split_once(", "))
                    .unwrap();
                let found = fleet.prometheus.query(&format!("group by ({label}) ({metric})"));
                assert_eq!(found.unwrap().len(), fleet.hosts.len(), "{values}");
            }
        }
    });
}

/// Connections between hosts, to one without an agent, and a refusal.
fn traffic(fleet: &Fleet) {
    for (from, to) in [("a", "b"), ("b", "c"), ("c", "hub")] {
        fleet.connect(from, to, 3);
    }
    fleet.refused("a", "b", 3);
}

/// <https://grafana.com/docs/grafana/latest/panels-visualizations/visualizations/node-graph/>
fn the_graph_has_what_its_panel_asks_for(prometheus: &Prometheus, dashboard: &Value) {
    let graph = panels(dashboard).find(|panel| panel["type"] == "nodeGraph").unwrap();
    let answer = |of: &str, label: &str| -> BTreeSet<String> {
        let targets = graph["targets"].as_array().unwrap();
        let target = targets.iter().find(|target| target["refId"] == of).unwrap();
        let found = prometheus.query(&filled(target["expr"].as_str().unwrap(), ".*")).unwrap();
        let labels = |labels: &std::collections::BTreeMap<String, String>| labels[label].clone();
        assert!(found.keys().all(|labels| !labels["mainstat"].is_empty()), "{found:#?}");
        let ids: BTreeSet<_> = found.keys().map(|labels| &labels["id"]).collect();
        assert_eq!(ids.len(), found.len(), "an id twice: {found:#?}");
        found.keys().map(labels).collect()
    };
    let mut ends = answer("edges", "source");
    ends.extend(answer("edges", "target"));
    assert_eq!(answer("nodes", "id"), ends);
    assert!(ends.is_superset(&["a", "b", "c"].map(str::to_owned).into()), "{ends:?}");
}

#[test]
fn panels_have_a_title_a_description_a_place_and_the_chosen_source() {
    let dashboard = dashboard();
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in panels(&dashboard) {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: an id twice");
        let [x, y, width, height] =
            ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + width <= 24, "{title} is wider than the page");
        for place in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{title} lies on another panel");
        }
        if panel["type"] == "row" {
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title}");
        for target in panel["targets"].as_array().unwrap() {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
        }
    }
}

/// The dashboard as it is in the tree.
pub fn dashboard() -> Value {
    let path = deploy("grafana").join("ngraph.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().unwrap().iter()
}

/// A panel's queries, each beside the panel's title.
fn queries(panel: &Value) -> Vec<(String, String)> {
    let title = panel["title"].as_str().unwrap();
    let targets = panel["targets"].as_array().into_iter().flatten();
    targets.map(|target| (title.into(), target["expr"].as_str().unwrap().into())).collect()
}

/// A query as Grafana sends it.
fn filled(query: &str, host: &str) -> String {
    let filled =
        query.replace("$host", host).replace("$__range", "5m").replace("$__rate_interval", "10s");
    // What is left belongs to label_replace.
    let left: Vec<_> =
        filled.match_indices('$').filter(|(at, _)| &filled[*at..at + 2] != "$1").collect();
    assert!(left.is_empty(), "a variable that nobody fills: {query}");
    filled
}
