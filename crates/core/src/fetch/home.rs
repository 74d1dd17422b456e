//! On which threads connections to MCP servers live. A connection serves calls long after the request that opened it, which may
//! have been a check of the dashboard, on the threads of everything that is not a call. If the connection stayed there, calls
//! would wait behind sign-ins. So all of them live on the runtime that the client was built on, that of calls.

use std::future::Future;

use hyper::rt::Executor;
use tokio::{runtime::Handle, task::JoinError};
use tokio_util::task::AbortOnDropHandle;

/// A runtime for connections. Without one, they live where they are opened.
#[derive(Debug, Clone, Default)]
pub(super) struct Home(Option<Handle>);

impl Home {
    /// The runtime that calls this, if one does.
    pub(super) fn here() -> Self {
        Self(Handle::try_current().ok())
    }

    /// Runs this there, until it is done or its caller leaves; `None` if the runtime stops.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let Some(runtime) = &self.0 else {
            return Some(work.await);
        };
        let done = AbortOnDropHandle::new(runtime.spawn(work)).await;
        match done.map_err(JoinError::try_into_panic) {
            Ok(done) => Some(done),
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            Err(Err(_)) => None,
        }
    }
}

impl<F> Executor<F> for Home
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        match &self.0 {
            Some(runtime) => runtime.spawn(future),
            None => tokio::spawn(future),
        };
    }
}
