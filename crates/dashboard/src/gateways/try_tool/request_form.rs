//! The form of a request: its fields, or its arguments as JSON, and what is wrong with them.

use gatewright_mcp::{own_client::OfferedItem, uri_expansion};
use serde_json::{Map, Value};

use super::{
    fields::{self, Field, Row, text_field},
    introduction::Introduction,
    schema,
    what::What,
};
use crate::{
    form::Posted,
    service::try_tool::{LogLevel, PromptRequest, Request, ResourceRequest, ToolCall},
};

/// Variables of a template that the form has.
const VARIABLES_MAX: usize = 50;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    Tool(String),
    Prompt(String),
    /// The resource with a URI.
    Uri(String),
    /// A resource that matches a template.
    Template(String),
}

/// The form as it is shown.
#[derive(Debug)]
pub(super) struct RequestForm {
    pub(super) subject: Subject,
    /// Its fields; `None` if no form could be made.
    pub(super) rows: Option<Vec<Row>>,
    /// The arguments as JSON, if they are entered like that.
    pub(super) json: Option<String>,
    /// What is wrong with that.
    pub(super) json_error: Option<String>,
    /// What is wrong as a whole.
    pub(super) problems: Vec<String>,
    pub(super) log_level: LogLevel,
}

impl RequestForm {
    fn new(subject: Subject, rows: Option<Vec<Row>>) -> Self {
        let json = rows.is_none().then(|| "{}".to_owned());
        Self {
            subject,
            rows,
            json,
            json_error: None,
            problems: Vec::new(),
            log_level: LogLevel::default(),
        }
    }

    /// The form of a tool or prompt.
    pub(super) fn of_item(what: What, item: &OfferedItem) -> Self {
        let name = item.name.clone();
        match what {
            What::Prompt => Self::new(Subject::Prompt(name), Some(prompt_rows(&Introduction::of(item)))),
            What::Tool | What::Resource => Self::new(
                Subject::Tool(name),
                schema::rows(item.input_schema().unwrap_or(b"{}")),
            ),
        }
    }

    /// The form of a template, if its variables are known and few enough for a form; else that of a URI, which may be the
    /// template to be completed by hand.
    pub(super) fn of_resource(uri: String, template: String) -> Self {
        let variables = uri_expansion::variables(&template)
            .filter(|variables| !variables.is_empty() && variables.len() <= VARIABLES_MAX);
        if let Some(variables) = variables {
            let fields = variables.into_iter().enumerate();
            let rows = fields.map(|(number, name)| Row::Field(Box::new(text_field(number, name))));
            let rows = Some(rows.collect());
            return Self::new(Subject::Template(template), rows);
        }
        let uri = if uri.is_empty() { template } else { uri };
        Self::new(Subject::Uri(uri), Some(Vec::new()))
    }

    /// The name, URI or template.
    pub(super) fn name(&self) -> &str {
        match &self.subject {
            Subject::Tool(name) | Subject::Prompt(name) | Subject::Uri(name) | Subject::Template(name) => {
                name
            }
        }
    }

    /// Switches to arguments as JSON.
    pub(super) fn begin_with_json(&mut self) {
        if matches!(self.subject, Subject::Tool(_)) {
            self.json.get_or_insert_with(|| "{}".to_owned());
        }
    }

    /// Takes over what was entered.
    pub(super) fn take(&mut self, posted: &Posted) {
        self.log_level = LogLevel::parse(posted.text("log-level")).unwrap_or_default();
        if let (Subject::Tool(_), Some(json)) = (&self.subject, posted.exact("json")) {
            self.json = Some(json.replace("\r\n", "\n"));
        }
        if let (Some(rows), None) = (&mut self.rows, &self.json) {
            fields::take(rows, posted);
        }
    }

    /// Whether something is wrong with it.
    pub(super) fn is_refused(&self) -> bool {
        !self.problems.is_empty()
            || self.json_error.is_some()
            || self.rows.as_ref().is_some_and(|rows| fields::has_errors(rows))
    }

    /// The request that it makes for a user; what is wrong is shown in it.
    pub(super) fn request(&mut self, user: Option<String>) -> Option<Request> {
        let arguments = self.arguments()?;
        let log_level = self.log_level;
        Some(match &self.subject {
            Subject::Tool(tool) => Request::Tool(ToolCall {
                tool: tool.clone(),
                arguments,
                user,
                log_level,
                ..ToolCall::default()
            }),
            Subject::Prompt(prompt) => {
                let texts = arguments
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())));
                Request::Prompt(PromptRequest {
                    prompt: prompt.clone(),
                    arguments: texts.collect(),
                    user,
                    log_level,
                    ..PromptRequest::default()
                })
            }
            Subject::Uri(_) | Subject::Template(_) => Request::Resource(ResourceRequest {
                uri: self.uri(&arguments)?,
                user,
                log_level,
                ..ResourceRequest::default()
            }),
        })
    }

    /// The URI to read. A variable without a value is left out.
    fn uri(&self, values: &Map<String, Value>) -> Option<String> {
        match &self.subject {
            Subject::Template(template) => uri_expansion::expand(template, |name| values.get(name)?.as_str()),
            Subject::Tool(uri) | Subject::Prompt(uri) | Subject::Uri(uri) => Some(uri.clone()),
        }
    }

    /// Fills in an earlier request of this page; returns whether it is one.
    pub(super) fn show(&mut self, request: &Request) -> bool {
        self.log_level = request.log_level();
        match (request, &self.subject) {
            (Request::Tool(call), Subject::Tool(name)) if call.tool == *name => {
                self.show_arguments(&call.arguments);
            }
            (Request::Prompt(asked), Subject::Prompt(name)) if asked.prompt == *name => {
                let arguments = asked.arguments.iter();
                let arguments = arguments.map(|(name, value)| (name.clone(), value.as_str().into()));
                self.show_arguments(&arguments.collect());
            }
            (Request::Resource(asked), Subject::Uri(uri)) if asked.uri == *uri => {}
            _ => return false,
        }
        true
    }

    fn show_arguments(&mut self, arguments: &Map<String, Value>) {
        if !self.show_in_fields(arguments) {
            self.json = serde_json::to_string_pretty(arguments).ok();
        }
    }

    /// Fills arguments into the fields; returns whether there is a field for all of them.
    fn show_in_fields(&mut self, arguments: &Map<String, Value>) -> bool {
        let Some(rows) = &mut self.rows else {
            return false;
        };
        fields::show(rows, arguments);
        let mut again = rows.clone();
        fields::keep(&mut again, arguments)
    }

    /// The arguments entered in it; what is wrong is shown in it.
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
                    format!("This is not JSON: the error is in line {line}, column {column}.")
                });
                None
            }
        }
    }

    /// From fields to JSON, when nothing is wrong with them.
    pub(super) fn turn_into_json(&mut self) {
        if let Some(arguments) = self.arguments() {
            self.json = serde_json::to_string_pretty(&arguments).ok();
        }
    }

    /// From JSON to fields, when these have a place for all of it.
    pub(super) fn turn_into_fields(&mut self) {
        let Some(arguments) = self.arguments() else {
            return;
        };
        if self.rows.is_none() {
            return;
        }
        if self.show_in_fields(&arguments) {
            self.json = None;
        } else {
            self.json_error =
                Some("The form has no field for some of this. Keep using JSON, or remove it.".to_owned());
        }
    }
}

/// A field for each argument, all of which are texts (2026-07-28 server/prompts).
fn prompt_rows(introduction: &Introduction) -> Vec<Row> {
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
