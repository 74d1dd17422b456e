//! `/projects/{project}/secrets`: the secrets, where each can be sent and where it is used. Never a value.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};

use crate::{
    Admin,
    error::PageError,
    form::Asked,
    list,
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    service::secrets as service,
    session::InProject,
};

/// The number of servers shown with a secret; its page has all of them.
const USERS: usize = 3;

struct Row {
    href: String,
    name: String,
    origins: Vec<String>,
    changed: Moment,
    /// Servers that use it: their pages and names.
    users: Vec<(String, String)>,
    more_users: usize,
}

#[derive(Template)]
#[template(path = "dashboard/secrets/list.html")]
struct SecretsPage {
    frame: Frame,
    project: ProjectLink,
    may_change: bool,
    secrets: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/projects/{project}/secrets`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let request = list::request(&asked);
    let read = service::list(&app, authority, project, &request).await?;
    let mut usage = service::usage(&app, authority, project).await?;
    let now = app.now();
    let path = place.path("/secrets");
    let rows = read.items.into_iter().map(|secret| {
        let users = usage.remove(&secret.name).unwrap_or_default();
        Row {
            href: format!("{path}/{}", secret.id),
            origins: secret.origins,
            changed: Moment::new(secret.updated_at, now),
            more_users: users.len().saturating_sub(USERS),
            users: users
                .into_iter()
                .take(USERS)
                .map(|(id, name)| (place.path(&format!("/servers/{id}")), name))
                .collect(),
            name: secret.name,
        }
    });
    Ok(page::show(&SecretsPage {
        secrets: rows.collect(),
        frame: place.frame(Section::Secrets),
        project: place.project.clone(),
        may_change: place.may_change(),
        first: request.after.as_ref().map(|_| path.clone()),
        next: read.next.map(|next| format!("{path}?cursor={next}")),
    }))
}
