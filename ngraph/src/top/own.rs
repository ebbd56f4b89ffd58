//! Samples of what `top` captures by itself.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::sample::Sample;
use crate::{
    clock,
    collect::Collector,
    config::{Config, Output},
    export::json::Document,
    graph::{Graph, Limits},
    labels::Labels,
};

/// Time between two samples, and at most between two looks at the hooks and snapshots.
const SAMPLE: Duration = Duration::from_secs(1);

/// A capture of one's own.
pub struct Own {
    collector: Collector<Graph>,
    samples: Interval,
}

impl Own {
    /// Begins it, as the agent does; before there is a second thread.
    ///
    /// # Errors
    /// Where the capture that was asked for, or /proc, doesn't work.
    pub async fn start(config: Config) -> Result<Self> {
        let (output, labels) = (Output::Stdout, Labels::new());
        let config = Config { output, interval: SAMPLE, labels, ..config };
        let Config { max_edges, edge_ttl, .. } = config;
        // No edge waits for its name: it is shown by its address until there is one.
        let limits = Limits { max_edges, edge_ttl, name_wait: Duration::ZERO };
        let mut collector = Collector::start(config, Graph::new(limits))?;
        collector.first_look().await?;
        let mut samples = interval(SAMPLE);
        samples.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { collector, samples })
    }

    /// What the header calls it.
    pub fn name(&self) -> String {
        format!("capturing by itself, by {}", self.collector.ways())
    }

    /// Waits for the next sample. Dropping it loses nothing.
    ///
    /// # Errors
    /// Where the kernel side can't be waited for.
    pub async fn next(&mut self) -> Result<Sample> {
        loop {
            tokio::select! {
                biased;
                _ = self.samples.tick() => break,
                turned = self.collector.turn() => turned?,
            }
        }
        self.collector.check();
        self.collector.drain();
        self.collector.audit();
        let view = self.collector.present();
        let document = Document::new(&view, &self.collector.health());
        Ok(Sample::of(&document, clock::since_boot()))
    }
}
