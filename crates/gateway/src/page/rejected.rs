//! The page for an authorization request that cannot be accepted, of an app that no one here has listed: the app learns of it only
//! if the person goes back to it.

use askama::Template;
use axum::response::Response;
use gatewright_domain::reference::Reference;
use http::StatusCode;

use super::{STYLE, render};

/// What the page shows.
#[derive(Debug, Clone)]
pub(crate) struct RejectedPage<'a> {
    /// What is wrong, in a sentence of ours.
    pub description: &'a str,
    /// The error code of OAuth.
    pub code: &'a str,
    /// Host or scheme of the redirect URI.
    pub destination: String,
    /// The redirect URI with the error response: where the link goes.
    pub way_back: &'a str,
    /// A short reference that finds the trace and the log entry.
    pub reference: Reference,
}

#[derive(Template)]
#[template(path = "rejected.html")]
struct RejectedTemplate<'a> {
    style: &'static str,
    page: &'a RejectedPage<'a>,
}

/// Renders the page.
pub(crate) fn rejected(page: &RejectedPage<'_>) -> Response {
    render(StatusCode::BAD_REQUEST, &RejectedTemplate { style: STYLE, page })
}
