//! `/projects/{project}/audit`: who changed what.

use std::{collections::HashMap, sync::Arc};

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    audit::{ActorKind, AuditEvent, FieldChange, Origin},
};
use gatewright_store::{PageRequest, audit::AuditFilter};
use serde_json::Value;
use url::form_urlencoded;

use super::{
    error::PageError,
    form::{Asked, Form},
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    session::InProject,
};
use crate::{
    app::App,
    service::{api_keys, audit_events as service, members},
};

/// Events on a page.
const ON_A_PAGE: u32 = 50;
/// Members and keys whose names are looked up for a page; of others the id is shown.
const NAMES: u32 = 200;
/// Longer values are cut: a list of a thousand tools says no more for being whole. The API has all of it.
const MAX_VALUE: usize = 300;

/// Kinds of things events are about, with what they are called.
const KINDS: [(&str, &str); 9] = [
    ("gateway", "Gateways"),
    ("user_source", "User sources"),
    ("server", "Servers"),
    ("secret", "Secrets"),
    ("user", "Users"),
    ("member", "Members"),
    ("invitation", "Invitations"),
    ("api_key", "API keys"),
    ("project", "The project"),
];

struct ChangeRow {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

struct EventRow {
    at: Moment,
    what: String,
    object: String,
    action: String,
    occurrences: u32,
    changes: Vec<ChangeRow>,
    who: String,
    origin: &'static str,
    address: Option<String>,
}

#[derive(Template)]
#[template(path = "dashboard/audit.html")]
struct AuditPage {
    frame: Frame,
    project: ProjectLink,
    form: Form,
    kinds: &'static [(&'static str, &'static str)],
    events: Vec<EventRow>,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/projects/{project}/audit`. The filters stand in the URL, so that a view can be kept and shared.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let wanted = |name| asked.text(name).map(str::to_owned);
    let filter = AuditFilter {
        action: wanted("action"),
        object_type: wanted("object_type"),
        object_id: wanted("object_id"),
        ..AuditFilter::default()
    };
    let request = PageRequest {
        after: wanted("cursor"),
        limit: ON_A_PAGE,
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    let read = service::list(&app, authority, Some(project), &filter, &request).await?;
    let names = names(&app, &place).await?;
    let now = app.now();
    let form = Form::with(
        ["action", "object_type", "object_id"].map(|name| (name, asked.text(name).unwrap_or_default())),
    );
    let first = address(&place, &form, None);
    Ok(page::show(&AuditPage {
        next: read.next.map(|next| address(&place, &form, Some(&next))),
        first: request.after.map(|_| first),
        events: read
            .items
            .into_iter()
            .map(|event| row(event, &names, now))
            .collect(),
        frame: place.frame(Section::Audit),
        project: place.project.clone(),
        form,
        kinds: &KINDS,
    }))
}

/// The address of a page of these events.
fn address(place: &InProject, form: &Form, cursor: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in ["action", "object_type", "object_id"] {
        if !form.value(name).is_empty() {
            query.append_pair(name, form.value(name));
        }
    }
    if let Some(cursor) = cursor {
        query.append_pair("cursor", cursor);
    }
    let query = query.finish();
    let mark = if query.is_empty() { "" } else { "?" };
    place.path(&format!("/audit{mark}{query}"))
}

/// What those who act are called, by id.
async fn names(app: &App, place: &InProject) -> Result<HashMap<String, String>, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let all = PageRequest {
        after: None,
        limit: NAMES,
    };
    let members = members::list(app, authority, project, &all).await?.items;
    let keys = api_keys::list(app, authority, Some(project), &all).await?.items;
    let members = members
        .into_iter()
        .map(|(_, account)| (account.id.to_string(), account.name));
    let keys = keys
        .into_iter()
        .map(|key| (key.id.to_string(), format!("Key “{}”", key.name)));
    Ok(members.chain(keys).collect())
}

fn row(event: AuditEvent, names: &HashMap<String, String>, now: Timestamp) -> EventRow {
    let called = |id: String| names.get(&id).cloned().unwrap_or(id);
    EventRow {
        at: Moment::new(event.last_at, now),
        what: in_words(&event.action),
        object: event.object_name,
        action: event.action,
        occurrences: event.occurrences,
        changes: event.changes.into_iter().map(change_row).collect(),
        who: match event.actor.kind {
            ActorKind::ApiKey(id) => called(id.to_string()),
            ActorKind::Account(id) => called(id.to_string()),
            ActorKind::Anonymous => "Somebody who has not signed in".to_owned(),
            ActorKind::Operator => "Somebody with a shell on the machine".to_owned(),
            ActorKind::System => "Gatewright itself".to_owned(),
        },
        origin: match event.actor.origin {
            Origin::Dashboard => "Dashboard",
            Origin::Api => "API",
            Origin::Cli => "Command line",
            Origin::System => "System",
        },
        address: event.actor.address,
    }
}

/// `user_source.updated` as "User source updated".
fn in_words(action: &str) -> String {
    let words = action.replace(['_', '.'], " ").replace("api key", "API key");
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn change_row(change: FieldChange) -> ChangeRow {
    ChangeRow {
        field: change.field,
        before: change.before.map(|value| shown(&value)),
        after: change.after.map(|value| shown(&value)),
    }
}

/// A value as people read it: texts without quotation marks, everything else as JSON.
fn shown(value: &Value) -> String {
    let text = match value {
        Value::String(text) if text.is_empty() => "(empty)".to_owned(),
        Value::String(text) => text.clone(),
        Value::Null => "(none)".to_owned(),
        other => other.to_string(),
    };
    if text.chars().count() <= MAX_VALUE {
        return text;
    }
    let cut: String = text.chars().take(MAX_VALUE).collect();
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_and_values_are_told_as_people_read_them() {
        assert_eq!(in_words("user_source.updated"), "User source updated");
        assert_eq!(in_words("api_key.created"), "API key created");
        assert_eq!(in_words(""), "");
        assert_eq!(shown(&Value::from("")), "(empty)");
        assert_eq!(shown(&Value::from(vec!["a", "b"])), r#"["a","b"]"#);
        assert_eq!(
            shown(&Value::from("é".repeat(1_000))).chars().count(),
            MAX_VALUE + 1
        );
    }
}
