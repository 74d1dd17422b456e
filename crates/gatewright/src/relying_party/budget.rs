//! The time one request of a browser may take at providers, shared by all the fetches made for it.

use std::time::Duration;

use tokio::time::Instant;

use crate::fetch::Limits;

/// All of it: people see a page within ten seconds whatever a provider does, and rendering and the store need a little.
const WHOLE: Duration = Duration::from_secs(9);

/// A deadline.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    until: Instant,
}

impl Budget {
    /// Starts the time of a request.
    pub(super) fn start() -> Self {
        Self {
            until: Instant::now() + WHOLE,
        }
    }

    /// The limits of one fetch: at most `longest`, and never past the deadline.
    pub(super) fn limits(self, longest: Duration, body: usize) -> Limits {
        Limits {
            deadline: self.remaining().min(longest),
            body,
        }
    }

    /// What is left.
    pub(super) fn remaining(self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// The deadline itself.
    pub(super) const fn until(self) -> Instant {
        self.until
    }
}
