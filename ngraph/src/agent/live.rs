//! What there is at this moment, as a page: made by the loop, and only while somebody asks.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use hyper::StatusCode;

use crate::serve::{Answer, Site};

/// How old what is shown may be.
const FRESH: Duration = Duration::from_secs(1);

/// For how long it's made anew after somebody has asked.
const WANTED: Duration = Duration::from_secs(3);

/// Between the loop and who serves the page.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    asked_at: Option<Instant>,
    made: Option<(Bytes, Instant)>,
}

impl Live {
    /// The site with the page.
    pub fn page(&self, site: Site) -> Site {
        let live = self.clone();
        site.with("/live", move || live.answer(Instant::now()))
    }

    /// Whether it's time to make what is shown.
    pub fn is_due(&self, now: Instant) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_within = |at: Option<Instant>, time| {
            at.is_some_and(|at| now.saturating_duration_since(at) < time)
        };
        is_within(state.asked_at, WANTED) && !is_within(state.made.as_ref().map(|it| it.1), FRESH)
    }

    /// Shows what is made.
    pub fn show(&self, text: String, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.made = Some((Bytes::from(text), now));
    }

    fn answer(&self, now: Instant) -> Answer {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.asked_at = Some(now);
        match &state.made {
            Some((body, made_at)) if now.saturating_duration_since(*made_at) < 2 * FRESH => {
                let body = body.clone();
                Answer { status: StatusCode::OK, content_type: "application/json", body }
            }
            _ => Answer::line(StatusCode::SERVICE_UNAVAILABLE, "being made: ask again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_while_somebody_asks_and_shown_while_it_is_fresh() {
        let (live, start) = (Live::default(), Instant::now());
        let at = |millis| start + Duration::from_millis(millis);
        assert!(!live.is_due(at(0)), "nobody has asked");
        assert_eq!(live.answer(at(0)).status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(live.is_due(at(100)));
        live.show("x".to_owned(), at(100));
        assert!(!live.is_due(at(200)));
        assert_eq!(live.answer(at(300)).body, "x");
        assert!(live.is_due(at(1_100)));
        assert_eq!(live.answer(at(2_500)).status, StatusCode::SERVICE_UNAVAILABLE, "it's stale");
        assert!(!live.is_due(at(6_000)), "nobody asks any more");
    }
}
