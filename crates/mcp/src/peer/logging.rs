//! Telling a server with sessions which log messages are wanted (2025-11-25 server/utilities/logging): with the first call that
//! wants more than before, or a different level in a session that belongs to one client. Each call gets of that what it wants
//! itself.

use std::sync::Arc;

use super::{caller::Caller, net::Net, session::UpstreamSession, transport::Transport, upstream::Upstream};
use crate::wire::{capabilities::Capability, log_level::LogLevel};

impl<T: Transport> Net<T> {
    /// Makes the server of a session send messages of this level, if it does not yet.
    pub(super) async fn want_logs(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        session: &UpstreamSession,
        level: LogLevel,
        is_shared: bool,
    ) {
        if !session.capabilities.has(Capability::Logging) || !session.note_log_level(level, is_shared) {
            return;
        }
        let member = format!(r#""level":"{}""#, level.as_str());
        // Boxed because it is rare and large.
        let asking = Box::pin(self.ask_for(upstream, caller, "logging/setLevel", &member));
        if let Err(why) = asking.await {
            tracing::debug!(
                server = upstream.slug(),
                ?why,
                "a server does not take a log level"
            );
        }
    }
}
