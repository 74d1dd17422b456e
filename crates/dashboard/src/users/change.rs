//! Keeping a user out, letting them in again, and ending their sessions.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use gatewright_domain::{id::UserId, user::UserStatus};

use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    page,
    service::{
        IfMatch, Patch,
        users::{self as service, UserPatch},
    },
    session::InProject,
};

/// POST `/projects/{project}/users/{user}/block`.
pub(super) async fn block(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    set_status(&app, &place, UserStatus::Blocked, Flash::UserBlocked).await
}

/// POST `/projects/{project}/users/{user}/unblock`.
pub(super) async fn unblock(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    set_status(&app, &place, UserStatus::Active, Flash::UserUnblocked).await
}

async fn set_status(
    app: &Admin,
    place: &InProject,
    status: UserStatus,
    done: Flash,
) -> Result<Response, PageError> {
    let (id, back) = user(place)?;
    let patch = UserPatch {
        status: Patch::Set(status),
    };
    let (authority, project) = (&place.visit.authority, place.project.id);
    service::update(app, authority, project, id, patch, &IfMatch::Any).await?;
    Ok(page::done(&back, done))
}

/// POST `/projects/{project}/users/{user}/sessions/end`.
pub(super) async fn end_all(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let (id, back) = user(&place)?;
    service::end_grants(&app, &place.visit.authority, place.project.id, id).await?;
    Ok(page::done(&back, Flash::UserSessionsEnded))
}

/// POST `/projects/{project}/users/{user}/sessions/{grant}/end`.
pub(super) async fn end_one(State(app): State<Arc<Admin>>, place: InProject) -> Result<Response, PageError> {
    let (id, back) = user(&place)?;
    let grant = place.id("grant", "session")?;
    service::end_grant(&app, &place.visit.authority, place.project.id, id, grant).await?;
    Ok(page::done(&back, Flash::UserSessionEnded))
}

/// The user in the path, and the path of their page.
fn user(place: &InProject) -> Result<(UserId, String), PageError> {
    let id: UserId = place.id("user", "user")?;
    Ok((id, place.path(&format!("/users/{id}"))))
}
