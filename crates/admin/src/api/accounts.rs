//! `/accounts`, for administrators of the instance.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use gatewright_domain::{
    Timestamp,
    account::{Account, AccountStatus, Email},
    id::AccountId,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    resource::{Resource, listed, shown},
    version::{Precondition, Versioned},
};
use crate::{
    Admin, schema,
    service::{
        Version,
        accounts::{self as service, AccountPatch},
    },
};

/// A person who administers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(crate) struct AccountResource {
    #[schema(value_type = String)]
    id: AccountId,
    #[schema(value_type = String, format = Email)]
    email: Email,
    name: String,
    /// Whether it can sign in with a password.
    has_password: bool,
    /// Whether it manages the projects and accounts of the instance.
    is_instance_admin: bool,
    /// Whether single sign-on or an administrator of the instance has proved that the address is this person's. Until then it
    /// is what an inviter entered.
    address_proven: bool,
    #[schema(schema_with = schema::account_status)]
    status: AccountStatus,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_sign_in_at: Option<Timestamp>,
}

/// A link with which the owner of an account chooses a new password.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PasswordLink {
    /// It works once, within an hour, and only while its creator administers the instance. It is only in this response.
    #[schema(format = "uri", extensions(("x-shown-once" = json!(true))))]
    link: String,
}

/// Which accounts to return, and which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AccountQuery {
    /// Items at most, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^[A-Za-z0-9_]{0,100}$")]
    cursor: Option<String>,
    /// Only accounts whose name or e-mail address contains this text.
    search: Option<String>,
}

impl Resource for AccountResource {
    type Of = Account;

    fn version(account: &Account) -> Version {
        account.updated_at.into()
    }

    fn of(_: &Admin, account: Account) -> Self {
        Self {
            id: account.id,
            email: account.email,
            name: account.name,
            has_password: account.has_password,
            is_instance_admin: account.is_instance_admin,
            address_proven: account.address_proven,
            status: account.status,
            created_at: account.created_at,
            updated_at: account.updated_at,
            last_sign_in_at: account.last_sign_in_at,
        }
    }
}

/// List accounts, oldest first
///
/// Needs an administrator of the instance, or an instance key.
#[utoipa::path(
    get,
    path = "/api/v1/accounts",
    tag = "Accounts",
    params(AccountQuery),
    responses((status = 200, body = List<AccountResource>))
)]
pub(super) async fn list_accounts(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Parameters(query): Parameters<AccountQuery>,
) -> Result<List<AccountResource>, Problem> {
    let page = Paging::request::<AccountId>(query.limit, query.cursor)?;
    let page = match query.search {
        Some(text) => service::search(&app, &authority, &text, &page).await?,
        None => service::list(&app, &authority, &page).await?,
    };
    Ok(listed(&app, page))
}

/// Read an account
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{account}",
    tag = "Accounts",
    responses((status = 200, body = AccountResource))
)]
pub(super) async fn get_account(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(account): Ids<AccountId>,
) -> Result<Versioned<AccountResource>, Problem> {
    Ok(shown(&app, service::find(&app, &authority, account).await?))
}

/// Disable or enable an account, prove its address, or change whether it administers the instance
///
/// For signed-in administrators of the instance: a key cannot do it. Its sessions end. The last active administrator of
/// the instance remains one.
#[utoipa::path(
    patch,
    path = "/api/v1/accounts/{account}",
    tag = "Accounts",
    request_body = AccountPatch,
    responses((status = 200, body = AccountResource))
)]
pub(super) async fn update_account(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(account): Ids<AccountId>,
    Precondition(if_match): Precondition,
    Input(patch): Input<AccountPatch>,
) -> Result<Versioned<AccountResource>, Problem> {
    let account = service::update(&app, &authority, account, patch, &if_match).await?;
    Ok(shown(&app, account))
}

/// Create a link with which the owner of an account chooses a new password
///
/// For signed-in administrators of the instance: a key cannot do it. The present password works until the link is used. Enable
/// a disabled account first. The trail of the instance and of each of the account's projects shows it.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{account}/password-link",
    tag = "Accounts",
    responses((status = 200, body = PasswordLink))
)]
pub(super) async fn make_password_link(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(account): Ids<AccountId>,
) -> Result<Json<PasswordLink>, Problem> {
    let link = service::offer_password(&app, &authority, account).await?;
    Ok(Json(PasswordLink { link }))
}

/// End every session of an account
///
/// The caller's own session remains. The account can sign in again; disable it to prevent that.
#[utoipa::path(
    post,
    path = "/api/v1/accounts/{account}/end-sessions",
    tag = "Accounts",
    responses((status = 204, description = "Ended."))
)]
pub(super) async fn end_account_sessions(
    Caller(authority): Caller,
    State(app): State<Arc<Admin>>,
    Ids(account): Ids<AccountId>,
) -> Result<StatusCode, Problem> {
    service::end_sessions_of(&app, &authority, account).await?;
    Ok(StatusCode::NO_CONTENT)
}
