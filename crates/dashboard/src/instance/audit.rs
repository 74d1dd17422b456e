//! `/instance/audit`: what happened to the instance itself: accounts, its keys, projects made and deleted.

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    audit::{AuditEvent, FieldChange},
};
use gatewright_store::{PageRequest, audit::AuditFilter};

use super::{Administrator, ON_A_PAGE};
use crate::{
    Admin,
    audit::{chain::Chain, words},
    error::PageError,
    form::Asked,
    moment::Moment,
    page::{self, Frame, Section},
    service::{accounts, api_keys, audit_events as service},
    session::Visit,
};

const PATH: &str = "/instance/audit";
/// Accounts and keys whose names are looked up for a page; of others the id is shown.
const NAMES: u32 = 200;
/// Longer values are cut; the API has all of them.
const MAX_VALUE: usize = 120;

struct EventRow {
    at: Moment,
    what: String,
    object: String,
    occurrences: u32,
    changes: Vec<String>,
    who: String,
    origin: &'static str,
    address: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/instance/audit.html")]
struct AuditPage {
    frame: Frame,
    chain: Chain,
    events: Vec<EventRow>,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/instance/audit`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    asked: Asked,
) -> Result<Response, PageError> {
    let request = PageRequest {
        after: asked.text("cursor").map(str::to_owned),
        limit: ON_A_PAGE,
    };
    let filter = AuditFilter::default();
    let read = service::list(&app, &visit.authority, None, &filter, &request).await?;
    let names = names(&app, &visit).await?;
    let now = app.now();
    Ok(page::show(&AuditPage {
        frame: visit.frame(Section::InstanceAudit),
        chain: Chain::read(&app, &visit.authority, None).await?,
        events: read
            .items
            .into_iter()
            .map(|event| row(&event, &names, now))
            .collect(),
        first: request.after.map(|_| PATH.to_owned()),
        next: read.next.map(|next| format!("{PATH}?cursor={next}")),
    }))
}

/// What those who act are called, by id.
async fn names(app: &Admin, visit: &Visit) -> Result<HashMap<String, String>, PageError> {
    let all = PageRequest::first(NAMES);
    let accounts = accounts::list(app, &visit.authority, &all).await?.items;
    let keys = api_keys::list(app, &visit.authority, None, &all).await?.items;
    let accounts = accounts
        .into_iter()
        .map(|account| (account.id.to_string(), account.name));
    let keys = keys
        .into_iter()
        .map(|key| (key.id.to_string(), format!("Key “{}”", key.name)));
    Ok(accounts.chain(keys).collect())
}

fn row(event: &AuditEvent, names: &HashMap<String, String>, now: Timestamp) -> EventRow {
    let called = |id: String| names.get(&id).cloned().unwrap_or(id);
    let (object, address) = (words::object(event), words::address(event));
    EventRow {
        at: Moment::new(event.last_at, now),
        what: words::in_words(&event.action),
        object,
        occurrences: event.occurrences,
        changes: event.changes.iter().map(change).collect(),
        who: words::actor_id(&event.actor.kind)
            .map_or_else(|| words::actor(&event.actor.kind).to_owned(), called),
        origin: event.actor.origin.label(),
        address,
    }
}

fn change(change: &FieldChange) -> String {
    let field = &change.field;
    match (&change.before, &change.after) {
        (None, None) => format!("{field} changed"),
        (None, Some(after)) => format!("{field}: {}", words::shown(after, MAX_VALUE)),
        (Some(before), None) => format!("{field}: {} removed", words::shown(before, MAX_VALUE)),
        (Some(before), Some(after)) => format!(
            "{field}: {} → {}",
            words::shown(before, MAX_VALUE),
            words::shown(after, MAX_VALUE)
        ),
    }
}
