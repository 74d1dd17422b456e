//! What one request of a browser may take of the providers: the time, shared by all the fetches made for it, and whose share
//! of the connections.

use std::time::Duration;

use bytes::Bytes;
use gatewright_domain::id::ProjectId;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::Instant;

use crate::fetch::{Fetch, FetchError, Limits, Turn};

/// All of it: people see a page within ten seconds whatever a provider does, and rendering and the store need a little.
const WHOLE: Duration = Duration::from_secs(9);

/// A deadline, and the project that pays.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    until: Instant,
    project: Option<ProjectId>,
}

impl Budget {
    /// Starts the time of a request for a project; administrators sign in for none.
    pub fn start(project: Option<ProjectId>) -> Self {
        Self {
            until: Instant::now() + WHOLE,
            project,
        }
    }

    /// Sends a request whose answer is for this browser alone.
    pub(crate) async fn ask(
        self,
        fetch: &Fetch,
        request: Request<Full<Bytes>>,
        longest: Duration,
        body: usize,
    ) -> Result<Response<Bytes>, FetchError> {
        let limits = self.limits(longest, body);
        fetch.for_project(self.project, request, limits).await
    }

    /// Waits until the project may wait for a fetch that several may wait for; `None` when that is not in time. One whose
    /// providers hang begins so few of those at once that others can begin theirs at the same domain.
    pub(crate) async fn turn(self, fetch: &Fetch) -> Option<Turn> {
        fetch.turn(self.project, self.until).await
    }

    /// The limits of one fetch that several may wait for: at most `longest`, and never past the deadline.
    pub(crate) fn limits(self, longest: Duration, body: usize) -> Limits {
        Limits {
            deadline: self.remaining().min(longest),
            body,
        }
    }

    /// What is left.
    pub fn remaining(self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// The deadline itself.
    pub(crate) const fn until(self) -> Instant {
        self.until
    }
}
