//! The fields of a tool's form: their values, and the arguments they make. Everything beyond types and what is
//! required is the server's to judge, and its answer is shown.

use std::{slice::Iter, str::FromStr as _};

use serde_json::{Map, Number, Value};

use crate::form::Posted;

/// The prefix of an argument's place in the names of fields, so that no argument is taken for one of our own fields.
const PREFIX: &str = "argument:";

/// A part of the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// An object begins.
    Open {
        /// The member it is.
        name: String,
        /// Its name, as shown.
        label: String,
        /// Its other name.
        title: Option<String>,
        /// What it means.
        description: String,
        /// Whether it is sent even if it is empty.
        is_required: bool,
    },
    /// A field.
    Field(Box<Field>),
    /// An object ends.
    Close,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// Unique on the page.
    pub(super) id: String,
    /// The member it is.
    pub(super) name: String,
    /// Its name, as shown.
    pub(super) label: String,
    /// Its other name.
    pub(super) title: Option<String>,
    /// Where it belongs in the arguments (RFC 6901).
    pub(super) pointer: String,
    /// What it means.
    pub(super) description: String,
    /// Whether it must be sent.
    pub(super) is_required: bool,
    /// What is typed.
    pub(super) kind: Kind,
    /// Its value.
    pub(super) values: Vec<String>,
    /// What is wrong with it.
    pub(super) error: Option<String>,
    /// Whether the cursor goes there.
    pub(super) is_focused: bool,
}

/// What is typed into a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A single value.
    One(Scalar),
    /// Yes, no, or nothing.
    YesNo,
    /// One of a few.
    Choice(Vec<Choice>),
    /// Any of a few.
    Choices(Vec<Choice>),
    /// One in each line.
    Lines(Scalar),
    /// Anything, as JSON.
    Json,
}

/// A single value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Scalar {
    /// A text.
    Text {
        /// Whether it has one line.
        is_short: bool,
        /// The `type` of an input of one line: `text`, or what a browser helps to enter.
        input: &'static str,
        /// Characters at most.
        most: Option<String>,
    },
    /// A number.
    Number {
        /// Whether it has no fraction.
        is_integer: bool,
        /// The least.
        least: Option<String>,
        /// The most.
        most: Option<String>,
    },
}

/// An option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// It as JSON.
    pub(super) value: String,
    /// It as people read it.
    pub(super) label: String,
}

impl Field {
    /// The name of the field in the form.
    pub(super) fn posted_as(&self) -> String {
        format!("{PREFIX}{}", self.pointer)
    }

    /// Its value, if that is one text.
    pub(super) fn value(&self) -> &str {
        self.values.first().map_or("", String::as_str)
    }

    /// Whether an option is chosen.
    pub(super) fn holds(&self, value: &str) -> bool {
        self.values.iter().any(|held| held == value)
    }

    /// Sets its value.
    pub(super) fn show(&mut self, value: &Value) {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.values = match (&self.kind, value) {
            (Kind::Choices(_), Value::Array(items)) => items.iter().map(Value::to_string).collect(),
            (Kind::Lines(_), Value::Array(items)) => {
                vec![items.iter().map(text).collect::<Vec<_>>().join("\n")]
            }
            (Kind::Json, value) => vec![serde_json::to_string_pretty(value).unwrap_or_default()],
            (_, Value::Null) => Vec::new(),
            (Kind::Choice(_) | Kind::Choices(_), value) => vec![value.to_string()],
            (_, value) => vec![text(value)],
        };
    }

    fn take(&mut self, posted: &Posted) {
        let name = self.posted_as();
        self.values = match self.kind {
            Kind::Choices(_) => posted.all(&name).map(str::to_owned).collect(),
            // Browsers write line breaks in their own way.
            _ => posted
                .exact(&name)
                .map(|text| text.replace("\r\n", "\n"))
                .into_iter()
                .collect(),
        };
    }

    /// The argument; `None` if nothing was entered.
    fn argument(&self) -> Result<Option<Value>, String> {
        let typed = self.value();
        Ok(match &self.kind {
            Kind::One(_) if typed.is_empty() => None,
            Kind::One(scalar) => Some(scalar.read(typed)?),
            Kind::YesNo => match typed {
                "true" => Some(Value::Bool(true)),
                "false" => Some(Value::Bool(false)),
                _ => None,
            },
            Kind::Choice(choices) => choices
                .iter()
                .find(|choice| choice.value == typed)
                .and_then(|choice| serde_json::from_str(&choice.value).ok()),
            Kind::Choices(choices) => {
                let chosen = choices.iter().filter(|choice| self.holds(&choice.value));
                let chosen: Vec<Value> = chosen
                    .filter_map(|choice| serde_json::from_str(&choice.value).ok())
                    .collect();
                (!chosen.is_empty() || self.is_required).then_some(Value::Array(chosen))
            }
            Kind::Lines(scalar) => {
                let lines = typed.lines().filter(|line| !line.trim().is_empty());
                let items: Vec<Value> = lines.map(|line| scalar.read(line)).collect::<Result<_, _>>()?;
                (!items.is_empty() || self.is_required).then_some(Value::Array(items))
            }
            Kind::Json if typed.trim().is_empty() => None,
            Kind::Json => Some(serde_json::from_str(typed).map_err(|error| {
                format!(
                    "This is not JSON: the error is in line {}, column {}.",
                    error.line(),
                    error.column()
                )
            })?),
        })
    }
}

impl Scalar {
    fn read(&self, typed: &str) -> Result<Value, String> {
        let Self::Number { is_integer, .. } = self else {
            return Ok(Value::String(typed.to_owned()));
        };
        let typed = typed.trim();
        let number = Number::from_str(typed)
            .ok()
            .filter(|number| !is_integer || is_whole(number));
        number.map(Value::Number).ok_or_else(|| {
            let kind = if *is_integer { "a whole number" } else { "a number" };
            format!("“{typed}” is not {kind}.")
        })
    }
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
            input: "text",
            most: None,
        }),
        values: Vec::new(),
        error: None,
        is_focused: false,
    }
}

fn is_whole(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || number.as_f64().is_some_and(|value| value.fract() == 0.0)
}

/// Takes over what was typed into a form.
pub(super) fn take(rows: &mut [Row], posted: &Posted) {
    all(rows).for_each(|field| field.take(posted));
}

/// All fields, also those of objects within.
pub(super) fn all(rows: &mut [Row]) -> impl Iterator<Item = &mut Field> {
    rows.iter_mut().filter_map(|row| match row {
        Row::Field(field) => Some(&mut **field),
        Row::Open { .. } | Row::Close => None,
    })
}

/// Whether something is wrong with one of the fields.
pub(super) fn has_errors(rows: &[Row]) -> bool {
    let is_wrong = |row: &Row| matches!(row, Row::Field(field) if field.error.is_some());
    rows.iter().any(is_wrong)
}

/// Whether a form makes exactly these arguments.
pub(super) fn keep(rows: &mut [Row], wanted: &Map<String, Value>) -> bool {
    arguments(rows).as_ref() == Some(wanted)
}

/// Fills arguments into a form, those that have a field there.
pub(super) fn show(rows: &mut [Row], arguments: &Map<String, Value>) {
    let whole = Value::Object(arguments.clone());
    for field in all(rows) {
        match whole.pointer(&field.pointer) {
            Some(value) => field.show(value),
            None => field.values.clear(),
        }
    }
}

/// The arguments that a form makes. What is wrong is shown at each field; then there are no arguments.
pub(super) fn arguments(rows: &mut [Row]) -> Option<Map<String, Value>> {
    let mut wrong = Vec::new();
    let (arguments, _) = object(&mut rows.iter(), &mut wrong);
    for field in all(rows) {
        let found = wrong.iter().find(|(id, _)| *id == field.id);
        field.error = found.map(|(_, why)| why.clone());
    }
    wrong.is_empty().then_some(arguments)
}

/// The members up to the end of an object, and whether anything was typed there.
fn object(rows: &mut Iter<'_, Row>, wrong: &mut Vec<(String, String)>) -> (Map<String, Value>, bool) {
    let mut members = Map::new();
    let mut is_touched = false;
    while let Some(row) = rows.next() {
        match row {
            Row::Close => break,
            Row::Field(field) => match field.argument() {
                Ok(Some(value)) => {
                    // An empty list that is sent because it is required was not typed.
                    is_touched |= !value.as_array().is_some_and(Vec::is_empty);
                    members.insert(field.name.clone(), value);
                }
                Ok(None) if field.is_required => {
                    wrong.push((field.id.clone(), "This is required.".to_owned()));
                }
                Ok(None) => {}
                Err(why) => {
                    is_touched = true;
                    wrong.push((field.id.clone(), why));
                }
            },
            Row::Open {
                name, is_required, ..
            } => {
                let mut wrong_inside = Vec::new();
                let (inside, is_touched_inside) = object(rows, &mut wrong_inside);
                is_touched |= is_touched_inside;
                // What an object needs, it needs only when there is one.
                if is_touched_inside || *is_required {
                    wrong.append(&mut wrong_inside);
                    members.insert(name.clone(), Value::Object(inside));
                }
            }
        }
    }
    (members, is_touched)
}

#[cfg(test)]
mod tests;
