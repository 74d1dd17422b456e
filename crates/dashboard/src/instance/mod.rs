//! The instance: its accounts, its keys, its streams, what happened to it, and what it is. For its administrators only; for everyone else
//! there is nothing here.

mod about;
mod account;
mod accounts;
mod audit;
mod keys;
mod streams;

use std::sync::Arc;

use axum::{Router, extract::FromRequestParts};
use http::request::Parts;

use super::{error::PageError, session::Visit};
use crate::{
    Admin,
    routing::{form, get, post},
};

/// Rows on a page of a list.
const ON_A_PAGE: u32 = 50;

/// Routes.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/instance", get(about::show))
        .route("/instance/accounts", get(accounts::show))
        .route("/instance/accounts/{account}", get(account::show))
        .route("/instance/accounts/{account}/status", post(account::set_status))
        .route(
            "/instance/accounts/{account}/administrator",
            post(account::set_administrator),
        )
        .route(
            "/instance/accounts/{account}/end-sessions",
            post(account::end_sessions),
        )
        .route(
            "/instance/accounts/{account}/password-link",
            post(account::offer_password),
        )
        .route("/instance/accounts/{account}/proven", post(account::prove))
        .route("/instance/keys", form(keys::show, keys::create))
        .route("/instance/keys/{key}/revoke", post(keys::revoke))
        .route("/instance/keys/{key}/rotate", post(keys::rotate))
        .route("/instance/streams", get(streams::list::show))
        .route(
            "/instance/streams/new",
            form(streams::create::show, streams::create::save),
        )
        .route(
            "/instance/streams/{stream}",
            form(streams::detail::show, streams::detail::save),
        )
        .route(
            "/instance/streams/{stream}/status",
            post(streams::detail::set_status),
        )
        .route("/instance/streams/{stream}/test", post(streams::detail::test))
        .route("/instance/streams/{stream}/delete", post(streams::detail::delete))
        .route("/instance/audit", get(audit::show))
}

/// An administrator of the instance.
struct Administrator(Visit);

impl FromRequestParts<Arc<Admin>> for Administrator {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<Admin>) -> Result<Self, PageError> {
        let visit = Visit::from_request_parts(parts, app).await?;
        if visit.authority.manages_instance() {
            Ok(Self(visit))
        } else {
            Err(PageError::NotFound("page"))
        }
    }
}
