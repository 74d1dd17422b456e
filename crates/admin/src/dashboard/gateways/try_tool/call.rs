//! `/projects/{project}/gateways/{gateway}/try/{tool}`: a form for one tool, and what came of calling it.

use std::sync::Arc;

use askama::Template;
use axum::{extract::State, response::Response};
use gatewright_domain::{gateway::Gateway, id::GatewayId};
use gatewright_mcp::{listing::ListKind, own_client::OfferedItem};
use http::StatusCode;
use serde_json::{Map, Value};

use super::{
    fields::{self, Kind, Row, Scalar},
    introduction::Introduction,
    path_of,
    people::{self, People},
    result::{Asked, Block, ResultView},
    schema,
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
        try_tool::{self as service, Request, ToolCall},
    },
};

/// The form as it is shown.
#[derive(Debug, Default)]
struct ToolForm {
    /// Its fields; nothing where no form could be made.
    rows: Option<Vec<Row>>,
    /// The arguments as JSON, where they are typed so.
    json: Option<String>,
    /// What is wrong with that.
    json_error: Option<String>,
    /// What is wrong as a whole.
    problems: Vec<String>,
}

#[derive(Template)]
#[template(path = "dashboard/gateways/try_tool.html")]
struct TryToolPage {
    frame: Frame,
    project: ProjectLink,
    gateway: Gateway,
    /// The page of all tools.
    all: String,
    here: String,
    tool: OfferedItem,
    introduction: Introduction,
    form: ToolForm,
    people: People,
    result: Option<ResultView>,
    schema: String,
}

/// What every request of the page needs.
struct Opened {
    gateway: Gateway,
    tool: OfferedItem,
    form: ToolForm,
}

/// GET `/projects/{project}/gateways/{gateway}/try/{tool}`.
pub(super) async fn show(
    State(app): State<Arc<Admin>>,
    place: InProject,
    asked: Query,
) -> Result<Response, PageError> {
    let mut opened = open(&app, &place).await?;
    if opened.form.rows.is_none() || asked.text("form") == Some("json") {
        opened.form.json = Some("{}".to_owned());
    }
    let authentication = opened.gateway.authentication;
    let people = people::read(&app, &place, authentication, None, asked.text("as")).await?;
    Ok(render(&place, opened, people, None))
}

/// POST to the same: the call, or a step on the way to it that keeps what was typed.
pub(super) async fn call(
    State(app): State<Arc<Admin>>,
    place: InProject,
    posted: Posted,
) -> Result<Response, PageError> {
    let mut opened = open(&app, &place).await?;
    let form = &mut opened.form;
    form.json = posted.exact("json").map(|text| text.replace("\r\n", "\n"));
    if form.rows.is_none() {
        form.json.get_or_insert_with(|| "{}".to_owned());
    }
    if let (Some(rows), None) = (&mut form.rows, &form.json) {
        fields::take(rows, &posted);
    }
    let authentication = opened.gateway.authentication;
    let mut people = people::read(&app, &place, authentication, Some(&posted), None).await?;
    match posted.text("do") {
        "find" => {}
        "json" => form.turn_into_json(),
        "form" => form.turn_into_fields(),
        _ => {
            if let Some(arguments) = form.arguments()
                && people.error.is_none()
            {
                let call = ToolCall {
                    tool: opened.tool.name.clone(),
                    arguments,
                    user: people.user(),
                    ..ToolCall::default()
                };
                let (authority, project) = (&place.visit.authority, place.project.id);
                let called = service::ask(
                    &app,
                    authority,
                    project,
                    opened.gateway.id,
                    &Request::Tool(call),
                    &|_| {},
                )
                .await;
                match called {
                    Ok(tried) => {
                        let result = ResultView::of(tried, Asked::Tool);
                        return Ok(render(&place, opened, people, Some(result)));
                    }
                    Err(error) => super::refused(error, &mut people, &mut opened.form.problems)?,
                }
            }
        }
    }
    Ok(render(&place, opened, people, None))
}

impl ToolForm {
    fn is_refused(&self) -> bool {
        let is_wrong = |row: &Row| matches!(row, Row::Field(field) if field.error.is_some());
        !self.problems.is_empty()
            || self.json_error.is_some()
            || self.rows.as_ref().is_some_and(|rows| rows.iter().any(is_wrong))
    }

    /// The arguments that stand in it; what is wrong is shown in it.
    fn arguments(&mut self) -> Option<Map<String, Value>> {
        let Some(json) = &self.json else {
            return self.rows.as_mut().and_then(|rows| fields::arguments(rows));
        };
        match serde_json::from_str(json) {
            Ok(arguments) => Some(arguments),
            Err(error) => {
                self.json_error = Some(if serde_json::from_str::<Value>(json).is_ok() {
                    "The arguments must be a JSON object: begin with { and end with }.".to_owned()
                } else {
                    let (line, column) = (error.line(), error.column());
                    format!("This is not JSON: it goes wrong in line {line}, column {column}.")
                });
                None
            }
        }
    }

    /// From fields to JSON, when nothing is wrong with them.
    fn turn_into_json(&mut self) {
        if let Some(arguments) = self.arguments() {
            self.json = serde_json::to_string_pretty(&arguments).ok();
        }
    }

    /// From JSON to fields, when these have a place for all of it.
    fn turn_into_fields(&mut self) {
        let Some(arguments) = self.arguments() else {
            return;
        };
        let Some(rows) = &mut self.rows else {
            return;
        };
        fields::show(rows, &arguments);
        let mut again = rows.clone();
        if fields::keep(&mut again, &arguments) {
            self.json = None;
        } else {
            self.json_error =
                Some("The form has no place for some of this. Stay with JSON, or take it out.".to_owned());
        }
    }
}

async fn open(app: &Arc<Admin>, place: &InProject) -> Result<Opened, PageError> {
    let id: GatewayId = place.id("gateway", "gateway")?;
    let name: String = place.id("tool", "tool")?;
    let (authority, project) = (&place.visit.authority, place.project.id);
    let gateway = gateways::find(app, authority, project, id).await?;
    let tools = service::offered(app, authority, project, id, ListKind::Tools).await?;
    let tool = tools.into_iter().find(|tool| tool.name == name);
    let tool = tool.ok_or(PageError::NotFound("tool"))?;
    let rows = schema::rows(tool.input_schema().unwrap_or(b"{}"));
    Ok(Opened {
        gateway,
        tool,
        form: ToolForm {
            rows,
            ..ToolForm::default()
        },
    })
}

fn render(place: &InProject, opened: Opened, people: People, result: Option<ResultView>) -> Response {
    let Opened { gateway, tool, form } = opened;
    let status = if form.is_refused() || people.error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let all = place.path(&format!("/gateways/{}/try", gateway.id));
    let has_pictures = result.as_ref().is_some_and(ResultView::has_pictures);
    let schema = String::from_utf8_lossy(tool.input_schema().unwrap_or(b"{}"));
    let shown = page::show_with(
        status,
        &TryToolPage {
            frame: place.frame(Section::Gateways),
            project: place.project.clone(),
            here: path_of(&all, &tool.name),
            introduction: Introduction::of(&tool),
            schema: super::json::shown(&schema),
            gateway,
            all,
            tool,
            form,
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
