//! How things look, alike in every format: words, colours, widths.

use std::{fmt::Write as _, time::Duration};

use super::{
    arrows::{Edge, Node, Picture},
    figures::Figures,
    fleet::{Change, Kind},
};
use crate::flow::Role;

/// Something fails.
pub const RED: &str = "#c62828";
/// New since the old.
pub const GREEN: &str = "#2e7d32";
/// Gone since the old.
pub const GREY: &str = "#9e9e9e";
/// Nothing special.
pub const SLATE: &str = "#546e7a";

/// More words than that about one thing no reader reads.
const MAX_LISTED: usize = 8;

/// How a line is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// Both ends tell of it, or one end where the other has no agent.
    Solid,
    /// One end alone tells of it though both have agents.
    Dashed,
    /// It is gone.
    Dotted,
}

impl Edge {
    /// Red where attempts fail; where two times are compared, what became of it comes first.
    pub fn color(&self) -> &'static str {
        match self.change {
            Change::New => GREEN,
            Change::Gone => GREY,
            Change::None if self.figures.failures() > 0 => RED,
            Change::None => SLATE,
        }
    }

    /// How its line is drawn.
    pub fn stroke(&self) -> Stroke {
        match (self.change, self.missing) {
            (Change::Gone, _) => Stroke::Dotted,
            (_, Some(_)) => Stroke::Dashed,
            _ => Stroke::Solid,
        }
    }

    /// Width of its line, 1 to 10: one more for each four times as many connections.
    pub fn width(&self) -> f64 {
        let doublings = self.figures.weight().checked_ilog2().unwrap_or(0);
        (1.0 + f64::from(doublings) / 2.0).min(10.0)
    }

    /// A few words beside it: its connections, what failed, what became of it.
    pub fn label(&self) -> String {
        let mut label = self.figures.connections().to_string();
        if self.figures.failures() > 0 {
            let _ = write!(label, ", {} failed", self.figures.failures());
        }
        if !self.dialled.is_empty() {
            label.push_str(", NAT");
        }
        if self.missing.is_some() {
            label.push_str(", one-sided");
        }
        with_change(label, self.change)
    }

    /// What can't be seen from the line, as words; empty: nothing.
    pub fn remark(&self) -> &'static str {
        match self.missing {
            None => "",
            Some(Role::Inbound) => {
                "one-sided: the target's agent tells of no such connection (NAT, or missed)"
            }
            Some(Role::Outbound) => {
                "one-sided: the source's agent tells of no such connection (NAT, or missed)"
            }
        }
    }

    /// All that is known of it, a line each.
    pub fn lines(&self, picture: &Picture) -> Vec<String> {
        let mut lines = vec![self.between(picture)];
        lines.extend(figures(&self.figures, picture.range));
        lines.push(format!("addresses: {}", self.pairs()));
        if !self.ports.is_empty() {
            lines.push(format!("ports: {}", listed(&self.ports)));
        }
        if !self.dialled.is_empty() {
            lines.push(format!("dialled (NAT): {}", listed(&self.dialled)));
        }
        lines.extend(Some(self.remark()).filter(|it| !it.is_empty()).map(str::to_owned));
        lines.extend(change(self.change));
        lines
    }

    /// From where to where, by name.
    pub fn between(&self, picture: &Picture) -> String {
        let name = |node: usize| &picture.nodes[node].host.name;
        format!("{} → {}", name(self.source), name(self.target))
    }

    /// The addresses at both ends.
    pub fn pairs(&self) -> String {
        let text =
            |ip: Option<std::net::IpAddr>| ip.map_or("other".to_owned(), |ip| ip.to_string());
        listed(self.addresses.iter().map(|&(src, dest)| format!("{} → {}", text(src), text(dest))))
    }
}

impl Node {
    /// What became of it, where two times are compared.
    pub fn change(&self) -> Change {
        self.host.seen.change()
    }

    /// The colours of its border and of what fills it.
    pub fn colors(&self) -> (&'static str, &'static str) {
        let host = &self.host;
        match self.change() {
            Change::New => (GREEN, "#e8f5e9"),
            Change::Gone => (GREY, "#f5f5f5"),
            Change::None if host.kind == Kind::Other => ("#757575", "#eeeeee"),
            Change::None if host.has_agent => ("#1565c0", "#e3f2fd"),
            Change::None if host.is_internal => ("#00838f", "#e0f7fa"),
            Change::None => ("#ef6c00", "#fff3e0"),
        }
    }

    /// A few words below its name.
    pub fn subtitle(&self) -> String {
        let Self { host, .. } = self;
        let words = match (host.kind, host.addresses.first()) {
            (Kind::Group, _) if host.count == 1 => "1 host".to_owned(),
            (Kind::Group, _) => format!("{} hosts", host.count),
            (Kind::Agent | Kind::Internal | Kind::External | Kind::Shared, Some(first))
                if first.to_string() != host.name =>
            {
                let more = host.addresses.len() - 1;
                if more > 0 { format!("{first} +{more}") } else { first.to_string() }
            }
            (kind, _) => kind.label().to_owned(),
        };
        with_change(words, self.change())
    }

    /// All that is known of it, a line each.
    pub fn lines(&self) -> Vec<String> {
        let Self { host, incoming, outgoing } = self;
        let mut lines = vec![host.name.clone(), host.kind.label().to_owned()];
        if host.id != host.name {
            lines.push(format!("id: {}", host.id));
        }
        if !host.addresses.is_empty() {
            lines.push(format!("addresses: {}", listed(&host.addresses)));
        }
        lines.extend(host.job.as_ref().map(|job| format!("job: {job}")));
        lines.push(format!(
            "connections: {} in, {} out",
            incoming.connections(),
            outgoing.connections()
        ));
        if incoming.failures() + outgoing.failures() > 0 {
            lines.push(format!(
                "failed attempts: {} in, {} out",
                incoming.failures(),
                outgoing.failures()
            ));
        }
        lines.extend(change(self.change()));
        lines
    }
}

impl Picture {
    /// What it shows in a line.
    pub fn caption(&self) -> String {
        let (nodes, edges) = (self.nodes.len(), self.edges.len());
        let within = match self.range {
            Some(range) => format!(", opened within {}", crate::config::duration::format(range)),
            None => String::new(),
        };
        format!("{nodes} nodes, {edges} edges{within}")
    }

    /// Connections a second.
    pub fn rate(&self, figures: &Figures) -> Option<f64> {
        let seconds = self.range?.as_secs_f64();
        (seconds > 0.0).then(|| figures.opened as f64 / seconds)
    }
}

/// At most a few of many, and how many more there are.
pub fn listed<T: ToString>(all: impl IntoIterator<Item = T>) -> String {
    let mut all = all.into_iter();
    let mut text: Vec<String> = all.by_ref().take(MAX_LISTED).map(|it| it.to_string()).collect();
    match all.count() {
        0 => {}
        more => text.push(format!("{more} more")),
    }
    text.join(", ")
}

fn figures(figures: &Figures, range: Option<Duration>) -> Vec<String> {
    let within = match range {
        Some(range) => format!(" within {}", crate::config::duration::format(range)),
        None => String::new(),
    };
    let mut lines =
        vec![format!("opened{within}: {}, unique now: {}", figures.opened, figures.unique)];
    if figures.failures() > 0 {
        let reasons = figures.reasons().map(|(reason, count)| format!("{reason} {count}"));
        lines.push(format!("failed attempts: {}", listed(reasons)));
    }
    lines
}

fn change(change: Change) -> Option<String> {
    Some(change.label()).filter(|it| !it.is_empty()).map(str::to_owned)
}

fn with_change(mut words: String, change: Change) -> String {
    if change != Change::None {
        let _ = write!(words, ", {}", change.label());
    }
    words
}
