//! The list of gateways.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use gatewright_domain::gateway::{Gateway, GatewayStatus, Mode};

use crate::{
    app::App,
    dashboard::{
        error::PageError,
        form::Asked,
        icon::Icon,
        list::{self, ACTIVE, INACTIVE, ObjectRow, Words},
        page::Section,
        session::InProject,
    },
    service::gateways as service,
};

const WORDS: Words = Words {
    path: "/gateways",
    section: Section::Gateways,
    title: "Gateways",
    lead: "The URLs that MCP clients connect to. Each brings servers and users together.",
    icon: Icon::Gateway,
    empty_title: "No gateway yet",
    empty_text: "A gateway joins tools of several servers under one URL, and knows on every request who is calling.",
    detail_head: "Who its users are",
    has_status: true,
};

/// Who the users of a gateway of this mode are, in words.
pub(crate) const fn mode_words(mode: Mode) -> &'static str {
    match mode {
        Mode::ProjectMembers => "Project members",
        Mode::UserSource => "User source",
        Mode::Headers => "Headers",
    }
}

/// GET `/projects/{project}/gateways`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let request = list::request(&asked);
    let read = service::list(&app, &place.visit.authority, place.project.id, &request).await?;
    let row = |gateway: Gateway| ObjectRow {
        place: app.config.gateway_url(&gateway.slug),
        detail: mode_words(gateway.authentication.mode()).to_owned(),
        badges: vec![match gateway.status {
            GatewayStatus::Active => ACTIVE,
            GatewayStatus::Inactive => INACTIVE,
        }],
        name: gateway.name,
    };
    Ok(list::render(&place, &WORDS, &request, read, row, None))
}
