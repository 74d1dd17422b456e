//! The page that says a thing is done and the window can be closed.

use askama::Template;
use axum::response::Response;
use http::StatusCode;

use super::{STYLE, render};

/// A page that says what is done.
#[derive(Debug, Clone)]
pub(crate) struct DonePage {
    /// What is done, in a few words.
    pub title: String,
    /// What that means, in one or two plain sentences. Escaped when rendered.
    pub explanation: String,
}

#[derive(Template)]
#[template(path = "done.html")]
struct DoneTemplate<'a> {
    style: &'static str,
    title: &'a str,
    explanation: &'a str,
}

/// Renders a page that says a thing is done.
pub(crate) fn done(page: &DonePage) -> Response {
    let template = DoneTemplate {
        style: STYLE,
        title: &page.title,
        explanation: &page.explanation,
    };
    render(StatusCode::OK, &template)
}
