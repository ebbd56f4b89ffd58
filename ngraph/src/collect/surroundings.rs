//! What labels look up about connections, and when.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use log::warn;

use crate::{
    clock,
    config::Config,
    flow::{Endpoint, Flow, Owner},
    labels::{Label, Lookup, Place},
    nat::{self, Counts, Translator, table::Table},
    places::{Places, Roots},
    snapshot::namespaces,
};

/// What labels may ask.
pub(super) struct Surroundings {
    places: Option<Places>,
    translator: Option<Translator<Table>>,
}

impl Surroundings {
    /// What `config` asks for, and this machine has: to be called before the fence is raised.
    pub(super) fn of(config: &Config) -> Self {
        let places = Places::new(Roots::of_machine(&config.procfs), &config.labels);
        let translator = nat::is_useful(config).then(translator);
        let translator = translator.and_then(|opened| {
            let told = |err: &anyhow::Error| warn!("outbound edges are as dialled: {err:#}");
            let is_asked_for = config.labels.contains(&Label::Service);
            opened
                .inspect_err(|err| {
                    if is_asked_for {
                        told(err)
                    }
                })
                .ok()
        });
        Self { places, translator }
    }
}

fn translator() -> Result<Translator<Table>> {
    let own = namespaces::of_process(Path::new("/proc/self"))?;
    nat::permitted().context("ask the table of tracked connections")?;
    Translator::open(own)
}

impl Lookup for Surroundings {
    fn place(&mut self, owner: &Owner) -> Option<Arc<Place>> {
        self.places.as_mut()?.of(owner, clock::since_boot())
    }

    fn backend(&mut self, flow: &Flow) -> Option<Endpoint> {
        self.translator.as_mut()?.backend(flow, clock::since_boot())
    }

    fn translations(&self) -> Option<Counts> {
        Some(self.translator.as_ref()?.counts)
    }

    fn tidy(&mut self) {
        if let Some(places) = &mut self.places {
            places.forget(clock::since_boot());
        }
    }
}
