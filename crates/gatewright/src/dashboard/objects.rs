//! Lists of what a project has, to look at: gateways, User Sources, servers.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    gateway::{Gateway, GatewayStatus, Mode},
    server::{IdentityForwarding, Server},
    user_source::{UserSource, UserSourceStatus},
};
use gatewright_store::{Page, PageRequest};

use super::{
    error::PageError,
    form::Asked,
    icon::Icon,
    page::{self, Frame, ProjectLink, Section},
    session::InProject,
};
use crate::{
    app::App,
    service::{gateways, servers, user_sources},
};

/// Rows on a page of a list.
const ON_A_PAGE: u32 = 50;

/// A word about the state of a thing.
struct Badge {
    look: &'static str,
    text: &'static str,
}

const ACTIVE: Badge = Badge {
    look: "good",
    text: "Active",
};
const INACTIVE: Badge = Badge {
    look: "",
    text: "Inactive",
};

/// A thing in the list.
struct ObjectRow {
    name: String,
    place: String,
    detail: String,
    badges: Vec<Badge>,
}

/// What a list says of itself.
struct Words {
    path: &'static str,
    section: Section,
    title: &'static str,
    lead: &'static str,
    icon: Icon,
    empty_title: &'static str,
    empty_text: &'static str,
    detail_head: &'static str,
    has_status: bool,
}

const GATEWAYS: Words = Words {
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

const USER_SOURCES: Words = Words {
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

const SERVERS: Words = Words {
    path: "/servers",
    section: Section::Servers,
    title: "Servers",
    lead: "The MCP servers whose tools gateways offer.",
    icon: Icon::Server,
    empty_title: "No server yet",
    empty_text: "A server is an MCP endpoint reached by Streamable HTTP. Gateways offer its tools to your users.",
    detail_head: "Told about the user",
    has_status: false,
};

#[derive(Template)]
#[template(path = "dashboard/objects.html")]
struct ObjectsPage {
    frame: Frame,
    project: ProjectLink,
    words: &'static Words,
    objects: Vec<ObjectRow>,
    first: Option<String>,
    next: Option<String>,
    /// The redirect URL to register at every provider, on the page of User Sources.
    callback: Option<String>,
}

/// Who the users of a gateway of this mode are, in words.
pub(super) const fn mode_words(mode: Mode) -> &'static str {
    match mode {
        Mode::ProjectMembers => "Project members",
        Mode::UserSource => "User source",
        Mode::Headers => "Headers",
    }
}

/// GET `/projects/{project}/gateways`.
pub(super) async fn gateways(
    State(app): State<Arc<App>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let request = request(&asked);
    let read = gateways::list(&app, &place.visit.authority, place.project.id, &request).await?;
    let row = |gateway: Gateway| ObjectRow {
        place: app.config.gateway_url(&gateway.slug),
        detail: mode_words(gateway.authentication.mode()).to_owned(),
        badges: vec![match gateway.status {
            GatewayStatus::Active => ACTIVE,
            GatewayStatus::Inactive => INACTIVE,
        }],
        name: gateway.name,
    };
    Ok(render(&place, &GATEWAYS, &request, read, row, None))
}

/// GET `/projects/{project}/user-sources`.
pub(super) async fn user_sources(
    State(app): State<Arc<App>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let request = request(&asked);
    let read = user_sources::list(&app, &place.visit.authority, place.project.id, &request).await?;
    let callback = app.config.callback_url();
    Ok(render(
        &place,
        &USER_SOURCES,
        &request,
        read,
        source_row,
        Some(callback),
    ))
}

/// GET `/projects/{project}/servers`.
pub(super) async fn servers(
    State(app): State<Arc<App>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let request = request(&asked);
    let read = servers::list(&app, &place.visit.authority, place.project.id, &request).await?;
    let row = |server: Server| ObjectRow {
        name: server.name,
        place: server.url,
        detail: match server.identity {
            IdentityForwarding::None => "Nothing",
            IdentityForwarding::Assertion => "A signed assertion",
        }
        .to_owned(),
        badges: Vec::new(),
    };
    Ok(render(&place, &SERVERS, &request, read, row, None))
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

fn request(asked: &Asked) -> PageRequest {
    PageRequest {
        after: asked.text("cursor").map(str::to_owned),
        limit: ON_A_PAGE,
    }
}

fn render<T>(
    place: &InProject,
    words: &'static Words,
    request: &PageRequest,
    read: Page<T>,
    row: impl FnMut(T) -> ObjectRow,
    callback: Option<String>,
) -> Response {
    let path = place.path(words.path);
    page::show(&ObjectsPage {
        frame: place.frame(words.section),
        project: place.project.clone(),
        words,
        objects: read.items.into_iter().map(row).collect(),
        first: request.after.as_ref().map(|_| path.clone()),
        next: read.next.map(|next| format!("{path}?cursor={next}")),
        callback,
    })
}
