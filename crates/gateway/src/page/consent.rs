//! The consent page: who asks, for what, and where the answer goes, before anything is sent to an identity provider.

use askama::Template;
use axum::response::Response;
use gatewright_domain::{account::Account, reference::Reference};
use http::StatusCode;

use super::{STYLE, render};

/// What the consent page shows. Texts a stranger chose are escaped and their direction isolated by the template; the
/// client's name was made harmless and cut when the client was read.
#[derive(Debug, Clone)]
pub(crate) struct ConsentPage<'a> {
    /// What the client calls itself, if anything.
    pub client_name: Option<&'a str>,
    /// How far that name can be believed, in a sentence.
    pub vouching: String,
    /// The gateway's name.
    pub gateway_name: &'a str,
    /// Host or scheme of the redirect URI.
    pub destination: String,
    /// The redirect URI in full.
    pub redirect_uri: &'a str,
    /// Whether staying signed in was asked for.
    pub offline_access: bool,
    /// The member who is signed in and asked; no one yet where people sign in at a provider.
    pub member: Option<&'a Account>,
    /// What to be careful about.
    pub warning: Option<Warning>,
    /// Where the form goes: a path of ours.
    pub action: String,
    /// The page on which the person finds their connected apps: a path of ours.
    pub connections: String,
    /// The request, sealed.
    pub sealed: &'a str,
    /// A short reference that finds the trace and the log entry.
    pub reference: Reference,
}

/// A warning on the consent page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Warning {
    /// In a few words.
    pub title: &'static str,
    /// In one or two sentences, with what to do.
    pub text: &'static str,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentTemplate<'a> {
    style: &'static str,
    client_name: Option<&'a str>,
    vouching: &'a str,
    gateway_name: &'a str,
    destination: &'a str,
    redirect_uri: &'a str,
    offline_access: bool,
    member: Option<&'a Account>,
    warning: Option<Warning>,
    action: &'a str,
    connections: &'a str,
    sealed: &'a str,
    reference: Reference,
}

/// Renders the consent page.
pub(crate) fn consent(page: &ConsentPage<'_>) -> Response {
    let template = ConsentTemplate {
        style: STYLE,
        client_name: page.client_name,
        vouching: &page.vouching,
        gateway_name: page.gateway_name,
        destination: &page.destination,
        redirect_uri: page.redirect_uri,
        offline_access: page.offline_access,
        member: page.member,
        warning: page.warning,
        action: &page.action,
        connections: &page.connections,
        sealed: page.sealed,
        reference: page.reference,
    };
    render(StatusCode::OK, &template)
}
