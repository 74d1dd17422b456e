//! The provider's pages: plain HTML, one stylesheet, no script.

use std::{fmt::Write as _, sync::LazyLock};

use axum::response::{IntoResponse, Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderValue, StatusCode, header};
use sha2::{Digest as _, Sha256};

use super::{NO_STORE, authorize::AuthenticationRequest, person::PEOPLE};

const STYLE: &str = include_str!("pages.css");

/// Only our stylesheet, identified by its hash. No `form-action`: browsers also apply it to the redirects after the form, which lead to
/// the gateway and from there to the client.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    let policy =
        format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; frame-ancestors 'none'");
    HeaderValue::from_str(&policy).expect("base64 is a header value")
});

/// The page that asks who you are.
pub(super) fn sign_in(request: &AuthenticationRequest) -> Response {
    let fields = serde_urlencoded::to_string(request).unwrap_or_default();
    let mut hidden = String::new();
    for (name, value) in url::form_urlencoded::parse(fields.as_bytes()) {
        let (name, value) = (escape(&name), escape(&value));
        let _ = write!(
            hidden,
            "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"
        );
    }
    let mut buttons = String::new();
    for person in &PEOPLE {
        let (key, name, email, role) = (person.key, person.name(), person.email, person.role);
        let initial = &person.given_name[..1];
        let _ = write!(
            buttons,
            "<button name=\"user\" value=\"{key}\" aria-label=\"Continue as {name}\">\
             <span class=\"initial {key}\" aria-hidden=\"true\">{initial}</span>\
             <span class=\"who\"><strong>{name}</strong><span>{email} · {role}</span></span></button>"
        );
    }
    let body = format!(
        "<h1>Who are you today?</h1>\
         <p>In your company this would be the sign-in page of Okta, Entra ID, Auth0 or another provider. \
         In the demo there are no passwords: choose a person.</p>\
         <form method=\"post\" action=\"/authorize\">{hidden}{buttons}\
         <button class=\"plain\" name=\"user\" value=\"\">Cancel</button></form>"
    );
    page(StatusCode::OK, "Sign in", &body)
}

/// A message for a person.
pub(super) fn problem(status: StatusCode, title: &str, words: &str) -> Response {
    let body = format!(
        "<h1>{}</h1><p>{}</p><p>Go back to the program you came from and start again there.</p>",
        escape(title),
        escape(words)
    );
    page(status, title, &body)
}

/// The front page, for people who enter the address.
pub(super) async fn home() -> Response {
    let body = "<h1>Demo identity provider</h1>\
                <p>It belongs to <code>gatewright demo</code> and signs in Ada and Grace. Connect an MCP client to the gateway, \
                and the gateway will send you here.</p>";
    page(StatusCode::OK, "Demo identity provider", body)
}

/// The page for any other address.
pub(super) async fn not_found() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "Page not found",
        "The demo identity provider has no such page.",
    )
}

fn page(status: StatusCode, title: &str, body: &str) -> Response {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · Demo provider</title><style>{STYLE}</style></head>\
         <body><main><p class=\"brand\">Demo provider</p>{body}</main></body></html>"
    );
    let headers = [
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (header::CONTENT_SECURITY_POLICY, POLICY.clone()),
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (status, NO_STORE, headers, html).into_response()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
