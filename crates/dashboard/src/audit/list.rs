//! The list of events.

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    audit::{AuditEvent, FieldChange, Origin},
    words::Worded,
};
use gatewright_store::Page;
use url::form_urlencoded::byte_serialize;

use super::{chain::Chain, filter, words};
use crate::{
    Admin,
    error::PageError,
    filters::Filters,
    form::Asked,
    list,
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    service::audit_events as service,
    session::InProject,
};

/// Longer values are cut. The export has all of them.
const MAX_VALUE: usize = 300;

struct ChangeRow {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

struct EventRow {
    at: Moment,
    what: String,
    object: String,
    /// Where all events of the same object are.
    of_object: String,
    action: String,
    occurrences: u32,
    changes: Vec<ChangeRow>,
    who: String,
    origin: &'static str,
    address: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/audit/list.html")]
struct AuditPage {
    frame: Frame,
    project: ProjectLink,
    chain: Chain,
    filters: Filters,
    kinds: &'static [(&'static str, &'static str)],
    origins: Vec<(&'static str, &'static str)>,
    actors: Vec<(String, String)>,
    /// Whether the rarer filters are open.
    is_narrow: bool,
    export: String,
    /// Where the API has all of them.
    at_api: String,
    events: Vec<EventRow>,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/projects/{project}/audit`. The filters are in the URL, so that a view can be kept and shared.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let mut filters = filter::read(&place, &asked);
    let request = list::request(&asked);
    let (authority, project) = (&place.visit.authority, place.project.id);
    let (read, at_api) = match filter::wanted(&filters) {
        Ok(wanted) => (
            service::list(&app, authority, Some(project), &wanted, &request).await?,
            filter::at_api(&place, &wanted),
        ),
        Err(wrong) => {
            filters.form = filters.form.and_wrong(wrong);
            (Page::default(), place.api("/audit-events?"))
        }
    };
    let ids = read
        .items
        .iter()
        .filter_map(|event| words::actor_id(&event.actor.kind));
    let names = filter::called(&app, &place, ids).await?;
    let now = app.now();
    Ok(page::show(&AuditPage {
        frame: place.frame(Section::Audit),
        project: place.project.clone(),
        chain: Chain::read(&app, authority, Some(project)).await?,
        kinds: &filter::KINDS,
        origins: Origin::choices(),
        actors: filter::actors(&app, &place, filters.text("actor")).await?,
        is_narrow: ["action", "object_id"]
            .iter()
            .any(|name| filters.text(name).is_some()),
        at_api,
        export: format!("{}/export{}", filters.path(), filters.query(None)),
        first: request.after.is_some().then(|| filters.address(None)),
        next: read.next.map(|next| filters.address(Some(&next))),
        events: read
            .items
            .into_iter()
            .map(|event| row(event, filters.path(), &names, now))
            .collect(),
        filters,
    }))
}

fn row(event: AuditEvent, path: &str, names: &HashMap<String, String>, now: Timestamp) -> EventRow {
    let kind = &event.actor.kind;
    let called = words::actor_id(kind).map(|id| names.get(&id).cloned().unwrap_or(id));
    let object_id: String = byte_serialize(event.object_id.as_bytes()).collect();
    let (object, address) = (words::object(&event), words::address(&event));
    EventRow {
        at: Moment::new(event.last_at, now),
        what: words::in_words(&event.action),
        object,
        of_object: format!("{path}?object_id={object_id}"),
        occurrences: event.occurrences,
        changes: event.changes.into_iter().map(change_row).collect(),
        who: called.unwrap_or_else(|| words::actor(kind).to_owned()),
        origin: event.actor.origin.label(),
        address,
        action: event.action,
    }
}

fn change_row(change: FieldChange) -> ChangeRow {
    ChangeRow {
        field: change.field,
        before: change.before.map(|value| words::shown(&value, MAX_VALUE)),
        after: change.after.map(|value| words::shown(&value, MAX_VALUE)),
    }
}
