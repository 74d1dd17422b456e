//! Doing the same thing too often: one consent page used again and again, one person signing in all the time. Each grant
//! that begins and is ended again leaves a revocation, which every replica must remember for a while.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::response::Response;
use gatewright_domain::reference::Reference;
use http::StatusCode;
use moka::sync::Cache;

use super::{answer, consent::FORM_LIFE};
use crate::page::{self, ErrorPage};

/// Sign-ins one consent page begins on this replica. The store counts the resulting codes, on all replicas.
const MAX_USES: u32 = 10;
/// Consent pages that are remembered, on which someone pressed *Allow*. Beyond that, the least used ones are forgotten.
const MAX_CONSENTS: u64 = 20_000;

/// How often each consent page was used.
#[derive(Debug)]
pub(super) struct ConsentUses(Cache<String, Arc<AtomicU32>>);

impl Default for ConsentUses {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MAX_CONSENTS)
                .time_to_live(FORM_LIFE)
                .build(),
        )
    }
}

impl ConsentUses {
    /// Counts a use; `false` when there were enough.
    pub(super) fn count(&self, consent_id: &str) -> bool {
        let uses = self.0.get_with_by_ref(consent_id, Arc::default);
        uses.fetch_add(1, Ordering::Relaxed) < MAX_USES
    }
}

/// The page for a person who signed in too often within a minute.
pub(super) fn too_many_page(after: Duration, reference: Reference) -> Response {
    let page = page::error(&ErrorPage {
        status: StatusCode::TOO_MANY_REQUESTS,
        title: "You signed in too often".to_owned(),
        explanation:
            "Your account signed in to apps many times within the last minute. No access was granted."
                .to_owned(),
        advice: "Wait a minute, then connect again from the app. If you did not do this, quit the app."
            .to_owned(),
        reference,
    });
    answer::retry_later(page, after)
}

/// The page for a consent page that was used too often.
pub(super) fn consent_used_up_page(reference: Reference) -> Response {
    page::error(&ErrorPage {
        status: StatusCode::BAD_REQUEST,
        title: "This page was used too often".to_owned(),
        explanation: "You allowed this request several times already. No further access was granted."
            .to_owned(),
        advice: "Go back to the app and connect again.".to_owned(),
        reference,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consent_page_is_used_ten_times_and_others_are_counted_apart() {
        let uses = ConsentUses::default();
        assert!((0..10).all(|_| uses.count("one")));
        assert!(!uses.count("one"));
        assert!(uses.count("another"));
    }

    #[test]
    fn what_is_remembered_stays_within_bounds() {
        let uses = ConsentUses::default();
        for number in 0..MAX_CONSENTS * 2 {
            uses.count(&number.to_string());
        }
        uses.0.run_pending_tasks();
        assert!(uses.0.entry_count() <= MAX_CONSENTS);
    }
}
