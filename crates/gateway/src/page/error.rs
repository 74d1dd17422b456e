//! The page that says what went wrong, why, and what to do next.

use askama::Template;
use axum::response::Response;
use gatewright_domain::reference::Reference;
use http::StatusCode;

use super::{STYLE, render};

/// A page that says what happened, why, and what to do next.
#[derive(Debug, Clone)]
pub(crate) struct ErrorPage {
    /// The HTTP status.
    pub status: StatusCode,
    /// What happened, in a few words.
    pub title: String,
    /// Why, in one or two plain sentences. Escaped when rendered; may not contain anything a stranger chose beyond 80 characters.
    pub explanation: String,
    /// What to do next.
    pub advice: String,
    /// A short reference that finds the trace and the log entry.
    pub reference: Reference,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate<'a> {
    style: &'static str,
    title: &'a str,
    explanation: &'a str,
    advice: &'a str,
    reference: Reference,
}

/// Renders an error page.
pub(crate) fn error(page: &ErrorPage) -> Response {
    let template = ErrorTemplate {
        style: STYLE,
        title: &page.title,
        explanation: &page.explanation,
        advice: &page.advice,
        reference: page.reference,
    };
    render(page.status, &template)
}
