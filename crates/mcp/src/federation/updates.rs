//! Telling clients that resources have changed: where each leads, and the servers that are asked for it.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use gatewright_domain::id::ProjectId;

use super::{
    call::CallError,
    plan::Plan,
    server::Server,
    servers::Federation,
    subscribed::{Subscribed, TooMany},
};
use crate::{
    peer::{
        ask::AskError,
        caller::{Caller, CallerKey},
        peers::Peers,
        unavailable::Unavailable,
    },
    wire::{capabilities::Capability, jsonrpc::ErrorCode, listing::ListKind},
};

/// After this long at most, a client learns that changes are reported, even if a server has not said so yet.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why the changes of a resource are not reported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSubscribed {
    /// The gateway does not offer it.
    #[error(transparent)]
    Unknown(#[from] CallError),
    /// Its server does not report changes.
    #[error("The server `{0}` does not report changes of this resource.")]
    NotTold(String),
    /// There are too many.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The server refused.
    #[error("The server `{0}` refused to report changes of this resource.")]
    Refused(String, ErrorCode),
    /// The server cannot be asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl<P: Peers> Federation<P> {
    /// Tells a client of the changes of one more resource.
    pub(crate) async fn subscribe(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        client: &Arc<Subscribed>,
        uri: &str,
    ) -> Result<(), NotSubscribed> {
        let found = self.find_uri(plan, caller, ListKind::Resources, uri).await?;
        let server = found.server(&plan.servers);
        let uri: Arc<str> = uri.into();
        let before = client.uris().contains(&uri);
        self.note_wanted(plan, caller, client, &uri)?;
        let asked = self.ask_for_changes(plan, caller, client, server, &uri).await;
        if asked.is_err() && !before {
            client.remove(&uri);
        }
        asked
    }

    /// Notes that a client wants the changes of a resource, wherever it leads.
    pub(crate) fn note_wanted(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        client: &Arc<Subscribed>,
        uri: &Arc<str>,
    ) -> Result<(), TooMany> {
        self.want_resource(plan.project, caller.key, client, uri)
    }

    /// The same where only the project and the user of the client are known.
    pub(crate) fn want_resource(
        &self,
        project: ProjectId,
        caller: CallerKey,
        client: &Arc<Subscribed>,
        uri: &Arc<str>,
    ) -> Result<(), TooMany> {
        self.subscriptions.add(project, caller, client, uri)
    }

    async fn ask_for_changes(
        &self,
        plan: &Plan,
        caller: Caller<'_>,
        client: &Arc<Subscribed>,
        server: &Arc<Server>,
        uri: &Arc<str>,
    ) -> Result<(), NotSubscribed> {
        if !self.tells_of_changes(server, caller).await? {
            return Err(NotSubscribed::NotTold(server.slug().to_owned()));
        }
        let asked = self
            .peers
            .subscribe(&server.upstream, caller.listening(), uri)
            .await;
        asked.map_err(|why| match why {
            AskError::Unavailable(why) => NotSubscribed::Unavailable(why),
            AskError::Refused(code) => NotSubscribed::Refused(server.slug().to_owned(), code),
        })?;
        if client.is_listening() {
            let watched = self
                .watch(plan.project, server, caller, uri)
                .ok_or(TooMany::OfAll)?;
            let heard = watched.heard();
            client.watch(uri, server.upstream.config.id, watched);
            let _ = tokio::time::timeout(PATIENCE, heard).await;
        }
        Ok(())
    }

    async fn tells_of_changes(&self, server: &Server, caller: Caller<'_>) -> Result<bool, Unavailable> {
        let declared = self.peers.capabilities(&server.upstream, caller).await?;
        Ok(declared.has(Capability::Subscribe))
    }

    /// Finds where all that a client wants leads, and has the servers asked for it; the client must listen. What leads nowhere
    /// now is not reported.
    pub(crate) async fn resubscribe(&self, plan: &Plan, caller: Caller<'_>, client: &Arc<Subscribed>) {
        let uris = client.uris();
        if uris.is_empty() {
            return;
        }
        let found = self.find_uris(plan, caller, &uris).await;
        // Each waits for its own server only.
        let asked = uris.iter().zip(found).map(async |(uri, found)| {
            let Some(server) = found.as_ref().map(|found| found.server(&plan.servers)) else {
                return;
            };
            if let Ok(true) = self.tells_of_changes(server, caller).await
                && let Some(watched) = self.watch(plan.project, server, caller, uri)
            {
                let heard = watched.heard();
                client.watch(uri, server.upstream.config.id, watched);
                let _ = tokio::time::timeout(PATIENCE, heard).await;
            }
        });
        join_all(asked).await;
    }

    /// The same for a client that gets an acknowledgement before anything else: a server that does not say in time whether it
    /// reports changes is left out.
    pub(crate) async fn subscribe_in_time(&self, plan: &Plan, caller: Caller<'_>, client: &Arc<Subscribed>) {
        let subscribing = self.resubscribe(plan, caller, client);
        let _ = tokio::time::timeout(2 * PATIENCE, subscribing).await;
        client.keep_watched();
    }
}
