//! Other options while it runs.

use super::{Collector, resolver};
use crate::{
    clock,
    config::Config,
    graph::{Graph, Limits},
};

impl Collector<Graph> {
    /// Goes on with `config`, which differs from the one before in nothing that was settled at
    /// the start.
    pub fn reload(&mut self, config: Config, limits: Limits) {
        // What came before is of the options before.
        self.drain();
        let now = clock::since_boot();
        let before = std::mem::replace(&mut self.config, config);
        if self.config.peers != before.peers {
            self.state.set_peers(self.config.peers.clone(), now);
        }
        self.state.follower.set_limits(limits);
        if self.config.resolve != before.resolve {
            self.names = resolver(&self.config);
            self.state.follower.forget_names(now);
        }
        self.ask_names(now);
    }
}
