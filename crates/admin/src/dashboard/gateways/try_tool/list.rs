//! `/projects/{project}/gateways/{gateway}/try`: the tools of a gateway, to choose one.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{gateway::Gateway, id::GatewayId, member::Role};
use gatewright_mcp::own_client::OfferedTool;
use serde::Deserialize;
use serde_json::Value;

use super::path_of;
use crate::{
    Admin,
    dashboard::{
        error::PageError,
        form::Asked,
        page::{self, Frame, ProjectLink, Section},
        session::InProject,
    },
    service::{ServiceError, gateways, try_tool as service},
};

/// Tools on a page of the list.
const ON_A_PAGE: usize = 50;
/// Characters of a description in the list.
const DESCRIPTION_MAX: usize = 180;

/// A tool, as its server introduces it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Introduction {
    title: Value,
    description: Value,
    annotations: Value,
}

impl Introduction {
    /// What a server says of a tool. What is not as MCP has it is as good as missing.
    pub(super) fn of(tool: &OfferedTool) -> Self {
        serde_json::from_slice(&tool.listed).unwrap_or_default()
    }

    /// What people call it.
    pub(super) fn title(&self) -> Option<&str> {
        let title = self.title.as_str().or_else(|| self.annotations["title"].as_str());
        title.filter(|title| !title.trim().is_empty())
    }

    /// What it does.
    pub(super) fn description(&self) -> &str {
        self.description.as_str().unwrap_or_default()
    }

    /// What its server says it does to the world; only a hint (MCP, tool annotations).
    pub(super) fn hint(&self) -> Option<(&'static str, &'static str)> {
        let says = |name: &str| self.annotations[name].as_bool();
        match (says("readOnlyHint"), says("destructiveHint")) {
            (Some(true), _) => Some(("good", "Only reads")),
            (_, Some(true)) => Some(("warn", "May destroy")),
            _ => None,
        }
    }

    fn mentions(&self, wanted: &str) -> bool {
        let in_title = self
            .title()
            .is_some_and(|title| title.to_lowercase().contains(wanted));
        in_title || self.description().to_lowercase().contains(wanted)
    }
}

struct ToolRow {
    name: String,
    href: String,
    title: Option<String>,
    description: String,
    hint: Option<(&'static str, &'static str)>,
    server: String,
}

#[derive(Template)]
#[template(path = "dashboard/gateways/try.html")]
struct TryPage {
    frame: Frame,
    project: ProjectLink,
    gateway: Gateway,
    /// Where the page is.
    here: String,
    may_call: bool,
    /// Why there is nothing to choose.
    in_the_way: Option<String>,
    search: String,
    tools: Vec<ToolRow>,
    offered: usize,
    found: usize,
    first: Option<String>,
    next: Option<String>,
}

/// GET `/projects/{project}/gateways/{gateway}/try`.
pub(in crate::dashboard::gateways) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Asked,
) -> Result<Response, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let gateway = gateways::find(&app, authority, project, id).await?;
    let may_call = place.role >= Role::Admin;
    let mut in_the_way = None;
    let mut offered = Vec::new();
    if may_call {
        match service::tools(&app, authority, project, id).await {
            Ok(tools) => offered = tools,
            Err(ServiceError::Conflict(conflict)) => in_the_way = Some(conflict.detail),
            Err(other) => return Err(other.into()),
        }
    }
    let here = place.path(&format!("/gateways/{id}/try"));
    let search = asked.text("q").unwrap_or_default().to_owned();
    let page: usize = asked.text("page").and_then(|page| page.parse().ok()).unwrap_or(0);
    let wanted = search.trim().to_lowercase();
    let matching: Vec<&OfferedTool> = offered
        .iter()
        .filter(|tool| {
            wanted.is_empty()
                || tool.name.to_lowercase().contains(&wanted)
                || Introduction::of(tool).mentions(&wanted)
        })
        .collect();
    let on_page = matching
        .iter()
        .skip(page.saturating_mul(ON_A_PAGE))
        .take(ON_A_PAGE);
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("q", &search)
        .append_pair("page", &page.saturating_add(1).to_string())
        .finish();
    let is_more = matching.len() > page.saturating_add(1).saturating_mul(ON_A_PAGE);
    let found = matching.len();
    let tools = on_page.map(|tool| row(&here, tool)).collect();
    Ok(page::show(&TryPage {
        frame: place.frame(Section::Gateways),
        project: place.project.clone(),
        first: (page > 0).then(|| here.clone()),
        next: is_more.then(|| format!("{here}?{query}")),
        offered: offered.len(),
        gateway,
        here,
        may_call,
        in_the_way,
        search,
        tools,
        found,
    }))
}

fn row(here: &str, tool: &OfferedTool) -> ToolRow {
    let introduction = Introduction::of(tool);
    let description = introduction.description();
    let short: String = description.chars().take(DESCRIPTION_MAX).collect();
    ToolRow {
        href: path_of(here, &tool.name),
        title: introduction.title().map(str::to_owned),
        description: if short.len() < description.len() {
            format!("{}…", short.trim_end())
        } else {
            short
        },
        hint: introduction.hint(),
        server: tool.server.config.slug.clone(),
        name: tool.name.clone(),
    }
}
