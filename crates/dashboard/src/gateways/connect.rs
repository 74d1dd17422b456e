//! `/projects/{project}/gateways/{gateway}/connect`: what to type into each MCP client, and what people see then.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{
    gateway::{Authentication, Gateway, GatewayStatus, Mode},
    id::GatewayId,
    member::Role,
    user_source::{UserSource, UserSourceStatus},
};
use url::Url;

use crate::{
    Admin,
    client_setup::{ClientSetup, KEY, USER},
    error::PageError,
    form::Asked,
    page::{self, Frame, ProjectLink, Section},
    service::{gateways as service, user_sources},
    session::InProject,
};

/// A client with its own setup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Client {
    ClaudeCode,
    ClaudeDesktop,
    Cursor,
    VsCode,
    ChatGpt,
    Inspector,
    Other,
}

/// How a client introduces itself to a gateway that people sign in to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Introduction {
    /// By a metadata document if the gateway accepts it, otherwise by registering itself.
    Either,
    /// By registering itself.
    Registration,
}

impl Client {
    const ALL: [Self; 7] = [
        Self::ClaudeCode,
        Self::ClaudeDesktop,
        Self::Cursor,
        Self::VsCode,
        Self::ChatGpt,
        Self::Inspector,
        Self::Other,
    ];

    /// Its name in the address.
    const fn word(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::ClaudeDesktop => "claude-desktop",
            Self::Cursor => "cursor",
            Self::VsCode => "vs-code",
            Self::ChatGpt => "chatgpt",
            Self::Inspector => "inspector",
            Self::Other => "other",
        }
    }

    /// Its name.
    const fn label(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::ClaudeDesktop => "Claude Desktop",
            Self::Cursor => "Cursor",
            Self::VsCode => "VS Code",
            Self::ChatGpt => "ChatGPT",
            Self::Inspector => "MCP Inspector",
            Self::Other => "Other clients",
        }
    }

    /// Its name in a sentence.
    const fn in_words(self) -> &'static str {
        match self {
            Self::Other => "the client",
            named => named.label(),
        }
    }

    /// Whether it connects from its maker's computers and not from the person's own.
    const fn is_in_the_cloud(self) -> bool {
        matches!(self, Self::ClaudeDesktop | Self::ChatGpt)
    }

    const fn introduction(self) -> Option<Introduction> {
        match self {
            Self::ClaudeCode | Self::ClaudeDesktop | Self::VsCode | Self::ChatGpt => {
                Some(Introduction::Either)
            }
            Self::Cursor | Self::Inspector => Some(Introduction::Registration),
            Self::Other => None,
        }
    }
}

/// A client to choose.
struct Tab {
    /// Keeps the focus when the page is replaced in part.
    id: &'static str,
    href: String,
    label: &'static str,
    is_chosen: bool,
}

/// The identity provider that people sign in at.
struct Provider {
    name: String,
    host: String,
    is_active: bool,
}

impl Provider {
    fn of(source: UserSource) -> Self {
        let host = Url::parse(&source.issuer).ok();
        Self {
            host: host
                .and_then(|issuer| issuer.host_str().map(str::to_owned))
                .unwrap_or(source.issuer),
            is_active: source.status == UserSourceStatus::Active,
            name: source.name,
        }
    }
}

#[derive(Template)]
#[template(path = "dashboard/gateways/connect.html")]
struct ConnectPage {
    frame: Frame,
    project: ProjectLink,
    gateway: Gateway,
    url: String,
    mode: Mode,
    is_active: bool,
    /// Whether no computer but this one reaches the gateway.
    is_loopback: bool,
    provider: Option<Provider>,
    tabs: Vec<Tab>,
    client: Client,
    setup: ClientSetup,
    /// Why the chosen client is refused here, if it is.
    turned_away: Option<&'static str>,
    key_placeholder: &'static str,
    user_placeholder: &'static str,
    role: Role,
}

impl ConnectPage {
    /// Whether the viewer makes keys.
    fn may_make_keys(&self) -> bool {
        self.role == Role::Owner
    }

    /// Whether the viewer calls tools.
    fn may_try(&self) -> bool {
        self.role >= Role::Admin
    }
}

/// GET `/projects/{project}/gateways/{gateway}/connect`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let gateway = service::find(&app, authority, project, id).await?;
    let provider = match gateway.authentication {
        Authentication::UserSource(source) => {
            let source = user_sources::find(&app, authority, project, source).await?;
            Some(Provider::of(source))
        }
        Authentication::ProjectMembers | Authentication::Headers => None,
    };
    let word = asked.text("client").unwrap_or_default();
    let client = Client::ALL.into_iter().find(|client| client.word() == word);
    let client = client.unwrap_or(Client::ClaudeCode);
    let url = app.config.gateway_url(&gateway.slug);
    let path = place.path(&format!("/gateways/{id}/connect"));
    let tabs = Client::ALL.map(|each| Tab {
        id: each.word(),
        href: format!("{path}?client={}", each.word()),
        label: each.label(),
        is_chosen: each == client,
    });
    let mode = gateway.authentication.mode();
    Ok(page::show(&ConnectPage {
        frame: place.frame(Section::Gateways),
        project: place.project.clone(),
        setup: ClientSetup::new(&gateway.slug, &url, mode),
        mode,
        is_active: gateway.status == GatewayStatus::Active,
        is_loopback: app.config.is_loopback(),
        provider,
        tabs: tabs.into(),
        turned_away: turned_away(&gateway, client),
        client,
        url,
        gateway,
        key_placeholder: KEY,
        user_placeholder: USER,
        role: place.role,
    }))
}

/// Why a client cannot introduce itself to a gateway with the ways in that are switched off.
fn turned_away(gateway: &Gateway, client: Client) -> Option<&'static str> {
    if !gateway.authentication.is_oauth() {
        return None;
    }
    let settings = &gateway.settings;
    match client.introduction()? {
        Introduction::Registration if !settings.dynamic_registration => Some(
            "It registers itself with each gateway, and this gateway does not accept that. Turn on “clients that register \
             themselves”, or register the client beforehand.",
        ),
        Introduction::Either if !settings.dynamic_registration && !settings.metadata_documents => Some(
            "This gateway accepts only clients that were registered beforehand. Register it, or turn on one of the other \
             ways.",
        ),
        Introduction::Registration | Introduction::Either => None,
    }
}
