//! Text as a network and as a duration.

use std::time::Duration;

use ngraph::config::{PeerFilter, duration, peers::parse_net};

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(net) = parse_net(&text) {
        assert_eq!(parse_net(&net.to_string()), Ok(net), "{text:?}");
        let filter = PeerFilter::new(&[net], &[]);
        assert!(filter.is_wanted(net.addr()), "{net} is without its own address");
    }
    if let Some(read) = duration::parse(&text) {
        assert_eq!(duration::parse(&duration::format(read)), Some(read), "{text:?}");
    }
    let bounds = Duration::from_secs(1)..=Duration::from_secs(3_600);
    if let Ok(read) = duration::parse_within(&text, bounds.clone()) {
        assert!(bounds.contains(&read), "{text:?}");
    }
}
