//! Requests of which only the status of the answer counts.

use bytes::Bytes;
use http::{Request, response::Parts};
use http_body_util::Full;
use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::{Fetch, FetchError, Limits, Payer, Policy, collect, host_of, send};
use gatewright_domain::id::ProjectId;

/// How long the body may take, so that its connection can be used again.
const BODY: Duration = Duration::from_secs(1);

impl Fetch {
    /// Sends a request to what an operator configured, at the expense of a project if it is about one, and returns the head of the
    /// answer. Its body is read within limits and dropped; whatever is wrong with it, the receiver has answered.
    pub async fn answered(
        &self,
        project: Option<ProjectId>,
        request: Request<Full<Bytes>>,
        limits: Limits,
    ) -> Result<Parts, FetchError> {
        let until = Instant::now() + limits.deadline;
        let host = host_of(request.uri());
        self.check_uri(Policy::Operator, request.uri())?;
        let entering = self.0.shares.enter(Payer::of(project, &host));
        let share = timeout_at(until, entering).await.ok().flatten();
        let _share = share.ok_or_else(|| FetchError::Limited(host.clone()))?;
        let client = self.0.operator.client();
        let response = timeout_at(until, send(&client, request)).await;
        let response = response.unwrap_or_else(|_| Err(FetchError::Timeout(host.clone())))?;
        let (parts, body) = response.into_parts();
        let _ = timeout(BODY, collect(&host, body, limits.body)).await;
        Ok(parts)
    }
}
