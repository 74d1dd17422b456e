//! The list of user Sources.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use gatewright_domain::user_source::{UserSource, UserSourceStatus};

use crate::{
    app::App,
    dashboard::{
        error::PageError,
        form::Asked,
        icon::Icon,
        list::{self, ACTIVE, Badge, INACTIVE, ObjectRow, Words},
        page::Section,
        session::InProject,
    },
    service::user_sources as service,
};

const WORDS: Words = Words {
    path: "/user-sources",
    section: Section::UserSources,
    title: "User sources",
    lead: "The OpenID Connect providers your end users sign in with.",
    icon: Icon::Source,
    empty_title: "No user source yet",
    empty_text: "A user source sends your end users to the identity provider they already have. Nobody needs an account here.",
    detail_head: "Subject claim",
    has_status: true,
};

/// GET `/projects/{project}/user-sources`.
pub(super) async fn show(
    State(app): State<Arc<App>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let request = list::request(&asked);
    let read = service::list(&app, &place.visit.authority, place.project.id, &request).await?;
    let callback = app.config.callback_url();
    Ok(list::render(
        &place,
        &WORDS,
        &request,
        read,
        source_row,
        Some(callback),
    ))
}

fn source_row(source: UserSource) -> ObjectRow {
    let mut badges = vec![match source.status {
        UserSourceStatus::Active => ACTIVE,
        UserSourceStatus::Inactive => INACTIVE,
    }];
    if source.client_secret.needs_attention() {
        badges.push(Badge {
            look: "bad",
            text: "Secret refused",
        });
    }
    if source.verified_at.is_none() {
        badges.push(Badge {
            look: "warn",
            text: "Unverified",
        });
    }
    ObjectRow {
        name: source.name,
        place: source.issuer,
        detail: source.subject_claim,
        badges,
    }
}
