//! `/projects/{project}/gateways/{gateway}/try-prompts/{prompt}`: a form for one prompt, and what it became.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{gateway::Gateway, id::GatewayId};
use gatewright_mcp::{listing::ListKind, own_client::OfferedItem};
use http::StatusCode;

use super::{
    fields::{self, Field, Kind, Row, Scalar},
    introduction::Introduction,
    path_of,
    people::{self, People},
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
        gateways,
        try_tool::{self as service, PromptRequest, Request},
    },
};

#[derive(Template)]
#[template(path = "dashboard/gateways/try_prompt.html")]
struct TryPromptPage {
    frame: Frame,
    project: ProjectLink,
    gateway: Gateway,
    /// The page of all prompts.
    all: String,
    here: String,
    prompt: OfferedItem,
    introduction: Introduction,
    rows: Vec<Row>,
    /// What is wrong as a whole.
    problems: Vec<String>,
    people: People,
    result: Option<ResultView>,
}

/// What every request of the page needs.
struct Opened {
    gateway: Gateway,
    prompt: OfferedItem,
    rows: Vec<Row>,
    problems: Vec<String>,
}

/// GET `/projects/{project}/gateways/{gateway}/try-prompts/{prompt}`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Query,
) -> Result<Response, PageError> {
    let opened = open(&app, &place).await?;
    let authentication = opened.gateway.authentication;
    let people = people::read(&app, &place, authentication, None, asked.text("as")).await?;
    Ok(render(&place, opened, people, None))
}

/// POST to the same: the request, or a step on the way to it that keeps what was typed.
pub(super) async fn ask(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let mut opened = open(&app, &place).await?;
    fields::take(&mut opened.rows, &posted);
    let authentication = opened.gateway.authentication;
    let mut people = people::read(&app, &place, authentication, Some(&posted), None).await?;
    if posted.text("do") != "find"
        && let Some(arguments) = fields::arguments(&mut opened.rows)
        && people.error.is_none()
    {
        let arguments = arguments.into_iter();
        let request = PromptRequest {
            prompt: opened.prompt.name.clone(),
            arguments: arguments
                .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
                .collect(),
            user: people.user(),
            ..PromptRequest::default()
        };
        let (authority, project) = (&place.visit.authority, place.project.id);
        let request = Request::Prompt(request);
        match service::ask(&app, authority, project, opened.gateway.id, &request, &|_| {}).await {
            Ok(tried) => {
                let result = ResultView::of(tried, Asked::Prompt);
                return Ok(render(&place, opened, people, Some(result)));
            }
            Err(error) => super::refused(error, &mut people, &mut opened.problems)?,
        }
    }
    Ok(render(&place, opened, people, None))
}

async fn open(app: &Arc<Admin>, place: &InProject) -> Result<Opened, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let name: String = place.id("prompt", "prompt")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let gateway = gateways::find(app, authority, project, id).await?;
    let prompts = service::offered(app, authority, project, id, ListKind::Prompts).await?;
    let prompt = prompts.into_iter().find(|prompt| prompt.name == name);
    let prompt = prompt.ok_or(PageError::NotFound("prompt"))?;
    Ok(Opened {
        gateway,
        rows: rows(&Introduction::of(&prompt)),
        prompt,
        problems: Vec::new(),
    })
}

/// A field for each argument, all of which are texts (2026-07-28 server/prompts).
fn rows(introduction: &Introduction) -> Vec<Row> {
    let arguments = introduction.arguments().enumerate();
    arguments
        .map(|(number, argument)| {
            Row::Field(Box::new(Field {
                title: argument.title.map(str::to_owned),
                description: argument.description.to_owned(),
                is_required: argument.is_required,
                ..text_field(number, argument.name)
            }))
        })
        .collect()
}

/// A field for a text.
pub(super) fn text_field(number: usize, name: &str) -> Field {
    Field {
        id: format!("argument-{number}"),
        name: name.to_owned(),
        label: name.to_owned(),
        title: None,
        pointer: format!("/{}", name.replace('~', "~0").replace('/', "~1")),
        description: String::new(),
        is_required: false,
        kind: Kind::One(Scalar::Text {
            is_short: false,
            most: None,
        }),
        values: Vec::new(),
        error: None,
    }
}

/// Whether something is wrong with one of these fields.
pub(super) fn has_errors(rows: &[Row]) -> bool {
    let is_wrong = |row: &Row| matches!(row, Row::Field(field) if field.error.is_some());
    rows.iter().any(is_wrong)
}

fn render(place: &InProject, opened: Opened, people: People, result: Option<ResultView>) -> Response {
    let Opened {
        gateway,
        prompt,
        rows,
        problems,
    } = opened;
    let is_refused = !problems.is_empty() || people.error.is_some() || has_errors(&rows);
    let status = if is_refused {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let all = place.path(&format!("/gateways/{}/try-prompts", gateway.id));
    let has_pictures = result.as_ref().is_some_and(ResultView::has_pictures);
    let shown = page::show_with(
        status,
        &TryPromptPage {
            frame: place.frame(Section::Gateways),
            project: place.project.clone(),
            here: path_of(&all, &prompt.name),
            introduction: Introduction::of(&prompt),
            gateway,
            all,
            prompt,
            rows,
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
