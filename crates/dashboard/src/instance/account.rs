//! `/instance/accounts/{account}`: one account, and what an administrator of the instance may do with it.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, State},
    response::Response,
};
use gatewright_domain::{
    account::{Account, AccountStatus},
    id::AccountId,
};

use super::Administrator;
use crate::{
    Admin,
    error::PageError,
    flash::Flash,
    form::{Form, Posted},
    moment::Moment,
    page::{self, Frame, Section},
    role,
    service::{
        IfMatch, Patch, ServiceError,
        accounts::{self as service, AccountPatch},
    },
    session::Visit,
};

struct ProjectRow {
    name: String,
    role: &'static str,
}

#[derive(Template)]
#[template(path = "dashboard/instance/account.html")]
struct AccountPage {
    frame: Frame,
    form: Form,
    /// A link to choose a new password, which exists in this answer only.
    link: Option<String>,
    path: String,
    account: Account,
    is_self: bool,
    is_active: bool,
    created: Moment,
    last_sign_in: Option<Moment>,
    projects: Vec<ProjectRow>,
    /// Other accounts of the same address, which go when this one is proven.
    others: Vec<OtherRow>,
}

struct OtherRow {
    href: String,
    name: String,
    created: Moment,
}

/// GET `/instance/accounts/{account}`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    render(&app, &visit, parse(&id)?, Form::default(), None).await
}

/// POST `/instance/accounts/{account}/status`.
pub(super) async fn set_status(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let (status, flash) = match posted.text("status") {
        "disabled" => (AccountStatus::Disabled, Flash::AccountDisabled),
        _ => (AccountStatus::Active, Flash::AccountEnabled),
    };
    let patch = AccountPatch {
        status: Patch::Set(status),
        ..AccountPatch::default()
    };
    change(&app, &visit, parse(&id)?, &posted, patch, flash).await
}

/// POST `/instance/accounts/{account}/administrator`.
pub(super) async fn set_administrator(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let is_administrator = posted.text("administrator") == "yes";
    let flash = if is_administrator {
        Flash::AdministratorMade
    } else {
        Flash::AdministratorUnmade
    };
    let patch = AccountPatch {
        is_instance_admin: Patch::Set(is_administrator),
        ..AccountPatch::default()
    };
    change(&app, &visit, parse(&id)?, &posted, patch, flash).await
}

/// POST `/instance/accounts/{account}/proven`.
pub(super) async fn prove(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let patch = AccountPatch {
        address_proven: Patch::Set(true),
        ..AccountPatch::default()
    };
    change(&app, &visit, parse(&id)?, &posted, patch, Flash::AddressProven).await
}

/// POST `/instance/accounts/{account}/end-sessions`.
pub(super) async fn end_sessions(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
) -> Result<Response, PageError> {
    let id = parse(&id)?;
    service::end_sessions_of(&app, &visit.authority, id).await?;
    Ok(page::done(&path(id), Flash::SessionsEnded))
}

/// POST `/instance/accounts/{account}/password-link`. The answer is the page itself: the link exists in it alone.
pub(super) async fn offer_password(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    Path(id): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let id = parse(&id)?;
    match service::offer_password(&app, &visit.authority, id).await {
        Ok(link) => render(&app, &visit, id, Form::default(), Some(link)).await,
        Err(error) => refused(&app, &visit, id, &posted, error).await,
    }
}

async fn change(
    app: &Admin,
    visit: &Visit,
    id: AccountId,
    posted: &Posted,
    patch: AccountPatch,
    flash: Flash,
) -> Result<Response, PageError> {
    match service::update(app, &visit.authority, id, patch, &IfMatch::Any).await {
        // Anyone who stops being an administrator has no page here any more.
        Ok(account) if !account.is_instance_admin && is_self(visit, id) => Ok(page::done("/projects", flash)),
        Ok(_) => Ok(page::done(&path(id), flash)),
        Err(error) => refused(app, visit, id, posted, error).await,
    }
}

async fn refused(
    app: &Admin,
    visit: &Visit,
    id: AccountId,
    posted: &Posted,
    error: ServiceError,
) -> Result<Response, PageError> {
    let form = Form::refused(posted, &[], &[], error)?;
    render(app, visit, id, form, None).await
}

fn is_self(visit: &Visit, id: AccountId) -> bool {
    visit.session.account.id == id
}

fn parse(id: &str) -> Result<AccountId, PageError> {
    id.parse().map_err(|_| PageError::NotFound("account"))
}

fn path(id: AccountId) -> String {
    format!("/instance/accounts/{id}")
}

async fn render(
    app: &Admin,
    visit: &Visit,
    id: AccountId,
    form: Form,
    link: Option<String>,
) -> Result<Response, PageError> {
    let account = service::find(app, &visit.authority, id).await?;
    let memberships = service::memberships_of(app, &visit.authority, id).await?;
    let others = service::others_of_address(app, &visit.authority, &account).await?;
    let now = app.now();
    let other = |other: Account| OtherRow {
        href: path(other.id),
        name: other.name,
        created: Moment::new(other.created_at, now),
    };
    Ok(page::show_with(
        form.status(),
        &AccountPage {
            frame: visit.frame(Section::InstanceAccounts),
            form,
            link,
            path: path(id),
            is_self: is_self(visit, id),
            is_active: account.status == AccountStatus::Active,
            created: Moment::new(account.created_at, now),
            last_sign_in: account.last_sign_in_at.map(|at| Moment::new(at, now)),
            account,
            others: others.into_iter().map(other).collect(),
            projects: memberships
                .into_iter()
                .map(|membership| ProjectRow {
                    name: membership.project_name,
                    role: role::of_member(membership.role).label,
                })
                .collect(),
        },
    ))
}
