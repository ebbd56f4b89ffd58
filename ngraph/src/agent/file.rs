//! The file in the loop: what is shown, and a line of how it goes.

use std::time::Instant;

use anyhow::{Context as _, Result};

use super::{Agent, served::Served};
use crate::{
    collect::meter,
    config::Format,
    export,
    flow::Role,
    health::Health,
    picture::{self, Origin, Picture, Reports, fit::Limits},
};

impl Agent {
    /// Writes the file as things are now.
    pub(super) fn file(&mut self) -> Result<()> {
        let start = Instant::now();
        self.show()?;
        // What it took to make it isn't needed until the next one, and grows with the edges.
        meter::give_back_memory();
        self.write_took = start.elapsed();
        Ok(())
    }

    fn show(&mut self) -> Result<()> {
        self.collector.drain();
        self.collector.audit();
        let view = self.collector.view();
        let health = self.health();
        let text = match self.collector.config.format {
            Format::Prom => export::prometheus(&view, &health),
            Format::Json => export::json::json(&view, &health)?,
            format => {
                let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
                let reports = Reports::of_rows(&host, &view.rows);
                let fleet = picture::join(&reports);
                let picture = Picture::of(match Limits::of(format) {
                    Some(limits) => fleet.fit(limits, None),
                    None => fleet,
                });
                let origin =
                    Origin { made_of: format!("the agent on {host}"), ..Origin::default() };
                picture.render(format, &origin).with_context(|| format!("draw {format:?}"))?
            }
        };
        let is_written = self.sink.write(&text)?;
        if is_written {
            self.collector.state.file_written();
        }
        match &self.served {
            Some(served) if is_written => served.show(text),
            Some(served) => served.show_trouble(self.sink.trouble()),
            None => {}
        }
        self.service.tell_of_file(is_written, &self.status(&health));
        Ok(())
    }

    /// What there is at this moment, where somebody asks for it.
    pub(super) fn show_live(&mut self) -> Result<()> {
        let now = Instant::now();
        if let Some(served) = self.served.as_ref().filter(|served| served.live.is_due(now)) {
            let view = self.collector.present();
            let text = export::json::json(&view, &self.collector.health())?;
            served.live.show(text, now);
        }
        Ok(())
    }

    fn health(&self) -> Health {
        let mut health = self.collector.health();
        health.write_seconds = self.write_took.as_secs_f64();
        health.write_failures = self.sink.failures;
        health.capacities.extend(self.served.as_ref().map(Served::capacity));
        health.capacities.sort_unstable_by_key(|capacity| capacity.of);
        health
    }

    /// A line of how it goes.
    fn status(&self, health: &Health) -> String {
        if let Some(trouble) = self.sink.trouble() {
            return format!("no file: {trouble}");
        }
        let Health { live, edges, .. } = health;
        let (inbound, outbound) = (live.of(Role::Inbound), live.of(Role::Outbound));
        let edges = edges.of(Role::Inbound) + edges.of(Role::Outbound);
        let lost = health.lost();
        format!("open: {inbound} in, {outbound} out; edges: {edges}; events lost: {lost}")
    }
}
