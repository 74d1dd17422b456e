//! `/instance`: what runs here.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_store::PageRequest;

use super::Administrator;
use crate::{
    Admin,
    error::PageError,
    page::{self, Frame, Section},
    service::accounts,
};

#[derive(Template)]
#[template(path = "dashboard/instance/about.html")]
struct AboutPage {
    frame: Frame,
    version: &'static str,
    public_url: String,
    is_encrypted: bool,
    callback: String,
    store: &'static str,
    data_dir: Option<String>,
    is_current: bool,
    /// The issuer where administrators sign in, if there is one.
    issuer: Option<String>,
    takes_passwords: bool,
}

/// GET `/instance`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    Administrator(visit): Administrator,
) -> Result<Response, PageError> {
    let one = PageRequest::first(1);
    // The service says whether this is open; what follows is of the process itself.
    accounts::list(&app, &visit.authority, &one).await?;
    let config = &app.config;
    let is_postgres = config.is_postgres();
    Ok(page::show(&AboutPage {
        frame: visit.frame(Section::InstanceAbout),
        version: gatewright_core::version::with_commit(),
        public_url: config.public_url().to_owned(),
        is_encrypted: config.public_url().starts_with("https://"),
        callback: config.callback_url(),
        store: if is_postgres { "PostgreSQL" } else { "SQLite" },
        data_dir: (!is_postgres).then(|| config.database.data_dir.display().to_string()),
        is_current: app.directory.is_current(),
        issuer: config
            .administrators
            .provider()
            .map(|provider| provider.issuer.to_owned()),
        takes_passwords: config.administrators.password_sign_in,
    }))
}
