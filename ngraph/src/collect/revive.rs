//! Hooks that fall silent while the agent runs: proven again, attached anew, or done without.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use log::{info, warn};
use ngraph_common::{count, event::hook};

use super::{
    Collector,
    capture::{self, Captured},
    proving::{self, Seen},
    selftest::Loops,
};
use crate::{
    clock,
    config::Capture,
    flow::NetnsId,
    health::HOOKS,
    hooks,
    live::Follower,
    pulse::{Beat, Doubt},
    snapshot::{namespaces, opens},
};

impl<F: Follower> Collector<F> {
    /// Looks whether the hooks still fire, once a file.
    pub(super) fn heartbeat(&mut self) {
        let read = |netns| opens::read(&self.config.procfs, "self", netns);
        let Ok(opens) = self.own_netns().and_then(read) else {
            return;
        };
        let rows = self.read_counts().rows;
        let seen: [u64; HOOKS] = rows.map(|row| row[count::SEEN as usize]);
        for doubt in self.pulse.beat(Beat { seen, opens }, self.captured.hooks) {
            match doubt {
                Doubt::Silent(hook) => self.doubt(hook),
                Doubt::GivenUp(hook) => self.retry(hook),
            }
        }
    }

    fn doubt(&mut self, hook: u8) {
        let name = hooks::HOOKS[usize::from(hook)].name;
        let Err(why) = self.prove(hook, false) else {
            return self.pulse.proven(hook);
        };
        warn!("{name} has fallen silent ({why:#}): attaching it anew");
        match self.prove(hook, true) {
            Ok(()) => {
                info!("{name} works again");
                // What came while it was silent is gone.
                self.gaps += 1;
                self.pulse.proven(hook);
            }
            Err(why) => self.do_without(hook, &why),
        }
    }

    fn retry(&mut self, hook: u8) {
        let name = hooks::HOOKS[usize::from(hook)].name;
        // Where capture began anew without it, the kernel side doesn't count on it.
        let is_auto = self.config.capture == Capture::Auto;
        let works = if is_auto && (hook == hook::SET_STATE || self.captured.tracer.is_none()) {
            self.reopen().is_ok() && self.captured.hooks.has(hook)
        } else {
            self.prove(hook, true).is_ok()
        };
        if works {
            info!("{name} works again");
            self.captured.hooks = self.captured.hooks.with(hook);
            self.reckon_anew();
            self.pulse.proven(hook);
        } else {
            self.pulse.give_up(hook);
        }
    }

    /// Beside the raw tracepoint a probe only tells owners; without what speaks for
    /// connections, capture begins anew with what there is.
    fn do_without(&mut self, hook: u8, why: &anyhow::Error) {
        let about = &hooks::HOOKS[usize::from(hook)];
        let speaks = hook == hook::SET_STATE || !self.captured.hooks.states_speak();
        self.captured.hooks = self.captured.hooks.without(hook);
        self.reckon_anew();
        self.pulse.give_up(hook);
        warn!("going on without {} ({why:#}); without it: {}", about.name, about.without);
        if hook == hook::SOCK_OPS {
            self.leave(hook);
        }
        if !speaks {
            return;
        }
        // Where a way was asked for by name, what is left of it and snapshots go on.
        if self.config.capture == Capture::Auto
            && let Err(err) = self.reopen()
        {
            warn!("capturing by /proc snapshots alone: {err:#}");
        }
    }

    /// What the control group's program was to tell, the raw tracepoint tells from here on.
    fn leave(&mut self, hook: u8) {
        if let Some(tracer) = &mut self.captured.tracer
            && let Err(err) = tracer.detach(hook)
        {
            warn!("{err:#}");
        }
    }

    /// Captures anew with what there is. What happens in between, a snapshot finds.
    fn reopen(&mut self) -> Result<()> {
        let netns = self.own_netns()?;
        self.drain();
        self.carried = self.read_counts().ended();
        self.captured = Captured::snapshots_alone();
        self.state.capture_changed(self.captured.reading);
        self.reckon_anew();
        let mut loops = Loops::default();
        let opened = capture::open(&self.config, &mut loops);
        self.leave_out(netns, loops);
        let opened = opened.context("begin capture anew")?;
        self.state.capture_changed(opened.reading);
        let now = clock::since_boot();
        self.take_seen(&Seen { own: opened.own, others: opened.backlog }, now);
        self.captured = Captured { own: Vec::new(), backlog: Vec::new(), ..opened };
        self.reckon_anew();
        Ok(())
    }

    /// What may have been missed is another sum with other hooks, and something was missed while
    /// they changed: a snapshot is to mend it.
    fn reckon_anew(&mut self) {
        let lost = self.lost();
        self.mended = self.mended.min(lost);
        self.lost_before = self.lost_before.min(lost);
        self.gaps += 1;
    }

    fn prove(&mut self, hook: u8, anew: bool) -> Result<()> {
        let netns = self.own_netns()?;
        let Some(tracer) = &mut self.captured.tracer else {
            bail!("nothing is attached");
        };
        let mut loops = Loops::default();
        let (seen, proof) = proving::prove_again(tracer, hook, anew, &mut loops)?;
        self.leave_out(netns, loops);
        self.take_seen(&seen, clock::since_boot());
        proof
    }

    /// Own connections are none of the kernel's counts, nor of the snapshot in hand.
    fn leave_out(&mut self, netns: NetnsId, loops: Loops) {
        self.state.audit.leave_out(netns, loops.opens());
        self.own.add(loops);
    }

    fn take_seen(&mut self, seen: &Seen, now: Duration) {
        seen.own.iter().for_each(|event| self.state.count(event));
        seen.others.iter().for_each(|event| self.state.record(event, now));
    }

    fn own_netns(&self) -> Result<NetnsId> {
        namespaces::of_process(&self.config.procfs.join("self"))
    }
}
