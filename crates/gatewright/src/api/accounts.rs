//! `/accounts`, for administrators of the instance.

use std::sync::Arc;

use axum::extract::State;
use gatewright_domain::{
    Timestamp,
    account::{Account, AccountStatus, Email},
    id::AccountId,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    authenticate::Caller,
    input::{Ids, Input},
    list::{List, Paging, Parameters},
    problem::Problem,
    schema,
    version::{Precondition, Versioned},
};
use crate::{
    app::App,
    service::accounts::{self as service, AccountPatch},
};

/// A person who administers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub struct AccountResource {
    #[schema(value_type = String)]
    id: AccountId,
    #[schema(value_type = String, format = Email)]
    email: Email,
    name: String,
    /// Whether it can sign in with a password.
    has_password: bool,
    /// Whether it manages projects and accounts of the instance.
    is_instance_admin: bool,
    #[schema(schema_with = schema::account_status)]
    status: AccountStatus,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
    #[schema(value_type = Option<String>, format = DateTime)]
    last_sign_in_at: Option<Timestamp>,
}

fn resource(account: Account) -> AccountResource {
    AccountResource {
        id: account.id,
        email: account.email,
        name: account.name,
        has_password: account.has_password,
        is_instance_admin: account.is_instance_admin,
        status: account.status,
        created_at: account.created_at,
        updated_at: account.updated_at,
        last_sign_in_at: account.last_sign_in_at,
    }
}

pub(super) fn versioned(account: Account) -> Versioned<AccountResource> {
    Versioned {
        updated_at: account.updated_at,
        resource: resource(account),
    }
}

/// List accounts, oldest first
///
/// Needs an administrator of the instance, or an instance key.
#[utoipa::path(
    get,
    path = "/api/v1/accounts",
    tag = "Accounts",
    params(Paging),
    responses((status = 200, body = List<AccountResource>))
)]
pub(super) async fn list_accounts(
    Caller(authority): Caller,
    State(app): State<Arc<App>>,
    Parameters(paging): Parameters<Paging>,
) -> Result<List<AccountResource>, Problem> {
    let page = Paging::request::<AccountId>(paging.limit, paging.cursor)?;
    let page = service::list(&app, &authority, &page).await?;
    Ok(List::of(page, resource))
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
    State(app): State<Arc<App>>,
    Ids(account): Ids<AccountId>,
) -> Result<Versioned<AccountResource>, Problem> {
    Ok(versioned(service::find(&app, &authority, account).await?))
}

/// Disable or enable an account, or change whether it administers the instance
///
/// Its sessions end. The last active administrator of the instance stays one.
#[utoipa::path(
    patch,
    path = "/api/v1/accounts/{account}",
    tag = "Accounts",
    request_body = AccountPatch,
    responses((status = 200, body = AccountResource))
)]
pub(super) async fn update_account(
    Caller(authority): Caller,
    State(app): State<Arc<App>>,
    Ids(account): Ids<AccountId>,
    Precondition(if_match): Precondition,
    Input(patch): Input<AccountPatch>,
) -> Result<Versioned<AccountResource>, Problem> {
    let account = service::update(&app, &authority, account, patch, &if_match).await?;
    Ok(versioned(account))
}
