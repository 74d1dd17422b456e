//! The step before a change of who people are: what changes, and how many it touches.

use askama::Template;
use axum::response::Response;
use gatewright_domain::user_source::UserSource;

use super::{
    detail::{self, GatewayLink},
    edit,
    fields::{SECRET, SHOWN},
};
use crate::{
    dashboard::{
        form::{Form, Posted},
        page::{self, Frame, ProjectLink, Section},
        session::InProject,
    },
    service::effects::Effects,
};

/// A field that says who people are, before and after.
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
    gateways: Vec<GatewayLink>,
    gateway_count: usize,
    users: i64,
    sessions: i64,
    /// What the provider was found to do that is no error and better known.
    warnings: Vec<String>,
    /// What was typed, to be sent again.
    typed: Vec<(&'static str, String)>,
    version: String,
    /// Whether a client secret was typed. It is in no page, so it is typed once more.
    asks_secret: bool,
    form: Form,
}

/// The page for a change that was tried out.
pub(super) fn render(place: &InProject, source: &UserSource, posted: &Posted, effects: Effects) -> Response {
    let fields = [
        ("Issuer", &source.issuer, "issuer"),
        ("Client ID", &source.client_id, "client_id"),
        ("Subject claim", &source.subject_claim, "subject_claim"),
    ];
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
        gateway_count: effects.gateways.len(),
        gateways: detail::links(place, &effects.gateways),
        users: effects.users,
        sessions: effects.live_grants,
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
