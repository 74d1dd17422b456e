//! The REST API for administrators: `/api/v1/…`, JSON in snake_case, problems as RFC 9457, described by
//! `/api/openapi.json`. Handlers translate between HTTP and the service functions and decide nothing themselves.

pub(crate) mod accounts;
mod activity;
pub(crate) mod api_keys;
mod attempts;
mod audit_chain;
pub(crate) mod audit_events;
mod authenticate;
mod catalogue;
pub(crate) mod clients;
mod document;
pub(crate) mod effects;
mod export;
pub(crate) mod gateways;
mod idempotency;
pub(crate) mod incidents;
mod input;
pub(crate) mod invitations;
mod list;
mod managed_objects;
pub(crate) mod members;
pub(crate) mod own_account;
pub(crate) mod preregistered_clients;
pub(crate) mod problem;
pub(crate) mod projects;
mod resource;
mod routes;
pub(crate) mod secrets;
pub(crate) mod server_checks;
pub(crate) mod servers;
pub(crate) mod sign_in_attempts;
mod streams;
mod strict_json;
pub(crate) mod test_sign_ins;
#[cfg(test)]
mod tests;
pub(crate) mod tool_calls;
pub(crate) mod user_sources;
pub(crate) mod users;
mod version;

use std::sync::Arc;

use axum::{
    Router,
    extract::Extension,
    http::{HeaderValue, Method, header},
    middleware,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use gatewright_core::routing::{any, get};
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_axum::router::OpenApiRouter;

use self::{attempts::Attempts, export::Lists, idempotency::Creations, problem::Problem, routes::routes};
use crate::Admin;

/// The maximum size of a body: a gateway with thousands of allowed tools fits, a flood does not.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// Routes.
pub(crate) fn routes(app: &Arc<Admin>) -> Router<Arc<Admin>> {
    let (operations, document) = operations().split_for_parts();
    let document = document::finish(document);
    let creations = Creations::of(Arc::clone(app), &document);
    let lists = Lists::of(Arc::clone(app), &document);
    let document = Bytes::from(document.to_string());
    Router::new()
        .merge(operations)
        .layer(middleware::from_fn_with_state(lists, export::layer))
        .layer(middleware::from_fn_with_state(creations, idempotency::layer))
        .route("/api/openapi.json", get(openapi).layer(Extension(document)))
        .route("/api", any(unknown))
        .route("/api/", any(unknown))
        .route("/api/{*path}", any(unknown))
        .method_not_allowed_fallback(wrong_method)
        .layer(Extension(Arc::new(Attempts::default())))
        .layer(middleware::from_fn(problem::render))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
}

/// Every operation, each with its description.
fn operations() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(routes!(projects::create_project, projects::list_projects))
        .routes(routes!(
            projects::get_project,
            projects::update_project,
            projects::delete_project
        ))
        .routes(routes!(managed_objects::list_managed_objects))
        .routes(routes!(
            user_sources::create_user_source,
            user_sources::list_user_sources
        ))
        .routes(routes!(
            user_sources::get_user_source,
            user_sources::update_user_source,
            user_sources::delete_user_source
        ))
        .routes(routes!(user_sources::test_connection))
        .routes(routes!(user_sources::check_provider))
        .routes(routes!(test_sign_ins::start_test_sign_in))
        .routes(routes!(test_sign_ins::get_test_sign_in))
        .routes(routes!(catalogue::list_provider_presets))
        .routes(routes!(catalogue::list_known_clients))
        .routes(routes!(gateways::create_gateway, gateways::list_gateways))
        .routes(routes!(
            gateways::get_gateway,
            gateways::update_gateway,
            gateways::delete_gateway
        ))
        .routes(routes!(gateways::delete_recorded_arguments))
        .routes(routes!(
            preregistered_clients::create_preregistered_client,
            preregistered_clients::list_preregistered_clients
        ))
        .routes(routes!(
            preregistered_clients::get_preregistered_client,
            preregistered_clients::update_preregistered_client,
            preregistered_clients::delete_preregistered_client
        ))
        .routes(routes!(preregistered_clients::rotate_client_secret))
        .routes(routes!(clients::list_clients))
        .routes(routes!(clients::block_client, clients::list_blocked_clients))
        .routes(routes!(clients::unblock_client))
        .routes(routes!(tool_calls::call_tool))
        .routes(routes!(tool_calls::request_prompt))
        .routes(routes!(tool_calls::request_resource))
        .routes(routes!(servers::create_server, servers::list_servers))
        .routes(routes!(
            servers::get_server,
            servers::update_server,
            servers::delete_server
        ))
        .routes(routes!(
            server_checks::get_server_check,
            server_checks::check_server
        ))
        .routes(routes!(secrets::create_secret, secrets::list_secrets))
        .routes(routes!(
            secrets::get_secret,
            secrets::update_secret,
            secrets::delete_secret
        ))
        .routes(routes!(users::list_users))
        .routes(routes!(users::get_user, users::update_user, users::delete_user))
        .routes(routes!(users::list_grants, users::end_grants))
        .routes(routes!(users::end_grant))
        .routes(routes!(api_keys::create_api_key, api_keys::list_api_keys))
        .routes(routes!(
            api_keys::get_api_key,
            api_keys::update_api_key,
            api_keys::revoke_api_key
        ))
        .routes(routes!(api_keys::rotate_api_key))
        .merge(of_people())
        .routes(routes!(audit_events::list_audit_events))
        .routes(routes!(audit_events::export_audit_events))
        .routes(routes!(audit_events::get_audit_event))
        .routes(routes!(audit_chain::get_audit_chain))
        .routes(routes!(activity::list_activity))
        .routes(routes!(activity::get_activity))
        .routes(routes!(sign_in_attempts::list_sign_in_attempts))
        .routes(routes!(sign_in_attempts::get_sign_in_attempt))
        .routes(routes!(sign_in_attempts::list_sign_in_refusals))
        .routes(routes!(incidents::list_incidents))
        .routes(routes!(incidents::get_incident))
        .routes(routes!(incidents::get_attention))
        .merge(of_instance())
}

/// Operations on the instance itself.
fn of_instance() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(routes!(
            api_keys::create_instance_key,
            api_keys::list_instance_keys
        ))
        .routes(routes!(
            api_keys::get_instance_key,
            api_keys::update_instance_key,
            api_keys::revoke_instance_key
        ))
        .routes(routes!(api_keys::rotate_instance_key))
        .routes(routes!(streams::create_stream, streams::list_streams))
        .routes(routes!(
            streams::get_stream,
            streams::update_stream,
            streams::delete_stream
        ))
        .routes(routes!(streams::test_stream))
        .routes(routes!(audit_events::list_instance_audit_events))
        .routes(routes!(audit_events::export_instance_audit_events))
        .routes(routes!(audit_events::get_instance_audit_event))
        .routes(routes!(audit_chain::get_instance_audit_chain))
}

/// The operations about accounts and members.
fn of_people() -> OpenApiRouter<Arc<Admin>> {
    OpenApiRouter::new()
        .routes(routes!(members::list_members, members::join_project))
        .routes(routes!(members::list_member_grants, members::end_member_grants))
        .routes(routes!(members::end_member_grant))
        .routes(routes!(
            members::get_member,
            members::update_member,
            members::remove_member
        ))
        .routes(routes!(
            invitations::create_invitation,
            invitations::list_invitations
        ))
        .routes(routes!(
            invitations::get_invitation,
            invitations::revoke_invitation
        ))
        .routes(routes!(accounts::list_accounts))
        .routes(routes!(accounts::get_account, accounts::update_account))
        .routes(routes!(accounts::make_password_link))
        .routes(routes!(accounts::end_account_sessions))
        .routes(routes!(
            own_account::get_own_account,
            own_account::update_own_account
        ))
        .routes(routes!(own_account::change_password))
        .routes(routes!(own_account::list_own_memberships))
        .routes(routes!(
            own_account::list_sessions,
            own_account::end_other_sessions
        ))
        .routes(routes!(own_account::end_session))
}

async fn openapi(Extension(document): Extension<Bytes>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], document).into_response()
}

async fn unknown() -> Problem {
    Problem::unknown_route()
}

async fn wrong_method(method: Method) -> Problem {
    Problem::method_not_allowed(&method)
}
