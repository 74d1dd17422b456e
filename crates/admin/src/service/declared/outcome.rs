//! What a declaration did, or would do.

use std::collections::HashMap;

use gatewright_domain::{audit::FieldChange, secret::Secret};
use serde_json::Value;

use crate::service::{change::Recorded, effects::Effects};

/// Fields that follow from the moment, by the kind of thing.
const OF_THE_MOMENT: [(&str, &str); 2] = [("user_source", "verified_at"), ("invitation", "expires_at")];
/// A number that sign-ins change between a plan and its change.
const COUNTED: &str = "grants_ended";

/// The result of a declaration: of a rehearsal what it would do, otherwise what it did.
#[derive(Debug)]
pub struct Outcome {
    /// The project.
    pub project: String,
    /// The file that declares it.
    pub file: String,
    /// The steps, in order. Nothing differs if there is none.
    pub steps: Vec<Step>,
    /// What is worth knowing, such as warnings of a provider.
    pub notes: Vec<String>,
    /// Credentials that were created. They cannot be read again.
    pub credentials: Vec<Credential>,
    /// How many projects, User Sources, servers and gateways the file manages that it did not manage before.
    pub adopted: usize,
}

/// One step: a thing that is created, changed or deleted.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is done, as the audit trail calls it, like `updated`.
    pub verb: String,
    /// The kind of thing, as the audit trail calls it, like `user_source`.
    pub kind: &'static str,
    /// What people call it: the slug of a server or gateway, the name of another thing.
    pub name: String,
    /// The fields. Things are named as in files.
    pub fields: Vec<FieldChange>,
    /// Whom it touches, for a step of a plan that ends sessions or changes a URL.
    pub effects: Option<Effects>,
}

/// A credential that was created: the text of a key, the secret of a client, or the link of an invitation.
#[derive(Debug, Clone)]
pub struct Credential {
    /// What it is, like `api_key`.
    pub kind: &'static str,
    /// Whose it is.
    pub name: String,
    /// The ID of that.
    pub id: String,
    /// Its text.
    pub text: Secret,
}

impl PartialEq for Step {
    /// Whether the same happens, to however many people.
    fn eq(&self, other: &Self) -> bool {
        fn fields(step: &Step) -> impl Iterator<Item = &FieldChange> {
            step.fields.iter().filter(|change| change.field != COUNTED)
        }
        (&self.verb, self.kind, &self.name) == (&other.verb, other.kind, &other.name)
            && fields(self).eq(fields(other))
    }
}

impl Step {
    /// A step, from what its event shows. `names` are what people call things, by ID.
    pub(super) fn of(recorded: Recorded, names: &HashMap<String, String>, effects: Option<Effects>) -> Self {
        let kind = recorded.kind;
        let is_shown = |change: &FieldChange| !OF_THE_MOMENT.contains(&(kind, change.field.as_str()));
        let renamed = |change: FieldChange| FieldChange {
            field: change.field,
            before: change.before.map(|value| named(value, names)),
            after: change.after.map(|value| named(value, names)),
        };
        Self {
            verb: recorded.verb,
            kind: recorded.kind,
            name: names.get(&recorded.id).cloned().unwrap_or(recorded.name),
            fields: recorded
                .changes
                .into_iter()
                .filter(is_shown)
                .map(renamed)
                .collect(),
            effects: effects.filter(|effects| effects.ends_sessions || effects.changes_url),
        }
    }

    /// Whether something comes into being.
    pub fn creates(&self) -> bool {
        self.verb == "created"
    }

    /// Whether something goes.
    pub fn removes(&self) -> bool {
        matches!(self.verb.as_str(), "deleted" | "removed" | "revoked")
    }
}

/// A value in which things have names in the place of IDs.
fn named(value: Value, names: &HashMap<String, String>) -> Value {
    match value {
        Value::String(text) => names.get(&text).cloned().unwrap_or(text).into(),
        Value::Array(items) => items.into_iter().map(|item| named(item, names)).collect(),
        Value::Object(fields) => {
            let fields = fields
                .into_iter()
                .map(|(name, value)| (name, named(value, names)));
            Value::Object(fields.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}
