//! Audit events: who changed what, from where. Never a secret value.

pub mod chain;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

use self::chain::{Proofs, Seal};
use crate::{
    Timestamp,
    id::{AccountId, ApiKeyId, EventId, ProjectId, UserId},
    words::worded,
};

/// Events that may repeat endlessly are counted in one event for this long, so that a loop cannot flood the trail.
pub const TALLY_WINDOW: Duration = Duration::from_mins(5);

/// One administrative change or security event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its id.
    pub id: EventId,
    /// The project, or `None` for the instance itself.
    pub project_id: Option<ProjectId>,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What happened, like `user_source.updated`.
    pub action: String,
    /// The kind of object, like `user_source`.
    pub object_type: String,
    /// The object's ID.
    pub object_id: String,
    /// The object's name.
    pub object_name: String,
    /// Field by field, old and new; a secret shows only that it changed.
    pub changes: Vec<FieldChange>,
    /// How often: 1, except for events counted within [`TALLY_WINDOW`].
    pub occurrences: u32,
    /// When it last happened; the same as `at` if it happened once.
    pub last_at: Timestamp,
    /// The salts of what can be erased of it. Nothing before an event of an older version was added to the chain.
    pub proofs: Option<Proofs>,
    /// Its place in the chain: nothing in an event that is not written yet, and while occurrences are counted in it.
    pub seal: Option<Seal>,
}

impl AuditEvent {
    /// The parts that were erased.
    pub fn erased(&self) -> Vec<chain::Personal> {
        self.proofs.as_ref().map(Proofs::erased).unwrap_or_default()
    }
}

/// Who acted, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The one who acted.
    pub kind: ActorKind,
    /// The network address, if there is one.
    pub address: Option<String>,
    /// The way in.
    pub origin: Origin,
}

/// The one who acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    /// An API key.
    ApiKey(ApiKeyId),
    /// A signed-in account.
    Account(AccountId),
    /// A user of a gateway, who signed in there.
    User(UserId),
    /// A person who is not signed in.
    Anonymous,
    /// Someone with a shell on the machine.
    Operator,
    /// The program itself.
    System,
}

/// `key_…`, `acc_…`, `usr_…`, `anonymous`, `operator` or `system`: one text for one actor.
impl fmt::Display for ActorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ApiKey(id) => fmt::Display::fmt(id, f),
            Self::Account(id) => fmt::Display::fmt(id, f),
            Self::User(id) => fmt::Display::fmt(id, f),
            Self::Anonymous => f.write_str("anonymous"),
            Self::Operator => f.write_str("operator"),
            Self::System => f.write_str("system"),
        }
    }
}

worded! {
    /// The way in.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    pub enum Origin {
        /// The dashboard.
        Dashboard = "dashboard", "Dashboard";
        /// The REST API.
        Api = "api", "API";
        /// The command line.
        Cli = "cli", "Command line";
        /// A page of a gateway for its users.
        Gateway = "gateway", "Page of the gateway";
        /// The program itself.
        System = "system", "System";
    }
}

/// What happened to one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// The field's name in the API.
    pub field: String,
    /// The value before; absent at creation and for secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<serde_json::Value>,
    /// The value after; absent at deletion and for secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<serde_json::Value>,
}
