//! `/projects/{project}`: what is connected, what needs somebody, and the way to the first working gateway.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    Timestamp,
    gateway::GatewayStatus,
    user_source::{UserSource, UserSourceStatus},
};
use gatewright_store::{PageRequest, gateway_list::GatewayFilter, project_contents::ProjectContents};

use super::{
    error::PageError,
    gateways::mode_words,
    icon::Icon,
    moment::Moment,
    page::{self, Frame, ProjectLink, Section},
    session::InProject,
};
use crate::{
    app::App,
    service::{gateways, projects, user_sources},
};

/// Gateways shown here; the list of all is one click away.
const GATEWAYS: u32 = 5;
/// Sources looked through for what needs attention.
const SOURCES: u32 = 200;

/// Something that needs somebody.
struct Matter {
    source: String,
    what: &'static str,
    since: Option<Moment>,
    advice: &'static str,
}

struct Step {
    title: &'static str,
    text: &'static str,
    is_done: bool,
}

struct Number {
    href: String,
    count: i64,
    label: &'static str,
    icon: Icon,
}

struct GatewayRow {
    name: String,
    url: String,
    mode: &'static str,
    is_active: bool,
}

#[derive(Template)]
#[template(path = "dashboard/overview.html")]
struct OverviewPage {
    frame: Frame,
    project: ProjectLink,
    matters: Vec<Matter>,
    is_complete: bool,
    steps: [Step; 3],
    numbers: Vec<Number>,
    gateways: Vec<GatewayRow>,
}

/// GET `/projects/{project}`.
pub(super) async fn show(State(app): State<Arc<App>>, place: InProject) -> Result<Response, PageError> {
    let (authority, project) = (&place.visit.authority, place.project.id);
    let first = |limit| PageRequest { after: None, limit };
    let contents = projects::contents(&app, authority, project).await?;
    let sources = user_sources::list(&app, authority, project, &first(SOURCES)).await?;
    let gateways = gateways::list(
        &app,
        authority,
        project,
        &GatewayFilter::default(),
        &first(GATEWAYS),
    )
    .await?;
    let gateways = gateways.items.into_iter().map(|gateway| GatewayRow {
        url: app.config.gateway_url(&gateway.slug),
        mode: mode_words(gateway.authentication.mode()),
        is_active: gateway.status == GatewayStatus::Active,
        name: gateway.name,
    });
    let now = app.now();
    Ok(page::show(&OverviewPage {
        frame: place.frame(Section::Overview),
        project: place.project.clone(),
        matters: sources
            .items
            .iter()
            .filter_map(|source| matter(source, now))
            .collect(),
        is_complete: contents.gateways > 0 && contents.servers > 0,
        steps: steps(&contents),
        numbers: numbers(&place, &contents),
        gateways: gateways.collect(),
    }))
}

/// What is wrong with a source, the gravest first.
fn matter(source: &UserSource, now: Timestamp) -> Option<Matter> {
    if source.status == UserSourceStatus::Inactive {
        return None;
    }
    let name = source.name.clone();
    if let Some(since) = source.client_secret.refused_at {
        return Some(Matter {
            source: name,
            what: "the provider refuses the client secret",
            since: Some(Moment::new(since, now)),
            advice: "Look up the secret at the provider and set it anew. While there is an older one that works, sign-ins go on with it.",
        });
    }
    source.verified_at.is_none().then_some(Matter {
        source: name,
        what: "saved without checking",
        since: None,
        advice: "Nobody knows yet whether sign-ins through it work. Test the connection, or save it again with checks.",
    })
}

const fn steps(contents: &ProjectContents) -> [Step; 3] {
    [
        Step {
            title: "Register a server",
            text: "The MCP server whose tools your users call.",
            is_done: contents.servers > 0,
        },
        Step {
            title: "Connect a user source",
            text: "The OpenID Connect provider your end users sign in with.",
            is_done: contents.user_sources > 0,
        },
        Step {
            title: "Create a gateway",
            text: "The URL that clients connect to. It brings servers and users together.",
            is_done: contents.gateways > 0,
        },
    ]
}

/// Only what has a page of its own leads on.
fn numbers(place: &InProject, contents: &ProjectContents) -> Vec<Number> {
    [
        ("/gateways", contents.gateways, "Gateways", Icon::Gateway),
        (
            "/user-sources",
            contents.user_sources,
            "User sources",
            Icon::Source,
        ),
        ("/servers", contents.servers, "Servers", Icon::Server),
        ("/members", contents.members, "Members", Icon::Members),
        ("/api-keys", contents.api_keys, "API keys", Icon::Key),
        ("", contents.users, "Users", Icon::Person),
    ]
    .into_iter()
    .map(|(path, count, label, icon)| Number {
        href: if path.is_empty() {
            String::new()
        } else {
            place.path(path)
        },
        count,
        label,
        icon,
    })
    .collect()
}
