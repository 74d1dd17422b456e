//! `/instance/accounts`: everyone who may sign in to the dashboard.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    account::{Account, AccountStatus},
};
use gatewright_store::PageRequest;

use super::{Administrator, ON_A_PAGE};
use crate::{
    Admin,
    error::PageError,
    filters::Filters,
    form::Asked,
    moment::Moment,
    page::{self, Frame, Section},
    service::accounts as service,
};

const PATH: &str = "/instance/accounts";
const FILTERS: &[&str] = &["search"];

struct Row {
    href: String,
    name: String,
    initial: String,
    email: String,
    is_administrator: bool,
    is_proven: bool,
    is_disabled: bool,
    last_sign_in: Option<Moment>,
}

#[derive(Template)]
#[template(path = "dashboard/instance/accounts.html")]
struct AccountsPage {
    frame: Frame,
    filters: Filters,
    /// Where the API has all of them.
    export: String,
    accounts: Vec<Row>,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/instance/accounts`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
    asked: Asked,
) -> Result<Response, PageError> {
    let request = PageRequest {
        after: asked.text("cursor").map(str::to_owned),
        limit: ON_A_PAGE,
    };
    let filters = Filters::at(PATH.to_owned(), &asked, FILTERS);
    let read = match filters.text("search").map(str::trim) {
        Some(search) if !search.is_empty() => {
            service::search(&app, &visit.authority, search, &request).await?
        }
        _ => service::list(&app, &visit.authority, &request).await?,
    };
    let now = app.now();
    Ok(page::show(&AccountsPage {
        frame: visit.frame(Section::InstanceAccounts),
        accounts: read.items.into_iter().map(|account| row(account, now)).collect(),
        first: request.after.is_some().then(|| filters.address(None)),
        next: read.next.map(|next| filters.address(Some(&next))),
        export: filters.export("/api/v1/accounts", &[("search", "search")]),
        filters,
    }))
}

fn row(account: Account, now: Timestamp) -> Row {
    Row {
        href: format!("{PATH}/{}", account.id),
        initial: page::initial(&account.name),
        is_administrator: account.is_instance_admin,
        is_proven: account.address_proven,
        is_disabled: account.status == AccountStatus::Disabled,
        last_sign_in: account.last_sign_in_at.map(|at| Moment::new(at, now)),
        email: account.email.as_str().to_owned(),
        name: account.name,
    }
}
