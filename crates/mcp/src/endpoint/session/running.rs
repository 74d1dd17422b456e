//! A call of a session that runs, and can be cancelled by its id.

use std::sync::Arc;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::Session;

/// A call of a session while it runs.
#[derive(Debug)]
pub struct Running {
    pub(super) session: Arc<Session>,
    pub(super) request_id: Bytes,
    pub(super) number: u64,
    /// Cancelled when the client says so.
    pub token: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut running = self.session.lock();
        // Another call may have taken the id meanwhile.
        if running
            .get(&self.request_id)
            .is_some_and(|(number, _)| *number == self.number)
        {
            running.remove(&self.request_id);
        }
    }
}
