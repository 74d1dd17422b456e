//! `/projects/{project}/api-keys`: keys for programs.

use std::{sync::Arc, time::Duration};

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    api_key::{ApiKey, KeyScope},
    id::ApiKeyId,
};
use gatewright_store::PageRequest;

use super::{
    error::PageError,
    flash::Flash,
    form::{Asked, Form, Posted},
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    role::{self, KEY_ROLES, RoleChoice},
    session::InProject,
};
use crate::{
    app::App,
    service::{
        IfMatch,
        api_keys::{self as service, CreatedKey, NewApiKey},
    },
};

/// Keys on a page of the list.
const ON_A_PAGE: u32 = 50;

/// How long a new key may live: the value in the form, and what it says.
const LIVES: [(&str, &str); 4] = [
    ("", "Never"),
    ("30", "In 30 days"),
    ("90", "In 90 days"),
    ("365", "In a year"),
];

struct KeyRow {
    name: String,
    role: &'static str,
    created: Moment,
    last_used: Option<Moment>,
    ends: Option<Moment>,
    is_revoked: bool,
    is_expired: bool,
    /// Where the form that revokes it goes.
    revoke: String,
}

struct MadeKey {
    name: String,
    text: String,
}

#[derive(Template)]
#[template(path = "dashboard/api_keys.html")]
struct ApiKeysPage {
    frame: Frame,
    project: ProjectLink,
    made: Option<MadeKey>,
    keys: Vec<KeyRow>,
    first: Option<String>,
    next: Option<String>,
    may_manage: bool,
    form: Form,
    roles: &'static [RoleChoice],
    lives: &'static [(&'static str, &'static str)],
}

/// GET `/projects/{project}/api-keys`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    render(&app, &place, asked.text("cursor"), None, fresh_form()).await
}

/// POST `/projects/{project}/api-keys`. The answer is the page itself: the text of the key exists in it alone, and nowhere
/// from where another page could show it.
pub(super) async fn create(
    State(app): State<Arc<App>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let new = NewApiKey {
        name: posted.text("name").to_owned(),
        role: role::key_of_word(posted.text("role")),
        expires_at: end_of_life(app.now(), posted.text("life")),
        ..NewApiKey::default()
    };
    match service::create(&app, &place.visit.authority, place.project.id, new).await {
        Ok(CreatedKey { key, text }) => {
            let made = MadeKey {
                name: key.name,
                text: text.expose().to_owned(),
            };
            render(&app, &place, None, Some(made), fresh_form()).await
        }
        Err(error) => {
            let form = Form::refused(&posted, &["name", "role", "life"], &["expires_at"], error)?;
            render(&app, &place, None, None, form).await
        }
    }
}

/// POST `/projects/{project}/api-keys/{key}/revoke`.
pub(super) async fn revoke(State(app): State<Arc<App>>, place: InProject) -> Result<Response, PageError> {
    let id: ApiKeyId = place.id("key", "API key")?;
    service::revoke(
        &app,
        &place.visit.authority,
        Some(place.project.id),
        id,
        &IfMatch::Any,
    )
    .await?;
    Ok(page::done(&place.path("/api-keys"), Flash::KeyRevoked))
}

/// The least a program needs is chosen already.
fn fresh_form() -> Form {
    Form::with([("role", "gateway")])
}

/// When a key ends that lives for so many days; one of no known life does not end.
fn end_of_life(now: Timestamp, life: &str) -> Option<Timestamp> {
    let (days, _) = LIVES.iter().find(|(value, _)| *value == life)?;
    let days: u64 = days.parse().ok()?;
    Some(now.plus(Duration::from_hours(24 * days)))
}

async fn render(
    app: &App,
    place: &InProject,
    cursor: Option<&str>,
    made: Option<MadeKey>,
    form: Form,
) -> Result<Response, PageError> {
    let request = PageRequest {
        after: cursor.map(str::to_owned),
        limit: ON_A_PAGE,
    };
    let project = place.project.id;
    let read = service::list(app, &place.visit.authority, Some(project), &request).await?;
    let now = app.now();
    let path = place.path("/api-keys");
    Ok(page::show_with(
        form.status(),
        &ApiKeysPage {
            frame: place.frame(Section::ApiKeys),
            project: place.project.clone(),
            made,
            keys: read.items.into_iter().map(|key| row(place, key, now)).collect(),
            first: cursor.map(|_| path.clone()),
            next: read.next.map(|next| format!("{path}?cursor={next}")),
            may_manage: place.is_owner(),
            form,
            roles: &KEY_ROLES,
            lives: &LIVES,
        },
    ))
}

fn row(place: &InProject, key: ApiKey, now: Timestamp) -> KeyRow {
    let role = match key.scope {
        KeyScope::Instance => "Instance",
        KeyScope::Project { role, .. } => role::of_key(role).label,
    };
    KeyRow {
        role,
        created: Moment::new(key.created_at, now),
        last_used: key.last_used_at.map(|at| Moment::new(at, now)),
        ends: key.expires_at.map(|at| Moment::new(at, now)),
        is_revoked: key.revoked_at.is_some(),
        is_expired: key.expires_at.is_some_and(|at| at <= now),
        revoke: place.path(&format!("/api-keys/{}/revoke", key.id)),
        name: key.name,
    }
}
