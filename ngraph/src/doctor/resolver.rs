//! Whether somebody answers questions for names.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use tokio::time::timeout;

use super::finding::Finding;
use crate::{
    config::Config,
    names::{Dns, Limits, Resolve},
};

const NAME: &str = "resolver";
/// Nobody's address, by RFC 5737: every resolver can say so, and hosts files don't have it.
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// Asks the system's name servers one question.
pub(super) async fn look(config: &Config) -> Finding {
    if !config.resolve {
        return Finding::ok(NAME, "not asked, by --no-resolve");
    }
    let dns = match Dns::from_system() {
        Ok(dns) => dns,
        Err(err) => return Finding::missing(NAME, format!("{err:#}"), ""),
    };
    ask(dns, Limits::default().lookup_time).await
}

async fn ask(dns: impl Resolve, patience: Duration) -> Finding {
    let remedy = "peers stay without names: see /etc/resolv.conf, or say --no-resolve";
    let start = Instant::now();
    match timeout(patience, dns.lookup(NOBODY)).await {
        Ok(Ok(_)) => Finding::ok(NAME, format!("answers, in {} ms", start.elapsed().as_millis())),
        Ok(Err(err)) => Finding::missing(NAME, format!("{err:#}"), remedy),
        Err(_) => {
            let text = format!("no answer from the name servers in {patience:?}");
            Finding::missing(NAME, text, remedy)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;
    use crate::doctor::finding::render;

    struct Silent;
    struct Certain;

    impl Resolve for Silent {
        fn lookup(&self, _: IpAddr) -> impl Future<Output = anyhow::Result<Vec<String>>> + Send {
            pending()
        }
    }

    impl Resolve for Certain {
        fn lookup(&self, _: IpAddr) -> impl Future<Output = anyhow::Result<Vec<String>>> + Send {
            ready(Ok(Vec::new()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_resolver_that_answers_is_there_and_a_silent_one_is_not() {
        let text = render(&[ask(Certain, Duration::from_secs(2)).await]);
        assert!(text.starts_with("ok      resolver  answers"), "{text}");
        let text = render(&[ask(Silent, Duration::from_secs(2)).await]);
        assert!(
            text.starts_with("missing resolver  no answer from the name servers in 2s"),
            "{text}"
        );
    }
}
