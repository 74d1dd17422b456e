//! Asking a server for the changes of resources: `resources/subscribe` within a session (2025-11-25 server/resources,
//! "Subscriptions"), or the filter of `subscriptions/listen` (2026-07-28 basic/patterns/subscriptions).

use std::{collections::HashSet, sync::Arc, time::Duration};

use http::Response;

use super::{
    ask::AskError, caller::Caller, exchange::modern_request, listening::Heard, net::Net,
    session::UpstreamSession, transport::Transport, unavailable::Unavailable, upstream::Upstream,
    wanted::Wanted,
};
use crate::wire::{
    json::json_string,
    jsonrpc::ErrorCode,
    media_type::{MediaType, media_type},
    version::Era,
};

/// What a stateless server is asked for besides resources.
const LISTS: &str = r#""toolsListChanged":true,"promptsListChanged":true,"resourcesListChanged":true"#;
/// What is wanted often changes several times in a row: a client asks for one resource after the other.
const SETTLED: Duration = Duration::from_millis(50);
/// A server that does not take what is wanted is asked again after this long.
const AGAIN: Duration = Duration::from_secs(10);

impl<T: Transport> Net<T> {
    /// Asks for the changes of a resource within the session of a user. A stateless server is asked by who listens to it.
    pub(super) async fn subscribe_to(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        uri: &Arc<str>,
    ) -> Result<(), AskError> {
        let era = self.era_of(upstream, caller).await;
        if era.map_err(AskError::Unavailable)? == Era::Modern {
            return Ok(());
        }
        let session = self.session(upstream, caller).await;
        let session = session.map_err(AskError::Unavailable)?;
        if session.has_subscribed(uri) {
            return Ok(());
        }
        // What is wanted no longer leaves the session when its user listens.
        if !session.may_subscribe() {
            return Err(AskError::Refused(ErrorCode::INTERNAL_ERROR));
        }
        self.ask_for(upstream, caller, "resources/subscribe", &member(uri))
            .await?;
        // It may be another session by now.
        if let Some(session) = upstream.sessions.slot(caller.slot()).get() {
            session.note_subscribed(uri);
        }
        Ok(())
    }

    /// Asks for what is wanted and not asked for yet within a session, and no longer for what is wanted no more.
    pub(super) async fn subscribe_to_wanted(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        session: &UpstreamSession,
        wanted: &Wanted,
    ) -> Option<Heard<T::Body>> {
        let (asked, uris) = wanted.now();
        let uris: HashSet<_> = uris.into_iter().collect();
        for uri in session.subscribed() {
            if !uris.contains(&uri) {
                session.forget_subscribed(&uri);
                let uri = member(&uri);
                let asking = self.ask_for(upstream, caller, "resources/unsubscribe", &uri);
                if let Err(why) = asking.await {
                    tracing::debug!(
                        server = upstream.slug(),
                        ?why,
                        "a server still reports changes of a resource"
                    );
                }
            }
        }
        for uri in &uris {
            if let Err(why) = self.subscribe_to(upstream, caller, uri).await {
                tracing::debug!(
                    server = upstream.slug(),
                    ?why,
                    "the changes of a resource are not reported"
                );
            }
        }
        wanted.note_heard(asked);
        None
    }

    /// A stream of a stateless server that reports what is wanted, if the present one does not: that one was requested by the
    /// change `before`, and reports this many resources. A server for which that is too much continues with what it has, and is
    /// asked again.
    pub(super) async fn subscription_of_wanted(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        wanted: &Wanted,
        (before, resources): (u64, usize),
    ) -> Option<Heard<T::Body>> {
        tokio::time::sleep(SETTLED).await;
        loop {
            let (asked, uris) = wanted.now();
            if asked == before || uris.is_empty() && resources == 0 {
                wanted.note_heard(asked);
                return None;
            }
            match self.subscription(upstream, caller, &uris).await {
                Ok(answer)
                    if answer.status().is_success()
                        && media_type(answer.headers()) == MediaType::EventStream =>
                {
                    return Some(Heard::new(answer, asked, uris.len()));
                }
                _ => tracing::debug!(
                    server = upstream.slug(),
                    "the changes of resources are not reported"
                ),
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Asks a stateless server for changes of its lists and of these resources.
    pub(super) async fn subscription(
        self: &Arc<Self>,
        upstream: &Upstream,
        caller: Caller<'_>,
        uris: &[Arc<str>],
    ) -> Result<Response<T::Body>, Unavailable> {
        let of_resources = if uris.is_empty() {
            String::new()
        } else {
            let uris: Vec<_> = uris.iter().map(|uri| json_string(uri)).collect();
            format!(r#","resourceSubscriptions":[{}]"#, uris.join(","))
        };
        let filter = format!(r#""notifications":{{{LISTS}{of_resources}}}"#);
        let request = modern_request(upstream, caller, "subscriptions/listen", &filter).await?;
        let sent = self.transport.send(request, upstream.config.timeout).await;
        sent.map_err(|_| upstream.unreachable())
    }
}

/// The member of `params` that names a resource.
fn member(uri: &str) -> String {
    format!(r#""uri":{}"#, json_string(uri))
}
