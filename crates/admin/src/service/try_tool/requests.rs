//! What can be tried at a gateway: a tool, a prompt or a resource, and each again with what its server asked for.

use std::collections::BTreeMap;

use gatewright_domain::Invalid;
use gatewright_mcp::{log_level, own_client::OwnInput, uri_template::URI_MAX};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// No tool that a gateway offers has a longer name, in bytes.
const NAME_MAX: usize = 512;
/// What a client can do with a question of a server (2026-07-28 client/elicitation, "Response Actions").
const ACTIONS: [&str; 3] = ["accept", "decline", "cancel"];
/// Answers that the audit trail names.
const NOTED_MAX: usize = 16;

/// The least severe log messages that are wanted (RFC 5424 section 6.2.1).
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = TrialLogLevel)]
#[expect(missing_docs, reason = "the words of RFC 5424")]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

/// A call to try.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// The tool, by the name that clients see.
    #[schema(required = true, min_length = 1, max_length = 512)]
    #[serde(default)]
    pub tool: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// For whom: the id of a user (`usr_…`) of the gateway's User Source, in the mode *Project members* the account of a
    /// member (`acc_…`), in Headers mode the user id as a client would send it. Left out, an account calls as itself; an
    /// API key does not belong to a person and must name one.
    #[serde(default)]
    pub user: Option<String>,
    /// The least severe log messages that `reports` contains.
    #[serde(default)]
    pub log_level: LogLevel,
    /// The answers to `inputRequests` of an earlier result with `resultType: input_required`, by their keys (MCP 2026-07-28,
    /// `InputResponses`). Send them with everything else as it was.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub input_responses: Option<Map<String, Value>>,
    /// The `requestState` of that result, if it had one. It is bound to the gateway, the user, who acts for them, and the
    /// request.
    #[serde(default)]
    pub request_state: Option<String>,
}

/// A prompt to get.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PromptRequest {
    /// The prompt, by the name that clients see.
    #[schema(required = true, min_length = 1, max_length = 512)]
    #[serde(default)]
    pub prompt: String,
    /// What it is filled in with.
    #[serde(default)]
    pub arguments: BTreeMap<String, String>,
    /// For whom, as for a call of a tool.
    #[serde(default)]
    pub user: Option<String>,
    /// As for a call of a tool.
    #[serde(default)]
    pub log_level: LogLevel,
    /// As for a call of a tool.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub input_responses: Option<Map<String, Value>>,
    /// As for a call of a tool.
    #[serde(default)]
    pub request_state: Option<String>,
}

/// A resource to read.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceRequest {
    /// Its URI: one that a server lists, or that matches a resource template.
    #[schema(required = true, min_length = 1, max_length = 2048)]
    #[serde(default)]
    pub uri: String,
    /// For whom, as for a call of a tool.
    #[serde(default)]
    pub user: Option<String>,
    /// As for a call of a tool.
    #[serde(default)]
    pub log_level: LogLevel,
    /// As for a call of a tool.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub input_responses: Option<Map<String, Value>>,
    /// As for a call of a tool.
    #[serde(default)]
    pub request_state: Option<String>,
}

/// Something to try.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Request {
    /// A call of a tool.
    Tool(ToolCall),
    /// A prompt with its arguments.
    Prompt(PromptRequest),
    /// A resource to read.
    Resource(ResourceRequest),
}

/// A request to make, and how the audit trail calls it.
pub(super) struct Asked<'a> {
    pub(super) method: &'static str,
    /// The members of its `params` as JSON text.
    pub(super) params: String,
    pub(super) verb: &'static str,
    /// What is named: what it is, and its name or URI.
    pub(super) what: (&'static str, &'a str),
    pub(super) user: Option<&'a str>,
    pub(super) log_level: log_level::LogLevel,
    /// What was done with each question of the server, without what was answered.
    pub(super) answers: Vec<&'static str>,
    /// The answers as JSON text.
    responses: Option<String>,
    state: Option<&'a str>,
}

impl LogLevel {
    /// All of them, the least severe first.
    pub const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The word in the API, in forms and in MCP.
    pub const fn as_str(self) -> &'static str {
        self.wanted().as_str()
    }

    /// The level of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }

    const fn wanted(self) -> log_level::LogLevel {
        match self {
            Self::Debug => log_level::LogLevel::Debug,
            Self::Info => log_level::LogLevel::Info,
            Self::Notice => log_level::LogLevel::Notice,
            Self::Warning => log_level::LogLevel::Warning,
            Self::Error => log_level::LogLevel::Error,
            Self::Critical => log_level::LogLevel::Critical,
            Self::Alert => log_level::LogLevel::Alert,
            Self::Emergency => log_level::LogLevel::Emergency,
        }
    }
}

impl Request {
    /// For whom it is made.
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::Tool(ToolCall { user, .. })
            | Self::Prompt(PromptRequest { user, .. })
            | Self::Resource(ResourceRequest { user, .. }) => user.as_deref(),
        }
    }

    /// The URI of the resource, if it is one.
    pub fn uri(&self) -> Option<&str> {
        match self {
            Self::Resource(request) => Some(&request.uri),
            Self::Tool(_) | Self::Prompt(_) => None,
        }
    }

    /// The least severe log messages that are wanted.
    pub const fn log_level(&self) -> LogLevel {
        match self {
            Self::Tool(ToolCall { log_level, .. })
            | Self::Prompt(PromptRequest { log_level, .. })
            | Self::Resource(ResourceRequest { log_level, .. }) => *log_level,
        }
    }

    /// The same request again, with these answers and the state of the server.
    #[must_use]
    pub fn again(&self, responses: Option<Map<String, Value>>, state: Option<String>) -> Self {
        let mut again = self.clone();
        match &mut again {
            Self::Tool(ToolCall {
                input_responses,
                request_state,
                ..
            })
            | Self::Prompt(PromptRequest {
                input_responses,
                request_state,
                ..
            })
            | Self::Resource(ResourceRequest {
                input_responses,
                request_state,
                ..
            }) => (*input_responses, *request_state) = (responses, state),
        }
        again
    }

    /// How it is made; what is wrong with it is an error.
    pub(super) fn asked(&self) -> Result<Asked<'_>, Invalid> {
        let named = |name: &str, arguments: &Value| {
            format!(r#""name":{},"arguments":{arguments}"#, Value::from(name))
        };
        let is_name = |name: &str| !name.is_empty() && name.len() <= NAME_MAX;
        let (method, verb, what, params) = match self {
            Self::Tool(call) if is_name(&call.tool) => {
                let params = named(&call.tool, &json!(call.arguments));
                ("tools/call", "tool_tried", ("tool", &call.tool), params)
            }
            Self::Prompt(request) if is_name(&request.prompt) => {
                let params = named(&request.prompt, &json!(request.arguments));
                ("prompts/get", "prompt_tried", ("prompt", &request.prompt), params)
            }
            Self::Resource(request) if !request.uri.is_empty() && request.uri.len() <= URI_MAX => {
                let params = format!(r#""uri":{}"#, Value::from(request.uri.as_str()));
                let what = ("resource", &request.uri);
                ("resources/read", "resource_tried", what, params)
            }
            Self::Tool(_) => {
                let detail = "Name a tool of the gateway, as its clients see it.";
                return Err(Invalid::one("/tool", detail));
            }
            Self::Prompt(_) => {
                let detail = "Name a prompt of the gateway, as its clients see it.";
                return Err(Invalid::one("/prompt", detail));
            }
            Self::Resource(_) => {
                let detail = format!(
                    "Enter the URI of a resource, {URI_MAX} bytes at most, like `file:///notes.txt`."
                );
                return Err(Invalid::one("/uri", detail));
            }
        };
        let (responses, state) = self.input();
        Ok(Asked {
            method,
            params,
            verb,
            what: (what.0, what.1),
            user: self.user(),
            log_level: self.log_level().wanted(),
            answers: responses.map(answers).unwrap_or_default(),
            responses: responses.map(|responses| json!(responses).to_string()),
            state,
        })
    }

    fn input(&self) -> (Option<&Map<String, Value>>, Option<&str>) {
        match self {
            Self::Tool(ToolCall {
                input_responses,
                request_state,
                ..
            })
            | Self::Prompt(PromptRequest {
                input_responses,
                request_state,
                ..
            })
            | Self::Resource(ResourceRequest {
                input_responses,
                request_state,
                ..
            }) => (input_responses.as_ref(), request_state.as_deref()),
        }
    }
}

impl Asked<'_> {
    /// What it is sent again with, if it is.
    pub(super) fn input(&self) -> Option<OwnInput<'_>> {
        (self.responses.is_some() || self.state.is_some()).then_some(OwnInput {
            responses: self.responses.as_deref(),
            state: self.state,
        })
    }
}

/// What was done with each question. Nothing else of an answer is for the audit trail.
fn answers(responses: &Map<String, Value>) -> Vec<&'static str> {
    let actions = responses.values().map(|response| {
        let action = response["action"].as_str().unwrap_or_default();
        let known = ACTIONS.into_iter().find(|known| *known == action);
        known.unwrap_or("other")
    });
    actions.take(NOTED_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_trail_records_what_was_done_with_a_question_and_not_the_answer() {
        let responses = json!({"a": {"action": "accept", "content": {"secret": "x"}}, "b": {"action": "decline"},
            "c": {"action": "secret"}, "d": 1});
        let call = ToolCall {
            tool: "tell".to_owned(),
            input_responses: responses.as_object().cloned(),
            request_state: Some("state".to_owned()),
            ..ToolCall::default()
        };
        let request = Request::Tool(call);
        let asked = request.asked().unwrap();
        assert_eq!(asked.answers, ["accept", "decline", "other", "other"]);
        let input = asked.input().unwrap();
        assert_eq!(input.state, Some("state"));
        assert_eq!(
            serde_json::from_str::<Value>(input.responses.unwrap()).unwrap(),
            responses
        );
        let first = request.again(None, None);
        assert!(first.asked().unwrap().input().is_none());
    }

    #[test]
    fn levels_are_those_of_mcp() {
        for (ours, theirs) in LogLevel::ALL.into_iter().zip(log_level::LogLevel::ALL) {
            assert_eq!(ours.as_str(), theirs.as_str());
            assert_eq!(LogLevel::parse(ours.as_str()), Some(ours));
            assert_eq!(json!(ours), json!(theirs.as_str()));
        }
    }
}
