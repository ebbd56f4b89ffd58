//! Whether it can be told who answers where a service was dialled.

use anyhow::Result;

use super::finding::Finding;
use crate::{
    config::Config,
    nat::{self, table},
};

const NAME: &str = "translation";

/// Looks only where connections are tracked, or a label asks.
pub(super) fn look(config: &Config) -> Option<Finding> {
    nat::is_useful(config).then(|| judge(table::tracked(), nat::permitted()))
}

fn judge(tracked: Option<u64>, permitted: Result<()>) -> Finding {
    let remedy = "outbound edges are as dialled, such as a service's address";
    match (tracked, permitted) {
        (None, _) => Finding::missing(NAME, "the kernel tracks no connections", remedy),
        (Some(_), Err(err)) => Finding::missing(NAME, format!("{err:#}"), remedy),
        (Some(count), Ok(())) => {
            Finding::ok(NAME, format!("connections tracked in this namespace: {count}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;
    use crate::doctor::finding::render;

    #[test]
    fn it_takes_a_table_and_the_permission_to_ask() {
        let text = |finding| render(&[finding]);
        assert!(text(judge(Some(7), Ok(()))).starts_with("ok      translation  connections"));
        assert!(text(judge(None, Ok(()))).starts_with("missing translation"));
        let refused = text(judge(Some(7), Err(anyhow!("it needs CAP_NET_ADMIN"))));
        assert!(refused.contains("CAP_NET_ADMIN (outbound edges are as dialled"), "{refused}");
    }
}
