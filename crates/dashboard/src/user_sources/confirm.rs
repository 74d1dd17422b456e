//! The step before a change that ends sessions: what changes, how many it touches, and whether people become new users.

use askama::Template;
use axum::response::Response;
use gatewright_domain::user_source::UserSource;

use super::{
    detail, edit,
    fields::{SECRET, SHOWN},
};
use crate::{
    form::{Form, Posted},
    list::GatewayLink,
    page::{self, Frame, ProjectLink, Section},
    service::effects::Effects,
    session::InProject,
};

/// A field whose change ends sessions, before and after.
struct Difference {
    label: &'static str,
    before: String,
    after: String,
}

#[derive(Template)]
#[template(path = "dashboard/user_sources/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    project: ProjectLink,
    path: String,
    name: String,
    differences: Vec<Difference>,
    /// Whether issuer or claim change, which with the subject are the user. The client ID is not part of that.
    makes_new_users: bool,
    subject_claim: String,
    gateways: Vec<GatewayLink>,
    gateway_count: usize,
    users: i64,
    sessions: i64,
    /// How many of them sleep because a gateway is inactive.
    asleep: i64,
    /// What the provider was found to do that is worth knowing and not an error.
    warnings: Vec<String>,
    /// What was entered, to be sent again.
    typed: Vec<(&'static str, String)>,
    version: String,
    /// Whether a client secret was entered. No page contains it, so it must be entered again.
    asks_secret: bool,
    form: Form,
}

/// The page for a change that was tried out.
pub(super) fn render(place: &InProject, source: &UserSource, posted: &Posted, effects: Effects) -> Response {
    let fields = [
        ("Issuer URL", &source.issuer, "issuer"),
        ("Client ID", &source.client_id, "client_id"),
        ("Subject Claim", &source.subject_claim, "subject_claim"),
    ];
    let makes_new_users =
        source.issuer != posted.text("issuer") || source.subject_claim != posted.text("subject_claim");
    let differences = fields.into_iter().filter_map(|(label, before, name)| {
        let after = posted.text(name);
        (before != after).then(|| Difference {
            label,
            before: before.clone(),
            after: after.to_owned(),
        })
    });
    let typed = SHOWN.map(|name| (name, posted.text(name).to_owned()));
    page::show(&ConfirmPage {
        frame: place.frame(Section::UserSources),
        project: place.project.clone(),
        path: place.path(&format!("/user-sources/{}", source.id)),
        name: source.name.clone(),
        differences: differences.collect(),
        makes_new_users,
        subject_claim: source.subject_claim.clone(),
        gateway_count: effects.gateways.len(),
        gateways: detail::links(place, &effects.gateways),
        users: effects.users,
        sessions: effects.sessions(),
        asleep: effects.sleeping_grants,
        warnings: effects
            .warnings
            .into_iter()
            .map(|finding| format!("{} {}", finding.found, finding.remedy))
            .collect(),
        typed: typed.into(),
        version: edit::version(source.updated_at),
        asks_secret: !posted.secret(SECRET).expose().is_empty(),
        form: Form::default(),
    })
}
