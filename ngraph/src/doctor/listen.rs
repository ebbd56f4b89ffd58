//! The address that is served at: whether it can be had. Given back at once.

use super::finding::Finding;
use crate::{config::Listen, serve};

pub(super) fn look(listen: Listen) -> Finding {
    match serve::bind(listen) {
        Ok((_, address)) => Finding::ok("listen", format!("{address} can be had")),
        // It tells the remedy, too.
        Err(err) => Finding::missing("listen", format!("{err:#}"), "").needed(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;
    use crate::doctor::finding::can_run;

    #[test]
    fn an_address_that_another_has_keeps_the_agent_from_running() {
        let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = Listen::At(other.local_addr().unwrap());
        assert!(!can_run(&[look(taken)]));
        assert!(can_run(&[look(Listen::Everywhere(0))]));
    }
}
