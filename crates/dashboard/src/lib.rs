//! The dashboard: pages for people who administer. Server-rendered, every form works without script, nothing is loaded from
//! elsewhere. Handlers translate between HTML and the service functions and decide nothing themselves.

mod account_page;
mod activity;
mod api_keys;
mod assets;
mod audit;
mod browser;
mod chart;
mod compress;
mod counted;
mod deleting;
mod error;
mod filters;
mod flash;
mod form;
mod form_address;
mod gateways;
mod help;
mod icon;
mod incidents;
mod instance;
mod invitation;
mod key;
mod list;
mod managed;
mod matters;
mod members;
mod moment;
mod overview;
mod page;
mod projects;
mod reset_password;
mod role;
mod router;
mod secrets;
mod servers;
mod session;
mod settings;
mod setup;
mod sign_in;
mod sign_ins;
mod single_sign_on;
mod switching;
#[cfg(test)]
mod tests;
mod told;
mod user_sources;
mod users;

use std::sync::Arc;

use axum::{
    Extension, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
};
use http::{HeaderMap, header};

use self::{
    error::{Message, PageError},
    flash::Flash,
};
use crate::{
    request::RequestContext,
    routing::{form, get, post},
    same_origin::is_same_origin,
    service::{ServiceError, account_sessions::Begun},
    session_cookie as cookie,
};

pub use self::router::{front, front_with, router};
#[cfg(test)]
pub(crate) use gatewright_admin::testing;
pub(crate) use gatewright_admin::{Admin, account, client_setup, service};
pub(crate) use gatewright_core::{next, request, routing, same_origin, session_cookie};
pub(crate) use gatewright_gateway::{authorization_server, relying_party, resource_server};

/// Routes.
fn routes(app: &Arc<Admin>) -> Router<Arc<Admin>> {
    let in_project = Router::new()
        .route("/", get(overview::show))
        .merge(activity::routes())
        .merge(gateways::routes())
        .merge(user_sources::routes())
        .merge(servers::routes())
        .merge(secrets::routes())
        .merge(users::routes())
        .merge(sign_ins::routes())
        .merge(incidents::routes())
        .merge(audit::routes())
        .route("/members", form(members::show, members::invite))
        .route("/members/{account}/role", post(members::change_role))
        .route("/members/{account}/remove", post(members::remove))
        .route(
            "/invitations/{invitation}/revoke",
            post(members::revoke_invitation),
        )
        .route("/api-keys", form(api_keys::show, api_keys::create))
        .route("/api-keys/{key}/revoke", post(api_keys::revoke))
        .route("/api-keys/{key}/rotate", post(api_keys::rotate))
        .route("/settings", form(settings::show, settings::rename))
        .route("/settings/delete", post(settings::delete));
    Router::new()
        .route("/", get(projects::start))
        .route("/sign-in", form(sign_in::show, sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/account", get(account_page::show))
        .route("/account/name", post(account_page::rename))
        .route("/account/password", post(account_page::change_password))
        .route(
            "/account/sessions/end-others",
            post(account_page::end_other_sessions),
        )
        .route("/account/sessions/{session}/end", post(account_page::end_session))
        .route("/account/oidc", get(single_sign_on::begin))
        .route(
            single_sign_on::CALLBACK,
            form(single_sign_on::callback, single_sign_on::posted),
        )
        .route("/account/setup/{token}", form(setup::show, setup::complete))
        .route(
            "/account/reset/{token}",
            form(reset_password::show, reset_password::complete),
        )
        .route(
            "/account/invitations/{token}",
            form(invitation::show, invitation::accept),
        )
        .route("/projects", form(projects::show, projects::create))
        .route("/projects/{project}/join", post(projects::join))
        .merge(instance::routes())
        .nest("/projects/{project}", in_project)
        .merge(help::routes())
        .method_not_allowed_fallback(form_address::wrong_method)
        .layer(middleware::from_fn_with_state(Arc::clone(app), guard))
        .route("/assets/{name}", get(assets::serve))
}

/// A page for a path where there is nothing, when a browser asks for one.
fn missing_page(context: &RequestContext, headers: &HeaderMap) -> Option<Response> {
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accepts
        .is_some_and(|types| types.contains("text/html"))
        .then(|| Message::from(PageError::NotFound("page")).render(context))
}

/// The page of a link that no longer works.
pub fn dead_link(context: &RequestContext, advice: &'static str) -> Response {
    Message::from(PageError::DeadLink { advice }).render(context)
}

/// Sends someone whose session has just begun to one of our pages, or says why there is none.
pub fn signed_in(
    app: &Admin,
    context: &RequestContext,
    begun: Result<Begun, ServiceError>,
    path: &str,
) -> Response {
    match begun {
        Ok(begun) => page::go(path, [cookie::set(app.config.public_url(), &begun.token)]),
        Err(error) => Message::from(PageError::from(error)).render(context),
    }
}

/// What applies to every page: a form is accepted only if it was posted from our own page (the session cookie is
/// `SameSite=Lax` too, and no GET changes anything, so nothing more is needed against forms of other sites); what was
/// done is said once; what went wrong is shown on a page with the reference of the request; and pages are compressed.
async fn guard(
    State(app): State<Arc<Admin>>,
    Extension(context): Extension<RequestContext>,
    request: Request,
    next: Next,
) -> Response {
    // A provider that posts its answer does so from its own site, and the page says that such answers are not read.
    let is_ours = request.method().is_safe()
        || request.uri().path() == single_sign_on::CALLBACK
        || is_same_origin(request.headers(), app.config.public_url());
    let was_said = request.method().is_safe() && Flash::of(request.headers()).is_some();
    let is_compressed = compress::is_wanted(request.method(), request.headers());
    let mut response = if is_ours {
        next.run(request).await
    } else {
        PageError::CrossSite.into_response()
    };
    if let Some(message) = response.extensions_mut().remove::<Message>() {
        let retry = response.headers_mut().remove(header::RETRY_AFTER);
        response = message.render(&context);
        if let Some(retry) = retry {
            response.headers_mut().insert(header::RETRY_AFTER, retry);
        }
    }
    if was_said && !response.status().is_redirection() {
        response.headers_mut().append(header::SET_COOKIE, Flash::said());
    }
    if is_compressed {
        response = compress::page(response).await;
    }
    response
}
