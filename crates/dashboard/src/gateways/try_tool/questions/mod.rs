//! What a server asks before it continues a request (2026-07-28 client/elicitation and basic/patterns/mrtr): a form for each
//! question, and what is answered. Everything in a question is a stranger's: texts are shown as texts, and a URL is opened
//! only by a click.

mod constraints;
mod waiting;

use serde::Deserialize;
use serde_json::{Map, Value, json, value::RawValue};
use url::Url;

pub(super) use self::waiting::Waiting;
use super::{
    fields::{self, Field, Kind, Row, Scalar, text_field},
    result::cut,
    schema,
};
use crate::form::Posted;

/// Questions of one result.
const QUESTIONS_MAX: usize = 16;
/// Characters of a URL that can be opened from here; a longer one cannot be judged by its reader.
const URL_MAX: usize = 2_048;
/// A text without a stated length, or of this many characters at most, has one line.
const LINE_MAX: u32 = 200;

/// What is done with a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Accept,
    Decline,
    Cancel,
}

/// What a server asks in the place of an answer.
#[derive(Debug)]
pub(super) struct Questions {
    pub(super) all: Vec<Question>,
    /// What is wrong as a whole.
    pub(super) problem: Option<String>,
    /// How often the server has asked, with this time.
    pub(super) round: u32,
    /// What continues when they are answered, sealed; `None` if they cannot be answered here.
    pub(super) sealed: Option<String>,
    /// Name and ID of the server.
    pub(super) server: Option<(String, String)>,
    /// What the server reported before it asked.
    pub(super) reports: Vec<String>,
    /// The URI that is read, if it is a resource.
    pub(super) uri: Option<String>,
}

/// One question.
#[derive(Debug)]
pub(super) struct Question {
    /// Its key in the answers.
    key: String,
    /// Its place, from 1.
    pub(super) number: usize,
    pub(super) message: String,
    pub(super) input: Input,
    /// What is done with it, if it is one of several.
    pub(super) action: Action,
}

/// What is asked for.
#[derive(Debug)]
pub(super) enum Input {
    /// A form.
    Form {
        rows: Vec<Row>,
        schema: Value,
        /// Whether the one field has all of it as JSON.
        is_json: bool,
    },
    /// A page elsewhere.
    Url {
        url: String,
        /// Its host as a browser reads it, if it can be opened from here.
        host: Option<String>,
    },
    /// Something that cannot be answered here: its method.
    Other(String),
}

/// A result that asks for input (2026-07-28, `InputRequiredResult`).
#[derive(Debug, Deserialize)]
pub(super) struct InputRequired {
    #[serde(rename = "resultType")]
    kind: String,
    #[serde(default, rename = "inputRequests")]
    pub(super) requests: Option<Box<RawValue>>,
    #[serde(default, rename = "requestState")]
    pub(super) state: Option<String>,
}

#[derive(Deserialize)]
struct Asked {
    method: String,
    #[serde(default)]
    params: Params,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Params {
    mode: Value,
    message: Value,
    url: Value,
    // Not a value: its members have an order, which the form keeps.
    #[serde(rename = "requestedSchema")]
    schema: Option<Box<RawValue>>,
}

impl Action {
    /// The action of a button or a choice.
    pub(super) fn of(word: &str) -> Option<Self> {
        match word {
            "accept" => Some(Self::Accept),
            "decline" => Some(Self::Decline),
            "cancel" => Some(Self::Cancel),
            _ => None,
        }
    }

    /// The word on the wire.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Decline => "decline",
            Self::Cancel => "cancel",
        }
    }
}

impl InputRequired {
    /// The result, if it is one that asks for input.
    pub(super) fn of(result: &RawValue) -> Option<Self> {
        let read: Self = serde_json::from_str(result.get()).ok()?;
        (read.kind == "input_required").then_some(read)
    }
}

/// The questions in `inputRequests`, in their order; `None` if they do not follow MCP, or there are too many.
pub(super) fn read(requests: Option<&RawValue>) -> Option<Vec<Question>> {
    let Some(requests) = requests else {
        return Some(Vec::new());
    };
    let members = schema::members(requests)?;
    if members.len() > QUESTIONS_MAX {
        return None;
    }
    let numbered = (1..).zip(members);
    numbered
        .map(|(number, (key, request))| {
            let asked: Asked = serde_json::from_str(request.get()).ok()?;
            Some(question(key, number, asked))
        })
        .collect()
}

fn question(key: String, number: usize, asked: Asked) -> Question {
    let Params {
        mode,
        message,
        url,
        schema,
    } = asked.params;
    let input = match (asked.method.as_str(), &mode) {
        ("elicitation/create", Value::Null) => form(number, schema.as_deref()),
        ("elicitation/create", mode) if mode == "form" => form(number, schema.as_deref()),
        ("elicitation/create", mode) if mode == "url" => {
            let url = url.as_str().unwrap_or_default();
            Input::Url {
                host: openable(url),
                url: cut(url),
            }
        }
        ("elicitation/create", mode) => Input::Other(cut(&format!("elicitation/create with mode {mode}"))),
        (method, _) => Input::Other(cut(method)),
    };
    Question {
        key,
        number,
        message: cut(message.as_str().unwrap_or_default()),
        input,
        action: Action::Accept,
    }
}

/// The host of a URL that can be opened from here.
fn openable(text: &str) -> Option<String> {
    if text.len() > URL_MAX || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    // A name before the host reads as if it was the host.
    let is_plain =
        matches!(url.scheme(), "https" | "http") && url.username().is_empty() && url.password().is_none();
    url.host_str().filter(|_| is_plain).map(str::to_owned)
}

/// The form for a schema. What does not fit into fields is entered as JSON.
fn form(number: usize, raw: Option<&RawValue>) -> Input {
    let text = raw.map_or("{}", RawValue::get);
    let schema: Value = serde_json::from_str(text).unwrap_or_default();
    let rows = schema::rows(text.as_bytes());
    let is_json = rows.is_none();
    let mut rows = rows.unwrap_or_else(|| {
        vec![Row::Field(Box::new(Field {
            label: "Answer".to_owned(),
            kind: Kind::Json,
            ..text_field(1, "answer")
        }))]
    });
    for field in fields::all(&mut rows) {
        // Several questions may ask for the same, and the form of the request is on the page too.
        field.id = format!("answer-{number}-{}", field.id);
        field.pointer = format!("/{number}{}", field.pointer);
        let property = &schema["properties"][&field.name];
        if let Kind::One(Scalar::Text {
            is_short,
            input,
            most,
        }) = &mut field.kind
        {
            *input = constraints::input_type(property);
            let is_line = most
                .as_deref()
                .is_none_or(|most| most.parse().is_ok_and(|most: u32| most <= LINE_MAX));
            *is_short = is_line && !field.values.iter().any(|value| value.contains('\n'));
        }
        if let Some(hint) = constraints::hint(property) {
            let gap = if field.description.is_empty() { "" } else { " " };
            field.description = format!("{}{gap}{hint}", field.description);
        }
        // People are asked by the title; the name is for programs.
        if let Some(title) = field.title.take() {
            field.label = title;
        }
    }
    Input::Form {
        rows,
        schema,
        is_json,
    }
}

impl Questions {
    /// Whether all of it can be answered here.
    pub(super) fn can_be_answered(&self) -> bool {
        let is_other = |question: &Question| matches!(question.input, Input::Other(_));
        self.sealed.is_some() && !self.all.iter().any(is_other)
    }

    /// Whether something is entered.
    pub(super) fn has_fields(&self) -> bool {
        let has_rows =
            |question: &Question| matches!(&question.input, Input::Form { rows, .. } if !rows.is_empty());
        self.all.iter().any(has_rows)
    }

    /// Whether something is wrong with what was entered.
    pub(super) fn is_refused(&self) -> bool {
        let is_wrong = |question: &Question| matches!(&question.input, Input::Form { rows, .. } if fields::has_errors(rows));
        self.all.iter().any(is_wrong)
    }

    /// Has the cursor go to the first field that is wrong, or else to the first.
    pub(super) fn focus(&mut self) {
        let mut fields: Vec<&mut Field> = self.all.iter_mut().flat_map(Question::fields).collect();
        let wrong = fields.iter().position(|field| field.error.is_some());
        if let Some(field) = fields.get_mut(wrong.unwrap_or(0)) {
            field.is_focused = true;
        }
    }

    /// The answers to all questions; `None` if something is wrong with one, which is shown at its field.
    pub(super) fn answers(&mut self, action: Action, posted: &Posted) -> Option<Map<String, Value>> {
        let is_several = self.all.len() > 1;
        let mut answers = Map::new();
        let mut is_wrong = false;
        for question in &mut self.all {
            fields::take(question.rows(), posted);
            question.action = match Action::of(posted.text(&question.choice())) {
                Some(own) if is_several && action == Action::Accept => own,
                _ => action,
            };
            match question.answer() {
                Some(answer) => {
                    answers.insert(question.key.clone(), answer);
                }
                None => is_wrong = true,
            }
        }
        (!is_wrong).then_some(answers)
    }
}

impl Question {
    /// The name of the choice of what is done with it.
    pub(super) fn choice(&self) -> String {
        format!("action:{}", self.number)
    }

    fn rows(&mut self) -> &mut [Row] {
        match &mut self.input {
            Input::Form { rows, .. } => rows,
            Input::Url { .. } | Input::Other(_) => &mut [],
        }
    }

    fn fields(&mut self) -> impl Iterator<Item = &mut Field> {
        fields::all(self.rows())
    }

    /// The answer (2026-07-28, `ElicitResult`).
    fn answer(&mut self) -> Option<Value> {
        if self.action != Action::Accept {
            return Some(json!({"action": self.action.as_str()}));
        }
        match &mut self.input {
            Input::Form {
                rows,
                schema,
                is_json,
            } => {
                let mut content = fields::arguments(rows)?;
                if *is_json {
                    let Some(Value::Object(typed)) = content.remove("answer").or_else(|| Some(json!({})))
                    else {
                        let why = "The answer must be a JSON object: begin with { and end with }.";
                        fields::all(rows).for_each(|field| field.error = Some(why.to_owned()));
                        return None;
                    };
                    content = typed;
                }
                let wrong = constraints::wrong(schema, &content);
                for (name, why) in &wrong {
                    let field = fields::all(rows).find(|field| *is_json || field.name == *name);
                    if let Some(field) = field {
                        field.error = Some(if *is_json {
                            format!("{name}: {why}")
                        } else {
                            why.clone()
                        });
                    }
                }
                wrong
                    .is_empty()
                    .then(|| json!({"action": "accept", "content": content}))
            }
            Input::Url { .. } => Some(json!({"action": "accept"})),
            Input::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
