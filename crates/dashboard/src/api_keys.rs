//! `/projects/{project}/api-keys`: keys for programs.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    api_key::{ApiKey, KeyRole, KeyScope},
    gateway::{Authentication, Gateway},
    id::{ApiKeyId, GatewayId},
    words::Worded,
};
use gatewright_store::{PageRequest, gateway_list::GatewayFilter};

use super::{
    error::PageError,
    flash::Flash,
    form::{Asked, Form, Posted},
    key::{self, KeyRow, MadeKey},
    page::{self, Frame, ProjectLink, Section},
    role::{KEY_ROLES, RoleChoice},
    session::InProject,
};
use crate::{
    Admin,
    service::{
        IfMatch, ServiceError,
        api_keys::{self as service, NewApiKey},
        gateways,
    },
};

/// Keys on a page of the list.
const ON_A_PAGE: u32 = 50;

/// Gateways to choose from, and named beside keys.
const GATEWAYS: u32 = 200;

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
    overlaps: &'static [(&'static str, &'static str)],
    /// Gateways in Headers mode that a key can be bound to: id and name.
    gateways: Vec<(String, String)>,
}

/// GET `/projects/{project}/api-keys`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    render(&app, &place, asked.text("cursor"), None, fresh_form()).await
}

/// POST `/projects/{project}/api-keys`. The answer is the page itself: the text of the key exists in it alone, and nowhere
/// from where another page could show it.
pub(super) async fn create(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let new = |gateway_id| NewApiKey {
        name: posted.text("name").to_owned(),
        role: KeyRole::of_word(posted.text("role")),
        gateway_id,
        expires_at: key::end_of_life(app.now(), posted.text("life")),
    };
    let created = match chosen_gateway(posted.text("gateway_id")) {
        Ok(id) => service::create(&app, &place.visit.authority, place.project.id, new(id)).await,
        Err(error) => Err(error),
    };
    match created {
        Ok(created) => {
            let made = MadeKey::new(created, None);
            render(&app, &place, None, Some(made), fresh_form()).await
        }
        Err(error) => {
            let form = Form::refused(
                &posted,
                &["name", "role", "life", "gateway_id"],
                &["expires_at"],
                error,
            )?;
            render(&app, &place, None, None, form).await
        }
    }
}

/// The gateway a key is bound to. A text that is not an id is as unknown as an id of nothing.
fn chosen_gateway(text: &str) -> Result<Option<GatewayId>, ServiceError> {
    if text.is_empty() {
        return Ok(None);
    }
    let unknown = |_| ServiceError::unknown("gateway", "/gateway_id");
    text.parse().map(Some).map_err(unknown)
}

/// POST `/projects/{project}/api-keys/{key}/revoke`.
pub(super) async fn revoke(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
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

/// POST `/projects/{project}/api-keys/{key}/rotate`. The answer is the page itself, as for a new key.
pub(super) async fn rotate(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let id: ApiKeyId = place.id("key", "API key")?;
    let (authority, project) = (&place.visit.authority, Some(place.project.id));
    match service::rotate(&app, authority, project, id, key::rotation(&posted)).await {
        Ok(created) => {
            let made = MadeKey::new(created, Some(key::overlap_in_words(&posted)));
            render(&app, &place, None, Some(made), fresh_form()).await
        }
        Err(error) => {
            let form = Form::refused(&posted, &[], &[], error)?;
            render(&app, &place, None, None, form).await
        }
    }
}

async fn render(
    app: &Admin,
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
    let gateways = gateways(app, place).await?;
    let name_of = |key: &ApiKey| {
        let KeyScope::Project { gateway_id, .. } = key.scope else {
            return None;
        };
        let id = gateway_id?;
        let known = gateways.iter().find(|gateway| gateway.id == id);
        Some(known.map_or_else(|| id.to_string(), |gateway| gateway.name.clone()))
    };
    let now = app.now();
    let path = place.path("/api-keys");
    let keys = read.items.into_iter().map(|key| {
        let gateway = name_of(&key);
        KeyRow::new(key, &path, now, gateway)
    });
    Ok(page::show_with(
        form.status(),
        &ApiKeysPage {
            keys: keys.collect(),
            frame: place.frame(Section::ApiKeys),
            project: place.project.clone(),
            made,
            first: cursor.map(|_| path.clone()),
            next: read.next.map(|next| format!("{path}?cursor={next}")),
            may_manage: place.is_owner(),
            form,
            roles: &KEY_ROLES,
            lives: &key::LIVES,
            overlaps: &key::OVERLAPS,
            gateways: gateways
                .iter()
                .filter(|gateway| gateway.authentication == Authentication::Headers)
                .map(|gateway| (gateway.id.to_string(), gateway.name.clone()))
                .collect(),
        },
    ))
}

async fn gateways(app: &Admin, place: &InProject) -> Result<Vec<Gateway>, PageError> {
    let page = PageRequest::first(GATEWAYS);
    let filter = GatewayFilter::default();
    let read = gateways::list(app, &place.visit.authority, place.project.id, &filter, &page).await?;
    Ok(read.items)
}
