//! The documents of clients that a project knows, in the store: a flood of strangers, a restart and an outage of the
//! document's host do not keep people from signing in with an app that they used before.

use std::{sync::Arc, time::Duration};

use gatewright_domain::{Timestamp, id::ProjectId};
use gatewright_oauth::metadata_document::MetadataDocument;
use gatewright_store::{
    StoreError, Urgency,
    client_document::{self, ClientDocument, MAX_PER_PROJECT},
};
use moka::sync::Cache;
use url::Url;

use super::AuthorizationServer;
use super::metadata_document::Kept;

/// How long a document is used while its host does not respond: over a long weekend, and not so long that a redirect URI which
/// its host withdrew stays valid forever.
pub(super) const MAX_LIFE: Duration = Duration::from_hours(7 * 24);

/// A client that is in use is written down this often.
const NOTE_EVERY: Duration = Duration::from_hours(24);

/// A document that did not change is written again this often.
const RENEW_EVERY: Duration = Duration::from_hours(1);

/// Notes in memory; a forgotten one costs a write.
const MAX_NOTES: u64 = 10_000;

/// Clients whose use was written down lately.
#[derive(Debug)]
pub(super) struct Notes(Cache<(ProjectId, String), Timestamp>);

impl Default for Notes {
    fn default() -> Self {
        Self(
            Cache::builder()
                .max_capacity(MAX_NOTES)
                .support_invalidation_closures()
                .build(),
        )
    }
}

impl Notes {
    pub(super) fn is_noted(&self, project: ProjectId, client_id: &str, now: Timestamp) -> bool {
        let noted = self.0.get(&(project, client_id.to_owned()));
        noted.is_some_and(|at| now.since(at) < NOTE_EVERY)
    }

    pub(super) fn note(&self, project: ProjectId, client_id: &str, now: Timestamp) {
        self.0.insert((project, client_id.to_owned()), now);
    }

    /// Forgets a client in every project.
    pub(super) fn forget(&self, client_id: &str) {
        let client_id = client_id.to_owned();
        // It fails only without support for closures, which is switched on.
        let _ = self
            .0
            .invalidate_entries_if(move |(_, noted), _| *noted == client_id);
    }
}

/// The document of a client that a project knows. Without an answer of the store it is not known: the host is asked.
pub(super) async fn find(app: &AuthorizationServer, project: ProjectId, url: &Url) -> Option<Arc<Kept>> {
    let client_id = url.to_string();
    let found = app
        .store
        .look(move |tx| Box::pin(async move { client_document::find(tx, project, &client_id).await }))
        .await;
    let found = found.inspect_err(told).ok()??;
    let document = MetadataDocument::parse(url, found.document.as_bytes()).ok()?;
    Some(Arc::new(Kept {
        document,
        text: found.document,
        fetched_at: found.fetched_at,
        until: found.fresh_until,
    }))
}

/// Whether a project knows a client by its document.
pub(super) async fn is_known(app: &AuthorizationServer, project: ProjectId, client_id: &str) -> bool {
    match Url::parse(client_id) {
        Ok(url) => find(app, project, &url).await.is_some(),
        Err(_) => false,
    }
}

/// Keeps a document for a project; whether that succeeded.
pub(super) async fn keep(app: &AuthorizationServer, project: ProjectId, kept: &Kept) -> bool {
    let (document, now) = (stored(kept), app.now());
    let written = app
        .store
        .transact(Urgency::Person, move |tx| {
            Box::pin(async move { client_document::keep(tx, project, &document, MAX_PER_PROJECT, now).await })
        })
        .await;
    written.inspect_err(told).is_ok()
}

/// Writes a document that was fetched again to all projects that know its client, unless that would say nothing new:
/// hosts that let nothing be kept are asked at every sign-in.
pub(super) async fn renew(app: &AuthorizationServer, known: &Kept, kept: &Kept) {
    if known.text == kept.text && kept.fetched_at.since(known.fetched_at) < RENEW_EVERY {
        return;
    }
    let written = async {
        let mut tx = app.store.write().await?;
        client_document::renew(&mut tx, &stored(kept)).await?;
        tx.commit().await
    };
    let _ = written.await.inspect_err(told);
}

/// Forgets a document that its host has withdrawn.
pub(super) async fn forget(app: &AuthorizationServer, client_id: &str) {
    let written = async {
        let mut tx = app.store.write().await?;
        client_document::forget(&mut tx, client_id).await?;
        tx.commit().await
    };
    let _ = written.await.inspect_err(told);
}

fn stored(kept: &Kept) -> ClientDocument {
    ClientDocument {
        url: kept.document.client_id.clone(),
        document: kept.text.clone(),
        fetched_at: kept.fetched_at,
        fresh_until: kept.until,
    }
}

/// A sign-in continues without the store of documents.
fn told(error: &StoreError) {
    tracing::warn!(
        error = error as &dyn std::error::Error,
        "the documents of known clients could not be read or written"
    );
}
