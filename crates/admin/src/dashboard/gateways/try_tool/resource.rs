//! `/projects/{project}/gateways/{gateway}/try-resources/read`: one resource, or one of those that a template stands for, and
//! what was read. A resource is named in the query or the form, because a URI may be too long and too odd for a path.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{gateway::Gateway, id::GatewayId};
use gatewright_mcp::{listing::ListKind, own_client::OfferedItem, uri_expansion};
use http::StatusCode;

use super::{
    fields::{self, Kind, Row, Scalar},
    introduction::Introduction,
    people::{self, People},
    prompt::{has_errors, text_field},
    result::{Asked, Block, ResultView},
};
use crate::{
    Admin,
    dashboard::{
        error::PageError,
        form::{Asked as Query, Posted},
        page::{self, Frame, ProjectLink, Section},
        session::InProject,
    },
    service::{
        ServiceError, gateways,
        try_tool::{self as service, Request, ResourceRequest},
    },
};

/// Variables of a template that the form has.
const VARIABLES_MAX: usize = 50;

/// What is to be read.
enum Target {
    /// The resource with a URI.
    Uri(String),
    /// One that a template stands for, with a field for each of its variables.
    Template { template: String, rows: Vec<Row> },
}

#[derive(Template)]
#[template(path = "dashboard/gateways/try_resource.html")]
struct TryResourcePage {
    frame: Frame,
    project: ProjectLink,
    gateway: Gateway,
    /// The page of all resources.
    all: String,
    here: String,
    target: Target,
    /// What the server says of it, where it is offered as such; the ID of the server.
    introduction: Option<(Introduction, String)>,
    /// What is wrong as a whole.
    problems: Vec<String>,
    people: People,
    /// The URI that was read, and what came of it.
    result: Option<(String, ResultView)>,
}

/// What every request of the page needs.
struct Opened {
    gateway: Gateway,
    target: Target,
    introduction: Option<(Introduction, String)>,
    problems: Vec<String>,
}

/// GET `/projects/{project}/gateways/{gateway}/try-resources/read`, with `uri` or `template`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Query,
) -> Result<Response, PageError> {
    let target = Target::of(
        asked.text("uri").unwrap_or_default(),
        asked.text("template").unwrap_or_default(),
    );
    let opened = open(&app, &place, target).await?;
    let authentication = opened.gateway.authentication;
    let people = people::read(&app, &place, authentication, None, asked.text("as")).await?;
    Ok(render(&place, opened, people, None))
}

/// POST to the same: the request, or a step on the way to it that keeps what was typed.
pub(super) async fn read(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let mut target = Target::of(posted.text("uri"), posted.text("template"));
    if let Target::Template { rows, .. } = &mut target {
        fields::take(rows, &posted);
    }
    let mut opened = open(&app, &place, target).await?;
    let authentication = opened.gateway.authentication;
    let mut people = people::read(&app, &place, authentication, Some(&posted), None).await?;
    if posted.text("do") != "find"
        && people.error.is_none()
        && let Some(uri) = opened.target.uri()
    {
        let request = ResourceRequest {
            uri: uri.clone(),
            user: people.user(),
            ..ResourceRequest::default()
        };
        let (authority, project) = (&place.visit.authority, place.project.id);
        let request = Request::Resource(request);
        match service::ask(&app, authority, project, opened.gateway.id, &request, &|_| {}).await {
            Ok(tried) => {
                let result = ResultView::of(tried, Asked::Resource);
                return Ok(render(&place, opened, people, Some((uri, result))));
            }
            Err(error) => super::refused(error, &mut people, &mut opened.problems)?,
        }
    }
    Ok(render(&place, opened, people, None))
}

impl Target {
    /// A template, where its variables are known and few enough for a form; else a URI, which may be the template to be
    /// completed by hand.
    fn of(uri: &str, template: &str) -> Self {
        let variables = uri_expansion::variables(template)
            .filter(|variables| !variables.is_empty() && variables.len() <= VARIABLES_MAX);
        match variables {
            Some(variables) => Self::Template {
                rows: (variables.into_iter().enumerate())
                    .map(|(number, name)| Row::Field(Box::new(text_field(number, name))))
                    .collect(),
                template: template.to_owned(),
            },
            None if uri.is_empty() => Self::Uri(template.to_owned()),
            None => Self::Uri(uri.to_owned()),
        }
    }

    /// The URI or template.
    fn name(&self) -> &str {
        match self {
            Self::Uri(uri) => uri,
            Self::Template { template, .. } => template,
        }
    }

    const fn is_template(&self) -> bool {
        matches!(self, Self::Template { .. })
    }

    /// The fields of its variables.
    fn rows(&self) -> &[Row] {
        match self {
            Self::Uri(_) => &[],
            Self::Template { rows, .. } => rows,
        }
    }

    /// The URI to read; what is wrong is shown at the fields. A variable without a value is left out.
    fn uri(&mut self) -> Option<String> {
        match self {
            Self::Uri(uri) => Some(uri.clone()),
            Self::Template { template, rows } => {
                let values = fields::arguments(rows)?;
                uri_expansion::expand(template, |name| values.get(name)?.as_str())
            }
        }
    }
}

async fn open(app: &Arc<Admin>, place: &InProject, target: Target) -> Result<Opened, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let gateway = gateways::find(app, authority, project, id).await?;
    let kind = if target.is_template() {
        ListKind::ResourceTemplates
    } else {
        ListKind::Resources
    };
    let offered = match service::offered(app, authority, project, id, kind).await {
        Ok(offered) => offered,
        // What servers say of it is not needed to ask for it.
        Err(ServiceError::Conflict(_)) => Vec::new(),
        Err(other) => return Err(other.into()),
    };
    let listed = offered.iter().find(|item| item.name == target.name());
    let introduced = |item: &OfferedItem| (Introduction::of(item), item.server.config.slug.clone());
    Ok(Opened {
        introduction: listed.map(introduced),
        gateway,
        target,
        problems: Vec::new(),
    })
}

fn render(
    place: &InProject,
    opened: Opened,
    people: People,
    result: Option<(String, ResultView)>,
) -> Response {
    let Opened {
        gateway,
        target,
        introduction,
        problems,
    } = opened;
    let is_refused = !problems.is_empty() || people.error.is_some() || has_errors(target.rows());
    let status = if is_refused {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let all = place.path(&format!("/gateways/{}/try-resources", gateway.id));
    let has_pictures = result.as_ref().is_some_and(|(_, result)| result.has_pictures());
    let shown = page::show_with(
        status,
        &TryResourcePage {
            frame: place.frame(Section::Gateways),
            project: place.project.clone(),
            here: format!("{all}/read"),
            gateway,
            all,
            target,
            introduction,
            problems,
            people,
            result,
        },
    );
    if has_pictures {
        page::with_pictures_inside(shown)
    } else {
        shown
    }
}
